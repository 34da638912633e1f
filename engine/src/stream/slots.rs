//! Keys by slot: the lowest free slot is given first.
//!
//! ```text
//! chunks: 512 slots each, none where all are free │ free: runs of slots without a key, by their first
//! ```
//! Invariants: the last slot has a key; runs do not touch each other. So what is here follows from which slots have keys.
//!
//! Costs: a key is found by two loads; one that comes or goes searches the runs. Nothing takes longer for the slots that are
//! free: neither a key far behind all others nor the last one that goes.

use super::keyspace::Key;
use std::collections::BTreeMap;

/// Slots of a chunk.
const CHUNK: usize = 512;

#[derive(Debug)]
struct Chunk {
    keys: Box<[Option<Box<Key>>]>,
    /// How many there are.
    held: usize,
}

/// Keys by slot.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    chunks: Vec<Option<Chunk>>,
    /// Behind the last slot.
    end: u32,
    /// Free runs before that: the first slot of each, and the one behind its last.
    free: BTreeMap<u32, u32>,
    len: usize,
}

fn split(slot: u32) -> (usize, usize) {
    (slot as usize / CHUNK, slot as usize % CHUNK)
}

impl Slots {
    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Behind the last slot that has a key.
    pub(crate) fn end(&self) -> u32 {
        self.end
    }

    /// The lowest slot that has none.
    pub(crate) fn lowest_free(&self) -> u32 {
        self.free.first_key_value().map_or(self.end, |(first, _)| *first)
    }

    /// The key in a slot.
    pub(crate) fn get(&self, slot: u32) -> Option<&Key> {
        let (chunk, at) = split(slot);
        self.chunks.get(chunk)?.as_ref()?.keys[at].as_deref()
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Key> {
        let (chunk, at) = split(slot);
        self.chunks.get_mut(chunk)?.as_mut()?.keys[at].as_deref_mut()
    }

    /// All keys to be changed, by slot.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Key)> {
        let chunks = self.chunks.iter_mut().enumerate();
        chunks.filter_map(|(at, chunk)| Some((at, chunk.as_mut()?))).flat_map(|(at, chunk)| {
            let keys = chunk.keys.iter_mut().enumerate();
            keys.filter_map(move |(within, key)| Some(((at * CHUNK + within) as u32, key.as_deref_mut()?)))
        })
    }

    /// All keys.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.chunks.iter().flatten().flat_map(|chunk| chunk.keys.iter().filter_map(Option::as_deref))
    }

    /// Puts a key into a slot that has none.
    pub(crate) fn put(&mut self, slot: u32, key: Box<Key>) {
        self.occupy(slot);
        let (chunk, at) = split(slot);
        if chunk >= self.chunks.len() {
            self.chunks.resize_with(chunk + 1, || None);
        }
        let empty = || Chunk { keys: (0..CHUNK).map(|_| None).collect(), held: 0 };
        let chunk = self.chunks[chunk].get_or_insert_with(empty);
        let before = chunk.keys[at].replace(key);
        assert!(before.is_none(), "two keys in one slot");
        chunk.held += 1;
        self.len += 1;
    }

    /// The slot is free no longer.
    fn occupy(&mut self, slot: u32) {
        if slot >= self.end {
            if slot > self.end {
                self.free.insert(self.end, slot);
            }
            self.end = slot + 1;
            return;
        }
        let Some((first, end)) = self.free.range(..=slot).next_back().map(|(first, end)| (*first, *end))
        else {
            return;
        };
        self.free.remove(&first);
        if first < slot {
            self.free.insert(first, slot);
        }
        if slot + 1 < end {
            self.free.insert(slot + 1, end);
        }
    }

    /// Takes the key out of a slot.
    pub(crate) fn take(&mut self, slot: u32) -> Option<Box<Key>> {
        let (chunk, at) = split(slot);
        let there = self.chunks.get_mut(chunk)?;
        let held = there.as_mut()?;
        let key = held.keys[at].take()?;
        held.held -= 1;
        if held.held == 0 {
            *there = None;
        }
        self.len -= 1;
        self.vacate(slot);
        Some(key)
    }

    /// The slot has become free.
    fn vacate(&mut self, slot: u32) {
        let before = self.free.range(..slot).next_back().filter(|(_, end)| **end == slot);
        let first = before.map_or(slot, |(first, _)| *first);
        if slot + 1 == self.end {
            self.free.remove(&first);
            self.end = first;
            self.chunks.truncate((first as usize).div_ceil(CHUNK));
            return;
        }
        let end = self.free.remove(&(slot + 1)).unwrap_or(slot + 1);
        self.free.insert(first, end);
    }

    /// Takes the last key out.
    pub(crate) fn pop(&mut self) -> Option<Box<Key>> {
        self.take(self.end.checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Slots};
    use crate::stream::keyspace::Key;
    use crate::stream::state::Stream;
    use crate::stream::text::Text;
    use std::collections::BTreeMap;

    fn key(touched: u64) -> Box<Key> {
        Box::new(Key::restored(Text::from(b"k"), None, touched, Stream::new(1)))
    }

    #[test]
    fn they_agree_with_an_ordered_map() {
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut slots, mut map) = (Slots::default(), BTreeMap::<u32, u64>::new());
        for step in 0..40_000 {
            let lowest = (0..).find(|slot| !map.contains_key(slot)).unwrap();
            assert_eq!(slots.lowest_free(), lowest);
            if rng.u32(0..100) < if step % 8_000 < 5_000 { 60 } else { 30 } {
                let slot = if rng.u32(0..10) > 0 { lowest } else { slots.end() + rng.u32(0..3_000) };
                slots.put(slot, key(step));
                map.insert(slot, step);
            } else {
                let near = map.range(rng.u32(0..slots.end().max(1))..).next().map_or(9, |(slot, _)| *slot);
                assert_eq!(slots.take(near).map(|key| key.touched), map.remove(&near));
            }
            assert_eq!((slots.len(), slots.get(lowest).is_some()), (map.len(), map.contains_key(&lowest)));
            assert_eq!(slots.end(), map.last_key_value().map_or(0, |(slot, _)| slot + 1));
        }
        assert!(slots.iter_mut().map(|(slot, key)| (slot, key.touched)).eq(map.clone()));
        let backward = std::iter::from_fn(|| slots.pop()).map(|key| key.touched);
        assert!(backward.eq(map.values().rev().copied()));
        assert!(slots.free.is_empty() && slots.chunks.is_empty());
    }

    #[test]
    fn a_slot_far_behind_all_others_costs_what_is_in_it() {
        let mut slots = Slots::default();
        slots.put(u32::MAX - 1, key(1));
        assert_eq!((slots.free.len(), slots.chunks.iter().flatten().count()), (1, 1));
        assert!(slots.chunks.len() <= u32::MAX as usize / CHUNK + 1);
        assert!(slots.take(u32::MAX - 1).is_some());
        assert_eq!((slots.end(), slots.lowest_free(), slots.chunks.len()), (0, 0, 0), "in one step");
    }
}
