//! The writer: drains what is queued, writes it at once, syncs, and answers in order.

use super::durable::Promising;
use super::error::LogError;
use super::group::{Group, next};
use super::queue::{Change, Done, Work};
use super::record::{self, Kind};
use super::segment::{self, HEAD, Head, Place, SEAL_BYTES, Segment};
use super::{LogId, Shared, Types, Vote, lock};
use crate::limit::{FLUSH_BYTES_MAX, FULL_RETRY_MS};
use openraft::async_runtime::{AsyncRuntime, OneshotSender};
use openraft::storage::IOFlushed;
use serde::Serialize;
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a segment begins with, for each group: all of its log that is not an entry.
#[derive(Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) vote: Option<Vote>,
    pub(super) purged: Option<LogId>,
    pub(super) committed: Option<LogId>,
}

/// Where a start found the log to end.
pub(super) struct Tail {
    pub(super) marks: BTreeMap<GroupId, Marks>,
    /// The last segment and the bytes of it that are taken. None in an empty folder.
    pub(super) last: Option<(Segment, u64)>,
    /// The segment before, when the crash came between its successor's birth and its seal.
    pub(super) unsealed: Option<(Segment, u64)>,
    /// Groups whose entries are there and count for nothing.
    pub(super) forgotten: Vec<GroupId>,
    /// What the log holds already is promised.
    pub(super) promising: Promising,
}

/// What follows in memory from a write.
enum Step {
    Placed { group: GroupId, index: u64, place: Place },
    Wrote { group: GroupId, append: u64 },
    Truncated { group: GroupId, after: Option<LogId> },
    Purged { group: GroupId, upto: LogId },
}

/// What is answered after a sync.
pub(super) enum Answer<R: AsyncRuntime> {
    Vote { group: GroupId, vote: Vote, done: Done<R> },
    Append { done: IOFlushed<Types<R>> },
}

/// Answers of one sync after the other, on their way to another thread.
pub(super) type Answers<R> = crate::queue::Queue<Vec<Answer<R>>>;

impl<R: AsyncRuntime> Answer<R> {
    pub(super) fn give(self) {
        match self {
            // The group may have stopped meanwhile.
            Answer::Vote { done, .. } => drop(done.send(Ok(()))),
            Answer::Append { done } => done.io_completed(Ok(())),
        }
    }

    fn refuse(self, reason: &str) {
        let refused = Err(io::Error::other(reason));
        match self {
            // Nobody waits for a vote any more when its group has stopped.
            Answer::Vote { done, .. } => drop(done.send(refused)),
            Answer::Append { done } => done.io_completed(refused),
        }
    }
}

/// The only one who writes the log.
pub(super) struct Writer<R: AsyncRuntime> {
    shared: Arc<Shared<R>>,
    /// The groups, so that no lock is taken to find one.
    groups: BTreeMap<GroupId, Arc<Mutex<Group>>>,
    marks: BTreeMap<GroupId, Marks>,
    active: Segment,
    /// Bytes of the active segment that are written, and that are durable.
    written: u64,
    synced: u64,
    /// None when there was no room for it.
    spare: Option<Arc<dyn crate::disk::File>>,
    /// Records that follow at `written`.
    buffer: Vec<u8>,
    /// Whether somebody waits for the buffer to be durable.
    wants_sync: bool,
    /// Whether a purge may have freed segments.
    wants_reclaim: bool,
    steps: Vec<Step>,
    answers: Vec<Answer<R>>,
    promising: Promising,
}

impl<R: AsyncRuntime> Writer<R> {
    /// Makes durable what the start found, and begins a segment if there is none.
    pub(super) async fn open(shared: Arc<Shared<R>>, tail: Tail) -> Result<Writer<R>, LogError> {
        Self::begin(shared, tail).await.map_err(LogError::io("cannot write the log"))
    }

