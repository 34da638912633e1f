//! The keys of a snapshot, written while they change.
//!
//! Slots are written in their order, each as it was at the cut. A key is cloned before its first change after the cut, or
//! when its turn comes: blocks and groups are shared with the clone until they change, so that costs a count for each. The
//! key of a higher epoch than the cut's was made after it and is no part of it.

use super::cut::SLICE_BYTES;
use super::frame::{self, Kind};
use super::key_record::{self, GroupPlace};
use super::list::ListCut;
use crate::cost::CONSUMER_BYTES;
use crate::limit::PENDING_CHUNK;
use crate::stream::consumers::Consumer;
use crate::stream::group::Group;
use crate::stream::id::StreamId;
use crate::stream::keyspace::{Key, Keyspace};
use crate::stream::pending::Pended;
use crate::stream::requests::RememberedAdd;
use std::collections::BTreeMap;

/// A slice visits at most this many slots.
const SLICE_SLOTS: usize = 1_024;
/// Consumers of one record take about so many bytes, or one of a long name more.
const CONSUMERS_RECORD_BYTES: usize = 16 * 1024;

/// What of the keys is still to be written.
#[derive(Debug)]
pub(crate) struct KeysCut {
    /// Slots before this one are written, or their key is being written.
    next: u32,
    /// Slots from this one on held nothing at the cut.
    end: u32,
    /// The last epoch at the cut.
    epoch: u64,
    /// Keys that were to be written as they were before they changed.
    copied: BTreeMap<u32, Key>,
    /// All slots of the cut, where all keys were removed since.
    cleared: Vec<Option<Box<Key>>>,
    writing: Option<Writing>,
    requests: ListCut,
    out: Vec<u8>,
}

/// A key that is written part by part.
#[derive(Debug)]
struct Writing {
    slot: u32,
    key: Key,
    /// Blocks before this one are written.
    block: usize,
    /// Groups before this one are written, and of this one what comes before `part`.
    group: usize,
    part: Part,
}

/// What of a group is written next.
#[derive(Clone, Copy, Debug)]
enum Part {
    Head,
    /// Consumers behind so many others.
    Consumers(usize),
    /// What is pending from this id on.
    Pending(StreamId),
}

impl KeysCut {
    /// Begins at the keys' present state.
    pub(crate) fn begin(keyspace: &Keyspace) -> KeysCut {
        let mut out = Vec::new();
        frame::record(&mut out, Kind::Keyspace, |out| key_record::put_keyspace(out, keyspace));
        KeysCut {
            next: 0,
            end: keyspace.slot_count() as u32,
            epoch: keyspace.epoch(),
            copied: BTreeMap::new(),
            cleared: Vec::new(),
            writing: None,
            requests: ListCut::of(keyspace.requests().order().len()),
            out,
        }
    }

    /// The key in a slot is about to change, or to go.
    pub(crate) fn preserve(&mut self, slot: u32, key: &Key) {
        let pending = (self.next..self.end).contains(&slot) && key.stream.epoch <= self.epoch;
        if pending && !self.copied.contains_key(&slot) {
            self.copied.insert(slot, key.clone());
        }
    }

    /// All keys went; gives them back where they are no part of the cut.
    pub(crate) fn cleared(&mut self, slots: Vec<Option<Box<Key>>>) -> Vec<Option<Box<Key>>> {
        if self.cleared.is_empty() {
            self.cleared = slots;
            return Vec::new();
        }
        slots
    }

    /// The first remembered request went away.
    pub(crate) fn request_popped(&mut self, entry: &RememberedAdd) {
        if self.requests.popped() {
            frame::record(&mut self.out, Kind::AddRequests, |out| {
                key_record::put_add_requests(out, [entry].into_iter());
            });
        }
    }

    /// Writes the next parts; true when the keys are written whole.
    pub(crate) fn slice(&mut self, keyspace: &Keyspace, out: &mut Vec<u8>) -> bool {
        out.append(&mut self.out);
        for _ in 0..SLICE_SLOTS {
            if out.len() >= SLICE_BYTES {
                return false;
            }
            if let Some(writing) = &mut self.writing {
                if !writing.slice(out) {
                    return false;
                }
                self.writing = None;
            }
            if self.next == self.end {
                return self.slice_requests(keyspace, out);
            }
            let slot = self.next;
            self.next += 1;
            if let Some(key) = self.take(slot, keyspace) {
                frame::record(out, Kind::Key, |out| key_record::put_key(out, slot, &key));
                self.writing = Some(Writing { slot, key, block: 0, group: 0, part: Part::Head });
            }
        }
        false
    }

    /// The key that a slot held at the cut.
    fn take(&mut self, slot: u32, keyspace: &Keyspace) -> Option<Key> {
        if let Some(key) = self.copied.remove(&slot) {
            return Some(key);
        }
        let is_old = |key: &&Key| key.stream.epoch <= self.epoch;
        let cleared = self.cleared.get(slot as usize).and_then(Option::as_deref);
        cleared.or_else(|| keyspace.key(slot)).filter(is_old).cloned()
    }

    fn slice_requests(&mut self, keyspace: &Keyspace, out: &mut Vec<u8>) -> bool {
        while !self.requests.is_done() && out.len() < SLICE_BYTES {
            let entries = keyspace.requests().order().range(self.requests.next_chunk());
            frame::record(out, Kind::AddRequests, |out| key_record::put_add_requests(out, entries));
        }
        self.requests.is_done()
    }
}

impl Writing {
    /// Writes the next parts; true when the key is written whole.
    fn slice(&mut self, out: &mut Vec<u8>) -> bool {
        let (slot, stream) = (self.slot, &self.key.stream);
        while let Some(block) = stream.run.block_at(self.block) {
            if out.len() >= SLICE_BYTES {
                return false;
            }
            self.block += 1;
            frame::record(out, Kind::Entries, |out| key_record::put_entries(out, slot, block));
        }
        while let Some(group) = stream.groups.at(self.group) {
            if out.len() >= SLICE_BYTES {
                return false;
            }
            let place = (slot, self.group as u32);
            match self.part.next(group, place, out) {
                Some(part) => self.part = part,
                None => (self.group, self.part) = (self.group + 1, Part::Head),
            }
        }
        true
    }
}

impl Part {
    /// Writes this part of a group, and says which follows; `None`: it was the last.
    fn next(self, group: &Group, place: GroupPlace, out: &mut Vec<u8>) -> Option<Part> {
        match self {
            Part::Head => {
                frame::record(out, Kind::Group, |out| key_record::put_group(out, place.0, group));
                Some(Part::Consumers(0))
            }
            Part::Consumers(behind) => {
                let mut bytes = 0;
                let fits = |(_, consumer): &(u32, &Consumer)| {
                    let is_first = bytes == 0;
                    bytes += CONSUMER_BYTES + consumer.name.len();
                    is_first || bytes <= CONSUMERS_RECORD_BYTES
                };
                let chunk: Vec<_> = group.consumers_behind(behind).take_while(fits).collect();
                if chunk.is_empty() {
                    return Some(Part::Pending(StreamId::MIN));
                }
                frame::record(out, Kind::Consumers, |out| key_record::put_consumers(out, place, &chunk));
                Some(Part::Consumers(behind + chunk.len()))
            }
            Part::Pending(from) => {
                let chunk: Vec<Pended> = group.pending.since(from).take(PENDING_CHUNK).copied().collect();
                let last = chunk.last()?;
                frame::record(out, Kind::Pending, |out| key_record::put_pending(out, place, &chunk));
                last.id.next().map(Part::Pending)
            }
        }
    }
}
