//! The connections of a worker, in slots that are used again.
//!
//! A key has the generation of its slot, so what was meant for a closed connection finds nothing.

use crate::limit;
use crate::worker::ticket::SessionKey;

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// A generational slab. Insertion, removal and lookup take constant time.
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// An empty one.
    pub(crate) fn new() -> Slab<T> {
        Slab { slots: Vec::new(), free: Vec::new() }
    }

    /// How many values it holds.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Puts in what `make` makes of its key. `None`, and nothing made, when all slots are taken.
    pub(crate) fn insert(&mut self, make: impl FnOnce(SessionKey) -> T) -> Option<SessionKey> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() == limit::SESSIONS_PER_WORKER_MAX => return None,
            None => {
                self.slots.push(Slot { generation: 0, value: None });
                self.slots.len() as u32 - 1
            }
        };
        let place = self.slots.get_mut(slot as usize)?;
        let key = SessionKey { slot, generation: place.generation };
        place.value = Some(make(key));
        Some(key)
    }

    /// The value under a key, unless it was removed.
    pub(crate) fn get_mut(&mut self, key: SessionKey) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation == key.generation { slot.value.as_mut() } else { None }
    }

    /// Takes the value out; its key is void from then on.
    pub(crate) fn remove(&mut self, key: SessionKey) -> Option<T> {
        let slot = self.slots.get_mut(key.slot as usize)?;
        if slot.generation != key.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = (slot.generation + 1) % (1 << limit::GENERATION_BITS);
        self.free.push(key.slot);
        Some(value)
    }

    /// Slots, taken or not: the range of [`Slab::key_at`].
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// The key of the value in a slot.
    pub(crate) fn key_at(&self, slot: usize) -> Option<SessionKey> {
        let place = self.slots.get(slot)?;
        place.value.as_ref().map(|_| SessionKey { slot: slot as u32, generation: place.generation })
    }
}

#[cfg(test)]
mod tests {
    use super::Slab;

    #[test]
    fn a_key_is_void_once_its_value_is_gone() {
        let mut slab = Slab::new();
        let first = slab.insert(|_| "a").unwrap();
        assert_eq!(slab.remove(first), Some("a"));
        let second = slab.insert(|_| "b").unwrap();
        assert_eq!(second.slot, first.slot, "slots are used again");
        assert_eq!(slab.get_mut(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut "b"));
        assert_eq!(slab.len(), 1);
        assert_eq!((slab.key_at(0), slab.key_at(1)), (Some(second), None));
    }
}
