//! What was removed and is still to be freed: some parts each turn, so that nobody waits while a gigabyte is.
//!
//! ```text
//! slots ──▶ keys ──▶ blocks                    a part: a block, a chunk of a group, a key without either, an entry
//!                └─▶ groups ──▶ their chunks           of an ordered set
//! ```
//! It is no part of the state: what counts as taken went with its key. What it still holds is told beside that.

use super::block::Block;
use super::consumers;
use super::group::Group;
use super::keyspace::Key;
use super::pending::Chunk as PendedChunk;
use super::slots::Slots;
use crate::cost::BLOCK_OVERHEAD_BYTES;
use crate::limit::STREAM_BLOCK_BYTES;
use crate::time::WallMs;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Blocks of a stream, or chunks of a group, that are freed at once where they are removed.
pub(super) const BLOCKS_AT_ONCE: usize = 64;
/// A block of unknown length takes about so many bytes.
const BLOCK_BYTES: u64 = (STREAM_BLOCK_BYTES + BLOCK_OVERHEAD_BYTES) as u64;

/// An entry of an ordered set takes about so many bytes.
const SET_ENTRY_BYTES: u64 = 32;

/// Blocks that left the front of a stream.
pub(crate) type Blocks = VecDeque<Arc<Block>>;

/// Removed parts of a keyspace.
#[derive(Debug, Default)]
pub(crate) struct Waste {
    /// Each with what one block, one chunk, one group or the whole key counts.
    blocks: Vec<(Blocks, u64)>,
    pending: Vec<(VecDeque<Arc<PendedChunk>>, u64)>,
    consumers: Vec<(Vec<Arc<consumers::Chunk>>, u64)>,
    groups: Vec<(Vec<Arc<Group>>, u64)>,
    keys: Vec<(Box<Key>, u64)>,
    slots: Vec<Slots>,
    deadlines: Vec<BTreeSet<(WallMs, u32)>>,
    orders: Vec<BTreeSet<(u64, u32)>>,
    /// About what it holds. A part that a snapshot holds as well counts here and there.
    bytes: u64,
}

impl Waste {
    /// Blocks that were trimmed away.
    pub(super) fn take_blocks(&mut self, blocks: Blocks) {
        if blocks.len() > BLOCKS_AT_ONCE {
            self.bytes += blocks.len() as u64 * BLOCK_BYTES;
            self.blocks.push((blocks, BLOCK_BYTES));
        }
    }

    /// A group that was removed.
    pub(super) fn take_group(&mut self, group: Arc<Group>) {
        if group.chunks() > BLOCKS_AT_ONCE {
            let bytes = group.bytes() as u64;
            self.bytes += bytes;
            self.groups.push((vec![group], bytes));
        }
    }

    /// A key that was removed.
    pub(crate) fn take_key(&mut self, key: Box<Key>) {
        let bytes = key.counted() as u64;
        self.take_held(key, bytes);
    }

    /// A key of which so many bytes are held by nobody else. One that is a single block is freed at once.
    pub(crate) fn take_held(&mut self, key: Box<Key>, bytes: u64) {
        if key.stream.run.sealed_len() > 0 || key.stream.groups.iter().len() > 0 {
            self.bytes += bytes;
            self.keys.push((key, bytes));
        }
    }

    /// Keys that count so many bytes together.
    pub(crate) fn take_slots(&mut self, slots: Slots, bytes: u64) {
        if slots.len() > 0 {
            self.bytes += bytes;
            self.slots.push(slots);
        }
    }

