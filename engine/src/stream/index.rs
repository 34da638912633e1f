//! From a key to its slot.
//!
//! An entry is a slot and a part of the key's hash, so neither growth nor most misses touch the keys themselves. The order
//! of entries depends on capacities, so nothing iterates over this. The hash has no secret: who may create keys is known
//! to the operator, and a secret would have to be the same on every node.

use hashbrown::HashTable;

/// What a key is counted as for its place here, at an average load.
pub(crate) const INDEX_BYTES: usize = 16;

/// 2^64 divided by the golden ratio, odd.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

#[derive(Clone, Copy, Debug)]
struct Pointer {
    slot: u32,
    hash: u32,
}

/// Slots by key.
#[derive(Debug, Default)]
pub(crate) struct Index {
    table: HashTable<Pointer>,
}

impl Index {
    /// The slot for which `is_it` holds, among those of this hash.
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(u32) -> bool) -> Option<u32> {
        let found = self.table.find(spread(hash), |pointer| pointer.hash == hash && is_it(pointer.slot));
        found.map(|pointer| pointer.slot)
    }

    /// Adds a slot; its key is not here yet.
    pub(crate) fn insert(&mut self, hash: u32, slot: u32) {
        self.table.insert_unique(spread(hash), Pointer { slot, hash }, |pointer| spread(pointer.hash));
    }

    /// Removes a slot.
    pub(crate) fn remove(&mut self, hash: u32, slot: u32) {
        if let Ok(found) = self.table.find_entry(spread(hash), |pointer| pointer.slot == slot) {
            found.remove();
        }
    }

    /// Removes all.
    pub(crate) fn clear(&mut self) {
        self.table = HashTable::new();
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }
}

fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(SPREAD)
}

/// Hash of a key: a folded multiplication for every eight bytes.
pub(crate) fn hash_key(key: &[u8]) -> u32 {
    let fold = |state: u64, word: u64| {
        let product = u128::from(state ^ word) * u128::from(SPREAD);
        (product as u64) ^ (product >> 64) as u64
    };
    let (words, rest) = key.as_chunks::<8>();
    let state =
        words.iter().fold(key.len() as u64 ^ SPREAD, |state, word| fold(state, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    (fold(fold(state, u64::from_le_bytes(last)), SPREAD.rotate_left(32)) >> 16) as u32
}

#[cfg(test)]
mod tests {
    use super::{Index, hash_key};

    #[test]
    fn keys_that_differ_little_have_hashes_that_differ() {
        let mut hashes: Vec<u32> =
            (0..100_000u32).map(|number| hash_key(format!("scan:events:{number}").as_bytes())).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert!(hashes.len() > 99_990, "{} of 100000", hashes.len());
    }

    #[test]
    fn slots_are_found_by_key_and_gone_when_removed() {
        let keys = [&b"a"[..], b"b", b""];
        let mut index = Index::default();
        for (slot, key) in keys.iter().enumerate() {
            index.insert(hash_key(key), slot as u32);
        }
        let find = |index: &Index, key: &[u8]| index.find(hash_key(key), |slot| keys[slot as usize] == key);
        assert_eq!((find(&index, b"b"), find(&index, b"c")), (Some(1), None));
        index.remove(hash_key(b"b"), 1);
        assert_eq!((find(&index, b"b"), find(&index, b""), index.len()), (None, Some(2), 2));
    }
}
