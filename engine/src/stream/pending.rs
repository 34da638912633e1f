//! What a group was given and has not acknowledged, in the order of ids.
//!
//! Chunks of up to [`PENDING_CHUNK`] entries, shared with whoever cloned the list and copied on their first change. A chunk
//! that runs low joins its neighbour. Where the chunks end is no part of the state: only the entries are.
//!
//! Costs: search is binary over chunks and within one; a change moves at most one chunk. What one consumer has pending is
//! found by passing over the others' entries.

use super::id::StreamId;
use crate::limit::PENDING_CHUNK;
use std::collections::VecDeque;
use std::sync::Arc;

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

/// Pending entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pending {
    chunks: VecDeque<Arc<Vec<Pended>>>,
    len: u64,
}

impl Pending {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The entry of this id.
    pub(crate) fn get(&self, id: StreamId) -> Option<&Pended> {
        let chunk = self.chunks.get(self.chunk_of(id))?;
        let at = chunk.binary_search_by_key(&id, |pended| pended.id).ok()?;
        chunk.get(at)
    }

    /// The same, to be changed; its id stays.
    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut Pended> {
        let index = self.chunk_of(id);
        let at = self.chunks.get(index)?.binary_search_by_key(&id, |pended| pended.id).ok()?;
        Arc::make_mut(self.chunks.get_mut(index)?).get_mut(at)
    }

    /// Adds an entry; one of the same id is replaced and returned.
    pub(crate) fn insert(&mut self, pended: Pended) -> Option<Pended> {
        if let Some(held) = self.get_mut(pended.id) {
            return Some(std::mem::replace(held, pended));
        }
        self.len += 1;
        let mut index = self.chunk_of(pended.id);
        let Some(chunk) = self.chunks.get(index) else {
            self.chunks.push_back(Arc::new(vec![pended]));
            return None;
        };
        let mut at = chunk.partition_point(|held| held.id < pended.id);
        if chunk.len() >= PENDING_CHUNK {
            let is_end = at == chunk.len() && index + 1 == self.chunks.len();
            let from = if is_end { at } else { PENDING_CHUNK / 2 };
            let rest = Arc::make_mut(&mut self.chunks[index]).split_off(from);
            self.chunks.insert(index + 1, Arc::new(rest));
            if at >= from {
                (index, at) = (index + 1, at - from);
            }
        }
        Arc::make_mut(&mut self.chunks[index]).insert(at, pended);
        None
    }

    /// Removes the entry of this id.
    pub(crate) fn remove(&mut self, id: StreamId) -> Option<Pended> {
        let index = self.chunk_of(id);
        let at = self.chunks.get(index)?.binary_search_by_key(&id, |pended| pended.id).ok()?;
        let gone = Arc::make_mut(&mut self.chunks[index]).remove(at);
        self.len -= 1;
        if self.chunks[index].is_empty() {
            self.chunks.remove(index);
        } else if self.chunks[index].len() < PENDING_CHUNK / 4 {
            self.join(index);
        }
        Some(gone)
    }

    /// Puts a chunk together with the next one, or the one before, where both are small.
    fn join(&mut self, index: usize) {
        let first = if index + 1 < self.chunks.len() { index } else { index.saturating_sub(1) };
        let (Some(one), Some(next)) = (self.chunks.get(first), self.chunks.get(first + 1)) else { return };
        if one.len() + next.len() <= PENDING_CHUNK / 2 {
            let next = self.chunks.remove(first + 1).unwrap_or_default();
            Arc::make_mut(&mut self.chunks[first]).extend_from_slice(&next);
        }
    }

    /// Keeps only the entries for which `stays` holds.
    pub(crate) fn retain(&mut self, stays: impl Fn(&Pended) -> bool) {
        let all = std::mem::take(self);
        all.iter().filter(|pended| stays(pended)).for_each(|pended| {
            self.insert(*pended);
        });
    }

    /// All, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pended> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The last.
    pub(crate) fn last(&self) -> Option<&Pended> {
        self.chunks.back()?.last()
    }

    /// Those of this id and later.
    pub(crate) fn since(&self, id: StreamId) -> impl Iterator<Item = &Pended> + Clone {
        let chunks = self.chunks.range(self.chunk_of(id).min(self.chunks.len())..);
        chunks.flat_map(|chunk| chunk.iter()).skip_while(move |pended| pended.id < id)
    }

    /// Index of the chunk where an id is or would be.
    fn chunk_of(&self, id: StreamId) -> usize {
        let behind = self.chunks.partition_point(|chunk| chunk.first().is_some_and(|first| first.id <= id));
        behind.saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Pended, Pending};
    use crate::stream::id::StreamId;
    use std::collections::BTreeMap;

    fn pended(ms: u64, consumer: u32) -> Pended {
        Pended { id: StreamId { ms, seq: 0 }, delivered: 0, count: 1, consumer }
    }

    #[test]
    fn it_agrees_with_an_ordered_map() {
        let mut rng = fastrand::Rng::with_seed(3);
        let (mut pending, mut map) = (Pending::default(), BTreeMap::new());
        for step in 0..20_000u32 {
            let ms = rng.u64(0..2_000);
            let id = StreamId { ms, seq: 0 };
            if rng.u32(0..100) < if step < 8_000 { 70 } else { 40 } {
                assert_eq!(pending.insert(pended(ms, step)), map.insert(id, pended(ms, step)));
            } else {
                assert_eq!(pending.remove(id), map.remove(&id));
            }
            assert_eq!(pending.len(), map.len() as u64);
            assert_eq!(pending.get(id), map.get(&id));
            if step % 500 == 0 {
                assert!(pending.iter().eq(map.values()));
                assert!(pending.since(id).eq(map.range(id..).map(|(_, pended)| pended)));
            }
        }
        pending.retain(|pended| pended.consumer % 2 == 0);
        assert!(pending.iter().eq(map.values().filter(|pended| pended.consumer % 2 == 0)));
    }
}
