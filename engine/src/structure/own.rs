//! Reads of a cell by the one thread that writes it.
//!
//! Plain relaxed loads. Under loom they also verify that nobody else writes the cell, and they do not count as
//! accesses: loom looks for a race only between an access and the last one before it, so that a thread's load just
//! before its store would hide the store's race with an earlier reader.

use crate::sync::AtomicU64;

/// What `cell`, which only this thread writes, holds.
#[cfg(not(loom))]
pub(crate) fn own(cell: &AtomicU64) -> u64 {
    cell.load(crate::sync::Ordering::Relaxed)
}

/// What `cell`, which only this thread writes, holds.
#[cfg(loom)]
pub(crate) fn own(cell: &AtomicU64) -> u64 {
    // SAFETY: loom itself fails the model where another thread's store is not ordered before this.
    unsafe { cell.unsync_load() }
}
