//! The bytes of one snapshot, from the owner to the task that writes them.

use super::limit::SLICES_MAX;
use crate::queue::Queue;

/// A short queue for one snapshot. The last item is `None`.
pub(crate) struct Slices {
    queue: Queue<Option<Vec<u8>>>,
}

impl Slices {
    pub(crate) fn new() -> Slices {
        Slices { queue: Queue::new() }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.queue.len() < SLICES_MAX
    }

    pub(crate) fn push(&self, slice: Option<Vec<u8>>) {
        self.queue.push(slice);
    }

    /// Nothing more comes: the owner is gone, or goes on from a newer snapshot.
    pub(crate) fn abandon(&self) {
        self.queue.close();
    }

    /// The next bytes, or `None` inside at the end; `None` where it was abandoned before that.
    pub(crate) async fn next(&self) -> Option<Option<Vec<u8>>> {
        self.queue.next().await
    }
}
