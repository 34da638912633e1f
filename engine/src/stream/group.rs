//! Groups of consumers: how far each group has read, who reads in it, and what is pending.

use super::id::StreamId;
use super::pending::{Pended, Pending};
use super::text::Text;
use crate::cost::{CONSUMER_BYTES, GROUP_BYTES, PENDED_BYTES};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Of entries read, where that is not known: Redis's own sign for it, which no count comes back from.
const UNKNOWN: i64 = -1;
/// Consumers for which a group has room where it has few.
const SPARE: usize = 4;

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

/// Numbers that no consumer has. Few groups have any, so it is kept apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Free(BTreeSet<u32>);

/// A group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) name: Text,
    /// Entries up to here were given out.
    pub(crate) last_id: StreamId,
    /// How many entries were read, as Redis counts, or [`UNKNOWN`].
    read: i64,
    pub(crate) pending: Pending,
    /// By number; a free number is given again, the lowest first. The last one is in use.
    consumers: Vec<Option<Consumer>>,
    /// Numbers in the order of names.
    order: Vec<u32>,
    /// Numbers that are free, where there are any.
    free: Option<Box<Free>>,
    name_bytes: usize,
}

impl Group {
    /// A group without consumers.
    pub(crate) fn new(name: Text, last_id: StreamId, read: Option<i64>) -> Group {
        let mut group = Group { name, last_id, ..Group::default() };
        group.set_read(read);
        group
    }

    /// What it is counted as in memory. A number that is free takes its place as one that is in use.
    fn bytes(&self) -> usize {
        let consumers = self.consumers.len() * CONSUMER_BYTES + self.name_bytes;
        GROUP_BYTES + self.name.len() + consumers + self.pending.len() as usize * PENDED_BYTES
    }

    /// How many entries were read, as Redis counts: past what is signed it goes on below zero. `None`: unknown.
    pub(crate) fn read(&self) -> Option<i64> {
        Some(self.read).filter(|read| *read != UNKNOWN)
    }

    pub(crate) fn set_read(&mut self, read: Option<i64>) {
        self.read = read.unwrap_or(UNKNOWN);
    }

    /// The consumers by name, each with its number.
    pub(crate) fn consumers(&self) -> impl ExactSizeIterator<Item = (u32, &Consumer)> {
        self.order.iter().map(|number| (*number, self.consumer(*number)))
    }

    /// The consumer of a number that is in use.
    pub(crate) fn consumer(&self, number: u32) -> &Consumer {
        self.consumers[number as usize].as_ref().expect("what is pending belongs to a consumer")
    }

    fn consumer_mut(&mut self, number: u32) -> &mut Consumer {
        self.consumers[number as usize].as_mut().expect("what is pending belongs to a consumer")
    }

    /// Number of the consumer of that name.
    pub(crate) fn number(&self, name: &[u8]) -> Option<u32> {
        self.place(name).ok().map(|at| self.order[at])
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.order.binary_search_by(|number| (*self.consumer(*number).name).cmp(name))
    }

    /// Number of the consumer of that name, made where there is none; and whether it was made.
    pub(crate) fn number_or_new(&mut self, name: &Text, wall: u64) -> (u32, bool) {
        match self.place(name) {
            Ok(at) => (self.order[at], false),
            Err(at) => {
                let free = self.free.as_ref().and_then(|free| free.0.first().copied());
                let number = free.unwrap_or(self.consumers.len() as u32);
                let consumer = Consumer { name: name.clone(), seen: wall, active: None, pending: 0 };
                self.put_consumer(number, at, consumer);
                (number, true)
            }
        }
    }

    fn put_consumer(&mut self, number: u32, at: usize, consumer: Consumer) {
        self.name_bytes += consumer.name.len();
        let end = self.consumers.len() as u32;
        if number >= end {
            self.consumers.resize(number as usize + 1, None);
            (end..number).for_each(|free| self.set_free(free));
        } else {
            self.set_used(number);
        }
        self.consumers[number as usize] = Some(consumer);
        self.order.insert(at, number);
    }

    fn set_free(&mut self, number: u32) {
        self.free.get_or_insert_default().0.insert(number);
    }

    fn set_used(&mut self, number: u32) {
        if let Some(free) = &mut self.free {
            free.0.remove(&number);
            if free.0.is_empty() {
                self.free = None;
            }
        }
    }

    /// Puts back a consumer with its number; `None` where both cannot be.
    pub(crate) fn restore_consumer(&mut self, number: u32, consumer: Consumer) -> Option<()> {
        let at = self.place(&consumer.name).err()?;
        let is_free = self.consumers.get(number as usize).is_none_or(Option::is_none);
        is_free.then(|| self.put_consumer(number, at, consumer))
    }

    /// Puts back what is pending; `None` where it belongs to nobody.
    pub(crate) fn restore_pending(&mut self, pending: Vec<Pended>) -> Option<()> {
        for pended in pending {
            self.consumers.get(pended.consumer as usize)?.as_ref()?;
            self.pend(pended);
        }
        Some(())
    }

    /// Removes a consumer and all that is pending with it; returns how much that was.
    pub(crate) fn remove_consumer(&mut self, name: &[u8]) -> u64 {
        let Ok(at) = self.place(name) else { return 0 };
        let number = self.order.remove(at);
        let Some(gone) = self.consumers[number as usize].take() else { return 0 };
        self.name_bytes -= gone.name.len();
        if gone.pending > 0 {
            self.pending.remove_all_of(number, gone.pending);
        }
        self.set_free(number);
        while let Some(None) = self.consumers.last() {
            self.consumers.pop();
            self.set_used(self.consumers.len() as u32);
        }
        self.fit();
        gone.pending
    }

