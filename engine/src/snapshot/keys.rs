//! The keys of a snapshot, written while they change.
//!
//! Slots are written in their order, each as it was at the cut. A key is cloned before its first change after the cut, or
//! when its turn comes: blocks and groups are shared with the clone until they change, so that costs a count for each. The
//! key of a higher epoch than the cut's was made after it and is no part of it.
//!
//! What only the cut still holds is counted, but for a block or chunk that changed in its place: a key that was removed, what
//! keys lost, and what a clone does not share. What it needs no more goes to the keyspace's waste, never at once.

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
use crate::stream::slots::Slots;
use crate::stream::state::Stream;
use crate::stream::waste::Waste;
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
    copied: BTreeMap<u32, Held>,
    /// All slots of the cut, where all keys were removed since, and their bytes.
    cleared: Option<Slots>,
    cleared_bytes: u64,
    /// Bytes of what was copied.
    copied_bytes: u64,
    writing: Option<Writing>,
    requests: ListCut,
    out: Vec<u8>,
}

/// A key as it was, and what is held only for its sake.
#[derive(Debug)]
struct Held {
    key: Box<Key>,
    bytes: u64,
}

impl Held {
    /// The key that is still there lost so many bytes.
    fn lost(&mut self, bytes: u64) {
        let most = self.key.counted() as u64;
        self.bytes = self.bytes.saturating_add(bytes).min(most.max(self.bytes));
    }
}

/// A key that is written part by part.
#[derive(Debug)]
struct Writing {
    held: Held,
    left: KeyWalk,
}

/// How far a key is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyWalk {
    slot: u32,
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
            cleared: None,
            cleared_bytes: 0,
            copied_bytes: 0,
            writing: None,
            requests: ListCut::of(keyspace.requests().order().len()),
            out,
        }
    }

    /// Bytes that are held for its sake alone.
    pub(crate) fn held(&self) -> u64 {
        self.copied_bytes + self.cleared_bytes + self.writing.as_ref().map_or(0, |writing| writing.held.bytes)
    }

    /// Whether a key is still to be written as it is.
    fn needs(&self, slot: u32, key: &Key) -> bool {
        let is_ahead = (self.next..self.end).contains(&slot) && key.stream.epoch <= self.epoch;
        is_ahead && !self.copied.contains_key(&slot)
    }

    /// The key in a slot is about to change.
    pub(crate) fn preserve(&mut self, slot: u32, key: &Key) {
        if self.needs(slot, key) {
            self.copy(slot, Held { key: Box::new(key.clone()), bytes: key.alone() as u64 });
        }
    }

    fn copy(&mut self, slot: u32, held: Held) {
        self.copied_bytes += held.bytes;
        self.copied.insert(slot, held);
    }

    /// The key in a slot has lost so many bytes.
    pub(crate) fn lost(&mut self, slot: u32, bytes: u64) {
        if let Some(held) = self.copied.get_mut(&slot) {
            let before = held.bytes;
            held.lost(bytes);
            self.copied_bytes += held.bytes - before;
        } else if let Some(writing) = self.writing.as_mut().filter(|writing| writing.left.slot == slot) {
            writing.held.lost(bytes);
        }
    }

    /// The key in a slot went; gives it back where it is no part of the cut.
    pub(crate) fn removed(&mut self, slot: u32, key: Box<Key>) -> Option<Box<Key>> {
        let bytes = key.counted() as u64;
        if self.needs(slot, &key) {
            self.copy(slot, Held { key, bytes });
            return None;
        }
        self.lost(slot, bytes);
        Some(key)
    }

    /// All keys went; gives them back where they are no part of the cut.
    pub(crate) fn cleared(&mut self, slots: Slots, bytes: u64) -> Option<Slots> {
        if self.cleared.is_some() {
            return Some(slots);
        }
        (self.cleared, self.cleared_bytes) = (Some(slots), bytes);
        None
    }

    /// Gives up what was not written.
    pub(crate) fn end(self, waste: &mut Waste) {
        waste.take_slots(self.cleared.unwrap_or_default(), self.cleared_bytes);
        let writing = self.writing.map(|writing| writing.held);
        // Nothing is left of these where it was written whole.
        self.copied.into_values().chain(writing).for_each(|held| waste.take_held(held.key, held.bytes));
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
    pub(crate) fn slice(&mut self, keyspace: &mut Keyspace, out: &mut Vec<u8>) -> bool {
        out.append(&mut self.out);
        for _ in 0..SLICE_SLOTS {
            if out.len() >= SLICE_BYTES {
                return false;
            }
            if let Some(mut writing) = self.writing.take() {
                if !writing.left.slice(&writing.held.key.stream, out) {
                    self.writing = Some(writing);
                    return false;
                }
                keyspace.waste.take_held(writing.held.key, writing.held.bytes);
            }
            if self.next == self.end {
                return self.slice_requests(keyspace, out);
            }
            let slot = self.next;
            self.next += 1;
            if let Some(held) = self.take(slot, keyspace) {
                let left = KeyWalk::begin(slot, &held.key, out);
                self.writing = Some(Writing { held, left });
            }
        }
        false
    }

    /// The key that a slot held at the cut.
    fn take(&mut self, slot: u32, keyspace: &mut Keyspace) -> Option<Held> {
        let cleared = self.cleared.as_mut().and_then(|slots| slots.take(slot));
        self.cleared_bytes -= cleared.as_ref().map_or(0, |key| key.counted() as u64);
        if let Some(held) = self.copied.remove(&slot) {
            self.copied_bytes -= held.bytes;
            cleared.into_iter().for_each(|key| keyspace.waste.take_key(key));
            return Some(held);
        }
        if let Some(key) = cleared {
            let bytes = key.counted() as u64;
            if key.stream.epoch <= self.epoch {
                return Some(Held { key, bytes });
            }
            keyspace.waste.take_key(key);
            return None;
        }
        let key = keyspace.key(slot).filter(|key| key.stream.epoch <= self.epoch)?;
        Some(Held { key: Box::new(key.clone()), bytes: key.alone() as u64 })
    }

    fn slice_requests(&mut self, keyspace: &Keyspace, out: &mut Vec<u8>) -> bool {
        while !self.requests.is_done() && out.len() < SLICE_BYTES {
            let entries = keyspace.requests().order().range(self.requests.next_chunk());
            frame::record(out, Kind::AddRequests, |out| key_record::put_add_requests(out, entries));
        }
        self.requests.is_done()
    }
}

impl KeyWalk {
    /// Writes the head of a key.
    pub(super) fn begin(slot: u32, key: &Key, out: &mut Vec<u8>) -> KeyWalk {
        frame::record(out, Kind::Key, |out| key_record::put_key(out, slot, key));
        KeyWalk { slot, block: 0, group: 0, part: Part::Head }
    }

    /// The slot of the key.
    pub(super) fn slot(&self) -> u32 {
        self.slot
    }

    /// Writes the next parts; true when the key is written whole.
    pub(super) fn slice(&mut self, stream: &Stream, out: &mut Vec<u8>) -> bool {
        let slot = self.slot;
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
