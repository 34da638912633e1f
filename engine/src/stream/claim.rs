//! `XCLAIM` and `XAUTOCLAIM`: what is pending passes from one consumer to another.
//!
//! Pending entries whose stream entry is gone are no longer pending once a claim meets them. A claim that would answer more
//! than about [`READ_BYTES_MAX`] stops there: the answer says what was claimed.

use super::entries::{Entries, EntryRef};
use super::group::{Group, too_many_consumers};
use super::group_change::no_key_or_group;
use super::id::StreamId;
use super::keyspace::Keyspace;
use super::op::{AutoClaim, Claim, Delivered};
use super::pending::Pended;
use super::run::Run;
use super::value::Value;
use crate::limit::{CLAIM_ATTEMPTS, CLAIM_ATTEMPTS_MAX, READ_BYTES_MAX};
use crate::time::WallMs;

/// What was claimed.
#[derive(Default)]
struct Claimed {
    ids: Vec<StreamId>,
    entries: Entries,
}

impl Claimed {
    fn push(&mut self, entry: EntryRef<'_>, just_id: bool) {
        if just_id {
            self.ids.push(entry.id);
        } else {
            self.entries.push(entry.id, entry.dense, entry.fields);
        }
    }

    fn value(self, just_id: bool) -> Value {
        if just_id { ids_of(self.ids) } else { Value::Entries(self.entries) }
    }
}

fn ids_of(ids: Vec<StreamId>) -> Value {
    Value::Array(ids.into_iter().map(Value::Id).collect())
}

impl Keyspace {
    pub(super) fn claim(&mut self, op: &Claim, wall: WallMs) -> Value {
        let claimed = self.slot_at(&op.key, wall).and_then(|slot| {
            self.edit(slot, |stream| {
                let run = &stream.run;
                stream.groups.edit(&op.group, |group| claim(group, run, op, wall.0))
            })
        });
        claimed.unwrap_or_else(|| no_key_or_group(&op.key, &op.group, ""))
    }

    pub(super) fn auto_claim(&mut self, op: &AutoClaim, wall: WallMs) -> Value {
        let claimed = self.slot_at(&op.key, wall).and_then(|slot| {
            self.edit(slot, |stream| {
                let run = &stream.run;
                stream.groups.edit(&op.group, |group| auto_claim(group, run, op, wall.0))
            })
        });
        claimed.unwrap_or_else(|| no_key_or_group(&op.key, &op.group, ""))
    }
}

fn claim(group: &mut Group, run: &Run, op: &Claim, wall: u64) -> Value {
    if !group.takes(&op.consumer) {
        return too_many_consumers();
    }
    group.last_id = group.last_id.max(op.last_id.unwrap_or_default());
    let delivered = match op.delivered {
        Delivered::Now => wall,
        Delivered::Ago(ms) => wall.checked_sub(ms).unwrap_or(wall),
        Delivered::At(at) => at.min(wall),
    };
    // Who is mentioned is a consumer, whatever it gets.
    let (consumer, _) = group.number_or_new(&op.consumer, wall);
    group.saw(consumer, wall);
    let mut claimed = Claimed::default();
    for id in &op.ids {
        if claimed.entries.bytes() >= READ_BYTES_MAX {
            break;
        }
        let Some(entry) = run.find(*id) else {
            group.settle(*id);
            continue;
        };
        let held = group.pending.get(*id).copied();
        let is_idle = held.is_some_and(|held| wall.saturating_sub(held.delivered) >= op.idle_ms);
        if !is_idle && (held.is_some() || !op.force) {
            continue;
        }
        let before = held.map_or(1, |held| held.count);
        let count = op.retries.unwrap_or(before.saturating_add(u64::from(!op.just_id)));
        group.pend(Pended { id: *id, delivered, count, consumer });
        group.acted(consumer, wall);
        claimed.push(entry, op.just_id);
    }
    claimed.value(op.just_id)
}

fn auto_claim(group: &mut Group, run: &Run, op: &AutoClaim, wall: u64) -> Value {
    if !group.takes(&op.consumer) {
        return too_many_consumers();
    }
    let (consumer, _) = group.number_or_new(&op.consumer, wall);
    group.saw(consumer, wall);
    let (mut claimed, mut gone) = (Claimed::default(), Vec::new());
    let mut left = op.count;
    // Whoever claims goes on from the cursor, so a step may end anywhere.
    let mut attempts = op.count.saturating_mul(CLAIM_ATTEMPTS).min(CLAIM_ATTEMPTS_MAX);
    let mut next = group.pending.since(op.start).next().copied();
    let mut find = run.seek(op.start);
    while let Some(held) = next {
        if left == 0 || attempts == 0 || claimed.entries.bytes() >= READ_BYTES_MAX {
            break;
        }
        attempts -= 1;
        match find(held.id) {
            None => {
                group.settle(held.id);
                gone.push(held.id);
                left -= 1;
            }
            Some(entry) if wall.saturating_sub(held.delivered) >= op.idle_ms => {
                let count = held.count.saturating_add(u64::from(!op.just_id));
                group.pend(Pended { delivered: wall, count, consumer, ..held });
                group.acted(consumer, wall);
                claimed.push(entry, op.just_id);
                left -= 1;
            }
            Some(_) => {}
        }
        next = held.id.next().and_then(|from| group.pending.since(from).next().copied());
    }
    let cursor = next.map_or(StreamId::MIN, |next| next.id);
    Value::Array(vec![Value::Id(cursor), claimed.value(op.just_id), ids_of(gone)])
}