    /// Gives back places for consumers, where there are many.
    fn fit(&mut self) {
        let len = self.consumers.len();
        if self.consumers.capacity() > 4 * len + SPARE {
            self.consumers.shrink_to(2 * len);
            self.order.shrink_to(2 * len);
        }
    }

    /// The consumer tried to get something.
    pub(crate) fn saw(&mut self, number: u32, wall: u64) {
        self.consumer_mut(number).seen = wall;
    }

    /// The consumer got something.
    pub(crate) fn acted(&mut self, number: u32, wall: u64) {
        self.consumer_mut(number).active = Some(wall);
    }

    /// An entry becomes pending with a consumer, and with nobody else.
    pub(crate) fn pend(&mut self, pended: Pended) {
        let before = self.pending.insert(pended);
        self.consumer_mut(pended.consumer).pending += 1;
        if let Some(before) = before {
            self.consumer_mut(before.consumer).pending -= 1;
        }
    }

    /// An entry is no longer pending; false where it was not.
    pub(crate) fn settle(&mut self, id: StreamId) -> bool {
        let Some(gone) = self.pending.remove(id) else { return false };
        self.consumer_mut(gone.consumer).pending -= 1;
        true
    }
}

/// The groups of a stream, by name. A clone shares them until they change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Groups {
    list: Vec<Arc<Group>>,
    bytes: usize,
}

impl Groups {
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Group>> {
        self.list.iter()
    }

    /// What they are counted as in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[cfg(test)]
    pub(crate) fn recount(&self) -> usize {
        self.list.iter().map(|group| group.bytes()).sum()
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Group> {
        self.place(name).ok().map(|at| &*self.list[at])
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.list.binary_search_by(|group| (*group.name).cmp(name))
    }

    /// Adds a group; false where there is one of that name.
    pub(crate) fn insert(&mut self, group: Group) -> bool {
        let Err(at) = self.place(&group.name) else { return false };
        self.bytes += group.bytes();
        self.list.insert(at, Arc::new(group));
        true
    }

    /// Removes a group; false where there is none of that name.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        let Ok(at) = self.place(name) else { return false };
        self.bytes -= self.list.remove(at).bytes();
        true
    }

    /// Changes a group; `None` where there is none of that name.
    pub(crate) fn edit<T>(&mut self, name: &[u8], change: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let at = self.place(name).ok()?;
        let group = Arc::make_mut(&mut self.list[at]);
        self.bytes -= group.bytes();
        let done = change(group);
        self.bytes += group.bytes();
        Some(done)
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Groups};
    use crate::cost::CONSUMER_BYTES;
    use crate::stream::id::StreamId;
    use crate::stream::pending::Pended;
    use crate::stream::text::Text;

    #[test]
    fn what_is_pending_belongs_to_one_consumer_at_a_time() {
        let mut groups = Groups::default();
        let group = || Group::new(Text::from(b"g"), StreamId::MIN, None);
        groups.insert(group());
        assert!(!groups.insert(group()));
        let pended = |consumer, ms| Pended { id: StreamId { ms, seq: 0 }, delivered: 5, count: 1, consumer };
        groups.edit(b"g", |group| {
            let (bob, _) = group.number_or_new(&Text::from(b"bob"), 1);
            let (ann, _) = group.number_or_new(&Text::from(b"ann"), 1);
            (1..=4).for_each(|ms| group.pend(pended(bob, ms)));
            group.pend(pended(ann, 2));
            let by_name: Vec<_> =
                group.consumers().map(|(_, held)| (held.name.to_vec(), held.pending)).collect();
            assert_eq!(by_name, [(b"ann".to_vec(), 1), (b"bob".to_vec(), 3)]);
            assert!(group.settle(StreamId { ms: 1, seq: 0 }));
            assert_eq!(group.remove_consumer(b"bob"), 2);
            assert_eq!((group.pending.len(), group.number_or_new(&Text::from(b"cyd"), 1)), (1, (bob, true)));
        });
        assert_eq!(groups.bytes(), groups.recount());
        assert!(groups.remove(b"g"));
        assert_eq!(groups.bytes(), 0);
    }

    #[test]
    fn numbers_are_given_again_the_lowest_first_and_places_at_the_end_go() {
        let mut groups = Groups::default();
        groups.insert(Group::new(Text::from(b"g"), StreamId::MIN, None));
        let name = |number: u32| Text::from(format!("{number:05}").as_bytes());
        let empty = groups.bytes();
        groups.edit(b"g", |group| {
            for number in 0..10_000 {
                assert_eq!(group.number_or_new(&name(number), 1), (number, true));
            }
            for number in [7, 9_000, 3] {
                group.remove_consumer(&name(number));
            }
            let again: Vec<u32> = (20_000..20_004).map(|new| group.number_or_new(&name(new), 1).0).collect();
            assert_eq!(again, [3, 7, 9_000, 10_000]);
            (0..9_999).for_each(|number| _ = group.remove_consumer(&name(number)));
            assert_eq!((group.consumers.len(), group.consumers().len()), (10_001, 5), "the last one stays");
        });
        assert!(groups.bytes() > empty + 10_000 * CONSUMER_BYTES, "its places are counted");
        groups.edit(b"g", |group| {
            (20_000..20_004).chain([9_999]).for_each(|number| _ = group.remove_consumer(&name(number)));
            assert_eq!((group.consumers.len(), group.consumers.capacity(), &group.free), (0, 0, &None));
        });
        assert_eq!((groups.bytes(), groups.recount()), (empty, empty));
    }
}
