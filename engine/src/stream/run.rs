//! The entries of a stream: an ordered run of blocks.
//!
//! ```text
//! sealed: full blocks, as long as their entries │ tail: the block that grows, in the stream itself
//! ```
//! Invariants: ids and numbers rise through the run; no sealed block is empty; the tail may be. Sealed blocks are shared
//! with whoever cloned the run (a snapshot) and copied on their first change, so a clone costs a count for each, and a
//! copy of the tail. Most streams are one block: it lies in the stream, one read of memory closer.
//!
//! Costs: append and removal at the front touch one block; a search is binary over blocks and linear within one.

use super::block::Block;
use super::entries::{EntryRef, HEAD_BYTES as ENTRY_HEAD_BYTES};
use super::fields::FieldsRef;
use super::id::StreamId;
use super::walked;
use super::waste::{BLOCKS_AT_ONCE, Blocks};
use crate::cost::BLOCK_OVERHEAD_BYTES;
use crate::limit::STREAM_BLOCK_BYTES;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// Entries that are passed over before an entry is looked for from the first of its block on.
const NEAR_ENTRIES: usize = 32;

/// The entries of a stream, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    sealed: VecDeque<Arc<Block>>,
    tail: Block,
    /// Entries.
    count: u64,
    /// Room of all blocks.
    room: usize,
}

/// Which entries are weighed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stretch {
    /// Between two ids, oldest first.
    Ids(StreamId, StreamId),
    /// The same, newest first.
    Back(StreamId, StreamId),
    /// Of this number and later.
    Numbers(u64),
}

/// Blocks that are looked at to count entries.
const COUNTED_BLOCKS_MAX: u64 = 512;

/// What a block takes where its entries are copied, or where it is shared, whichever is more.
pub(crate) fn weigh(block: &Block) -> usize {
    let copies = block.live().len() + block.count * ENTRY_HEAD_BYTES;
    copies.max(block.room() + BLOCK_OVERHEAD_BYTES)
}

/// Adds up blocks until what is behind the first one is enough: of that one, any part may be skipped.
fn sum(blocks: impl Iterator<Item = (u64, usize)>, count: u64, bytes_max: usize) -> usize {
    let (mut bytes, mut first) = (0, None);
    let mut entries = 0;
    for (held, weight) in blocks {
        bytes += weight;
        let Some(skipped) = first else {
            first = Some(weight);
            continue;
        };
        entries += held;
        if entries >= count || bytes - skipped >= bytes_max {
            break;
        }
    }
    bytes
}

impl Run {
    /// Puts a run together; `None` where the blocks are not one. The last is the tail.
    pub(crate) fn from_blocks(blocks: Vec<Block>) -> Option<Run> {
        let count = blocks.iter().map(|block| block.count as u64).sum();
        let room = blocks.iter().map(Block::room).sum();
        let mut blocks = blocks;
        let tail = blocks.pop()?;
        let sealed = blocks.into_iter().map(Arc::new).collect();
        let run = Run { sealed, tail, count, room };
        let is_sealed = run.sealed.iter().all(|block| block.count > 0);
        let ids = run.iter().map(|entry| (entry.id, entry.dense));
        let rises = ids.clone().zip(ids.skip(1)).all(|(one, next)| one.0 < next.0 && one.1 < next.1);
        (is_sealed && rises).then_some(run)
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// What it is counted as in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.room + self.sealed.len() * BLOCK_OVERHEAD_BYTES
    }

    /// The same, counted anew.
    #[cfg(test)]
    pub(crate) fn recount(&self) -> usize {
        self.blocks().map(Block::room).sum::<usize>() + self.sealed.len() * BLOCK_OVERHEAD_BYTES
    }

