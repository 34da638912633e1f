//! The state hash: equal states, equal hashes (I9).
//!
//! SipHash-2-4 with a fixed key over the records of a snapshot in one canonical order: zones, requests, keys, each in the order
//! of its number. It takes as long as a snapshot, so it is made slice by slice, and stands for one index only as long as nothing
//! is applied in between.

use super::cut::{self, SLICE_BYTES};
use super::frame::{self, Kind};
use super::key_record;
use super::keys::KeyWalk;
use super::list::LIST_CHUNK;
use super::record;
use crate::shard::Shard;
use crate::shard::requests::CHOOSERS;
use crate::zone::state::ZoneState;
use siphasher::sip::SipHasher24;
use std::collections::VecDeque;
use std::hash::Hasher;
use std::ops::Range;

/// A slice takes at most so many parts, were they all empty.
const SLICE_PARTS: usize = 1_024;

/// The hash of a shard's whole replicated state.
pub(crate) fn state_hash(shard: &Shard) -> u64 {
    let mut walk = HashWalk::begin(shard);
    loop {
        if let Some(hash) = walk.slice(shard) {
            return hash;
        }
    }
}

/// A hash that is being made.
pub(crate) struct HashWalk {
    index: u64,
    hasher: SipHasher24,
    next: Part,
    /// Between slices empty; kept for its capacity.
    out: Vec<u8>,
}

/// What is hashed next. What is named by its number is there: nothing is applied in between.
enum Part {
    Header,
    /// The first zone from this ordinal on.
    Zone(u64),
    /// The blocks of a zone from this one on.
    Blocks(u64, u64),
    /// The direct admissions of a zone from this place of their list on.
    Expiries(u64, usize),
    /// Remembered requests, by who chose their ids, from this place of their list on.
    Requests(usize, usize),
    Keyspace,
    /// The first key from this slot on.
    Slot(u32),
    /// What is left of a key.
    Key(KeyWalk),
    /// Remembered appends, from this place of their list on.
    AddRequests(usize),
}

impl HashWalk {
    /// Begins at the shard's present index.
    pub(crate) fn begin(shard: &Shard) -> HashWalk {
        let hasher = SipHasher24::new_with_key(b"sluice state v3.");
        HashWalk { index: shard.index, hasher, next: Part::Header, out: Vec::new() }
    }

    /// The index whose state this is the hash of.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// Hashes about [`SLICE_BYTES`] more; the hash, when that was all. To be called with the shard as it was.
    pub(crate) fn slice(&mut self, shard: &Shard) -> Option<u64> {
        let mut hash = None;
        for _ in 0..SLICE_PARTS {
            let Some(next) = self.next.write(shard, &mut self.out) else {
                self.hasher.write(&self.out);
                hash = Some(self.hasher.finish());
                break;
            };
            self.next = next;
            if self.out.len() >= SLICE_BYTES {
                break;
            }
        }
        if hash.is_none() {
            self.hasher.write(&self.out);
        }
        self.out.clear();
        hash
    }
}

impl Part {
    /// Writes this part, and says which follows; `None`: it was the last.
    fn write(&mut self, shard: &Shard, out: &mut Vec<u8>) -> Option<Part> {
        let next = match self {
            Part::Header => {
                cut::put_header(out, shard);
                Part::Zone(0)
            }
            Part::Zone(from) => match shard.zones.range(*from..).next() {
                Some((ordinal, zone)) => {
                    frame::record(out, Kind::Zone, |out| record::put_zone(out, *ordinal, zone));
                    Part::Blocks(*ordinal, 0)
                }
                None => Part::Requests(0, 0),
            },
            Part::Blocks(ordinal, from) => match shard.zones.get(ordinal) {
                Some(zone) => next_block(zone, *ordinal, *from, out),
                None => Part::Zone(*ordinal + 1),
            },
            Part::Expiries(ordinal, from) => match shard.zones.get(ordinal) {
                Some(zone) => next_expiries(zone, *ordinal, *from, out),
                None => Part::Zone(*ordinal + 1),
            },
            Part::Requests(chooser, from) => {
                let order = &shard.requests.orders()[*chooser];
                let chunk = chunk(order, *from);
                let end = chunk.end;
                frame::record(out, Kind::Requests, |out| record::put_requests(out, order.range(chunk)));
                match (end < order.len(), *chooser + 1) {
                    (true, _) => Part::Requests(*chooser, end),
                    (false, CHOOSERS) => Part::Keyspace,
                    (false, next) => Part::Requests(next, 0),
                }
            }
            Part::Keyspace => {
                let keyspace = &shard.keyspace;
                frame::record(out, Kind::Keyspace, |out| key_record::put_keyspace(out, keyspace));
                Part::Slot(0)
            }
            Part::Slot(slot) if (*slot as usize) < shard.keyspace.slot_count() => {
                match shard.keyspace.key(*slot) {
                    Some(key) => Part::Key(KeyWalk::begin(*slot, key, out)),
                    None => Part::Slot(*slot + 1),
                }
            }
            Part::Slot(_) => Part::AddRequests(0),
            Part::Key(walk) => match shard.keyspace.key(walk.slot()) {
                Some(key) if !walk.slice(&key.stream, out) => Part::Key(*walk),
                _ => Part::Slot(walk.slot() + 1),
            },
            Part::AddRequests(from) => {
                let order = shard.keyspace.requests().order();
                let chunk = chunk(order, *from);
                let end = chunk.end;
                frame::record(out, Kind::AddRequests, |out| {
                    key_record::put_add_requests(out, order.range(chunk));
                });
                return (end < order.len()).then_some(Part::AddRequests(end));
            }
        };
        Some(next)
    }
}

fn next_block(zone: &ZoneState, ordinal: u64, from: u64, out: &mut Vec<u8>) -> Part {
    match zone.waiters.next_block(from) {
        Some(block) => {
            cut::put_block(out, ordinal, block, &zone.waiters, &zone.users);
            Part::Blocks(ordinal, block + 1)
        }
        None => Part::Expiries(ordinal, 0),
    }
}

fn next_expiries(zone: &ZoneState, ordinal: u64, from: usize, out: &mut Vec<u8>) -> Part {
    let order = zone.users.expiring();
    let chunk = chunk(order, from);
    let end = chunk.end;
    frame::record(out, Kind::Expiries, |out| {
        record::put_expiries(out, ordinal, order.range(chunk), &zone.users);
    });
    if end < order.len() { Part::Expiries(ordinal, end) } else { Part::Zone(ordinal + 1) }
}

fn chunk<T>(order: &VecDeque<T>, from: usize) -> Range<usize> {
    from..(from + LIST_CHUNK).min(order.len())
}
