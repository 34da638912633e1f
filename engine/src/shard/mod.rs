//! A shard: the state of one group. [`Shard::apply`] is the only way in.
//!
//! ```text
//! mod        apply: a committed batch changes the state, and says what came of each command
//! requests   request ids, for repeats                  view   what any thread reads
//! ears       who wants to hear of which stream      fresh  proof that it is new enough
//! ```
//! The same batches give the same state, byte for byte (I9): no clock, no randomness, no iteration over
//! a hash map in here.

pub(crate) mod ears;
pub(crate) mod fresh;
pub(crate) mod requests;
#[cfg(test)]
mod tests;
pub(crate) mod view;

use crate::account::{Account, Charge, Part};
use crate::command::Command;
use crate::directory::Names;
use crate::error::{Refusal, UNKNOWN_KEY};
use crate::id::{GroupId, KeyGen, RequestHash, Seq, UserHash, ZoneId};
use crate::keyring::Keyring;
use crate::limit::ZONES_PER_SHARD_MAX;
use crate::memory::Bound;
use crate::pass::{PassKeyOp, PassKeys};
use crate::reply::Departure;
use crate::sequencer::Committed;
use crate::snapshot::cut::ShardCut;
use crate::stream::keyspace::{Keyspace, Moment};
use crate::stream::op::{GroupOp, KeyOp};
use crate::stream::value::Value;
use crate::time::{LogTime, WallMs};
use crate::token::Place;
use crate::zone::settings::{ZoneName, ZonePatch};
use crate::zone::state::{Admission, Joined, ZoneState};
use ears::Ears;
use requests::{Remembered, Requests};
use std::collections::BTreeMap;
use std::sync::Arc;
use view::{Secrets, ShardView};

/// Requests forgotten by one join, at most: more than it adds.
const EXPIRE_A_JOIN: usize = 2;
/// Requests forgotten by one sweep, at most: about 0.5 ms.
const EXPIRE_A_SWEEP: usize = 4_096;

/// Of an answer for which there was no room when it was made.
const UNTOLD: &str = "BUSY done, but there is no room for the reply; what a group was given is pending";

/// What came of one command.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Outcome {
    ZoneSet { zone: ZoneId, created: bool },
    ZoneDeleted(Option<ZoneId>),
    Joined { zone: ZoneId, place: Place },
    Left { zone: ZoneId, seq: Seq, departure: Departure },
    Admitted { zone: ZoneId, seq: Seq, admission: Admission },
    Evicted { zone: ZoneId, block: u64, slots: [u64; 8], removed: [u64; 8] },
    Swept,
    KeyChanged,
    Key(Value, Charge),
    Keys(Vec<Value>, Charge),
    Refused(Refusal),
}

/// The state of a group.
pub(crate) struct Shard {
    pub(crate) group: GroupId,
    /// Index of the last applied batch.
    pub(crate) index: u64,
    /// Its stamp.
    pub(crate) stamp: LogTime,
    /// Its wall time; never goes back.
    pub(crate) wall: WallMs,
    /// Commands applied: the ordinal that the next created zone takes is one more.
    pub(crate) ordinal: u64,
    pub(crate) zones: BTreeMap<u64, ZoneState>,
    pub(crate) names: BTreeMap<ZoneName, u64>,
    pub(crate) secrets: Secrets,
    /// Readers have `secrets` as they are now.
    secrets_shown: bool,
    pub(crate) requests: Requests,
    pub(crate) keyspace: Keyspace,
    /// This process's, not the state's.
    pub(crate) ears: Ears,
    pub(crate) cut: Option<ShardCut>,
    /// This process's.
    pub(crate) account: Arc<Account>,
    pub(crate) view: Arc<ShardView>,
    /// The node's directory of names, shared with the other shards; written for this group's names only.
    pub(crate) shared_names: Arc<Names>,
}

