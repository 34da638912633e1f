//! A snapshot of one index, written while the shard goes on.
//!
//! The *cut* is the index at which writing begins. Each part (a zone's header, a block of places, an entry
//! of a list) is written once as it was at the cut: in its turn by [`ShardCut::slice`], or just before its
//! first change, by the `preserve` and `popped` calls of the state. A slice writes about
//! `SLICE_BYTES`, so the owner serves between slices.

use super::frame::{self, Kind};
use super::keys::KeysCut;
use super::list::ListCut;
use super::record::{self, ShardHeader};
use crate::id::UserHash;
use crate::limit::BLOCK_SLOTS;
use crate::shard::Shard;
use crate::shard::requests::{CHOOSERS, Remembered, chooser};
use crate::structure::Waiters;
use crate::token::Place;
use crate::zone::state::ZoneState;
use crate::zone::users::{Expiry, Users};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A slice ends after this many bytes, or a part more.
pub(super) const SLICE_BYTES: usize = 64 * 1024;
/// A slice visits at most this many blocks.
const SLICE_BLOCKS: usize = 64;
/// A slice ends after this many zones, were they all empty.
const SLICE_ZONES: usize = 128;

/// What of a zone is still to be written.
pub(crate) struct Cut {
    ordinal: u64,
    header_done: bool,
    /// Blocks before this one are written.
    next_block: u64,
    /// Blocks from this one on did not exist at the cut.
    end_block: u64,
    /// Blocks past `next_block` that were written because they changed.
    copied: BTreeSet<u64>,
    expiries: ListCut,
    /// Direct admissions from this serial on did not exist at the cut.
    end_serial: u64,
    /// Written out of turn, not yet handed out.
    out: Vec<u8>,
}

impl Cut {
    fn new(ordinal: u64, zone: &ZoneState) -> Cut {
        Cut {
            ordinal,
            header_done: false,
            next_block: 0,
            end_block: zone.waiters.tail().div_ceil(BLOCK_SLOTS),
            copied: BTreeSet::new(),
            expiries: ListCut::of(zone.users.expiring().len()),
            end_serial: zone.totals.direct,
            out: Vec::new(),
        }
    }

    /// Writes the header as it is, unless that was done.
    pub(crate) fn preserve_header(&mut self, zone: &ZoneState) {
        if !self.header_done {
            self.header_done = true;
            frame::record(&mut self.out, Kind::Zone, |out| record::put_zone(out, self.ordinal, zone));
        }
    }

    /// Writes a block as it is, unless that was done or it is newer than the cut.
    pub(crate) fn preserve(&mut self, block: u64, waiters: &Waiters, users: &Users) {
        let pending = (self.next_block..self.end_block).contains(&block);
        if pending && self.copied.insert(block) {
            put_block(&mut self.out, self.ordinal, block, waiters, users);
        }
    }

    /// The first expiring user went away.
    pub(crate) fn expiry_popped(&mut self, expiry: Expiry, users: &Users) {
        if self.expiries.popped() {
            let ordinal = self.ordinal;
            frame::record(&mut self.out, Kind::Expiries, |out| {
                record::put_expiries(out, ordinal, [expiry].iter(), users);
            });
        }
    }

    /// A user is about to be given another place. Who held a place of the queue is written with its block.
    pub(crate) fn place_replaced(&mut self, user: UserHash, place: Place) {
        if matches!(place, Place::Direct { serial, .. } if serial < self.end_serial) {
            let ordinal = self.ordinal;
            frame::record(&mut self.out, Kind::Holder, |out| record::put_holder(out, ordinal, user, place));
        }
    }

    /// Writes the next parts; true when the zone is written whole.
    fn slice(&mut self, zone: &ZoneState, out: &mut Vec<u8>) -> bool {
        self.preserve_header(zone);
        out.append(&mut self.out);
        for _ in 0..SLICE_BLOCKS {
            if out.len() >= SLICE_BYTES {
                return false;
            }
            let next = zone.waiters.next_block(self.next_block).filter(|block| *block < self.end_block);
            let Some(block) = next else {
                self.next_block = self.end_block;
                return self.slice_expiries(zone, out);
            };
            self.next_block = block + 1;
            if !self.copied.remove(&block) {
                put_block(out, self.ordinal, block, &zone.waiters, &zone.users);
            }
        }
        false
    }

    fn slice_expiries(&mut self, zone: &ZoneState, out: &mut Vec<u8>) -> bool {
        while !self.expiries.is_done() && out.len() < SLICE_BYTES {
            let chunk = self.expiries.next_chunk();
            let entries = zone.users.expiring().range(chunk);
            frame::record(out, Kind::Expiries, |out| {
                record::put_expiries(out, self.ordinal, entries, &zone.users);
            });
        }
        self.expiries.is_done()
    }
}

