//! The keys of one group, and the streams that they name.
//!
//! ```text
//! index: key → slot │ slots: keys, the lowest free slot first │ deadlines: (wall time, slot) │ requests
//! ```
//! Deterministic: the same operations at the same moments give the same state, byte for byte. Nothing iterates over the
//! index. A key whose deadline is not later than the wall time counts as missing: a change removes it before anything
//! else, a question passes over it.
//!
//! An *epoch* is never given twice: it is the ordinal of the command that made the stream, or one more than the last epoch
//! where that is higher (several streams made by one command). The last epoch is part of the state.
//!
//! Memory is counted from lengths and rooms, which are state themselves, by a model that is written down ([`crate::cost`]), so
//! every replica counts the same whatever it was built with.

use super::index::{Index, hash_key};
use super::namespace::Spaces;
use super::op::KeyOp;
use super::requests::{AddRequests, RememberedAdd};
use super::reserved::{self, NO_PERMISSION};
use super::slots::Slots;
use super::state::Stream;
use super::text::Text;
use super::value::{Extent, Value};
use super::walked;
use super::waste::Waste;
use crate::cost::KEY_BYTES;
use crate::limit::KEYS_PER_SHARD_MAX;
use crate::snapshot::key_record::KeyspaceHeader;
use crate::snapshot::keys::KeysCut;
use crate::time::{LogTime, WallMs};
use std::collections::BTreeSet;

/// When something is applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Wall time of the batch.
    pub(crate) wall: WallMs,
    /// Its log time.
    pub(crate) log: LogTime,
    /// Ordinal of the command: the epoch of a stream that it makes, unless that was given before.
    pub(crate) ordinal: u64,
}

/// A key and what it names.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: Text,
    /// When it goes.
    pub(crate) expires: Option<WallMs>,
    /// Counts appends: the key of the higher number was appended to later.
    pub(crate) touched: u64,
    /// Number of its namespace.
    pub(super) space: Option<u32>,
    /// Bytes that it was last counted as.
    counted: usize,
    pub(crate) stream: Stream,
}

impl Key {
    /// As a snapshot tells of it; its groups and entries come later.
    pub(crate) fn restored(name: Text, expires: Option<WallMs>, touched: u64, stream: Stream) -> Key {
        Key { name, expires, touched, space: None, counted: 0, stream }
    }

    pub(crate) fn counted(&self) -> usize {
        self.counted
    }

    /// What a clone of it takes beside what both share.
    pub(crate) fn alone(&self) -> usize {
        KEY_BYTES + self.name.len() + self.stream.run.tail_room()
    }

    fn cost(&self) -> usize {
        KEY_BYTES + self.name.len() + self.stream.bytes()
    }

    pub(super) fn is_live(&self, wall: WallMs) -> bool {
        self.expires.is_none_or(|expires| expires > wall)
    }
}

/// The keys of a group.
#[derive(Debug, Default)]
pub(crate) struct Keyspace {
    slots: Slots,
    index: Index,
    deadlines: BTreeSet<(WallMs, u32)>,
    /// The last epoch given.
    epoch: u64,
    /// Appends so far.
    appends: u64,
    pub(super) requests: AddRequests,
    pub(super) spaces: Spaces,
    /// The snapshot under way.
    pub(crate) cut: Option<KeysCut>,
    /// What is still to be freed; no part of the state.
    pub(crate) waste: Waste,
    /// Keys that gave something up for others since somebody last took these names: operations do not name them. No part of the
    /// state.
    pub(crate) taken_from: Vec<Text>,
    /// Bytes of all keys.
    bytes: u64,
}

