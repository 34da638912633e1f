//! One log a node, for all its groups: votes, entries, truncations, purges and committed marks in one stream of segments.
//!
//! ```text
//! store     what openraft calls, one for each group       queue    what waits for the writer
//! group     what is in memory of one group                writer   drain, write, sync, answer
//! segment   the files                                     recover  what a start finds in them
//! record    what the files are made of                    torn     a write cut short, or damage
//! error, failure  why a start refuses, why writing stops  durable  what was promised, and a mark to find it by
//! ```
//! One write and one `fdatasync` carry everything that was queued meanwhile, whichever group it is of; there are no timers.
//! A vote or an append is answered after the sync that made it durable, in the order it came.
//!
//! **Deletion.** Every segment begins with the votes and marks of all groups, so a segment is needed only for its
//! entries: it goes, oldest first, when each group has durably purged past it.
//!
//! **Full disk.** The next segment is always preallocated. When that fails, [`Log::is_full`] turns true while a whole segment
//! of room is left: the node has to refuse new entries then, as leader and as follower, and the room serves votes,
//! truncations and purges. It turns false by itself when there is space again.
//!
//! **Failure.** After a failed sync nobody knows what is on the disk. [`Log::failed`] resolves, nothing is
//! answered any more, and the process has to stop.

mod durable;
mod error;
mod failure;
mod group;
mod queue;
mod record;
mod recover;
mod segment;
mod store;
mod torn;
mod writer;

pub use durable::{Durable, Expected, Mark, Promised, Short};
pub(crate) use error::CURE;
pub use error::LogError;
pub use store::GroupLog;

use crate::disk::Disk;
use crate::limit::{CACHE_BYTES_MAX, SEGMENT_BYTES, SEGMENT_BYTES_MIN};
use crate::queue::Door;
use crate::types::{Command, NodeId, Types};
use failure::Failure;
use group::Group;
use openraft::EntryPayload;
use openraft::async_runtime::AsyncRuntime;
use openraft::impls::leader_id_std;
use openraft::vote::RaftLeaderId;
use queue::Queue;
use segment::Segment;
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use writer::{Answer, Answers, Writer};

type LeaderId = leader_id_std::LeaderId<u64, NodeId>;
pub(crate) type CommittedLeaderId = <LeaderId as RaftLeaderId>::Committed;
/// Names an entry: its term and its index.
pub type LogId = openraft::LogId<CommittedLeaderId>;
/// A vote, as it is kept.
pub type Vote = openraft::impls::Vote<LeaderId>;
/// An entry, as it is kept.
pub type Entry = openraft::impls::Entry<
    CommittedLeaderId,
    EntryPayload<Command, crate::types::NodeId, crate::types::Member>,
>;

/// Whose log it is, and its sizes.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// The node it belongs to.
    pub node: NodeId,
    /// The cluster that the node is of.
    pub cluster: u128,
    /// Salt of new segments' checksums: random, so that no user's text passes for a record.
    pub salt: u64,
    /// Bytes of a segment.
    pub segment_bytes: u64,
    /// Bytes of recent entries kept in memory for each group.
    pub cache_bytes: usize,
    /// What is known of the log from elsewhere.
    pub expected: Option<Expected>,
}

impl LogOptions {
    /// The sizes that a server uses.
    pub fn new(node: NodeId, cluster: u128, salt: u64) -> LogOptions {
        let (segment_bytes, cache_bytes) = (SEGMENT_BYTES, CACHE_BYTES_MAX);
        LogOptions { node, cluster, salt, segment_bytes, cache_bytes, expected: None }
    }
}

/// The log of a node. Clones are handles of the same log.
pub struct Log<R: AsyncRuntime> {
    shared: Arc<Shared<R>>,
}

impl<R: AsyncRuntime> Clone for Log<R> {
    fn clone(&self) -> Self {
        Log { shared: self.shared.clone() }
    }
}

/// What the groups' stores, the readers and the writer share.
pub(crate) struct Shared<R: AsyncRuntime> {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    groups: Mutex<BTreeMap<GroupId, Arc<Mutex<Group>>>>,
    /// Open segments, for reading. The writer adds and removes.
    segments: Mutex<BTreeMap<u32, Segment>>,
    queue: Queue<R>,
    /// The writer, until somebody drives it.
    writer: Mutex<Option<Writer<R>>>,
    /// Written by the writer.
    full: AtomicBool,
    /// Nobody waits for room any more.
    ends: AtomicBool,
    /// Bytes of all records ever written since the start. Written by the writer.
    written_bytes: AtomicU64,
    /// Syncs since the start. Written by the writer.
    syncs: AtomicU64,
    /// Written by the writer, at each sync.
    durable: Mutex<Durable>,
    /// How the log that was found falls short of what was expected.
    short: Option<Short>,
    failure: Failure,
    /// Where the writer leaves its answers, if somebody else gives them.
    answers: OnceLock<Arc<Answers<R>>>,
}

