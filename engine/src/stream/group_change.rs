//! What changes groups and not who reads what: `XGROUP`, `XACK`.

use super::append::{TOO_MANY_KEYS, error};
use super::group::{Group, too_many_consumers};
use super::id::StreamId;
use super::keyspace::{Keyspace, Moment};
use super::op::{After, GroupOp};
use super::state::Stream;
use super::text::Text;
use super::value::Value;
use crate::cost::{CONSUMER_BYTES, GROUP_BYTES, KEY_BYTES};
use crate::time::WallMs;
use std::sync::Arc;

pub(super) const NEEDS_KEY: &str = "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use \
                         the MKSTREAM option to create an empty stream automatically.";
const BUSY: &str = "BUSYGROUP Consumer Group name already exists";

/// No such group of a stream that is there.
pub(super) fn no_group(key: &[u8], group: &[u8]) -> Value {
    Value::error(
        [b"NOGROUP No such consumer group '", shown(group), b"' for key name '", shown(key), b"'"].concat(),
    )
}

/// No such stream, or no such group of it.
pub(super) fn no_key_or_group(key: &[u8], group: &[u8], end: &str) -> Value {
    let (key, group, end) = (shown(key), shown(group), end.as_bytes());
    Value::error([b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", end].concat())
}

/// A name as an error shows it: Redis's texts end names at their first zero byte.
fn shown(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == 0).next().unwrap_or_default()
}

impl Keyspace {
    pub(super) fn group(&mut self, key: Text, group: Text, op: GroupOp, at: Moment) -> Value {
        let makes = matches!(op, GroupOp::Create { make: true, .. });
        let found = self.slot_at(&key, at.wall);
        if found.is_none() && !makes {
            return error(NEEDS_KEY);
        }
        if let Err(refusal) = self.check_group_space(&key, found, &group, &op) {
            return refusal;
        }
        let slot = match found {
            Some(slot) => slot,
            None => match self.insert(key.clone(), at) {
                Some(slot) => slot,
                None => return error(TOO_MANY_KEYS),
            },
        };
        let mut gone = None;
        let value = self.edit(slot, |stream| change(stream, &group, op, at.wall, &mut gone));
        gone.into_iter().for_each(|group| self.waste.take_group(group));
        value.unwrap_or_else(|| no_group(&key, &group))
    }

    /// Whether what is made here fits its namespace. What is read is not asked for room: who reads is who makes it.
    fn check_group_space(
        &self,
        key: &Text,
        slot: Option<u32>,
        group: &Text,
        op: &GroupOp,
    ) -> Result<(), Value> {
        let found = slot.and_then(|slot| self.key(slot));
        let known = found.and_then(|found| found.stream.groups.get(group));
        let growth = match (op, known) {
            (GroupOp::Create { .. }, None) => {
                let stream = if found.is_none() { KEY_BYTES + key.len() } else { 0 };
                stream + GROUP_BYTES + group.len()
            }
            (GroupOp::AddConsumer(name), Some(known)) if known.number(name).is_none() => {
                CONSUMER_BYTES + name.len()
            }
            _ => return Ok(()),
        };
        let space = found.map_or_else(|| self.spaces.number_of(key), |found| found.space);
        self.check_growth(space, growth as isize)
    }

    pub(super) fn ack(&mut self, key: &Text, group: &Text, ids: &[StreamId], wall: WallMs) -> Value {
        let settle = |group: &mut Group| ids.iter().filter(|id| group.settle(**id)).count();
        let slot = self.slot_at(key, wall);
        let settled = slot.and_then(|slot| self.edit(slot, |stream| stream.groups.edit(group, settle)));
        Value::Integer(settled.unwrap_or(0) as i64)
    }
}

/// `None`: there is no such group. One that was removed is left in `gone`.
fn change(
    stream: &mut Stream,
    name: &Text,
    op: GroupOp,
    wall: WallMs,
    gone: &mut Option<Arc<Group>>,
) -> Option<Value> {
    let last_id = stream.last_id;
    let id = |from: After| match from {
        After::Id(id) => id,
        After::Last | After::LastEntry => last_id,
    };
    let known = |read: Option<i64>| read.filter(|read| *read >= 0);
    Some(match op {
        GroupOp::Create { from, read, make: _ } => {
            let group = Group::new(name.clone(), id(from), known(read));
            if stream.groups.insert(group) { Value::Done } else { error(BUSY) }
        }
        GroupOp::SetId { from, read } => stream.groups.edit(name, |group| {
            group.last_id = id(from);
            group.set_read(known(read));
            Value::Done
        })?,
        GroupOp::Destroy => {
            *gone = stream.groups.remove(name);
            Value::Integer(i64::from(gone.is_some()))
        }
        GroupOp::AddConsumer(consumer) => stream.groups.edit(name, |group| {
            if !group.takes(&consumer) {
                return too_many_consumers();
            }
            Value::Integer(i64::from(group.number_or_new(&consumer, wall.0).1))
        })?,
        GroupOp::RemoveConsumer(consumer) => {
            Value::Integer(stream.groups.edit(name, |group| group.remove_consumer(&consumer))? as i64)
        }
    })
}
