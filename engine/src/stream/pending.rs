//! What a group was given and has not acknowledged, in the order of ids.
//!
//! Chunks of up to [`PENDING_CHUNK`] entries, shared with whoever cloned the list and copied on their first change. A chunk
//! that runs low joins its neighbour, and gives back room that it no longer needs. Where the chunks end, what room they have
//! and what they know of their entries is no part of the state: only the entries are.
//!
//! Costs: search is binary over chunks and within one; a change moves at most one chunk. Who looks for the entries of one
//! consumer, or for old ones, passes over chunks that have none. A list takes at most half as much again as its entries.

use super::id::StreamId;
use super::walked;
use crate::limit::PENDING_CHUNK;
use crate::room::Roomy;
#[cfg(test)]
use crate::room::shared_bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Spare places of a chunk beside half of what it holds.
const SPARE: usize = 4;

/// An entry that somebody was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pended {
    pub(crate) id: StreamId,
    /// Wall time of the last delivery.
    pub(crate) delivered: u64,
    /// How often it was delivered.
    pub(crate) count: u64,
    /// Whose it is: a number of the group's own.
    pub(crate) consumer: u32,
}

/// Entries that follow each other. Never empty within a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk {
    list: Vec<Pended>,
    /// One bit for each consumer that has an entry here, and for some that had: see [`bit`].
    holders: u64,
    /// No entry was delivered before this.
    oldest: u64,
}

impl Chunk {
    fn note(&mut self, pended: &Pended) {
        self.oldest = if self.holders == 0 { pended.delivered } else { self.oldest.min(pended.delivered) };
        self.holders |= bit(pended.consumer);
    }

    fn find(&self, id: StreamId) -> Option<usize> {
        self.list.binary_search_by_key(&id, |pended| pended.id).ok()
    }

    fn insert(&mut self, at: usize, pended: Pended) {
        if self.list.is_filled() {
            // Twice as much, as a vector takes by itself, would be counted nowhere.
            let len = self.list.len();
            self.list.reserve_exact((len / 4 + 1).min(PENDING_CHUNK.saturating_sub(len)).max(1));
        }
        self.list.insert(at, pended);
        self.note(&pended);
    }

    fn append(&mut self, next: &Chunk) {
        self.list.reserve_exact(next.list.len());
        self.list.extend_from_slice(&next.list);
        next.list.iter().for_each(|pended| self.note(pended));
    }

    /// Gives back room, where there is much of it, and forgets who is gone.
    fn fit(&mut self) {
        let len = self.list.len();
        if self.list.give_back(len + len / 2 + SPARE, len + len / 8) {
            self.holders = 0;
            let list = std::mem::take(&mut self.list);
            list.iter().for_each(|pended| self.note(pended));
            self.list = list;
        }
    }
}

/// Which entries are looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sought {
    pub(crate) start: StreamId,
    pub(crate) end: StreamId,
    /// Only those of this consumer.
    pub(crate) holder: Option<u32>,
    /// Only those that were not delivered since.
    pub(crate) delivered_max: u64,
}

impl Sought {
    /// All of one consumer's from an id on.
    pub(crate) fn of(holder: u32, start: StreamId) -> Sought {
        Sought { start, end: StreamId::MAX, holder: Some(holder), delivered_max: u64::MAX }
    }

    fn may_be_in(&self, chunk: &Chunk) -> bool {
        walked::step();
        self.holder.is_none_or(|holder| chunk.holders & bit(holder) != 0)
            && chunk.oldest <= self.delivered_max
    }

    fn is(&self, pended: &Pended) -> bool {
        walked::step();
        (self.start..=self.end).contains(&pended.id)
            && self.holder.is_none_or(|holder| holder == pended.consumer)
            && pended.delivered <= self.delivered_max
    }
}

/// Pending entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    chunks: VecDeque<Arc<Chunk>>,
    len: u64,
}

impl Pending {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// In how many chunks they lie.
    pub(super) fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// The chunks, to be freed part by part.
    pub(super) fn into_chunks(self) -> VecDeque<Arc<Chunk>> {
        self.chunks
    }

    /// The entry of this id.
    pub(crate) fn get(&self, id: StreamId) -> Option<&Pended> {
        let chunk = self.chunks.get(self.chunk_of(id))?;
        chunk.list.get(chunk.find(id)?)
    }