impl Keyspace {
    /// Carries out an operation.
    pub(crate) fn change(&mut self, op: KeyOp, at: Moment) -> Value {
        if op.is_trespass() {
            return Value::error(NO_PERMISSION);
        }
        match op {
            KeyOp::RevokePass(jti) => self.revoke_pass(&jti, at),
            KeyOp::Add(add) => self.add(add, at),
            KeyOp::Trim(key, trim) => self.trim(&key, trim, at.wall),
            KeyOp::Remove(key, ids) => self.remove_entries(&key, &ids, at.wall),
            KeyOp::SetId(set) => self.set_id(&set, at.wall),
            KeyOp::End(key) => self.end(&key, at.wall),
            KeyOp::Group(key, group, op) => self.group(key, group, op, at),
            KeyOp::ReadGroup(read) => self.read_group(&read, at.wall),
            KeyOp::Ack(key, group, ids) => self.ack(&key, &group, &ids, at.wall),
            KeyOp::Claim(claim) => self.claim(&claim, at.wall),
            KeyOp::AutoClaim(claim) => self.auto_claim(&claim, at.wall),
            KeyOp::Delete(keys) => self.delete_keys(&keys, at.wall),
            KeyOp::Expire(expire) => self.expire(&expire, at.wall),
            KeyOp::Persist(key) => self.persist(&key, at.wall),
            KeyOp::Clear => self.clear(),
            KeyOp::SetNamespace(prefix, policy) => self.change_namespace(prefix, policy),
            KeyOp::DeleteNamespace(prefix) => Value::Integer(self.delete_namespace(&prefix).into()),
            question => self.answer(&question, at.wall, at.wall),
        }
    }

    /// Answers a question. A key is there by the log's wall time `wall`; how long something has lasted goes by `now`.
    pub(crate) fn answer(&self, op: &KeyOp, wall: WallMs, now: WallMs) -> Value {
        match op {
            KeyOp::Len(key) => self.stream_len(key, wall),
            KeyOp::Range(range) => self.range(range, wall),
            KeyOp::Read(read) => self.read(read, wall),
            KeyOp::Follow(follow) => Value::Followed(Box::new(self.follow(follow, wall))),
            KeyOp::Pending(key, group, range) => self.pending(key, group, range.as_ref(), (wall, now)),
            KeyOp::InfoStream(key, full) => self.info_stream(key, *full, wall),
            KeyOp::InfoGroups(key) => self.info_groups(key, wall),
            KeyOp::InfoConsumers(key, group) => self.info_consumers(key, group, (wall, now)),
            KeyOp::Exists(keys) => self.exists(keys, wall),
            KeyOp::Type(key) => self.type_of(key, wall),
            KeyOp::Ttl(key, unit, clock) => self.ttl(key, *unit, *clock, (wall, now)),
            KeyOp::Scan(scan) => self.scan(scan, wall),
            KeyOp::Namespaces => self.namespaces(),
            KeyOp::Size => Value::Integer(self.live_len(wall) as i64),
            KeyOp::Faulty(op, fault) => self.fault(op, fault, wall),
            _ => Value::Null,
        }
    }

    /// Removes keys whose time has come, and old request ids, at most so many of each; says of each key that it goes.
    pub(crate) fn sweep(&mut self, at: Moment, most: usize, mut goes: impl FnMut(&Text)) {
        for _ in 0..most {
            match self.deadlines.first() {
                Some(&(due, slot)) if due <= at.wall => {
                    self.key(slot).into_iter().for_each(|key| goes(&key.name));
                    self.remove(slot);
                }
                _ => break,
            }
        }
        self.forget_requests(at.log, most);
    }

    /// Forgets append requests that are too old, at most so many.
    pub(super) fn forget_requests(&mut self, now: LogTime, most: usize) {
        for _ in 0..most {
            let Some(entry) = self.requests.next_expired(now) else { return };
            if let Some(cut) = &mut self.cut {
                cut.request_popped(&entry);
            }
        }
    }

    /// The wall time at which the next key expires.
    pub(crate) fn expiry_due(&self) -> Option<WallMs> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// The log time at which the next request is to be forgotten.
    pub(crate) fn requests_due(&self) -> Option<LogTime> {
        self.requests.first_due()
    }

    /// How far a stream reaches; `None`: there is none.
    pub(crate) fn extent(&self, key: &[u8], wall: WallMs) -> Option<Extent> {
        self.stream(key, wall).map(Stream::extent)
    }

