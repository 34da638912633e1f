//! The bytes of one snapshot, from the owner to the task that writes them.

use super::limit::SLICES_MAX;
use std::sync::atomic::{AtomicBool, Ordering};

use super::queue::Queue;

/// A short queue for one snapshot. The last item is `None`.
pub(crate) struct Slices {
    queue: Queue<Option<Vec<u8>>>,
    /// Set when the owner went on from another state: what was cut is not asked for any more.
    abandoned: AtomicBool,
}

/// How a stream of slices goes on.
pub(crate) enum Slice {
    /// More bytes.
    Bytes(Vec<u8>),
    /// It is whole.
    End,
    /// It will never be.
    Abandoned,
}

impl Slices {
    pub(crate) fn new() -> Slices {
        Slices { queue: Queue::new(), abandoned: AtomicBool::new(false) }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < SLICES_MAX
    }

    pub(crate) fn push(&self, slice: Option<Vec<u8>>) {
        self.queue.push(slice);
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        self.queue.close();
    }

    pub(crate) async fn next(&self) -> Slice {
        match self.queue.next().await {
            _ if self.abandoned.load(Ordering::Acquire) => Slice::Abandoned,
            Some(Some(bytes)) => Slice::Bytes(bytes),
            Some(None) => Slice::End,
            None => Slice::Abandoned,
        }
    }
}