impl<R: AsyncRuntime> Log<R> {
    /// Opens the log in the folder `log` of `disk`, creating it when there is none.
    ///
    /// A last write that was cut short is dropped. What a process wrote but did not sync is kept, and made durable.
    ///
    /// # Errors
    /// [`LogError`], which says what to do. Nothing is changed on the disk when any other byte is not as it was written.
    pub async fn open(disk: Arc<dyn Disk>, options: LogOptions) -> Result<Log<R>, LogError> {
        assert!(options.segment_bytes >= SEGMENT_BYTES_MIN && options.segment_bytes <= SEGMENT_BYTES);
        let found = recover::recover(&*disk, &options).await?;
        let groups = found.groups.into_iter().map(|(id, group)| (id, Arc::new(Mutex::new(group))));
        let shared = Arc::new(Shared {
            disk,
            options,
            groups: Mutex::new(groups.collect()),
            segments: Mutex::new(found.segments),
            queue: Queue::new(),
            writer: Mutex::new(None),
            full: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            written_bytes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
            durable: Mutex::default(),
            short: found.short,
            failure: Failure::default(),
            answers: OnceLock::new(),
        });
        let writer = Writer::open(shared.clone(), found.tail).await?;
        *lock(&shared.writer) = Some(writer);
        Ok(Log { shared })
    }

    /// The store of one group, for openraft. The same log each time.
    pub fn group(&self, group: GroupId) -> GroupLog<R> {
        GroupLog::new(self.shared.clone(), group)
    }

    /// What writes the log: to be driven by one task or thread, until [`Log::close`]. Blocks in the disk's calls.
    ///
    /// # Panics
    /// When it is asked for twice.
    pub fn writer(&self) -> impl Future<Output = ()> + Send + 'static {
        let writer = lock(&self.shared.writer).take().expect("a log has one writer");
        writer.run()
    }

    /// Wakes the writer through `door`, and leaves its answers to the future that is returned: whoever drives that on the thread of
    /// those who are answered spares each of them a wake from another thread.
    ///
    /// # Panics
    /// When it is called twice.
    pub(crate) fn answers(&self, door: &Door) -> impl Future<Output = ()> + Send + 'static {
        self.shared.queue.wake_by(door);
        let answers = Arc::new(Answers::new());
        assert!(self.shared.answers.set(Arc::clone(&answers)).is_ok(), "answers are given once");
        async move {
            while let Some(answers) = answers.next().await {
                answers.into_iter().for_each(Answer::give);
            }
        }
    }

    /// What finds no room on the disk from now on is refused, and nobody waits for that: groups that stop would wait for ever.
    pub fn wait_no_more(&self) {
        self.shared.ends.store(true, Ordering::Release);
    }

    /// Whether nobody waits for room, and there is none.
    pub(crate) fn gave_up(&self) -> bool {
        self.shared.ends.load(Ordering::Acquire) && self.is_full()
    }

    /// Lets the writer end, after it has written and answered everything queued.
    pub fn close(&self) {
        self.shared.queue.close();
    }

    /// Whether there is no room for another segment: new entries have to be refused, also those of a leader.
    pub fn is_full(&self) -> bool {
        self.shared.full.load(Ordering::Acquire)
    }

    /// Resolves when the log cannot be written any more, with the reason. The process has to stop.
    pub fn failed(&self) -> impl Future<Output = String> + Send + 'static {
        let shared = self.shared.clone();
        async move { shared.failure.wait().await }
    }

    /// A snapshot of the group holds the entries up to index `upto`. Counts [`Log::bytes_since_snapshot`] from there.
    pub fn snapshot_taken(&self, group: GroupId, upto: u64) {
        lock(&self.shared.group(group)).snapshot(upto);
    }

    /// Bytes of the group's entries in the log that no snapshot holds.
    pub fn bytes_since_snapshot(&self, group: GroupId) -> u64 {
        lock(&self.shared.group(group)).log_bytes()
    }

    /// Index of the group's last entry that lies before the newest `segments` segments. Those older segments can be deleted once
    /// every group has purged up to there.
    pub fn last_before(&self, group: GroupId, segments: u32) -> Option<u64> {
        let newest = *lock(&self.shared.segments).keys().next_back()?;
        lock(&self.shared.group(group)).last_before(newest.saturating_sub(segments) + 1)
    }

    /// Bytes of the log on disk: its segments, and the one in reserve.
    pub fn disk_bytes(&self) -> u64 {
        (lock(&self.shared.segments).len() as u64 + 1) * self.shared.options.segment_bytes
    }

    /// What was acknowledged so far, all of it durable.
    pub fn durable(&self) -> Durable {
        lock(&self.shared.durable).clone()
    }

    /// How the log falls short of what the start [expected](LogOptions::expected) to find.
    pub fn short(&self) -> Option<&Short> {
        self.shared.short.as_ref()
    }

    /// Bytes of records written since the start.
    pub fn written_bytes(&self) -> u64 {
        self.shared.written_bytes.load(Ordering::Relaxed)
    }

    /// Syncs since the start.
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }
}

impl<R: AsyncRuntime> Shared<R> {
    fn group(&self, id: GroupId) -> Arc<Mutex<Group>> {
        lock(&self.groups).entry(id).or_default().clone()
    }
}

/// Locks; whoever panicked while holding it has stopped the process already, or was a test.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
