//! Messages that clients publish, on their way between nodes: told once to whoever can be told at that moment, never kept.

use bytes::Bytes;
use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use super::limit::{PUBLISHED_BYTES_MAX, RETRY_MS};
use super::{Inner, Node};
use crate::peer::Cast;
use crate::peer::limit::CAST_BYTES_MAX;
use crate::queue::Queue;
use crate::types::{Member, NodeId};

/// Takes messages of other nodes, on the node's own thread: it must not block.
pub type Intake = Box<dyn Fn(&[u8]) + Send + Sync>;

/// What this node's clients published and other nodes were not told yet, and who takes what others' clients published.
pub(super) struct Published {
    queue: Queue<Bytes>,
    /// Bytes in the queue.
    bytes: AtomicUsize,
    intake: OnceLock<Intake>,
}

impl Published {
    pub(super) fn new() -> Arc<Published> {
        Arc::new(Published { queue: Queue::new(), bytes: AtomicUsize::new(0), intake: OnceLock::new() })
    }

    /// Whether there was room for it.
    fn push(&self, bytes: Bytes) -> bool {
        let len = bytes.len();
        let waiting = self.bytes.fetch_add(len, Ordering::AcqRel);
        if len > CAST_BYTES_MAX || waiting + len > PUBLISHED_BYTES_MAX {
            self.bytes.fetch_sub(len, Ordering::AcqRel);
            return false;
        }
        self.queue.push(bytes);
        true
    }

    async fn next(&self) -> Option<Bytes> {
        let bytes = self.queue.next().await?;
        self.bytes.fetch_sub(bytes.len(), Ordering::AcqRel);
        Some(bytes)
    }

    /// Messages of another node came; they are lost where nobody takes them yet.
    pub(super) fn take_in(&self, bytes: &[u8]) {
        if let Some(intake) = self.intake.get() {
            intake(bytes);
        }
    }

    /// The node stops.
    pub(super) fn close(&self) {
        self.queue.close();
    }
}

impl<R: AsyncRuntime> Node<R> {
    /// Tells all other nodes what clients of this one published; opaque here, at most
    /// [`CAST_BYTES_MAX`]. At most once, and in order; from any thread, without waiting. False where it was dropped,
    /// because too much waits to be told.
    #[must_use]
    pub fn publish(&self, messages: Vec<u8>) -> bool {
        self.inner.published.push(messages.into())
    }

    /// From now on `intake` is given what clients of other nodes publish. Set once.
    pub fn set_intake(&self, intake: Intake) {
        let is_first = self.inner.published.intake.set(intake).is_ok();
        assert!(is_first, "a node's messages have one taker");
    }

    /// Waits until the node has found in its log who the members are; whether there are others.
    pub(super) async fn finds_others(&self) -> bool {
        while self.inner.groups.iter().any(|group| group.raft.get().is_none()) {
            if self.has_others() || self.failed().is_some() {
                break;
            }
            R::sleep(Duration::from_millis(RETRY_MS)).await;
        }
        self.has_others()
    }

    /// Whether there are other nodes, with a vote or without.
    #[must_use]
    pub fn has_others(&self) -> bool {
        !self.inner.all_others().is_empty()
    }
}

impl<R: AsyncRuntime> Inner<R> {
    /// All other nodes of any group: one that is being added is in some of them before it is in all.
    fn all_others(&self) -> BTreeMap<NodeId, Member> {
        let mut others = BTreeMap::new();
        for raft in self.groups.iter().filter_map(|group| group.raft.get()) {
            let metrics = raft.server_metrics();
            let metrics = metrics.borrow_watched();
            for (id, member) in metrics.membership_config.membership().nodes() {
                if *id != self.identity.node && !others.contains_key(id) {
                    others.insert(*id, member.clone());
                }
            }
        }
        others
    }
}

/// Tells the other nodes what is published, until the node stops.
pub(super) async fn tell_others<R: AsyncRuntime>(inner: Weak<Inner<R>>, published: Arc<Published>) {
    while let Some(bytes) = published.next().await {
        let Some(inner) = inner.upgrade() else { return };
        for (id, member) in inner.all_others() {
            inner.transport.cast(id, &member, Cast::Publish { bytes: bytes.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CAST_BYTES_MAX, PUBLISHED_BYTES_MAX, Published};

    #[test]
    fn what_waits_to_be_told_is_bounded() {
        let published = Published::new();
        assert!(!published.push(vec![0; CAST_BYTES_MAX + 1].into()), "more than a cast holds");
        for _ in 0..PUBLISHED_BYTES_MAX / CAST_BYTES_MAX {
            assert!(published.push(vec![0; CAST_BYTES_MAX].into()));
        }
        assert!(!published.push(vec![0; CAST_BYTES_MAX].into()), "one too many");
    }
}