    /// All blocks, the tail last.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &Block> + Clone {
        self.sealed.iter().map(|block| &**block).chain([&self.tail])
    }

    /// The block of this place, the tail last.
    pub(crate) fn block_at(&self, index: usize) -> Option<&Block> {
        (index <= self.sealed.len()).then(|| self.block(index))
    }

    /// By how much [`Run::bytes`] changes with this entry.
    pub(crate) fn growth(&self, id: StreamId, dense: u64, fields: FieldsRef<'_>) -> isize {
        let bytes = self.tail.entry_bytes(id, dense, fields);
        if !self.is_full(bytes) {
            return self.tail.room_with(bytes) as isize - self.tail.room() as isize;
        }
        let next = Block::default();
        let room = next.room_with(next.entry_bytes(id, dense, fields));
        let spare = self.tail.room() - self.tail.live().len();
        (room + BLOCK_OVERHEAD_BYTES) as isize - spare as isize
    }

    /// Appends an entry. Its id and number are above all others.
    pub(crate) fn append(&mut self, id: StreamId, dense: u64, fields: FieldsRef<'_>) {
        let mut bytes = self.tail.entry_bytes(id, dense, fields);
        if self.is_full(bytes) {
            self.seal();
            bytes = self.tail.entry_bytes(id, dense, fields);
        }
        self.room -= self.tail.room();
        self.tail.push(id, dense, fields, bytes);
        self.room += self.tail.room();
        self.count += 1;
    }

    fn is_full(&self, entry_bytes: usize) -> bool {
        self.tail.count > 0 && self.tail.live().len() + entry_bytes > STREAM_BLOCK_BYTES
    }

    fn seal(&mut self) {
        let mut tail = std::mem::take(&mut self.tail);
        if tail.room() > tail.live().len() {
            self.room -= tail.room();
            tail.shrink();
            self.room += tail.room();
        }
        self.sealed.push_back(Arc::new(tail));
    }

    /// Removes so many of the oldest entries; there are that many. Returns the sealed blocks that went whole, where those are many.
    pub(crate) fn drop_front(&mut self, mut most: u64) -> Blocks {
        self.count -= most;
        let mut whole = 0;
        while let Some(block) = self.sealed.get(whole).filter(|block| block.count as u64 <= most) {
            most -= block.count as u64;
            self.room -= block.room();
            whole += 1;
        }
        let mut gone = Blocks::new();
        if whole > BLOCKS_AT_ONCE {
            gone.extend(self.sealed.drain(..whole));
        } else {
            // Few are freed at once.
            self.sealed.drain(..whole);
        }
        if most > 0 {
            self.drop_within_front(most);
        }
        gone
    }

    /// Removes so many of the oldest entries, all of one block.
    fn drop_within_front(&mut self, most: u64) {
        let held = self.block(0).count as u64;
        assert!(most <= held, "more entries were to go than there are");
        if most == held {
            self.room -= self.tail.room();
            self.tail = Block::default();
        } else {
            let block = self.sealed.front_mut().map_or(&mut self.tail, Arc::make_mut);
            self.room -= block.room();
            for _ in 0..most {
                if let Some((at, end)) = block.first().map(|place| (place.at, place.end)) {
                    block.remove(at, end);
                }
            }
            if block.is_sparse() {
                block.shrink();
            }
            self.room += block.room();
        }
    }

    /// Bytes of the block that no clone shares.
    pub(crate) fn tail_room(&self) -> usize {
        self.tail.room()
    }

    /// Sealed blocks.
    pub(crate) fn sealed_len(&self) -> usize {
        self.sealed.len()
    }

    /// Blocks that have entries.
    pub(crate) fn block_count(&self) -> usize {
        self.sealed.len() + usize::from(self.tail.count > 0)
    }

    /// Takes all sealed blocks out: of a run that nobody needs any more.
    pub(crate) fn take_sealed(&mut self) -> Blocks {
        std::mem::take(&mut self.sealed)
    }

    /// How many entries have a lower id; where that is more than `most`, any number above it.
    pub(crate) fn count_below(&self, id: StreamId, most: u64) -> u64 {
        let last = self.block_of(|block| block.base <= id);
        let mut whole = 0;
        for block in self.sealed.iter().take(last) {
            whole += block.count as u64;
            if whole > most {
                return whole;
            }
        }
        whole + self.block(last).iter().take_while(|place| place.entry.id < id).count() as u64
    }

    /// How many entries have this id or a higher one, as far as `most` of them or `bytes_max` go, and how many blocks were looked at to
    /// find out. Beyond so many blocks it is `most` that is assumed.
    pub(crate) fn count_from(&self, id: StreamId, most: u64, bytes_max: usize) -> (u64, u64) {
        let first = self.block_of(|block| block.base <= id);
        let (mut count, mut bytes, mut looked) = (0, 0, 0);
        for index in first..=self.sealed.len() {
            walked::step();
            let block = self.block(index);
            let is_cut = index == first && (block.count as u64) < most;
            let held =
                if is_cut { block.iter().filter(|place| place.entry.id >= id).count() } else { block.count };
            (count, bytes, looked) = (count + held as u64, bytes + weigh(block), looked + 1);
            if count >= most || bytes >= bytes_max {
                break;
            }
            if looked == COUNTED_BLOCKS_MAX {
                return (most, looked);
            }
        }
        (count.min(most), looked)
    }

    /// How many of the oldest entries take so many bytes together; all where they take less. Looks at so many bytes of blocks.
    pub(crate) fn count_of(&self, bytes: usize) -> u64 {
        let (mut taken, mut count) = (0, 0);
        for block in self.blocks() {
            let live = block.live().len();
            if taken + live <= bytes {
                (taken, count) = (taken + live, count + block.count as u64);
                continue;
            }
            for place in block.iter() {
                if taken >= bytes {
                    break;
                }
                taken += place.end - place.at;
                count += 1;
            }
            break;
        }
        count
    }

    /// Gives back what the oldest block no longer needs.
    pub(crate) fn shrink_front(&mut self) {
        let block = self.sealed.front_mut().map_or(&mut self.tail, Arc::make_mut);
        self.room -= block.room();
        block.shrink();
        self.room += block.room();
    }

    /// Removes an entry; `None` where there is none of this id.
    pub(crate) fn remove(&mut self, id: StreamId) -> Option<()> {
        let index = self.block_of(|block| block.base <= id);
        let place = self.block(index).iter().find(|place| place.entry.id >= id)?;
        if place.entry.id != id {
            return None;
        }
        let (at, end) = (place.at, place.end);
        let is_last = self.block(index).count == 1;
        self.room -= self.block(index).room();
        self.count -= 1;
        if is_last && self.sealed.remove(index).is_none() {
            self.tail = Block::default();
        }
        if is_last {
            return Some(());
        }
        let block = self.sealed.get_mut(index).map_or(&mut self.tail, Arc::make_mut);
        block.remove(at, end);
        if block.is_sparse() {
            block.shrink();
        }
        self.room += block.room();
        Some(())
    }

    /// At most so many bytes do the entries of a range take as [`Entries`](super::entries::Entries), of which `count` are wanted
    /// and no more than `bytes_max` and one. Looks at blocks only.
    pub(crate) fn weight(&self, range: Stretch, count: u64, bytes_max: usize) -> usize {
        let weigh = |block: &Block| (block.count as u64, weigh(block));
        match range {
            Stretch::Ids(start, end) => {
                let from = self.block_of(|block| block.base <= start);
                let blocks = (from..=self.sealed.len()).map(|index| self.block(index));
                sum(blocks.take_while(|block| block.base <= end).map(weigh), count, bytes_max)
            }
            Stretch::Back(start, end) => {
                let from = self.block_of(|block| block.base <= end);
                let least = self.block_of(|block| block.base <= start);
                let blocks = (least..=from).rev().map(|index| self.block(index));
                sum(blocks.map(weigh), count, bytes_max)
            }
            Stretch::Numbers(first) => {
                let from = self.block_of(|block| block.base_dense <= first);
                let blocks = (from..=self.sealed.len()).map(|index| self.block(index));
                sum(blocks.map(weigh), count, bytes_max)
            }
        }
    }

    /// The places of the blocks that hold the entries between two ids; of others too, in the first one and the last one alone.
    pub(crate) fn places_between(&self, start: StreamId, end: StreamId) -> Range<usize> {
        self.block_of(|block| block.base <= start)..self.block_of(|block| block.base <= end) + 1
    }

    /// The block of this place, to be shared; of the one that grows a copy.
    pub(crate) fn share(&self, index: usize) -> Arc<Block> {
        self.sealed.get(index).map_or_else(|| Arc::new(self.tail.clone()), Arc::clone)
    }

    /// The entry of this id.
    pub(crate) fn find(&self, id: StreamId) -> Option<EntryRef<'_>> {
        self.range(id, id).next()
    }

    /// Finds entries of ids that go up: the next one is often near.
    pub(crate) fn seek<'r>(&'r self, mut from: StreamId) -> impl FnMut(StreamId) -> Option<EntryRef<'r>> {
        let mut entries = self.range(from, StreamId::MAX).peekable();
        move |id| {
            debug_assert!(id >= from, "ids go up");
            from = id;
            for _ in 0..NEAR_ENTRIES {
                match entries.peek() {
                    Some(entry) if entry.id < id => _ = entries.next(),
                    Some(entry) => return Some(*entry).filter(|entry| entry.id == id),
                    None => return None,
                }
            }
            entries = self.range(id, StreamId::MAX).peekable();
            entries.peek().copied().filter(|entry| entry.id == id)
        }
    }

    /// The oldest entry.
    pub(crate) fn first(&self) -> Option<EntryRef<'_>> {
        self.block(0).first().map(|place| place.entry)
    }

    /// The newest entry.
    pub(crate) fn last(&self) -> Option<EntryRef<'_>> {
        self.backward(StreamId::MAX).next()
    }

    /// All entries, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> + Clone {
        self.since_block(0)
    }

    /// Entries between two ids, both included, oldest first.
    pub(crate) fn range(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = EntryRef<'_>> + Clone {
        let from = self.block_of(|block| block.base <= start);
        let behind = self.since_block(from).skip_while(move |entry| entry.id < start);
        behind.take_while(move |entry| entry.id <= end)
    }

    /// Entries of this id and before, newest first.
    pub(crate) fn backward(&self, end: StreamId) -> impl Iterator<Item = EntryRef<'_>> {
        let from = self.block_of(|block| block.base <= end);
        let blocks = (0..=from).rev().map(|index| self.block(index));
        let entries = blocks.flat_map(|block| {
            let entries: Vec<_> = block.iter().map(|place| place.entry).collect();
            entries.into_iter().rev()
        });
        entries.skip_while(move |entry| entry.id > end)
    }

    /// Entries of this number and later.
    pub(crate) fn since_dense(&self, dense: u64) -> impl Iterator<Item = EntryRef<'_>> + Clone {
        let from = self.block_of(|block| block.base_dense <= dense);
        self.since_block(from).skip_while(move |entry| entry.dense < dense)
    }

    fn since_block(&self, from: usize) -> impl Iterator<Item = EntryRef<'_>> + Clone {
        let blocks = (from..=self.sealed.len()).map(|index| self.block(index));
        blocks.flat_map(|block| block.iter().map(|place| place.entry))
    }

    /// Index of the last block whose base is not above what is looked for; 0 where there is none.
    fn block_of(&self, is_low: impl Fn(&Block) -> bool) -> usize {
        if self.tail.count > 0 && is_low(&self.tail) {
            return self.sealed.len();
        }
        self.sealed.partition_point(|block| is_low(block)).saturating_sub(1)
    }

    fn block(&self, index: usize) -> &Block {
        self.sealed.get(index).map_or(&self.tail, |block| block)
    }
}