    /// The entry of this id was delivered once more.
    pub(crate) fn deliver_again(&mut self, id: StreamId, wall: u64) {
        let index = self.chunk_of(id);
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let Some(at) = chunk.find(id) else { return };
        let chunk = Arc::make_mut(chunk);
        let held = chunk.list[at];
        let again = Pended { delivered: wall, count: held.count.saturating_add(1), ..held };
        chunk.list[at] = again;
        chunk.note(&again);
    }

    /// Adds an entry; one of the same id is replaced and returned.
    pub(crate) fn insert(&mut self, pended: Pended) -> Option<Pended> {
        let mut index = self.chunk_of(pended.id);
        let Some(chunk) = self.chunks.get(index) else {
            self.len += 1;
            let mut chunk = Chunk::default();
            chunk.insert(0, pended);
            self.chunks.push_back(Arc::new(chunk));
            return None;
        };
        let mut at = chunk.list.partition_point(|held| held.id < pended.id);
        if chunk.list.get(at).is_some_and(|held| held.id == pended.id) {
            let chunk = Arc::make_mut(&mut self.chunks[index]);
            chunk.note(&pended);
            return Some(std::mem::replace(&mut chunk.list[at], pended));
        }
        self.len += 1;
        if chunk.list.len() >= PENDING_CHUNK {
            let is_end = at == chunk.list.len() && index + 1 == self.chunks.len();
            let from = if is_end { at } else { PENDING_CHUNK / 2 };
            self.split(index, from);
            if at >= from {
                (index, at) = (index + 1, at - from);
            }
        }
        Arc::make_mut(&mut self.chunks[index]).insert(at, pended);
        None
    }

    fn split(&mut self, index: usize, from: usize) {
        let chunk = Arc::make_mut(&mut self.chunks[index]);
        let mut rest = Chunk { list: chunk.list.split_off(from), ..Chunk::default() };
        chunk.fit();
        let list = std::mem::take(&mut rest.list);
        list.iter().for_each(|pended| rest.note(pended));
        rest.list = list;
        self.chunks.insert(index + 1, Arc::new(rest));
    }

    /// Removes the entry of this id.
    pub(crate) fn remove(&mut self, id: StreamId) -> Option<Pended> {
        let index = self.chunk_of(id);
        let at = self.chunks.get(index)?.find(id)?;
        let chunk = Arc::make_mut(&mut self.chunks[index]);
        let gone = chunk.list.remove(at);
        chunk.fit();
        self.len -= 1;
        let left = chunk.list.len();
        if left == 0 {
            self.chunks.remove(index);
            self.fit();
        } else if left < PENDING_CHUNK / 4 {
            self.join(index);
        }
        Some(gone)
    }

    /// Puts a chunk together with the next one, or the one before, where both are small.
    fn join(&mut self, index: usize) {
        let first = if index + 1 < self.chunks.len() { index } else { index.saturating_sub(1) };
        let (Some(one), Some(next)) = (self.chunks.get(first), self.chunks.get(first + 1)) else { return };
        if one.list.len() + next.list.len() <= PENDING_CHUNK / 2 {
            let next = self.chunks.remove(first + 1).unwrap_or_default();
            Arc::make_mut(&mut self.chunks[first]).append(&next);
            self.fit();
        }
    }

    /// Gives back places for chunks, where there are many.
    fn fit(&mut self) {
        let len = self.chunks.len();
        self.chunks.give_back(4 * len + SPARE, 2 * len);
    }

    /// Removes the entries of a consumer, which are so many.
    pub(crate) fn remove_all_of(&mut self, holder: u32, mut count: u64) {
        let mut left: VecDeque<Arc<Chunk>> = VecDeque::new();
        for mut chunk in std::mem::take(&mut self.chunks) {
            let sought = Sought::of(holder, StreamId::MIN);
            let gone = if count == 0 || !sought.may_be_in(&chunk) {
                0
            } else {
                chunk.list.iter().filter(|pended| sought.is(pended)).count()
            };
            if gone > 0 {
                let chunk = Arc::make_mut(&mut chunk);
                chunk.list.retain(|pended| pended.consumer != holder);
                chunk.fit();
                (count, self.len) = (count - gone as u64, self.len - gone as u64);
            }
            let len = chunk.list.len();
            match left.back_mut() {
                _ if len == 0 => {}
                Some(last) if gone > 0 && last.list.len() + len <= PENDING_CHUNK / 2 => {
                    Arc::make_mut(last).append(&chunk);
                }
                _ => left.push_back(chunk),
            }
        }
        self.chunks = left;
        self.fit();
    }

