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
#[cfg(test)]
use crate::room::shared_bytes;
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

/// Consumers of neighbouring numbers: each with its place in the chunk, in the order of these. It has no room to spare.
pub(super) type Chunk = Vec<(u8, Consumer)>;

/// A chunk that is not empty.
#[derive(Clone, Debug)]
struct Part {
    /// Which chunk it is.
    number: u16,
    /// How many are in it; here, so that nobody has to go there to find room.
    held: u8,
    chunk: Arc<Chunk>,
}

/// All consumers of a group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Consumers {
    /// In the order of their numbers.
    parts: Vec<Part>,
    /// Numbers in the order of names.
    order: Vec<u32>,
    /// So many parts at the front are the first chunks, and full.
    full: usize,
    bytes: usize,
}

fn split(number: u32) -> (u16, u8) {
    ((number as usize / CONSUMER_CHUNK) as u16, (number as usize % CONSUMER_CHUNK) as u8)
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
        let (number, at) = split(number);
        let chunk = &self.parts[self.part(number).ok()?].chunk;
        Some(&chunk[within(chunk, at).ok()?].1)
    }

    /// The same, to be changed; its name stays.
    pub(crate) fn of_mut(&mut self, number: u32) -> Option<&mut Consumer> {
        let (number, at) = split(number);
        let part = self.part(number).ok()?;
        let chunk = &mut self.parts[part].chunk;
        let at = within(chunk, at).ok()?;
        Some(&mut Arc::make_mut(chunk)[at].1)
    }

    /// Where the chunk of a number is, or would be.
    fn part(&self, number: u16) -> Result<usize, usize> {
        // Where none is missing before it.
        if self.parts.get(usize::from(number)).is_some_and(|part| part.number == number) {
            return Ok(usize::from(number));
        }
        self.parts.binary_search_by_key(&number, |part| part.number)
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
        Some(number)
    }

    fn lowest_free(&mut self) -> u32 {
        let is_full = |(number, part): (usize, &Part)| {
            usize::from(part.number) == number && usize::from(part.held) == CONSUMER_CHUNK
        };
        self.full += (self.full..).zip(&self.parts[self.full..]).take_while(|at| is_full(*at)).count();
        let first = self.full as u32 * CONSUMER_CHUNK as u32;
        let part = self.parts.get(self.full).filter(|part| usize::from(part.number) == self.full);
        let used = part.map_or(0, |part| {
            (0..).zip(part.chunk.iter()).take_while(|(number, (at, _))| number == at).count()
        });
        first + used as u32
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
        let (number, at) = split(number);
        let part = self.part(number).unwrap_or_else(|part| {
            self.parts.insert(part, Part { number, held: 0, chunk: Arc::default() });
            part
        });
        let part = &mut self.parts[part];
        let chunk = Arc::make_mut(&mut part.chunk);
        chunk.reserve_exact(1);
        let within = within(chunk, at).unwrap_or_else(|within| within);
        chunk.insert(within, (at, consumer));
        part.held = chunk.len() as u8;
    }

    /// Removes the consumer of that name.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<(u32, Consumer)> {
        let number = self.order.remove(self.place(name).ok()?);
        let gone = self.take(number)?;
        let (names, parts) = (self.order.len(), self.parts.len());
        self.order.give_back(2 * names + CONSUMER_CHUNK, names + names / 4);
        self.parts.give_back(2 * parts + 1, parts + parts / 4);
        self.bytes -= CONSUMER_BYTES + gone.name.len();
        Some((number, gone))
    }

    fn take(&mut self, number: u32) -> Option<Consumer> {
        let (number, at) = split(number);
        let place = self.part(number).ok()?;
        let part = &mut self.parts[place];
        let chunk = Arc::make_mut(&mut part.chunk);
        let (_, gone) = chunk.remove(within(chunk, at).ok()?);
        chunk.shrink_to_fit();
        part.held = chunk.len() as u8;
        self.full = self.full.min(place);
        if self.parts[place].held == 0 {
            self.parts.remove(place);
        }
        Some(gone)
    }

    /// What they are kept in, to be freed part by part.
    pub(super) fn into_chunks(self) -> Vec<Arc<Chunk>> {
        self.parts.into_iter().map(|part| part.chunk).collect()
    }

    /// In how many chunks they are.
    pub(super) fn chunk_count(&self) -> usize {
        self.parts.len()
    }

    /// Bytes that they take, but for their names.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        let chunks = self.parts.iter().map(|part| shared_bytes(&part.chunk) + part.chunk.allocated());
        self.parts.allocated() + self.order.allocated() + chunks.sum::<usize>()
    }
}

/// Where in a chunk the consumer of a place is, or would be.
fn within(chunk: &Chunk, at: u8) -> Result<usize, usize> {
    // Where none is missing before it.
    if chunk.get(usize::from(at)).is_some_and(|(there, _)| *there == at) {
        return Ok(usize::from(at));
    }
    chunk.binary_search_by_key(&at, |(there, _)| *there)
}

#[cfg(test)]
mod tests {
    use super::{Consumer, Consumers};
    use crate::limit::{CONSUMER_CHUNK, CONSUMERS_PER_GROUP_MAX};
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
        let copied = consumers
            .parts
            .iter()
            .zip(&shared.parts)
            .filter(|(one, other)| !Arc::ptr_eq(&one.chunk, &other.chunk));
        assert_eq!(copied.count(), 1);
        assert_eq!((shared.len(), shared.of(3).unwrap().pending), (10 * CONSUMER_CHUNK, 0));
    }
    #[test]
    fn consumers_take_what_they_are_counted_as_whoever_left() {
        let all = CONSUMERS_PER_GROUP_MAX as u32 / 4;
        let stays: [fn(u32) -> bool; 4] = [|n| n % 16 == 15, |n| n % 256 == 7, |n| n == 16_383, |n| n < 17];
        for stays in stays {
            let mut consumers = Consumers::default();
            (0..all).for_each(|name| assert!(consumers.add(consumer(name)).is_some()));
            for name in (0..all).filter(|name| !stays(*name)) {
                assert!(consumers.remove(format!("{name}").as_bytes()).is_some());
            }
            let (held, counted) = (consumers.allocated(), consumers.bytes());
            // Little lists keep a little room.
            assert!(held <= counted + 512, "{held} bytes for {} counted as {counted}", consumers.len());
        }
    }

    #[test]
    fn places_are_found_in_full_chunks_without_going_there() {
        let mut consumers = Consumers::default();
        (0..CONSUMERS_PER_GROUP_MAX as u32 - 1)
            .for_each(|name| assert_eq!(consumers.add(consumer(name)), Some(name)));
        assert!(consumers.remove(b"5").is_some());
        assert_eq!(consumers.add(consumer(70_000)), Some(5));
        assert_eq!(consumers.add(consumer(70_001)), Some(CONSUMERS_PER_GROUP_MAX as u32 - 1));
    }
}
