//! The consumers of a group, by number and by name.
//!
//! Numbers are given again, the lowest free one first. They lie in chunks of [`CONSUMER_CHUNK`], shared with whoever cloned the
//! group (a snapshot) and copied on their first change: a change copies a few names, however many consumers there are.
//!
//! Costs: a consumer is found by binary search over names; one that is new moves the order behind it, 4 bytes each.

use super::text::Text;
use crate::cost::CONSUMER_BYTES;
use crate::limit::{CONSUMER_CHUNK, CONSUMERS_PER_GROUP_MAX};
use crate::room::Roomy;
use std::sync::Arc;

/// Who reads in a group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Consumer {
    pub(crate) name: Text,
    /// Wall time of its last attempt.
    pub(crate) seen: u64,
    /// Wall time at which it last got something.
    pub(crate) active: Option<u64>,
    /// How many entries are pending with it.
    pub(crate) pending: u64,
}

/// Consumers of neighbouring numbers; it may be shorter than a chunk can be.
pub(super) type Chunk = Vec<Option<Consumer>>;

/// All consumers of a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consumers {
    chunks: Vec<Arc<Chunk>>,
    /// Numbers in the order of names.
    order: Vec<u32>,
    /// No lower number is free.
    low: usize,
    bytes: usize,
}

fn split(number: u32) -> (usize, usize) {
    (number as usize / CONSUMER_CHUNK, number as usize % CONSUMER_CHUNK)
}

impl Consumers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// What they are counted as in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Those behind so many others, by name, each with its number.
    pub(crate) fn behind(&self, others: usize) -> impl ExactSizeIterator<Item = (u32, &Consumer)> {
        let order = self.order.get(others..).unwrap_or_default();
        order.iter().map(|number| (*number, self.of(*number).expect("a number in use has a consumer")))
    }

    /// The consumer of a number.
    pub(crate) fn of(&self, number: u32) -> Option<&Consumer> {
        let (chunk, at) = split(number);
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    /// The same, to be changed; its name stays.
    pub(crate) fn of_mut(&mut self, number: u32) -> Option<&mut Consumer> {
        let (chunk, at) = split(number);
        Arc::make_mut(self.chunks.get_mut(chunk)?).get_mut(at)?.as_mut()
    }

    /// Number of the consumer of that name.
    pub(crate) fn number(&self, name: &[u8]) -> Option<u32> {
        self.place(name).ok().map(|at| self.order[at])
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.order.binary_search_by(|number| self.of(*number).map_or(&[][..], |held| &held.name).cmp(name))
    }

    /// Adds a consumer under the lowest free number; `None` where one has that name.
    pub(crate) fn add(&mut self, consumer: Consumer) -> Option<u32> {
        let at = self.place(&consumer.name).err()?;
        let number = self.lowest_free();
        self.put(number, at, consumer);
        self.low = number as usize + 1;
        Some(number)
    }

    fn lowest_free(&self) -> u32 {
        let used = self.order.len();
        // Where there is no hole the next number is the lowest.
        (self.low..used).find(|number| self.of(*number as u32).is_none()).unwrap_or(used) as u32
    }

    /// Puts a consumer back with its number, behind all others by name; `None` where both cannot be.
    pub(crate) fn put_back(&mut self, number: u32, consumer: Consumer) -> Option<()> {
        let at = self.place(&consumer.name).err()?;
        let fits = (number as usize) < CONSUMERS_PER_GROUP_MAX && self.of(number).is_none();
        fits.then(|| self.put(number, at, consumer))
    }

    fn put(&mut self, number: u32, at: usize, consumer: Consumer) {
        self.bytes += CONSUMER_BYTES + consumer.name.len();
        self.order.insert(at, number);
        let (chunk, within) = split(number);
        if chunk >= self.chunks.len() {
            self.chunks.resize_with(chunk + 1, Arc::default);
        }
        let chunk = Arc::make_mut(&mut self.chunks[chunk]);
        if within >= chunk.len() {
            chunk.resize(within + 1, None);
        }
        chunk[within] = Some(consumer);
    }

    /// Removes the consumer of that name.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<(u32, Consumer)> {
        let number = self.order.remove(self.place(name).ok()?);
        let (chunk, at) = split(number);
        let chunk = Arc::make_mut(self.chunks.get_mut(chunk)?);
        let gone = chunk.get_mut(at)?.take()?;
        if chunk.iter().all(Option::is_none) {
            *chunk = Chunk::new();
        }
        self.fit();
        self.bytes -= CONSUMER_BYTES + gone.name.len();
        self.low = self.low.min(number as usize);
        Some((number, gone))
    }

    /// Gives back places, where there are many.
    fn fit(&mut self) {
        while self.chunks.last().is_some_and(|last| last.is_empty()) {
            self.chunks.pop();
        }
        let (names, chunks) = (self.order.len(), self.chunks.len());
        self.order.give_back(4 * names + CONSUMER_CHUNK, 2 * names);
        self.chunks.give_back(4 * chunks + 1, 2 * chunks);
    }

    /// What they are kept in, to be freed part by part.
    pub(super) fn into_chunks(self) -> Vec<Arc<Chunk>> {
        self.chunks
    }
}

#[cfg(test)]
mod tests {
    use super::{Consumer, Consumers};
    use crate::limit::CONSUMER_CHUNK;
    use crate::stream::text::Text;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn consumer(name: u32) -> Consumer {
        let name = Text::from(format!("{name}").as_bytes());
        Consumer { name, seen: 0, active: None, pending: 0 }
    }

    #[test]
    fn the_lowest_free_number_is_given_and_names_are_in_order() {
        let mut rng = fastrand::Rng::with_seed(11);
        let (mut consumers, mut map) = (Consumers::default(), BTreeMap::<Text, u32>::new());
        for _ in 0..20_000 {
            let new = consumer(rng.u32(0..200));
            if rng.u32(0..100) < 55 {
                let lowest = (0..).find(|number| map.values().all(|used| used != number));
                let is_new = !map.contains_key(&new.name);
                let number = consumers.add(new.clone());
                assert_eq!(number, lowest.filter(|_| is_new), "the lowest free number");
                map.extend(number.map(|number| (new.name, number)));
            } else {
                let gone = consumers.remove(&new.name).map(|(number, _)| number);
                assert_eq!(gone, map.remove(&new.name));
            }
            assert_eq!(consumers.len(), map.len());
        }
        let told = consumers.behind(0).map(|(number, consumer)| (&consumer.name, number));
        assert!(told.eq(map.iter().map(|(name, number)| (name, *number))));
    }

    #[test]
    fn a_change_copies_one_chunk_of_what_is_shared() {
        let mut consumers = Consumers::default();
        (0..10 * CONSUMER_CHUNK as u32).for_each(|name| assert!(consumers.add(consumer(name)).is_some()));
        let shared = consumers.clone();
        consumers.of_mut(3).unwrap().pending = 1;
        assert!(consumers.remove(b"4").is_some());
        let copied =
            consumers.chunks.iter().zip(&shared.chunks).filter(|(one, other)| !Arc::ptr_eq(one, other));
        assert_eq!(copied.count(), 1);
        assert_eq!((shared.len(), shared.of(3).unwrap().pending), (10 * CONSUMER_CHUNK, 0));
    }
}
