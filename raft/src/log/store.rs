//! What openraft calls: one store for each group.

use super::group::Found;
use super::queue::Change;
use super::segment::Place;
use super::{Entry, LeaderId, LogId, Shared, Vote, lock, record};
use crate::limit::READ_BYTES_MAX;
use crate::types::Types;
use futures_util::stream::{self, Stream, TryStreamExt};
use openraft::async_runtime::{AsyncRuntime, Oneshot};
use openraft::errors::LeaderChanged;
use openraft::storage::{
    IOFlushed, LeaderBoundedStreamError, LeaderBoundedStreamResult, LogState, RaftLogStorage,
};
use openraft::type_config::alias::LeaderIdOf;
use openraft::{OptionalSend, RaftLogReader};
use sluice_engine::id::GroupId;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::{Arc, Mutex};

/// The log of one group. Clones are readers and writers of the same log.
pub struct GroupLog<R: AsyncRuntime> {
    shared: Arc<Shared<R>>,
    id: GroupId,
    group: Arc<Mutex<super::Group>>,
}

impl<R: AsyncRuntime> Clone for GroupLog<R> {
    fn clone(&self) -> Self {
        GroupLog { shared: self.shared.clone(), id: self.id, group: self.group.clone() }
    }
}

impl<R: AsyncRuntime> GroupLog<R> {
    pub(super) fn new(shared: Arc<Shared<R>>, id: GroupId) -> GroupLog<R> {
        let group = shared.group(id);
        GroupLog { shared, id, group }
    }

    /// The entries of `range` that the log has, oldest first, up to about `bytes` bytes, but at least one.
    async fn read(&self, range: Range<u64>, bytes: usize) -> io::Result<Vec<Entry>> {
        let found = lock(&self.group).find(range, bytes);
        let mut entries = Vec::with_capacity(found.len());
        let mut places = Vec::new();
        for one in found {
            match one {
                Found::There(place) => places.push(place),
                Found::Here(entry) => {
                    self.fetch(&mut places, &mut entries).await?;
                    entries.push(entry);
                }
            }
        }
        self.fetch(&mut places, &mut entries).await?;
        Ok(entries)
    }

    /// The first entries of `range`, and where to go on; None at the end.
    async fn piece(self, range: Range<u64>) -> io::Result<Option<(Vec<Entry>, (Self, Range<u64>))>> {
        let entries = self.read(range.clone(), READ_BYTES_MAX).await?;
        let after = entries.last().map(|last| last.log_id.index + 1);
        Ok(after.map(|start| (entries, (self, start..range.end))))
    }

    /// The same, as long as `leader` leads.
    async fn led_piece(
        self,
        leader: LeaderId,
        range: Range<u64>,
    ) -> Result<Option<(Vec<Entry>, (Self, Range<u64>))>, LeaderBoundedStreamError<Types<R>>> {
        self.check_leader(leader)?;
        let log = self.clone();
        let piece = self.piece(range).await?;
        // Another leader may have truncated meanwhile.
        log.check_leader(leader)?;
        Ok(piece)
    }

    fn check_leader(&self, leader: LeaderId) -> Result<(), LeaderChanged<Types<R>>> {
        let vote = lock(&self.group).vote;
        match vote {
            Some(vote) if vote.leader_id() == &leader && vote.is_committed() => Ok(()),
            _ => Err(LeaderChanged::new(leader, vote)),
        }
    }

    /// Reads the records at `places` into `entries`: neighbours in one go, with what lies between them.
    async fn fetch(&self, places: &mut Vec<Place>, entries: &mut Vec<Entry>) -> io::Result<()> {
        let mut rest = places.as_slice();
        while let Some(first) = rest.first() {
            let ends = |place: &Place| (place.offset + place.bytes - first.offset) as usize;
            let near = |place: &&Place| place.segment == first.segment && ends(place) <= READ_BYTES_MAX;
            let count = rest.iter().take_while(near).count().max(1);
            let (run, later) = rest.split_at(count);
            self.fetch_run(run, entries).await?;
            rest = later;
        }
        places.clear();
        Ok(())
    }

    async fn fetch_run(&self, run: &[Place], entries: &mut Vec<Entry>) -> io::Result<()> {
        let ([first, ..], [.., last]) = (run, run) else { return Ok(()) };
        let segment = lock(&self.shared.segments).get(&first.segment).cloned();
        let segment =
            segment.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the entries were purged"))?;
        let mut bytes = vec![0; (last.offset + last.bytes - first.offset) as usize];
        segment.file.read_at(&mut bytes, u64::from(first.offset)).await?;
        for place in run {
            let at = (place.offset - first.offset) as usize;
            let record = record::read(&bytes[at..], segment.salt).ok();
            let entry = record.and_then(|record| record::entry(record.body));
            entries.push(entry.ok_or_else(|| self.damaged(place))?);
        }
        Ok(())
    }

    /// Bytes that were good when they were written are not any more: no other byte of this disk can be trusted.
    fn damaged(&self, place: &Place) -> io::Error {
        let error = super::LogError::Corrupt {
            file: super::segment::path(place.segment),
            offset: u64::from(place.offset),
            what: "an entry is not what was written",
        };
        self.shared.failure.set(error.to_string());
        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
    }
}

fn span(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

impl<R: AsyncRuntime> RaftLogReader<Types<R>> for GroupLog<R> {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.read(span(&range), usize::MAX).await
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(lock(&self.group).vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.read(start..end, READ_BYTES_MAX).await
    }

    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let start = (self.clone(), span(&range));
        let pieces = stream::try_unfold(start, |(log, rest)| log.piece(rest));
        pieces.map_ok(|entries| stream::iter(entries.into_iter().map(Ok))).try_flatten()
    }

    async fn leader_bounded_stream<RB>(
        &mut self,
        leader: LeaderIdOf<Types<R>>,
        range: RB,
    ) -> impl Stream<Item = LeaderBoundedStreamResult<Types<R>>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let start = (self.clone(), span(&range));
        let pieces = stream::try_unfold(start, move |(log, rest)| log.led_piece(leader, rest));
        pieces.map_ok(|entries| stream::iter(entries.into_iter().map(Ok))).try_flatten()
    }
}

impl<R: AsyncRuntime> RaftLogStorage<Types<R>> for GroupLog<R> {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types<R>>> {
        let group = lock(&self.group);
        Ok(LogState { last_purged_log_id: group.purged, last_log_id: group.last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        let (done, answer) = R::Oneshot::channel();
        self.shared.queue.push(Change::Vote { group: self.id, vote: *vote, done });
        answer.await.map_err(|_| io::Error::other("the log was closed"))?
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> io::Result<()> {
        if let Some(upto) = committed {
            lock(&self.group).committed = committed;
            self.shared.queue.commit(self.id, upto);
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogId>> {
        Ok(lock(&self.group).committed)
    }

    async fn append<I>(&mut self, entries: I, done: IOFlushed<Types<R>>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        // Queued under the group's lock: the writer sees appends and truncations in the order memory saw them.
        let mut group = lock(&self.group);
        let append = group.append(&entries)?;
        self.shared.queue.push(Change::Append { group: self.id, append, entries, done });
        Ok(())
    }

    async fn truncate_after(&mut self, after: Option<LogId>) -> io::Result<()> {
        let mut group = lock(&self.group);
        group.truncate(after);
        self.shared.queue.push(Change::Truncate { group: self.id, after });
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> io::Result<()> {
        let mut group = lock(&self.group);
        group.purge(upto);
        self.shared.queue.push(Change::Purge { group: self.id, upto });
        Ok(())
    }
}