    /// Bytes that it all takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes + self.requests.bytes()
    }

    /// Bytes that are no part of the state and not free yet either: what was removed, and what a snapshot holds of it.
    pub(crate) fn held(&self) -> u64 {
        self.waste.bytes() + self.cut.as_ref().map_or(0, KeysCut::held)
    }

    /// Bytes that one key takes; 0 where there is none.
    pub(crate) fn bytes_of(&self, name: &[u8], wall: WallMs) -> u64 {
        self.live(name, wall).map_or(0, |key| key.counted as u64)
    }

    /// The same as [`Keyspace::bytes`], counted anew.
    #[cfg(test)]
    pub(crate) fn recount(&self) -> u64 {
        let key =
            |key: &Key| KEY_BYTES + key.name.len() + key.stream.run.recount() + key.stream.groups.recount();
        let keys: usize = self.slots.iter().map(key).sum();
        keys as u64 + self.requests.bytes()
    }

    /// The last epoch given.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Appends so far.
    pub(crate) fn appends(&self) -> u64 {
        self.appends
    }

    /// The namespaces.
    pub(crate) fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    /// Requests of appends.
    pub(crate) fn requests(&self) -> &AddRequests {
        &self.requests
    }

    /// Keys, also those whose time has come and that nothing removed yet.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many keys there are, and how many of them expire.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.len() as u64, self.deadlines.len() as u64)
    }

    /// Keys whose time has not come. Few have that are still there: they are swept within moments.
    fn live_len(&self, wall: WallMs) -> usize {
        self.len() - self.deadlines.range(..=(wall, u32::MAX)).count()
    }

    /// How many slots there are.
    pub(crate) fn slot_count(&self) -> usize {
        self.slots.end() as usize
    }

    /// The key in a slot.
    pub(crate) fn key(&self, slot: u32) -> Option<&Key> {
        self.slots.get(slot)
    }

    /// The key of that name, unless its time has come.
    pub(super) fn live(&self, name: &[u8], wall: WallMs) -> Option<&Key> {
        self.key(self.slot(name)?).filter(|key| key.is_live(wall))
    }

    /// The stream of that name.
    pub(super) fn stream(&self, name: &[u8], wall: WallMs) -> Option<&Stream> {
        self.live(name, wall).map(|key| &key.stream)
    }

    fn slot(&self, name: &[u8]) -> Option<u32> {
        let is_it = |slot: u32| self.key(slot).is_some_and(|key| &*key.name == name);
        self.index.find(hash_key(name), is_it)
    }

    /// The slot of that name for a change. A key whose time has come goes first.
    pub(super) fn slot_at(&mut self, name: &[u8], wall: WallMs) -> Option<u32> {
        let slot = self.slot(name)?;
        if self.key(slot).is_some_and(|key| key.is_live(wall)) {
            return Some(slot);
        }
        self.remove(slot);
        None
    }

    /// Changes the stream in a slot, and counts it again.
    pub(super) fn edit<T>(&mut self, slot: u32, change: impl FnOnce(&mut Stream) -> T) -> T {
        self.preserve(slot);
        let key = self.slots.get_mut(slot).expect("the slot was just found");
        let done = change(&mut key.stream);
        let (before, cost) = (key.counted, key.cost());
        self.bytes = self.bytes + cost as u64 - before as u64;
        self.spaces.resized(key.space, before, cost);
        key.counted = cost;
        if let Some(cut) = self.cut.as_mut().filter(|_| cost < before) {
            cut.lost(slot, (before - cost) as u64);
        }
        done
    }

    /// Makes a stream; there is none of that name. `None`: no more keys fit.
    pub(super) fn insert(&mut self, name: Text, at: Moment) -> Option<u32> {
        let slot = self.slots.lowest_free();
        if slot as usize >= KEYS_PER_SHARD_MAX && !reserved::is_reserved(&name) {
            return None;
        }
        self.epoch = at.ordinal.max(self.epoch + 1);
        self.index.insert(hash_key(&name), slot);
        let space = self.spaces.number_of(&name);
        let stream = Stream::new(self.epoch);
        let mut key = Key { name, expires: None, touched: 0, space, counted: 0, stream };
        key.counted = key.cost();
        self.bytes += key.counted as u64;
        self.spaces.entered(&key, slot);
        self.slots.put(slot, Box::new(key));
        Some(slot)
    }

    /// Removes the key in a slot.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(key) = self.slots.take(slot) else { return };
        self.index.remove(hash_key(&key.name), slot);
        if let Some(expires) = key.expires {
            self.deadlines.remove(&(expires, slot));
        }
        self.bytes -= key.counted as u64;
        self.spaces.left(&key, slot);
        // The snapshot under way may still need it.
        let gone = match &mut self.cut {
            Some(cut) => cut.removed(slot, key),
            None => Some(key),
        };
        gone.into_iter().for_each(|key| self.waste.take_key(key));
    }

    /// The key in a slot was appended to.
    pub(super) fn touch(&mut self, slot: u32) {
        self.preserve(slot);
        let Some(key) = self.slots.get_mut(slot) else { return };
        self.appends += 1;
        let before = std::mem::replace(&mut key.touched, self.appends);
        self.spaces.touched(key.space, slot, before, self.appends);
    }

    /// Finds the namespace of every key anew.
    pub(super) fn assign_spaces(&mut self) {
        self.spaces.empty().for_each(drop);
        for (slot, key) in self.slots.iter_mut() {
            walked::step();
            key.space = self.spaces.number_of(&key.name);
            self.spaces.entered(key, slot);
        }
    }

    /// Sets or takes away the deadline of the key in a slot.
    pub(super) fn set_deadline(&mut self, slot: u32, expires: Option<WallMs>) {
        self.preserve(slot);
        let Some(key) = self.slots.get_mut(slot) else { return };
        if let Some(before) = std::mem::replace(&mut key.expires, expires) {
            self.deadlines.remove(&(before, slot));
        }
        if let Some(expires) = expires {
            self.deadlines.insert((expires, slot));
        }
    }

    /// A key as it is goes into the snapshot under way, before its first change.
    fn preserve(&mut self, slot: u32) {
        if let (Some(cut), Some(key)) = (&mut self.cut, self.slots.get(slot)) {
            cut.preserve(slot, key);
        }
    }

    /// Puts a keyspace together from what a snapshot held; `None` where its parts contradict each other.
    pub(crate) fn restore(
        header: KeyspaceHeader,
        keys: Vec<(u32, Key)>,
        requests: Vec<RememberedAdd>,
    ) -> Option<Keyspace> {
        let mut keyspace = Keyspace { epoch: header.epoch, appends: header.appends, ..Keyspace::default() };
        for (prefix, policy) in header.spaces {
            keyspace.set_namespace(prefix, policy).ok()?;
        }
        for (slot, key) in keys {
            keyspace.put_back(slot, Box::new(key))?;
        }
        keyspace.assign_spaces();
        requests.into_iter().for_each(|entry| keyspace.requests.remember(entry));
        Some(keyspace)
    }

    /// Puts a key where it was, behind all that are there; `None` where it cannot have been there.
    fn put_back(&mut self, slot: u32, mut key: Box<Key>) -> Option<()> {
        let most = KEYS_PER_SHARD_MAX + reserved::ALL.len();
        if slot < self.slots.end() || slot as usize >= most || self.slot(&key.name).is_some() {
            return None;
        }
        self.index.insert(hash_key(&key.name), slot);
        self.deadlines.extend(key.expires.map(|expires| (expires, slot)));
        key.counted = key.cost();
        self.bytes += key.counted as u64;
        self.slots.put(slot, key);
        Some(())
    }

    /// Takes a key out, to be put back: moved and not copied, so that nothing of it is left behind.
    fn take_out(&mut self, slot: u32) -> Option<Box<Key>> {
        self.preserve(slot);
        let key = self.slots.take(slot)?;
        self.bytes -= key.counted as u64;
        key.expires.map(|expires| self.deadlines.remove(&(expires, slot)));
        Some(key)
    }

    /// Removes all keys but the server's own. Epochs go on from where they were.
    fn clear(&mut self) -> Value {
        let mut kept: Vec<u32> = reserved::ALL.iter().filter_map(|name| self.slot(name)).collect();
        kept.sort_unstable();
        let kept: Vec<_> = kept.into_iter().filter_map(|slot| Some((slot, self.take_out(slot)?))).collect();
        let (slots, bytes) = (std::mem::take(&mut self.slots), std::mem::take(&mut self.bytes));
        // The snapshot under way may still need them.
        let slots = match &mut self.cut {
            Some(cut) => cut.cleared(slots, bytes),
            None => Some(slots),
        };
        slots.into_iter().for_each(|slots| self.waste.take_slots(slots, bytes));
        self.waste.take_sets(std::mem::take(&mut self.deadlines), self.spaces.empty());
        self.index.clear();
        for (slot, key) in kept {
            // In the same slot: a snapshot under way tells by it which keys are still to be written.
            self.put_back(slot, key).expect("it was there");
        }
        Value::Done
    }
}