impl Shard {
    pub(crate) fn new(group: GroupId, keys: Keyring, epoch: LogTime, shared_names: Arc<Names>) -> Shard {
        let secrets = Secrets { passes: keys.first_pass_key(), keys };
        let mut shard = Shard {
            group,
            index: 0,
            stamp: epoch,
            wall: WallMs(0),
            ordinal: 0,
            zones: BTreeMap::new(),
            names: BTreeMap::new(),
            view: Arc::new(ShardView::new(secrets.clone())),
            secrets,
            secrets_shown: true,
            requests: Requests::default(),
            keyspace: Keyspace::default(),
            ears: Ears::default(),
            cut: None,
            account: Arc::new(Account::new(u64::MAX)),
            shared_names,
        };
        shard.publish();
        shard
    }

    /// Has readers see the state as it is. Whoever makes a state or changes one ends with it: a new one, a restored one, an
    /// installed one, each batch. All fields are named, so that another one does not compile before it is decided who sees it.
    pub(crate) fn publish(&mut self) {
        let Shard {
            secrets,
            secrets_shown,
            keyspace,
            ordinal,
            view,
            // Each zone is seen from the command on that makes it, and until the one that deletes it.
            zones: _,
            names: _,
            shared_names: _,
            // Nobody's but the owner's.
            group: _,
            index: _,
            stamp: _,
            wall: _,
            requests: _,
            ears: _,
            account: _,
            cut: _,
        } = self;
        if !std::mem::replace(secrets_shown, true) {
            view.secrets.replace(secrets.clone());
        }
        view.set_streams(keyspace.counts());
        // The last: whoever sees the count finds the zones that it counts.
        view.set_known(*ordinal);
    }

    /// Applies the next batch of the log; appends one outcome a command.
    pub(crate) fn apply(&mut self, batch: Committed, outcomes: &mut Vec<Outcome>) {
        assert_eq!(batch.index, self.index + 1, "a batch was skipped or applied twice");
        self.index = batch.index;
        // Entries without commands carry no stamp of their own, and a new leader's clock may be behind the old one's.
        self.stamp = self.stamp.max(batch.stamp);
        self.wall = self.wall.max(batch.wall);
        let moved = self.secrets.passes.note_wall(self.stamp, self.wall);
        self.secrets_shown &= !moved;
        for command in batch.commands {
            self.ordinal += 1;
            outcomes.push(self.apply_one(command));
        }
        self.publish();
    }

    fn apply_one(&mut self, command: Command) -> Outcome {
        match command {
            Command::ZoneSet { name, patch } => self.zone_set(name, &patch),
            Command::ZoneDelete { name } => Outcome::ZoneDeleted(self.zone_delete(&name)),
            Command::Join { zone, user, request, nobody_ahead } => {
                self.join(zone, user, request, nobody_ahead)
            }
            Command::Leave { zone, seq } => self.in_zone(zone, |state, stamp| Outcome::Left {
                zone,
                seq,
                departure: state.leave(seq, stamp),
            }),
            Command::Admit { zone, seq } => self.in_zone(zone, |state, stamp| {
                let admission = state.admit(seq, stamp);
                Outcome::Admitted { zone, seq, admission }
            }),
            Command::Evict { zone, block, slots } => self.in_zone(zone, |state, _| {
                let removed = state.evict(block, slots);
                Outcome::Evicted { zone, block, slots, removed }
            }),
            Command::Sweep { zone } => {
                self.expire_requests(EXPIRE_A_SWEEP);
                self.in_zone(zone, |state, stamp| {
                    state.sweep(stamp);
                    Outcome::Swept
                })
            }
            Command::KeyInstall { generation, secret } => {
                self.set_keys(self.secrets.keys.installed(generation, secret));
                Outcome::KeyChanged
            }
            Command::KeyActivate { generation } => self.key_activate(generation),
            Command::Key(op) => {
                let (value, charge) = self.change_charged(*op);
                Outcome::Key(value, charge)
            }
            Command::Keys(ops) => {
                let mut all = Charge::default();
                let values = ops.into_iter().map(|op| {
                    let (value, charge) = self.change_charged(op);
                    all.join(charge);
                    value
                });
                Outcome::Keys(values.collect(), all)
            }
            Command::KeySweep => {
                let (at, ears) = (self.moment(), &self.ears);
                let mut heard = Vec::new();
                self.keyspace
                    .sweep(at, EXPIRE_A_SWEEP, |key| heard.extend(ears.has(key).then(|| key.clone())));
                heard.iter().for_each(|key| self.ears.hear(key, &self.keyspace, at.wall, &self.account));
                Outcome::Swept
            }
        }
    }

