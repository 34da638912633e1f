//! An inner node: how many live waiters each child has, and the children.

use super::{
    block::Block,
    epoch::{EpochPtr, Guard},
    lanes::Lanes,
    shape::{CHUNK_LANE_WORDS, FAN, REGION_LANE_WORDS},
};

/// 64 blocks, 32,768 places.
pub(crate) type Chunk = Span<Block, CHUNK_LANE_WORDS, 4>;
/// 64 chunks, 2,097,152 places.
pub(crate) type Region = Span<Chunk, REGION_LANE_WORDS, 2>;

/// A node of the list above the blocks. A child that is null remembers nothing: its span is 0.
#[repr(C, align(64))]
pub(crate) struct Span<C: Send + Sync + 'static, const LANE_WORDS: usize, const PER: usize> {
    /// Live waiters of each child. Written by the owner.
    pub(crate) counts: Lanes<LANE_WORDS, PER>,
    /// Written by the owner.
    children: [EpochPtr<C>; FAN],
}

impl<C: Send + Sync + 'static, const LANE_WORDS: usize, const PER: usize> Span<C, LANE_WORDS, PER> {
    pub(crate) fn new() -> Self {
        Span { counts: Lanes::new(), children: std::array::from_fn(|_| EpochPtr::null()) }
    }

    pub(crate) fn child<'g>(&'g self, at: usize, guard: &'g Guard) -> Option<&'g C> {
        self.children[at].load(guard)
    }

    /// The child at `at`, made by `make` where there is none; says whether it was made. Owner only.
    pub(crate) fn child_or<'g>(
        &'g self,
        at: usize,
        guard: &'g Guard,
        make: impl FnOnce() -> C,
    ) -> (&'g C, bool) {
        if let Some(child) = self.child(at, guard) {
            return (child, false);
        }
        self.children[at].fill(make());
        (self.child(at, guard).expect("just filled"), true)
    }

    /// Unlinks a child that has no live waiter, and drops it when no reader can hold it. Owner only.
    pub(crate) fn unlink(&self, at: usize, guard: &Guard) {
        assert_eq!(self.counts.get(at), 0, "unlinked a node that has live waiters");
        // SAFETY: children of a span are never aliased.
        unsafe { self.children[at].replace(None, guard) }
    }

    /// The first child from `from` on that is allocated.
    pub(crate) fn next_child(&self, from: usize, guard: &Guard) -> Option<usize> {
        (from..FAN).find(|&at| self.child(at, guard).is_some())
    }
}

impl<C: Send + Sync + 'static, const LANE_WORDS: usize, const PER: usize> Drop for Span<C, LANE_WORDS, PER> {
    fn drop(&mut self) {
        for child in &mut self.children {
            // SAFETY: a span is dropped when no reader can reach it, so none can reach its children.
            unsafe { child.free() }
        }
    }
}