    /// All, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pended> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.list.iter()).inspect(|_| walked::step())
    }

    /// The last.
    pub(crate) fn last(&self) -> Option<&Pended> {
        self.chunks.back()?.list.last()
    }

    /// Those of this id and later.
    pub(crate) fn since(&self, id: StreamId) -> impl Iterator<Item = &Pended> + Clone {
        let chunks = self.chunks.range(self.chunk_of(id).min(self.chunks.len())..);
        let entries = chunks.flat_map(|chunk| chunk.list.iter()).inspect(|_| walked::step());
        entries.skip_while(move |pended| pended.id < id)
    }

    /// Those that are looked for, in order.
    pub(crate) fn sought(&self, sought: Sought) -> impl Iterator<Item = &Pended> + Clone {
        let chunks = self.chunks.range(self.chunk_of(sought.start).min(self.chunks.len())..);
        let within =
            chunks.take_while(move |chunk| chunk.list.first().is_some_and(|first| first.id <= sought.end));
        let entries = within.filter(move |chunk| sought.may_be_in(chunk)).flat_map(|chunk| chunk.list.iter());
        entries.filter(move |pended| sought.is(pended))
    }

    /// The first entries of each consumer, as many as `wanted` says for its number: all in one pass.
    pub(crate) fn first_of_each(&self, mut wanted: BTreeMap<u32, u64>) -> BTreeMap<u32, Vec<Pended>> {
        let mut found: BTreeMap<u32, Vec<Pended>> = BTreeMap::new();
        wanted.retain(|_, most| *most > 0);
        // How many of those who miss some have which bit.
        let mut missing = [0u32; u64::BITS as usize];
        wanted.keys().for_each(|holder| missing[(holder % u64::BITS) as usize] += 1);
        for chunk in &self.chunks {
            if wanted.is_empty() {
                break;
            }
            walked::step();
            let is_wanted = |holder: u32| chunk.holders & 1 << holder != 0 && missing[holder as usize] > 0;
            if !(0..u64::BITS).any(is_wanted) {
                continue;
            }
            for pended in &chunk.list {
                walked::step();
                let Some(most) = wanted.get_mut(&pended.consumer) else { continue };
                found.entry(pended.consumer).or_default().push(*pended);
                *most -= 1;
                if *most == 0 {
                    wanted.remove(&pended.consumer);
                    missing[(pended.consumer % u64::BITS) as usize] -= 1;
                }
            }
        }
        found
    }

    /// Index of the chunk where an id is or would be.
    fn chunk_of(&self, id: StreamId) -> usize {
        let behind =
            self.chunks.partition_point(|chunk| chunk.list.first().is_some_and(|first| first.id <= id));
        behind.saturating_sub(1)
    }

    /// Bytes that the chunks have allocated.
    #[cfg(test)]
    pub(crate) fn allocated(&self) -> usize {
        let chunks = self.chunks.iter().map(|chunk| shared_bytes(chunk) + chunk.list.allocated());
        chunks.sum::<usize>() + self.chunks.allocated()
    }
}

/// The bit of a consumer: some share one.
fn bit(consumer: u32) -> u64 {
    1 << (consumer % u64::BITS)
}

#[cfg(test)]
mod tests {
    use super::{Pended, Pending, Sought};
    use crate::cost::PENDED_BYTES;
    use crate::stream::id::StreamId;
    use crate::stream::walked;
    use std::collections::BTreeMap;

    fn id(ms: u64) -> StreamId {
        StreamId { ms, seq: 0 }
    }

    fn pended(ms: u64, consumer: u32) -> Pended {
        Pended { id: id(ms), delivered: 0, count: 1, consumer }
    }

    fn list(count: u64, holder: impl Fn(u64) -> u32) -> Pending {
        let mut pending = Pending::default();
        (0..count).for_each(|ms| _ = pending.insert(pended(ms, holder(ms))));
        pending
    }

