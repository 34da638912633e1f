//! What was removed and is still to be freed: a part each turn, so that nobody waits while a gigabyte is.
//!
//! It is no part of the state: what counts as taken went with its key.

use super::block::Block;
use super::keyspace::Key;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Blocks of a stream that are freed at once where they are removed.
pub(super) const BLOCKS_AT_ONCE: usize = 64;

/// Blocks that left the front of a stream.
pub(crate) type Blocks = VecDeque<Arc<Block>>;

/// Removed parts of a keyspace, biggest wholes last.
#[derive(Debug, Default)]
pub(crate) struct Waste {
    blocks: Vec<Blocks>,
    keys: Vec<Key>,
    slots: Vec<Vec<Option<Box<Key>>>>,
    ordered: Vec<BTreeSet<(crate::time::WallMs, u32)>>,
}

impl Waste {
    /// Blocks that were trimmed away.
    pub(super) fn take_blocks(&mut self, blocks: Blocks) {
        if blocks.len() > BLOCKS_AT_ONCE {
            self.blocks.push(blocks);
        }
    }

    /// A key that was removed.
    pub(super) fn take_key(&mut self, key: Box<Key>) {
        if key.stream.run.sealed_len() > BLOCKS_AT_ONCE {
            self.keys.push(*key);
        }
    }

    /// All keys, and their deadlines.
    pub(super) fn take_all(
        &mut self,
        slots: Vec<Option<Box<Key>>>,
        deadlines: BTreeSet<(crate::time::WallMs, u32)>,
    ) {
        self.slots.push(slots);
        self.ordered.push(deadlines);
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.keys.is_empty() && self.slots.is_empty() && self.ordered.is_empty()
    }

    /// Frees so many parts.
    pub(crate) fn free(&mut self, parts: usize) {
        for _ in 0..parts {
            if let Some(blocks) = self.blocks.last_mut() {
                if blocks.pop_front().is_none() {
                    self.blocks.pop();
                }
            } else if let Some(mut key) = self.keys.pop() {
                self.take_blocks(key.stream.run.take_sealed());
            } else if let Some(slots) = self.slots.last_mut() {
                match slots.pop() {
                    Some(Some(key)) => self.take_key(key),
                    Some(None) => {}
                    None => drop(self.slots.pop()),
                }
            } else if let Some(ordered) = self.ordered.last_mut() {
                if ordered.pop_first().is_none() {
                    self.ordered.pop();
                }
            } else {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BLOCKS_AT_ONCE, Waste};
    use crate::stream::block::Block;
    use std::sync::Arc;

    #[test]
    fn what_was_removed_goes_part_by_part() {
        let mut waste = Waste::default();
        let held: Vec<_> = (0..BLOCKS_AT_ONCE + 1).map(|_| Arc::new(Block::default())).collect();
        waste.take_blocks(held.iter().take(3).cloned().collect());
        assert!(waste.is_empty(), "little is freed at once");
        waste.take_blocks(held.iter().cloned().collect());
        let shared = || held.iter().filter(|block| Arc::strong_count(block) == 2).count();
        waste.free(10);
        assert_eq!(shared(), BLOCKS_AT_ONCE + 1 - 10);
        waste.free(usize::MAX);
        assert!(waste.is_empty() && shared() == 0);
    }
}
