//! The state hash: equal states, equal hashes (I9).
//!
//! SipHash-2-4 with a fixed key over the records of a snapshot in one canonical order. It takes as long as
//! a snapshot, so it is for tests and for comparing replicas, not for every batch.

use super::key_record;
use super::record::{self, ShardHeader};
use crate::shard::Shard;
use crate::stream::keyspace::Keyspace;
use crate::stream::pending::Pended;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// Writes one part of the state.
type Fill<'a> = &'a mut dyn FnMut(&mut Vec<u8>);

/// The hash of a shard's whole replicated state.
pub(crate) fn state_hash(shard: &Shard) -> u64 {
    let mut hasher = SipHasher24::new_with_key(b"sluice state v2.");
    let mut part = Vec::new();
    let mut feed = |fill: Fill<'_>| {
        part.clear();
        fill(&mut part);
        hasher.write_usize(part.len());
        hasher.write(&part);
    };
    let keys = shard.secrets.keys.clone();
    let header = ShardHeader {
        group: shard.group,
        index: shard.index,
        stamp: shard.stamp,
        wall: shard.wall,
        ordinal: shard.ordinal,
        keys,
        passes: shard.secrets.passes.clone(),
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
    for order in shard.requests.orders() {
        feed(&mut |out| record::put_requests(out, order.iter()));
    }
    feed_keys(&shard.keyspace, &mut feed);
    hasher.finish()
}

/// The same of the keys. Where consumers and pending entries are kept together is no part of the state, so they go as one.
fn feed_keys(keyspace: &Keyspace, feed: &mut impl FnMut(Fill<'_>)) {
    feed(&mut |out| key_record::put_keyspace(out, keyspace));
    for slot in 0..keyspace.slot_count() as u32 {
        let Some(key) = keyspace.key(slot) else { continue };
        feed(&mut |out| key_record::put_key(out, slot, key));
        for block in key.stream.run.blocks() {
            feed(&mut |out| key_record::put_entries(out, slot, block));
        }
        for (at, group) in key.stream.groups.iter().enumerate() {
            feed(&mut |out| key_record::put_group(out, slot, group));
            let place = (slot, at as u32);
            let consumers: Vec<_> = group.consumers().collect();
            feed(&mut |out| key_record::put_consumers(out, place, &consumers));
            let pending: Vec<Pended> = group.pending.iter().copied().collect();
            feed(&mut |out| key_record::put_pending(out, place, &pending));
        }
    }
    feed(&mut |out| key_record::put_add_requests(out, keyspace.requests().order().iter()));
}