    /// What comes of an operation is the same everywhere; whether it is told is this process's affair.
    fn change_charged(&mut self, op: KeyOp) -> (Value, Charge) {
        let untold = || (Value::error(UNTOLD), Charge::default());
        if !op.is_change() {
            let price = 2 * self.keyspace.price(&op, self.wall);
            let Some(charge) = self.account.try_charge(Part::Passing, price) else { return untold() };
            let value = self.change_key(op);
            let bytes = 2 * value.bytes() as u64;
            return (value, charge.settled(bytes));
        }
        let value = self.change_key(op);
        let bytes = 2 * value.bytes() as u64;
        match self.account.try_charge(Part::Passing, bytes) {
            Some(charge) => (value, charge),
            None => untold(),
        }
    }

    fn change_key(&mut self, op: KeyOp) -> Value {
        if let KeyOp::PassKey(op) = &op {
            return self.change_pass_key(op);
        }
        let at = self.moment();
        if self.ears.is_empty() {
            let value = self.keyspace.change(op, at);
            self.keyspace.taken_from.clear();
            return value;
        }
        let heard = self.ears.concerned(&op);
        if matches!(op, KeyOp::Clear) {
            self.ears.all_went();
        }
        let ends_group = matches!(op, KeyOp::Group(_, _, GroupOp::Destroy));
        let value = self.keyspace.change(op, at);
        let others = std::mem::take(&mut self.keyspace.taken_from);
        heard
            .iter()
            .chain(&others)
            .for_each(|key| self.ears.hear(key, &self.keyspace, at.wall, &self.account));
        if ends_group && value == Value::Integer(1) {
            heard.iter().for_each(|key| self.ears.hear_group_gone(key));
        }
        value
    }

    /// Tells of the next so many keys that went with all others.
    pub(crate) fn hear_some(&mut self, most: usize) {
        self.ears.hear_some(most, &self.keyspace, self.wall, &self.account);
    }

    fn moment(&self) -> Moment {
        Moment { wall: self.wall, log: self.stamp, ordinal: self.ordinal }
    }

    fn in_zone(&mut self, zone: ZoneId, change: impl FnOnce(&mut ZoneState, LogTime) -> Outcome) -> Outcome {
        match self.zones.get_mut(&zone.ordinal) {
            Some(state) => {
                state.preserve_header();
                change(state, self.stamp)
            }
            None => Outcome::Refused(Refusal::NoZone),
        }
    }

    fn join(
        &mut self,
        zone: ZoneId,
        user: Option<UserHash>,
        request: Option<RequestHash>,
        nobody_ahead: bool,
    ) -> Outcome {
        self.expire_requests(EXPIRE_A_JOIN);
        if let Some(place) = request.and_then(|request| self.requests.place(request, zone)) {
            return Outcome::Joined { zone, place };
        }
        let outcome = self.in_zone(zone, |state, stamp| match state.join(user, nobody_ahead, stamp) {
            Joined::New(place) | Joined::Known(place) => Outcome::Joined { zone, place },
            Joined::Full => Outcome::Refused(Refusal::Full(Bound::MaxWaiting)),
            Joined::Closed => Outcome::Refused(Refusal::Closed),
        });
        if let (Some(request), Outcome::Joined { place, .. }) = (request, &outcome) {
            self.requests.remember(Remembered { at: self.stamp, request, zone, place: *place });
        }
        outcome
    }

    fn expire_requests(&mut self, most: usize) {
        for _ in 0..most {
            let Some(entry) = self.requests.next_expired(self.stamp) else { return };
            if let Some(cut) = &mut self.cut {
                cut.request_popped(entry);
            }
        }
    }