    #[test]
    fn it_agrees_with_an_ordered_map() {
        let mut rng = fastrand::Rng::with_seed(3);
        let (mut pending, mut map) = (Pending::default(), BTreeMap::new());
        for step in 0..20_000u32 {
            let ms = rng.u64(0..2_000);
            let delivered = rng.u64(0..1_000);
            let new = Pended { delivered, ..pended(ms, rng.u32(0..200)) };
            if rng.u32(0..100) < if step < 8_000 { 70 } else { 40 } {
                assert_eq!(pending.insert(new), map.insert(id(ms), new));
            } else {
                assert_eq!(pending.remove(id(ms)), map.remove(&id(ms)));
            }
            assert_eq!(pending.len(), map.len() as u64);
            assert_eq!(pending.get(id(ms)), map.get(&id(ms)));
            if step % 500 == 0 {
                assert!(pending.iter().eq(map.values()));
                assert!(pending.since(id(ms)).eq(map.range(id(ms)..).map(|(_, pended)| pended)));
                let sought = Sought {
                    end: id(ms + 700),
                    holder: rng.bool().then_some(new.consumer),
                    delivered_max: if rng.bool() { delivered } else { u64::MAX },
                    ..Sought::of(0, id(ms))
                };
                let is = |pended: &&Pended| {
                    sought.holder.is_none_or(|holder| holder == pended.consumer)
                        && pended.delivered <= sought.delivered_max
                };
                let expected = map.range(id(ms)..=id(ms + 700)).map(|(_, pended)| pended).filter(is);
                assert!(pending.sought(sought).eq(expected));
            }
        }
        let shared = pending.clone();
        let own = |number: u32| map.values().filter(move |pended| pended.consumer == number);
        let first = pending.first_of_each((0..200).map(|number| (number, 2)).collect());
        let expected = (0..200).map(|number| (number, own(number).take(2).copied().collect::<Vec<_>>()));
        assert_eq!(first, expected.filter(|(_, list)| !list.is_empty()).collect());
        for holder in 0..150 {
            pending.remove_all_of(holder, own(holder).count() as u64);
        }
        assert!(pending.iter().eq(map.values().filter(|pended| pended.consumer >= 150)));
        assert_eq!(pending.len(), pending.iter().count() as u64);
        assert!(shared.iter().eq(map.values()), "who has a clone keeps what it had");
    }

    #[test]
    fn a_list_takes_what_it_is_counted_as_whatever_left_it() {
        let mut rng = fastrand::Rng::with_seed(5);
        let is_close = |pending: &Pending, what: &str| {
            let (taken, counted) = (pending.allocated(), pending.len() as usize * PENDED_BYTES);
            assert!(taken <= counted * 4 / 3 + 512, "{what}: {taken} bytes, {counted} counted");
        };
        let mut pending = list(20_000, |_| 1);
        is_close(&pending, "filled in order");
        // What stays of each chunk is just too much for it to join its neighbour.
        (0..20_000).filter(|ms| ms % 128 >= 33).for_each(|ms| _ = pending.remove(id(ms)));
        is_close(&pending, "a quarter of each chunk");
        for percent in [70, 40, 10] {
            for _ in 0..20_000 {
                let ms = rng.u64(0..20_000);
                if rng.u64(0..100) < percent {
                    pending.insert(pended(ms, 1));
                } else {
                    pending.remove(id(ms));
                }
            }
            is_close(&pending, "changed at random");
        }
        let mut pending = Pending::default();
        (0..20_000).rev().for_each(|ms| _ = pending.insert(pended(ms, 1)));
        is_close(&pending, "filled backwards");
        let mut pending = list(20_000, |ms| (ms % 3) as u32);
        pending.remove_all_of(1, 6_667);
        is_close(&pending, "a consumer is gone");
        (0..20_000).for_each(|ms| _ = pending.remove(id(ms)));
        is_close(&pending, "empty");
    }

    #[test]
    fn what_one_consumer_has_is_found_without_the_others() {
        // One entry of consumer 1 near the beginning, one near the end.
        let pending = list(100_000, |ms| u32::from(ms == 10 || ms == 99_000));
        let chunks = 100_000 / 128 + 1;
        let steps = |count, sought| walked::by(|| pending.sought(sought).take(count).count());
        let own = Sought::of(1, StreamId::MIN);
        assert_eq!(steps(2, own).0, 2);
        assert!(steps(2, own).1 < chunks + 2 * 128);
        let (found, walked) = steps(9, Sought::of(2, StreamId::MIN));
        assert!(found == 0 && walked <= chunks, "{walked} steps to find nothing");
        let (found, walked) = steps(9, Sought { end: id(500), ..own });
        assert!(found == 1 && walked < 10 + 128, "{walked} steps within a range");
        let mut pending = pending.clone();
        (0..100_000).for_each(|ms| pending.deliver_again(id(ms), 500));
        let old = Sought { holder: None, delivered_max: 499, ..own };
        assert_eq!(pending.sought(old).count(), 0);
        let each = pending.first_of_each(BTreeMap::from([(0, 3), (1, 2)]));
        assert_eq!((each[&0].len(), each[&1].len()), (3, 2));
        let (_, walked) = walked::by(|| pending.first_of_each((0..10_000).map(|own| (own, 1)).collect()));
        assert!(walked <= chunks + 100_000, "{walked} steps: one pass for all of them");
    }
}