    async fn begin(shared: Arc<Shared<R>>, tail: Tail) -> io::Result<Writer<R>> {
        if let Some((segment, end)) = tail.unsealed {
            seal(&segment, end).await?;
        }
        let (active, written) = match tail.last {
            Some(last) => last,
            None => {
                let bytes = shared.options.segment_bytes;
                let spare = segment::reserve(&*shared.disk, bytes).await?;
                let first = segment::install(&*shared.disk, spare, Head::new(1, &shared.options)).await?;
                lock(&shared.segments).insert(first.number, first.clone());
                (first, HEAD as u64)
            }
        };
        // What an earlier process wrote but did not sync was found all the same: from here on it has to stay.
        active.file.sync().await?;
        let mut writer = Writer {
            shared,
            groups: BTreeMap::new(),
            marks: tail.marks,
            active,
            written,
            synced: written,
            spare: None,
            buffer: Vec::new(),
            wants_sync: false,
            wants_reclaim: true,
            steps: Vec::new(),
            answers: Vec::new(),
            promising: tail.promising,
        };
        writer.refill().await?;
        writer.resume(&tail.forgotten)?;
        if !writer.has_room() {
            writer.buffer.clear();
            writer.roll().await?;
            writer.buffer.clear();
            writer.resume(&tail.forgotten)?;
        }
        writer.flush().await?;
        writer.reclaim().await?;
        Ok(writer)
    }

    /// What a start writes first.
    fn resume(&mut self, forgotten: &[GroupId]) -> io::Result<()> {
        self.encode(Kind::Opened, GroupId(0), &())?;
        for group in forgotten {
            self.encode(Kind::Truncate, *group, &None::<LogId>)?;
        }
        // The segment's own may have been cut off.
        self.checkpoint()
    }

