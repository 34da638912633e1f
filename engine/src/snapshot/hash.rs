//! The state hash: equal states, equal hashes (I9).
//!
//! SipHash-2-4 with a fixed key over the records of a snapshot in one canonical order. It takes as long as
//! a snapshot, so it is for tests and for comparing replicas, not for every batch.

use super::record::{self, ShardHeader};
use crate::shard::Shard;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// The hash of a shard's whole replicated state.
pub(crate) fn state_hash(shard: &Shard) -> u64 {
    let mut hasher = SipHasher24::new_with_key(b"sluice state v1.");
    let mut part = Vec::new();
    let mut feed = |fill: &mut dyn FnMut(&mut Vec<u8>)| {
        part.clear();
        fill(&mut part);
        hasher.write_usize(part.len());
        hasher.write(&part);
    };
    let keys = shard.keys.clone();
    let header = ShardHeader {
        group: shard.group,
        index: shard.index,
        stamp: shard.stamp,
        ordinal: shard.ordinal,
        keys,
    };
    feed(&mut |out| record::put_shard(out, &header));
    for (ordinal, zone) in &shard.zones {
        feed(&mut |out| record::put_zone(out, *ordinal, zone));
        let mut from = 0;
        while let Some(block) = zone.waiters.next_block(from) {
            from = block + 1;
            if let Some(image) = zone.waiters.block_image(block) {
                feed(&mut |out| record::put_block(out, *ordinal, &image, &zone.users));
            }
        }
        feed(&mut |out| record::put_expiries(out, *ordinal, zone.users.expiring().iter(), &zone.users));
    }
    feed(&mut |out| record::put_requests(out, shard.requests.order().iter()));
    hasher.finish()
}
