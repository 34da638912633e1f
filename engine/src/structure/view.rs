//! The reader half of a waiters' list: any thread, no lock, no allocation.

use std::sync::Arc;

use super::{
    block::Block,
    directory::Directory,
    epoch::{EpochPtr, Guard},
    shape::{Path, split},
    span::{Chunk, Region},
};
use crate::{
    id::Seq,
    sync::{
        AtomicU64,
        Ordering::{Acquire, Relaxed},
    },
    time::LogTime,
};

/// What both halves hold. Every field is written by the owner.
#[repr(C)]
pub(crate) struct Shared {
    pub(crate) directory: EpochPtr<Directory>,
    /// Polls of live waiters need only the directory, so what changes with every join keeps to another line.
    pub(crate) ends: Ends,
}

/// The counters that move with every join.
#[repr(align(64))]
pub(crate) struct Ends {
    /// The next sequence number. Release: whoever sees it sees the whole join of all before it.
    pub(crate) tail: AtomicU64,
    /// Live waiters.
    pub(crate) live: AtomicU64,
}

/// Reads a waiters' list from any thread.
#[derive(Clone)]
pub struct WaitersView {
    pub(crate) shared: Arc<Shared>,
}

/// What a sequence number stands for.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'g> {
    /// Still waits.
    Live(Handle<'g>),
    /// Was admitted at this moment.
    Admitted(LogTime),
    /// Left, was evicted, or nothing is remembered of it any more.
    Gone,
    /// Not given out yet, as far as this node knows.
    Unknown,
}

/// A live waiter, found. Follows the list's changes; holds memory of it only through the guard.
#[derive(Clone, Copy)]
pub struct Handle<'g> {
    directory: &'g Directory,
    region: &'g Region,
    chunk: &'g Chunk,
    block: &'g Block,
    path: Path,
    slot: usize,
}

impl WaitersView {
    /// The sequence number that the next waiter gets.
    #[must_use]
    pub fn tail(&self) -> u64 {
        self.shared.ends.tail.load(Acquire)
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.shared.ends.live.load(Relaxed)
    }

    /// Finds a waiter: four dependent loads and a bit.
    #[must_use]
    pub fn lookup<'g>(&'g self, seq: Seq, guard: &'g Guard) -> Lookup<'g> {
        self.shared.lookup(seq.0, guard)
    }

    /// Has the memory that a poll of this waiter needs fetched, for a poll that comes a little later.
    pub fn prefetch(&self, seq: Seq, guard: &Guard) {
        let (block, slot) = split(seq.0);
        if let Some(block) = self.shared.block(block, guard) {
            block.prefetch(slot);
        }
    }
}

impl<'g> Handle<'g> {
    /// The sequence number looked up.
    #[must_use]
    pub fn seq(&self) -> Seq {
        Seq(self.path.index() * super::SLOTS as u64 + self.slot as u64)
    }

    /// Stores that the waiter polled at `now`, and moves its block's mark when that has a later step.
    pub fn touch(&self, now: LogTime) {
        self.block.touch(self.slot, now);
    }

    /// Stores that the waiter polled at an earlier moment, unless a later poll is stored, by whichever thread.
    pub fn touch_at_least(&self, at: LogTime) {
        self.block.touch_at_least(self.slot, at);
    }

    /// Low 32 bits of the latest poll.
    #[must_use]
    pub fn polled_ms(&self) -> u32 {
        self.block.polled(self.slot)
    }

    /// How many live waiters joined before this one. Never rises from one call to a later one, also while
    /// the owner removes: each earlier waiter is counted in exactly one of the counters added up here; the
    /// live bit, which was set after all of them were raised, is what led here; and from then on those counters
    /// (or their lanes, or bits) only fall, because joins raise others.
    #[must_use]
    pub fn rank(&self) -> u64 {
        self.directory.before(self.path.region)
            + self.region.counts.before(self.path.chunk)
            + self.chunk.counts.before(self.path.block)
            + self.block.before(self.slot)
    }
}

impl std::fmt::Debug for Handle<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("seq", &self.seq()).finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn lookup<'g>(&'g self, seq: u64, guard: &'g Guard) -> Lookup<'g> {
        if let Some(found) = self.find(seq, guard) {
            return found;
        }
        if seq >= self.ends.tail.load(Acquire) {
            return Lookup::Unknown;
        }
        // It joined, perhaps between the search and the tail: only now is nothing found proof that it is gone.
        self.find(seq, guard).unwrap_or(Lookup::Gone)
    }

    fn find<'g>(&'g self, seq: u64, guard: &'g Guard) -> Option<Lookup<'g>> {
        let (block, slot) = split(seq);
        let path = Path::of(block);
        let directory = self.directory.load(guard)?;
        let region = directory.region(path.region, guard)?;
        let chunk = region.child(path.chunk, guard)?;
        let block = chunk.child(path.block, guard)?;
        if block.is_live(slot) {
            return Some(Lookup::Live(Handle { directory, region, chunk, block, path, slot }));
        }
        block.admitted_at(slot, guard).map(Lookup::Admitted)
    }

    pub(crate) fn chunk<'g>(&'g self, path: Path, guard: &'g Guard) -> Option<&'g Chunk> {
        self.directory.load(guard)?.region(path.region, guard)?.child(path.chunk, guard)
    }

    pub(crate) fn block<'g>(&'g self, block: u64, guard: &'g Guard) -> Option<&'g Block> {
        let path = Path::of(block);
        self.chunk(path, guard)?.child(path.block, guard)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: nobody else holds `self`, so nobody can be reading the list, nor unlink anything of it; only
        // the current directory is left here, and replaced ones own no region.
        unsafe { self.directory.free_with(|directory| directory.free_regions()) }
    }
}