pub(super) fn put_block(out: &mut Vec<u8>, ordinal: u64, block: u64, waiters: &Waiters, users: &Users) {
    if let Some(image) = waiters.block_image(block) {
        frame::record(out, Kind::Block, |out| record::put_block(out, ordinal, &image, users));
    }
}

/// Writes what a shard is but for its zones, keys and requests.
pub(super) fn put_header(out: &mut Vec<u8>, shard: &Shard) {
    let header = ShardHeader {
        group: shard.group,
        index: shard.index,
        stamp: shard.stamp,
        wall: shard.wall,
        ordinal: shard.ordinal,
        keys: shard.secrets.keys.clone(),
        passes: shard.secrets.passes.clone(),
    };
    frame::record(out, Kind::Shard, |out| record::put_shard(out, &header));
}

/// What of a shard is still to be written.
pub(crate) struct ShardCut {
    /// Ordinals of the zones at the cut that are still to be written.
    zones: VecDeque<u64>,
    /// Zones deleted since the cut, not yet written whole.
    deleted: BTreeMap<u64, ZoneState>,
    deleted_bytes: u64,
    /// By who chose their ids.
    requests: [ListCut; CHOOSERS],
    out: Vec<u8>,
    ended: bool,
}

impl ShardCut {
    /// Begins at the shard's present index.
    pub(crate) fn begin(shard: &mut Shard) -> ShardCut {
        let mut out = Vec::new();
        frame::begin(&mut out);
        put_header(&mut out, shard);
        for (ordinal, zone) in &mut shard.zones {
            zone.cut = Some(Cut::new(*ordinal, zone));
        }
        shard.keyspace.cut = Some(KeysCut::begin(&shard.keyspace));
        ShardCut {
            zones: shard.zones.keys().copied().collect(),
            deleted: BTreeMap::new(),
            deleted_bytes: 0,
            requests: shard.requests.orders().each_ref().map(|order| ListCut::of(order.len())),
            out,
            ended: false,
        }
    }

    /// A zone was deleted: it is kept until it is written.
    pub(crate) fn zone_deleted(&mut self, zone: ZoneState) {
        if let Some(cut) = &zone.cut {
            self.deleted_bytes += zone.bytes();
            self.deleted.insert(cut.ordinal, zone);
        }
    }

    /// Bytes of zones that are there for its sake alone.
    pub(crate) fn held(&self) -> u64 {
        self.deleted_bytes
    }

    /// The first remembered request of those who chose its id went away.
    pub(crate) fn request_popped(&mut self, entry: Remembered) {
        if self.requests[chooser(entry.request)].popped() {
            frame::record(&mut self.out, Kind::Requests, |out| record::put_requests(out, [entry].iter()));
        }
    }

    /// The next bytes of the snapshot. `None`: it is whole.
    pub(crate) fn slice(&mut self, shard: &mut Shard) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let mut out = std::mem::take(&mut self.out);
        let mut zones_left = SLICE_ZONES;
        while out.len() < SLICE_BYTES && zones_left > 0 {
            zones_left -= 1;
            let Some(ordinal) = self.zones.front().copied() else {
                self.finish(shard, &mut out);
                break;
            };
            if self.slice_zone(ordinal, shard, &mut out) {
                self.zones.pop_front();
            }
        }
        Some(out)
    }

    fn slice_zone(&mut self, ordinal: u64, shard: &mut Shard, out: &mut Vec<u8>) -> bool {
        let zone = shard.zones.get_mut(&ordinal).or_else(|| self.deleted.get_mut(&ordinal));
        let Some(zone) = zone else { return true };
        let Some(mut cut) = zone.cut.take() else { return true };
        let whole = cut.slice(zone, out);
        if whole {
            let gone = self.deleted.remove(&ordinal);
            self.deleted_bytes -= gone.map_or(0, |zone| zone.bytes());
        } else {
            zone.cut = Some(cut);
        }
        whole
    }

    fn finish(&mut self, shard: &mut Shard, out: &mut Vec<u8>) {
        if let Some(mut cut) = shard.keyspace.cut.take() {
            if cut.slice(&mut shard.keyspace, out) {
                cut.end(&mut shard.keyspace.waste);
            } else {
                shard.keyspace.cut = Some(cut);
            }
            return;
        }
        for (cut, order) in self.requests.iter_mut().zip(shard.requests.orders()) {
            while !cut.is_done() && out.len() < SLICE_BYTES {
                let entries = order.range(cut.next_chunk());
                frame::record(out, Kind::Requests, |out| record::put_requests(out, entries));
            }
        }
        if self.requests.iter().all(ListCut::is_done) {
            frame::record(out, Kind::End, |_| {});
            self.ended = true;
        }
    }
}