    fn zone_set(&mut self, name: ZoneName, patch: &ZonePatch) -> Outcome {
        if let Some(ordinal) = self.names.get(&name).copied() {
            let zone = ZoneId { group: self.group, ordinal };
            return self.in_zone(zone, |state, stamp| state.change(zone, patch, stamp));
        }
        if self.zones.len() >= ZONES_PER_SHARD_MAX {
            return Outcome::Refused(Refusal::TooManyZones);
        }
        let settings = match patch.applied_to(None) {
            Ok(settings) => settings,
            Err(refusal) => return Outcome::Refused(refusal),
        };
        let zone = ZoneId { group: self.group, ordinal: self.ordinal };
        self.insert_zone(ZoneState::new(zone, name, settings));
        Outcome::ZoneSet { zone, created: true }
    }

    /// Makes a zone visible to readers, and to joins by name.
    pub(crate) fn insert_zone(&mut self, state: ZoneState) {
        let (id, name) = (state.view.id(), state.view.name().clone());
        self.view.zones.insert(id.ordinal, Arc::clone(&state.view));
        self.shared_names.insert(name.clone(), Arc::clone(&state.view));
        self.names.insert(name, id.ordinal);
        self.zones.insert(id.ordinal, state);
    }

    /// The zone of that name.
    pub(crate) fn zone_id(&self, name: &ZoneName) -> Option<ZoneId> {
        self.names.get(name).map(|ordinal| ZoneId { group: self.group, ordinal: *ordinal })
    }

    /// Takes over another state of the same group; returns the one that was here. Readers see old or new zones, and
    /// no moment without them.
    pub(crate) fn replace(&mut self, mut new: Shard) -> Shard {
        // The view and the directory of names belong to the node, not to the state.
        new.view = Arc::clone(&self.view);
        new.shared_names = Arc::clone(&self.shared_names);
        new.secrets_shown = false;
        new.ears = std::mem::take(&mut self.ears);
        new.account = Arc::clone(&self.account);
        let old = std::mem::replace(self, new);
        self.ears.hear_all(&self.keyspace, self.wall, &self.account);
        for zone in self.zones.values() {
            self.view.zones.insert(zone.view.id().ordinal, Arc::clone(&zone.view));
            self.shared_names.insert(zone.view.name().clone(), Arc::clone(&zone.view));
        }
        old.zones.keys().filter(|ordinal| !self.zones.contains_key(ordinal)).for_each(|ordinal| {
            self.view.zones.remove(*ordinal);
        });
        old.names.keys().filter(|name| !self.names.contains_key(*name)).for_each(|name| {
            self.shared_names.remove(name);
        });
        self.publish();
        old
    }

    fn zone_delete(&mut self, name: &ZoneName) -> Option<ZoneId> {
        let ordinal = self.names.remove(name)?;
        self.shared_names.remove(name);
        self.view.zones.remove(ordinal);
        let state = self.zones.remove(&ordinal);
        if let (Some(cut), Some(state)) = (&mut self.cut, state) {
            cut.zone_deleted(state);
        }
        Some(ZoneId { group: self.group, ordinal })
    }

    fn key_activate(&mut self, generation: KeyGen) -> Outcome {
        match self.secrets.keys.activated(generation) {
            Some(keys) => {
                self.set_keys(keys);
                Outcome::KeyChanged
            }
            None => Outcome::Refused(Refusal::BadSetting(UNKNOWN_KEY)),
        }
    }

    fn change_pass_key(&mut self, op: &PassKeyOp) -> Value {
        match self.secrets.passes.changed(op, self.stamp) {
            Ok(passes) => {
                self.set_passes(passes);
                Value::Done
            }
            Err(why) => Value::error(format!("ERR {why}")),
        }
    }

    pub(crate) fn set_passes(&mut self, passes: PassKeys) {
        self.secrets.passes = passes;
        self.secrets_shown = false;
    }

    fn set_keys(&mut self, keys: Keyring) {
        self.secrets.keys = keys;
        self.secrets_shown = false;
    }
}