#[cfg(test)]
mod tests {
    use super::Run;
    use crate::stream::fields::Fields;
    use crate::stream::id::StreamId;

    fn id(ms: u64) -> StreamId {
        StreamId { ms, seq: 0 }
    }

    fn run_of(count: u64) -> Run {
        let mut run = Run::default();
        for ms in 1..=count {
            let fields = Fields::pack([&b"field"[..], &[b'v'; 90]]);
            let (before, growth) = (run.bytes() as isize, run.growth(id(ms), ms, fields.as_ref()));
            run.append(id(ms), ms, fields.as_ref());
            assert_eq!(run.bytes() as isize - before, growth, "the growth is foretold");
        }
        run
    }

    fn ids<'a>(entries: impl Iterator<Item = super::EntryRef<'a>>) -> Vec<u64> {
        entries.map(|entry| entry.id.ms).collect()
    }

    #[test]
    fn a_run_of_many_blocks_is_searched_both_ways() {
        let run = run_of(1_000);
        assert!(run.blocks().count() > 20);
        assert_eq!(ids(run.range(id(498), id(501))), [498, 499, 500, 501]);
        assert_eq!(ids(run.backward(id(501)).take(3)), [501, 500, 499]);
        assert_eq!(ids(run.since_dense(999)), [999, 1_000]);
        assert_eq!(run.find(id(0)), None);
        assert_eq!(run.bytes(), run.recount());
    }

    #[test]
    fn ids_that_go_up_are_found_near_and_far() {
        let mut run = run_of(3_000);
        (1..=3_000).filter(|ms| ms % 7 == 0).for_each(|ms| assert!(run.remove(id(ms)).is_some()));
        for step in [1, 2, 5, 31, 33, 400] {
            let mut find = run.seek(id(3));
            for ms in (3..3_200).step_by(step) {
                let found = find(id(ms)).map(|entry| entry.id);
                assert_eq!(found, run.find(id(ms)).map(|entry| entry.id), "{ms} by {step}");
            }
        }
    }

    #[test]
    fn what_is_removed_is_gone_and_counted() {
        let mut run = run_of(1_000);
        let shared = run.clone();
        run.drop_front(333);
        (600..=700).for_each(|ms| run.remove(id(ms)).unwrap());
        assert_eq!(run.remove(id(650)), None);
        let left: Vec<u64> = (334..600).chain(701..=1_000).collect();
        assert_eq!((ids(run.iter()), run.len()), (left.clone(), left.len() as u64));
        assert_eq!(run.bytes(), run.recount());
        assert_eq!(shared.iter().count(), 1_000, "who has a clone keeps what it had");
        run.drop_front(left.len() as u64);
        assert_eq!((run.first(), run.last(), run.bytes()), (None, None, run.recount()));
        assert_eq!(run.bytes(), Run::default().bytes());
    }
}
