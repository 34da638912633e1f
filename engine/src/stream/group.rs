//! Groups of consumers: how far each group has read, who reads in it, and what is pending.

use super::consumers::{Chunk, Consumers};
use super::id::StreamId;
use super::pending::{Chunk as PendedChunk, Pended, Pending};
use super::text::Text;
use super::value::Value;
use crate::cost::{GROUP_BYTES, PENDED_BYTES};
use crate::limit::CONSUMERS_PER_GROUP_MAX;
use crate::room::Roomy;
use std::collections::VecDeque;
use std::sync::Arc;

pub(crate) use super::consumers::Consumer;

/// Of entries read, where that is not known: Redis's own sign for it, which no count comes back from.
const UNKNOWN: i64 = -1;

/// A group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) name: Text,
    /// Entries up to here were given out.
    pub(crate) last_id: StreamId,
    /// How many entries were read, as Redis counts, or [`UNKNOWN`].
    read: i64,
    pub(crate) pending: Pending,
    consumers: Consumers,
}

/// What another consumer is refused with where a group has as many as it may.
pub(super) fn too_many_consumers() -> Value {
    Value::error(format!(
        "ERR a group has at most {CONSUMERS_PER_GROUP_MAX} consumers, and this one has them"
    ))
}

impl Group {
    /// A group without consumers.
    pub(crate) fn new(name: Text, last_id: StreamId, read: Option<i64>) -> Group {
        let mut group = Group { name, last_id, ..Group::default() };
        group.set_read(read);
        group
    }

    /// How many entries were read, as Redis counts: past what is signed it goes on below zero. `None`: unknown.
    pub(crate) fn read(&self) -> Option<i64> {
        Some(self.read).filter(|read| *read != UNKNOWN)
    }

    pub(crate) fn set_read(&mut self, read: Option<i64>) {
        self.read = read.unwrap_or(UNKNOWN);
    }

    pub(super) fn bytes(&self) -> usize {
        GROUP_BYTES + self.name.len() + self.consumers.bytes() + self.pending.len() as usize * PENDED_BYTES
    }

    /// The consumers by name, each with its number.
    pub(crate) fn consumers(&self) -> impl ExactSizeIterator<Item = (u32, &Consumer)> {
        self.consumers.behind(0)
    }

    /// Those behind so many others.
    pub(crate) fn consumers_behind(&self, others: usize) -> impl ExactSizeIterator<Item = (u32, &Consumer)> {
        self.consumers.behind(others)
    }

    /// The consumer of a number that is in use.
    pub(crate) fn consumer(&self, number: u32) -> &Consumer {
        self.consumers.of(number).expect("what is pending belongs to a consumer")
    }

    fn consumer_mut(&mut self, number: u32) -> &mut Consumer {
        self.consumers.of_mut(number).expect("what is pending belongs to a consumer")
    }

    /// Number of the consumer of that name.
    pub(crate) fn number(&self, name: &[u8]) -> Option<u32> {
        self.consumers.number(name)
    }

    /// Whether that name is a consumer's, or may become one's.
    pub(crate) fn takes(&self, name: &[u8]) -> bool {
        self.consumers.len() < CONSUMERS_PER_GROUP_MAX || self.number(name).is_some()
    }

    /// Number of the consumer of that name, made where there is none; and whether it was made. The caller asked
    /// [`Group::takes`].
    pub(crate) fn number_or_new(&mut self, name: &Text, wall: u64) -> (u32, bool) {
        debug_assert!(self.takes(name), "there is room for another consumer");
        if let Some(number) = self.number(name) {
            return (number, false);
        }
        let consumer = Consumer { name: name.clone(), seen: wall, active: None, pending: 0 };
        (self.consumers.add(consumer).expect("nobody has that name"), true)
    }

    /// Puts back a consumer with its number; `None` where both cannot be.
    pub(crate) fn restore_consumer(&mut self, number: u32, consumer: Consumer) -> Option<()> {
        self.consumers.put_back(number, consumer)
    }

    /// In how many chunks its consumers and what is pending lie.
    pub(super) fn chunks(&self) -> usize {
        self.pending.chunk_count() + self.consumers.chunk_count()
    }

    /// The chunks, to be freed part by part.
    pub(super) fn into_chunks(self) -> (VecDeque<Arc<PendedChunk>>, Vec<Arc<Chunk>>) {
        (self.pending.into_chunks(), self.consumers.into_chunks())
    }

    /// Puts back what is pending; `None` where it belongs to nobody.
    pub(crate) fn restore_pending(&mut self, pending: Vec<Pended>) -> Option<()> {
        for pended in pending {
            self.consumers.of(pended.consumer)?;
            self.pend(pended);
        }
        Some(())
    }

    /// Removes a consumer and all that is pending with it; returns how much that was.
    pub(crate) fn remove_consumer(&mut self, name: &[u8]) -> u64 {
        let Some((number, gone)) = self.consumers.remove(name) else { return 0 };
        if gone.pending > 0 {
            self.pending.remove_all_of(number, gone.pending);
        }
        gone.pending
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

    /// The group of a place in their order.
    pub(crate) fn at(&self, at: usize) -> Option<&Group> {
        self.list.get(at).map(|group| &**group)
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

    /// Adds a group behind all others; `None` where that is not its place.
    pub(crate) fn push(&mut self, group: Group) -> Option<()> {
        let fits = self.list.last().is_none_or(|last| last.name < group.name);
        fits.then(|| self.insert(group)).map(drop)
    }

    /// The group of a place in their order, to be put together from a snapshot.
    pub(crate) fn edit_at<T>(&mut self, at: usize, change: impl FnOnce(&mut Group) -> T) -> Option<T> {
        let group = Arc::make_mut(self.list.get_mut(at)?);
        self.bytes -= group.bytes();
        let done = change(group);
        self.bytes += group.bytes();
        Some(done)
    }

    /// Removes a group; `None` where there is none of that name.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Arc<Group>> {
        let gone = self.list.remove(self.place(name).ok()?);
        self.bytes -= gone.bytes();
        let groups = self.list.len();
        self.list.give_back(4 * groups + 4, 2 * groups);
        Some(gone)
    }

    /// Takes all out: of a stream that nobody needs any more.
    pub(super) fn take_all(&mut self) -> Vec<Arc<Group>> {
        self.bytes = 0;
        std::mem::take(&mut self.list)
    }

    /// Changes a group; `None` where there is none of that name.
    pub(crate) fn edit<T>(&mut self, name: &[u8], change: impl FnOnce(&mut Group) -> T) -> Option<T> {
        self.edit_at(self.place(name).ok()?, change)
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Groups};
    use crate::stream::id::StreamId;
    use crate::stream::pending::Pended;
    use crate::stream::text::Text;

    #[test]
    fn what_is_pending_belongs_to_one_consumer_at_a_time() {
        let mut groups = Groups::default();
        groups.insert(Group { name: Text::from(b"g"), ..Group::default() });
        assert!(!groups.insert(Group { name: Text::from(b"g"), ..Group::default() }));
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
        assert!(groups.remove(b"g").is_some());
        assert_eq!(groups.bytes(), 0);
    }

    #[test]
    fn numbers_are_given_again_the_lowest_first_and_places_go() {
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
            (0..10_000).for_each(|number| _ = group.remove_consumer(&name(number)));
            assert_eq!(group.consumers().len(), 4);
        });
        groups
            .edit(b"g", |group| (20_000..20_004).for_each(|number| _ = group.remove_consumer(&name(number))));
        assert_eq!((groups.bytes(), groups.recount()), (empty, empty));
    }
}