    /// Writes until the log is closed. After a failure it refuses until then.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.serve().await {
            let reason = format!(
                "cannot write {}: {error}; check the disk, then start this node again",
                segment::path(self.active.number)
            );
            // One that ends for want of room has not failed.
            if !self.ends_full(&error) {
                self.shared.failure.set(reason.clone());
            }
            self.refuse(&reason).await;
        }
    }

    async fn serve(&mut self) -> io::Result<()> {
        loop {
            let work = self.next().await?;
            for change in work.changes {
                self.take(change).await?;
                if self.buffer.len() >= FLUSH_BYTES_MAX {
                    self.flush().await?;
                }
            }
            for (group, upto) in work.committed {
                self.commit(group, upto).await?;
            }
            self.flush().await?;
            self.reclaim().await?;
            if work.closed {
                return Ok(());
            }
        }
    }

    /// Waits for work. While there is no spare segment it tries again and again to get one.
    async fn next(&mut self) -> io::Result<Work<R>> {
        loop {
            self.refill().await?;
            let shared = self.shared.clone();
            if self.spare.is_some() {
                return Ok(shared.queue.take().await);
            }
            let pause = R::sleep(Duration::from_millis(FULL_RETRY_MS));
            if let openraft::async_runtime::Select2::First(work) =
                R::select2(shared.queue.take(), pause).await
            {
                return Ok(work);
            }
        }
    }

    async fn take(&mut self, change: Change<R>) -> io::Result<()> {
        self.wants_sync = true;
        match change {
            Change::Vote { group, vote, done } => {
                self.record(Kind::Vote, group, &vote).await?;
                self.promising.change(group, |promised| promised.term = vote.leader_id().term);
                self.marks.entry(group).or_default().vote = Some(vote);
                self.answers.push(Answer::Vote { group, vote, done });
            }
            Change::Append { group, append, entries, done } => {
                let last = entries.last().map(|entry| entry.log_id);
                for entry in entries {
                    let place = self.record(Kind::Entry, group, &entry).await?;
                    self.steps.push(Step::Placed { group, index: entry.log_id.index, place });
                }
                self.promising.change(group, |promised| {
                    if let Some(last) = last {
                        promised.append(last);
                    }
                });
                self.steps.push(Step::Wrote { group, append });
                self.answers.push(Answer::Append { done });
            }
            Change::Truncate { group, after } => {
                self.record(Kind::Truncate, group, &after).await?;
                let purged = self.marks.get(&group).and_then(|marks| marks.purged);
                self.promising.change(group, |promised| match after {
                    Some(_) if next(after) < next(promised.last) => promised.truncate(after.max(purged)),
                    Some(_) => {}
                    None => (promised.last, promised.excused) = (purged, None),
                });
                self.steps.push(Step::Truncated { group, after });
            }
            Change::Purge { group, upto } => {
                self.record(Kind::Purge, group, &Some(upto)).await?;
                self.promising.change(group, |promised| {
                    if next(promised.last) <= upto.index {
                        promised.last = Some(upto);
                    }
                });
                self.steps.push(Step::Purged { group, upto });
                let marks = self.marks.entry(group).or_default();
                marks.purged = marks.purged.max(Some(upto));
                self.wants_reclaim = true;
            }
        }
        Ok(())
    }

    /// Marks are not worth a sync of their own.
    async fn commit(&mut self, group: GroupId, upto: LogId) -> io::Result<()> {
        if self.marks.get(&group).and_then(|marks| marks.committed) < Some(upto) {
            self.record(Kind::Committed, group, &Some(upto)).await?;
            self.marks.entry(group).or_default().committed = Some(upto);
        }
        Ok(())
    }

    /// Puts a record into the buffer, in a new segment if it does not fit in this one.
    async fn record<T: Serialize>(&mut self, kind: Kind, group: GroupId, content: &T) -> io::Result<Place> {
        let start = self.buffer.len();
        let bytes = self.encode(kind, group, content)?;
        if self.has_room() {
            return Ok(self.place(start, bytes));
        }
        self.buffer.truncate(start);
        let waits = self.wants_sync;
        self.flush().await?;
        self.roll().await?;
        self.wants_sync |= waits;
        let start = self.buffer.len();
        let bytes = self.encode(kind, group, content)?;
        if !self.has_room() {
            let text = format!("a record of {bytes} bytes does not fit in a segment");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(self.place(start, bytes))
    }

    fn encode<T: Serialize>(&mut self, kind: Kind, group: GroupId, content: &T) -> io::Result<usize> {
        record::write(&mut self.buffer, kind, group, self.synced as u32, self.active.salt, content)
    }

    fn has_room(&self) -> bool {
        self.written + self.buffer.len() as u64 + SEAL_BYTES <= self.active.bytes
    }

    fn place(&self, start: usize, bytes: usize) -> Place {
        let offset = self.written as u32 + start as u32;
        Place { segment: self.active.number, offset, bytes: bytes as u32 }
    }

    /// Writes the buffer, syncs if somebody waits for it, and answers.
    async fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.write().await?;
        }
        for step in std::mem::take(&mut self.steps) {
            self.step(step);
        }
        if self.wants_sync {
            self.sync().await?;
            self.wants_sync = false;
        }
        self.answer();
        Ok(())
    }

    async fn write(&mut self) -> io::Result<()> {
        // The room is reserved, but some file systems need more of it to write what is there already.
        while let Err(error) = self.active.file.write_at(&self.buffer, self.written).await {
            if error.kind() != io::ErrorKind::StorageFull {
                return Err(error);
            }
            self.shared.full.store(true, Ordering::Release);
            if self.ends_full(&error) {
                return Err(error);
            }
            R::sleep(Duration::from_millis(FULL_RETRY_MS)).await;
        }
        self.written += self.buffer.len() as u64;
        self.promising.wrote(&self.buffer);
        self.shared.written_bytes.fetch_add(self.buffer.len() as u64, Ordering::Relaxed);
        self.buffer.clear();
        self.buffer.shrink_to(FLUSH_BYTES_MAX);
        self.shared.full.store(self.spare.is_none(), Ordering::Release);
        Ok(())
    }

    /// Whether there is no room, and nobody waits for any.
    fn ends_full(&self, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::StorageFull && self.shared.ends.load(Ordering::Acquire)
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.active.file.sync().await?;
        self.synced = self.written;
        let (number, salt) = (self.active.number, self.active.salt);
        self.promising.synced(number, salt, self.synced, &self.shared.durable);
        self.shared.syncs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn step(&mut self, step: Step) {
        let cache_bytes = self.shared.options.cache_bytes;
        match step {
            Step::Placed { group, index, place } => lock(self.group(group)).placed(index, place),
            Step::Wrote { group, append } => lock(self.group(group)).wrote(append, cache_bytes),
            Step::Truncated { group, after } => lock(self.group(group)).truncated(after),
            Step::Purged { group, upto } => lock(self.group(group)).purged(upto),
        }
    }

    fn answer(&mut self) {
        let answers = std::mem::take(&mut self.answers);
        for answer in &answers {
            if let Answer::Vote { group, vote, .. } = answer {
                lock(self.group(*group)).vote = Some(*vote);
            }
        }
        match self.shared.answers.get() {
            Some(elsewhere) if !answers.is_empty() => elsewhere.push(answers),
            _ => answers.into_iter().for_each(Answer::give),
        }
    }

    fn group(&mut self, id: GroupId) -> &Arc<Mutex<Group>> {
        let shared = &self.shared;
        self.groups.entry(id).or_insert_with(|| shared.group(id))
    }

    /// Goes on in the spare. The order of its steps is what a start relies on: the new segment is there before the old
    /// one is sealed, and the old one is sealed before anything stands in the new one.
    async fn roll(&mut self) -> io::Result<()> {
        if self.synced < self.written {
            self.sync().await?;
        }
        while self.spare.is_none() {
            self.refill().await?;
            if self.spare.is_none() {
                let full = io::Error::from(io::ErrorKind::StorageFull);
                if self.ends_full(&full) {
                    return Err(full);
                }
                R::sleep(Duration::from_millis(FULL_RETRY_MS)).await;
            }
        }
        let Some(spare) = self.spare.take() else { return Ok(()) };
        let head = Head::new(self.active.number + 1, &self.shared.options);
        let new = segment::install(&*self.shared.disk, spare, head).await?;
        seal(&self.active, self.written).await?;
        lock(&self.shared.segments).insert(new.number, new.clone());
        self.active = new;
        self.promising.next_segment();
        self.written = HEAD as u64;
        self.synced = HEAD as u64;
        self.checkpoint()?;
        self.refill().await
    }

    /// Begins a segment with all that is not an entry, so that older segments are needed for entries only.
    fn checkpoint(&mut self) -> io::Result<()> {
        for (group, marks) in self.marks.clone() {
            if let Some(vote) = marks.vote {
                self.encode(Kind::Vote, group, &vote)?;
            }
            if marks.purged.is_some() {
                self.encode(Kind::Purge, group, &marks.purged)?;
            }
            if marks.committed.is_some() {
                self.encode(Kind::Committed, group, &marks.committed)?;
            }
        }
        self.wants_sync = true;
        Ok(())
    }

    /// Gets a spare segment if there is none and there is room.
    async fn refill(&mut self) -> io::Result<()> {
        if self.spare.is_none() {
            match segment::reserve(&*self.shared.disk, self.shared.options.segment_bytes).await {
                Ok(spare) => self.spare = Some(spare),
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
                Err(error) => return Err(error),
            }
            self.shared.full.store(self.spare.is_none(), Ordering::Release);
        }
        Ok(())
    }

    /// Deletes the segments that no group needs. The purges that free them are durable.
    async fn reclaim(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.wants_reclaim) {
            return Ok(());
        }
        let groups: Vec<_> = lock(&self.shared.groups).values().cloned().collect();
        let needed = groups.iter().filter_map(|group| lock(group).oldest_segment()).min();
        let needed = needed.unwrap_or(self.active.number);
        loop {
            let oldest = lock(&self.shared.segments).keys().next().copied();
            let Some(oldest) = oldest.filter(|oldest| *oldest < needed.min(self.active.number)) else {
                return Ok(());
            };
            lock(&self.shared.segments).remove(&oldest);
            self.shared.disk.remove(&segment::path(oldest)).await?;
            // One by one, so that a crash never leaves a gap.
            self.shared.disk.sync_folder(segment::FOLDER).await?;
        }
    }

    async fn refuse(&mut self, reason: &str) {
        for answer in std::mem::take(&mut self.answers) {
            answer.refuse(reason);
        }
        loop {
            let work = self.shared.queue.take().await;
            for change in work.changes {
                match change {
                    Change::Vote { group, vote, done } => {
                        Answer::<R>::Vote { group, vote, done }.refuse(reason)
                    }
                    Change::Append { done, .. } => Answer::<R>::Append { done }.refuse(reason),
                    Change::Truncate { .. } | Change::Purge { .. } => {}
                }
            }
            if work.closed {
                return;
            }
        }
    }
}

async fn seal(segment: &Segment, end: u64) -> io::Result<()> {
    let mut record = Vec::new();
    record::write(&mut record, Kind::Seal, GroupId(0), end as u32, segment.salt, &())?;
    segment.file.write_at(&record, end).await?;
    segment.file.sync().await
}

/// The marks of a group as a start found them.
pub(super) fn marks(group: &Group) -> Marks {
    debug_assert!(next(group.purged) <= next(group.last));
    Marks { vote: group.vote, purged: group.purged, committed: group.committed }
}