    /// What was known of all keys: their deadlines, and their orders in namespaces.
    pub(super) fn take_sets(
        &mut self,
        deadlines: BTreeSet<(WallMs, u32)>,
        orders: impl Iterator<Item = BTreeSet<(u64, u32)>>,
    ) {
        self.bytes += deadlines.len() as u64 * SET_ENTRY_BYTES;
        self.deadlines.extend(Some(deadlines).filter(|set| !set.is_empty()));
        for set in orders.filter(|set| !set.is_empty()) {
            self.bytes += set.len() as u64 * SET_ENTRY_BYTES;
            self.orders.push(set);
        }
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let parts = self.blocks.is_empty() && self.pending.is_empty() && self.consumers.is_empty();
        let wholes = self.groups.is_empty() && self.keys.is_empty() && self.slots.is_empty();
        parts && wholes && self.deadlines.is_empty() && self.orders.is_empty()
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Frees so many parts.
    pub(crate) fn free(&mut self, parts: usize) {
        for _ in 0..parts {
            if !self.free_one() {
                // Only now is nothing left that it could be wrong about.
                self.bytes = 0;
                return;
            }
        }
    }

    /// Frees a part, or takes a whole apart; the smallest first, so that little is half taken apart. False: there is none.
    fn free_one(&mut self) -> bool {
        let freed = one_of(&mut self.blocks, |(blocks, each)| blocks.pop_front().map(|_| *each))
            .or_else(|| one_of(&mut self.pending, |(chunks, each)| chunks.pop_front().map(|_| *each)))
            .or_else(|| one_of(&mut self.consumers, |(chunks, each)| chunks.pop().map(|_| *each)));
        if let Some(freed) = freed {
            self.bytes = self.bytes.saturating_sub(freed);
            return true;
        }
        while let Some((groups, each)) = self.groups.last_mut() {
            let (each, Some(group)) = (*each, groups.pop()) else {
                self.groups.pop();
                continue;
            };
            self.free_group(group, each);
            return true;
        }
        if let Some((key, bytes)) = self.keys.pop() {
            self.free_key(key, bytes);
            return true;
        }
        while let Some(slots) = self.slots.last_mut() {
            let Some(key) = slots.pop() else {
                self.slots.pop();
                continue;
            };
            self.bytes = self.bytes.saturating_sub(key.counted() as u64);
            self.take_key(key);
            return true;
        }
        let freed = one_of(&mut self.deadlines, |set| set.pop_first().map(drop))
            .or_else(|| one_of(&mut self.orders, |set| set.pop_first().map(drop)));
        self.bytes = self.bytes.saturating_sub(freed.map_or(0, |()| SET_ENTRY_BYTES));
        freed.is_some()
    }

    /// Takes a group that counts so many bytes apart.
    fn free_group(&mut self, group: Arc<Group>, bytes: u64) {
        // One that a snapshot holds goes with that.
        let Ok(group) = Arc::try_unwrap(group) else {
            self.bytes = self.bytes.saturating_sub(bytes);
            return;
        };
        let (pending, consumers) = group.into_chunks();
        let parts = (pending.len() + consumers.len()) as u64;
        let each = bytes / parts.max(1);
        self.bytes = self.bytes.saturating_sub(bytes - each * parts);
        self.pending.push((pending, each));
        self.consumers.push((consumers, each));
    }

    fn free_key(&mut self, mut key: Box<Key>, bytes: u64) {
        let (groups, blocks) = (key.stream.groups.take_all(), key.stream.run.take_sealed());
        let parts = (groups.len() + blocks.len()) as u64;
        let each = bytes / parts.max(1);
        self.bytes = self.bytes.saturating_sub(bytes - each * parts);
        self.groups.push((groups, each));
        self.blocks.push((blocks, each));
    }
}

/// Takes one from the last of these that has any; those that have none go.
fn one_of<T, F>(lists: &mut Vec<T>, mut take: impl FnMut(&mut T) -> Option<F>) -> Option<F> {
    while let Some(last) = lists.last_mut() {
        if let Some(freed) = take(last) {
            return Some(freed);
        }
        lists.pop();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{BLOCKS_AT_ONCE, Waste};
    use crate::limit::PENDING_CHUNK;
    use crate::stream::block::Block;
    use crate::stream::fields::Fields;
    use crate::stream::group::Group;
    use crate::stream::id::StreamId;
    use crate::stream::keyspace::Key;
    use crate::stream::pending::Pended;
    use crate::stream::slots::Slots;
    use crate::stream::state::Stream;
    use crate::stream::text::Text;
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
        assert!(waste.is_empty() && shared() == 0 && waste.bytes() == 0);
    }

    /// A stream of so many sealed blocks with a group in which so many chunks are pending.
    fn key(blocks: usize, chunks: usize) -> Box<Key> {
        let mut stream = Stream::new(1);
        let fields = Fields::pack([&b"f"[..], &[b'v'; 3_000]]);
        (1..=blocks as u64 + 1).for_each(|ms| {
            stream.append(StreamId { ms, seq: 0 }, fields.as_ref());
        });
        let mut group = Group::new(Text::from(b"g"), StreamId::MIN, None);
        let (consumer, _) = group.number_or_new(&Text::from(b"ann"), 1);
        for ms in 0..(chunks * PENDING_CHUNK) as u64 {
            group.pend(Pended { id: StreamId { ms, seq: 0 }, delivered: 0, count: 1, consumer });
        }
        stream.groups.insert(group);
        Box::new(Key::restored(Text::from(b"k"), None, 0, stream))
    }

    fn steps(waste: &mut Waste) -> usize {
        let mut steps = 0;
        while waste.free_one() {
            steps += 1;
        }
        steps
    }

    #[test]
    fn blocks_of_a_short_stream_and_chunks_of_a_group_are_parts() {
        let mut waste = Waste::default();
        for key in [key(BLOCKS_AT_ONCE / 2, 0), key(0, 200)] {
            waste.take_key(key);
        }
        assert!(!waste.is_empty(), "a short stream is deferred as well");
        let parts = BLOCKS_AT_ONCE / 2 + 200;
        let steps = steps(&mut waste);
        assert!((parts..parts + 10).contains(&steps), "{steps} steps for {parts} parts");
        assert!(waste.is_empty());
        let mut slots = Slots::default();
        (0..50).for_each(|slot| slots.put(slot * 700, key(3, 1)));
        waste.take_slots(slots, 0);
        let steps = self::steps(&mut waste);
        assert!((50 * 4..=50 * 8).contains(&steps), "{steps} steps for 50 keys of four parts");
    }

    #[test]
    fn a_removed_group_counts_until_its_last_chunk_is_freed() {
        let mut waste = Waste::default();
        let group = key(0, 200).stream.groups.take_all().remove(0);
        waste.take_group(group);
        let all = waste.bytes();
        waste.free(100);
        assert!((all / 3..all * 2 / 3).contains(&waste.bytes()), "{} of {all}", waste.bytes());
        waste.free(1_000);
        assert_eq!(waste.bytes(), 0);
    }

    #[test]
    fn a_group_that_somebody_shares_is_one_part() {
        let mut waste = Waste::default();
        let mut removed = key(0, 200);
        let shared = removed.clone();
        let group = removed.stream.groups.take_all().remove(0);
        waste.take_group(group);
        assert_eq!(steps(&mut waste), 1);
        assert_eq!(shared.stream.groups.iter().len(), 1);
    }
}
