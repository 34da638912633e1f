//! A map that grows and shrinks part by part: linear hashing (Litwin, 1980). A hash map of millions moves all of them at once
//! when it is full, and takes three times its memory while it does; here an insertion moves the entries of one part.
//!
//! Parts are lists that are searched from end to end, [`PART_ENTRIES`] long on average and twice that at most but for chance. Keys
//! are hashes that nobody outside can choose, or numbers in a row.

use crate::id::{RequestHash, UserHash};
use crate::room::Roomy;

/// Entries of a part, on average.
const PART_ENTRIES: usize = 16;
/// Room that a part takes at once.
const ROOM: usize = 2;

/// What is a hash already, or as good as one.
pub(crate) trait Hashed: Copy + Eq {
    /// Its low bits tell it from others.
    fn low(self) -> u64;
}

impl Hashed for UserHash {
    fn low(self) -> u64 {
        self.0 as u64 ^ (self.0 >> 64) as u64
    }
}

impl Hashed for RequestHash {
    fn low(self) -> u64 {
        self.0 as u64 ^ (self.0 >> 64) as u64
    }
}

impl Hashed for u64 {
    fn low(self) -> u64 {
        self
    }
}

/// The map.
#[derive(Debug)]
pub(crate) struct PartedMap<K, V> {
    parts: Vec<Vec<(K, V)>>,
    len: usize,
}

impl<K, V> Default for PartedMap<K, V> {
    fn default() -> PartedMap<K, V> {
        PartedMap { parts: Vec::new(), len: 0 }
    }
}

impl<K: Hashed, V> PartedMap<K, V> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What is known of a key.
    pub(crate) fn get(&self, key: K) -> Option<&V> {
        let part = self.parts.get(self.part(key))?;
        part.iter().find(|(of, _)| *of == key).map(|(_, value)| value)
    }

    /// Notes this of a key; what was known of it before.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        if self.parts.is_empty() {
            self.parts.push(Vec::new());
        }
        let part = self.part(key);
        let part = &mut self.parts[part];
        if let Some((_, known)) = part.iter_mut().find(|(of, _)| *of == key) {
            return Some(std::mem::replace(known, value));
        }
        if part.is_filled() {
            part.reserve_exact(ROOM);
        }
        part.push((key, value));
        self.len += 1;
        if self.len > self.parts.len() * PART_ENTRIES {
            self.split();
        }
        None
    }

    /// Forgets a key; what was known of it.
    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let part = self.part(key);
        let part = self.parts.get_mut(part)?;
        let at = part.iter().position(|(of, _)| *of == key)?;
        let (_, gone) = part.swap_remove(at);
        let entries = part.len();
        part.give_back(entries + 2 * ROOM, entries + ROOM);
        self.len -= 1;
        if self.len * 4 < (self.parts.len() - 1) * PART_ENTRIES {
            self.merge();
        }
        Some(gone)
    }

    /// Where a key belongs: its lowest bits say it, one bit less where that part is not there yet.
    fn part(&self, key: K) -> usize {
        let mask = self.parts.len().next_power_of_two() - 1;
        let part = key.low() as usize & mask;
        if part < self.parts.len() { part } else { part & (mask >> 1) }
    }

    /// Another part takes over what belongs to it.
    fn split(&mut self) {
        let new = self.parts.len();
        let old = without_highest_bit(new);
        self.parts.push(Vec::new());
        let (stay, go): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.parts[old]).into_iter().partition(|(key, _)| self.part(*key) == old);
        (self.parts[old], self.parts[new]) = (stay, go);
        for part in [old, new] {
            let entries = self.parts[part].len();
            self.parts[part].shrink_to(entries + ROOM);
        }
    }

    /// The last part's entries go back to where they came from.
    fn merge(&mut self) {
        let Some(last) = self.parts.pop() else { return };
        let old = without_highest_bit(self.parts.len());
        let old = &mut self.parts[old];
        old.reserve_exact(last.len());
        old.extend(last);
        let parts = self.parts.len();
        self.parts.give_back(4 * parts, 2 * parts);
    }

    /// Bytes that it takes.
    #[cfg(test)]
    pub(crate) fn allocated(&self) -> usize {
        self.parts.allocated() + self.parts.iter().map(Roomy::allocated).sum::<usize>()
    }
}

fn without_highest_bit(number: usize) -> usize {
    number & !(1 << (usize::BITS - 1 - number.leading_zeros()))
}

#[cfg(test)]
mod tests {
    use super::{PART_ENTRIES, PartedMap};
    use crate::id::UserHash;
    use std::collections::HashMap;

    #[test]
    fn it_is_a_map_whatever_comes_and_goes() {
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut map, mut model) = (PartedMap::default(), HashMap::new());
        for step in 0..200_000u32 {
            let key = UserHash(u128::from(rng.u32(0..20_000)) << 64 | u128::from(rng.u8(0..2)));
            // It grows, then shrinks.
            let adds = if step < 100_000 { 8 } else { 2 };
            if rng.u8(0..10) < adds {
                assert_eq!(map.insert(key, step), model.insert(key, step));
            } else {
                assert_eq!(map.remove(key), model.remove(&key));
            }
            assert_eq!((map.len(), map.get(key)), (model.len(), model.get(&key)));
        }
        model.iter().for_each(|(key, value)| assert_eq!(map.get(*key), Some(value)));
        for key in model.into_keys() {
            assert!(map.remove(key).is_some());
        }
        assert!(map.is_empty() && map.parts.len() == 1 && map.allocated() < 400);
    }

    #[test]
    fn no_step_moves_much_and_no_room_is_left() {
        let mut rng = fastrand::Rng::with_seed(6);
        let mut map = PartedMap::default();
        let mut longest = 0;
        for n in 0..300_000u64 {
            map.insert(UserHash(rng.u128(..)), n);
            if n % 1_000 == 999 {
                longest = longest.max(map.parts.iter().map(Vec::len).max().unwrap());
                let entry = map.allocated() / map.len();
                assert!(entry <= size_of::<(UserHash, u64)>() * 5 / 4 + 8, "{entry} bytes at {n}");
            }
        }
        assert!(longest < 5 * PART_ENTRIES, "{longest}");
    }
}
