//! What waits for the writer.

use super::{Entry, LogId, Types, Vote};
use crate::queue::{Door, Waker};
use futures_util::task::AtomicWaker;
use openraft::async_runtime::{AsyncRuntime, Oneshot};
use openraft::storage::IOFlushed;
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;

/// Takes the answer of one write.
pub(super) type Done<R> = <<R as AsyncRuntime>::Oneshot as Oneshot>::Sender<io::Result<()>>;

/// A change of a group's log, in the order openraft asked for it.
pub(super) enum Change<R: AsyncRuntime> {
    Vote { group: GroupId, vote: Vote, done: Done<R> },
    Append { group: GroupId, append: u64, entries: Vec<Entry>, done: IOFlushed<Types<R>> },
    Truncate { group: GroupId, after: Option<LogId> },
    Purge { group: GroupId, upto: LogId },
}

/// All that is queued, taken out at once.
pub(super) struct Work<R: AsyncRuntime> {
    pub(super) changes: Vec<Change<R>>,
    /// The newest committed mark of each group.
    pub(super) committed: BTreeMap<GroupId, LogId>,
    /// Nothing more will come.
    pub(super) closed: bool,
}

impl<R: AsyncRuntime> Default for Work<R> {
    fn default() -> Self {
        Work { changes: Vec::new(), committed: BTreeMap::new(), closed: false }
    }
}

impl<R: AsyncRuntime> Work<R> {
    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.committed.is_empty() && !self.closed
    }
}

/// The queue. Not bounded here: what is in flight is bounded where it is proposed, and by openraft's replication.
pub(super) struct Queue<R: AsyncRuntime> {
    work: Mutex<Work<R>>,
    writer: Arc<AtomicWaker>,
    /// How the writer is woken, unless at once.
    ring: OnceLock<Waker>,
}

impl<R: AsyncRuntime> Queue<R> {
    pub(super) fn new() -> Queue<R> {
        Queue { work: Mutex::new(Work::default()), writer: Arc::default(), ring: OnceLock::new() }
    }

    /// From now on the writer is woken through `door`.
    pub(super) fn wake_by(&self, door: &Door) {
        let writer = Arc::clone(&self.writer);
        assert!(self.ring.set(door(Box::new(move || writer.wake()))).is_ok(), "a log has one door");
    }

    fn wake(&self) {
        match self.ring.get() {
            Some(ring) => ring(),
            None => self.writer.wake(),
        }
    }

    pub(super) fn push(&self, change: Change<R>) {
        let mut work = self.lock();
        // After the end nobody is answered: what is dropped here says so to who waits.
        if !work.closed {
            work.changes.push(change);
            drop(work);
            self.wake();
        }
    }

    pub(super) fn commit(&self, group: GroupId, upto: LogId) {
        self.lock().committed.insert(group, upto);
        self.wake();
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.writer.wake();
    }

    /// All that is queued, as soon as there is anything.
    pub(super) async fn take(&self) -> Work<R> {
        poll_fn(|context| {
            self.writer.register(context.waker());
            let mut work = self.lock();
            if work.is_empty() {
                return Poll::Pending;
            }
            let closed = work.closed;
            let taken = std::mem::take(&mut *work);
            work.closed = closed;
            Poll::Ready(taken)
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, Work<R>> {
        // A panic elsewhere never leaves a queue half changed.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
