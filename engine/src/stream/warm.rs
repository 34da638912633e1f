//! Asks the cache for what a batch of operations is about to touch.
//!
//! To find a key and append to it is a chain of reads, each of which needs the one before: index, slot, key, its name and the
//! ends of its newest block. Among many keys none of them is in the cache, and the chain is most of what an append
//! costs. Here the chains of several operations are walked side by side, a step of each at a time.

use super::index::hash_key;
use super::keyspace::{Key, Keyspace};
use super::op::KeyOp;
use crate::structure::{prefetch, prefetch_all};

/// So many keys are walked to at a time: as many as a core has reads under way, a few times over, and few enough that what was
/// fetched is still there when it is used.
pub(crate) const WARMED: usize = 32;

impl Keyspace {
    /// Asks the cache for what these operations will touch; of [`WARMED`] keys at most.
    pub(crate) fn warm<'a>(&self, ops: impl Iterator<Item = &'a KeyOp>) {
        let (mut slots, mut len) = ([0; WARMED], 0);
        for op in ops {
            op.visit_keys(|name| {
                // Whether it is the key itself is seen when it is there.
                let found = self.index.find(hash_key(name), |_| true).filter(|_| len < WARMED);
                found.into_iter().for_each(|slot| {
                    slots[len] = slot;
                    len += 1;
                });
            });
        }
        let keys = || slots[..len].iter().filter_map(|slot| self.key(*slot));
        keys().for_each(prefetch_all::<Key>);
        for key in keys() {
            prefetch(key.name.as_ptr());
            let (oldest, end) = key.stream.run.ends();
            prefetch(oldest);
            prefetch(end);
        }
    }
}
