//! Operations on keys of several groups: apart on the way there, one answer on the way back.
//!
//! ```text
//! DEL a b c ─┬─▶ group 1: DEL a c ─▶ 2 ─┐
//!            └─▶ group 4: DEL b   ─▶ 1 ─┴─▶ 3
//! ```
//! Each part is atomic by itself.

use super::key_call::Shape;
use sluice_engine::id::GroupId;
use sluice_engine::stream::entries::Entries;
use sluice_engine::stream::op::{KeyOp, Read, ReadGroup, Scan};
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::Value;
use std::collections::VecDeque;

/// Where an operation goes.
#[derive(PartialEq, Debug)]
pub enum Spread {
    /// To one group.
    One(GroupId, Box<KeyOp>),
    /// To several, each its part, the answers to be merged.
    Many(Vec<(GroupId, KeyOp)>, Merge),
}

/// How the answers to the parts become one. An error of any part is the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Merge {
    /// Numbers are added.
    Sum,
    /// All did it.
    Done,
    /// Streams, in the order asked for: of each the part that answers for it, and its key.
    Streams(Vec<(usize, Text)>),
    /// Keys, one behind the other.
    Keys,
}

/// What `KEYS` says where a group has more of them than one step looks at.
const TOO_MANY_KEYS: &str = "ERR there are too many keys for KEYS, use SCAN";

/// Takes an operation apart. `groups` is how many there are, `group_of` says which one a key belongs to. A step of a scan learns
/// from it what group it is in.
pub fn spread(op: Box<KeyOp>, shape: &mut Shape, groups: u16, group_of: impl Fn(&[u8]) -> GroupId) -> Spread {
    match *op {
        KeyOp::Scan(scan) => spread_scan(&scan, shape, groups),
        KeyOp::Size => everywhere(groups, Merge::Sum, || KeyOp::Size),
        KeyOp::Clear => everywhere(groups, Merge::Done, || KeyOp::Clear),
        _ => {
            let (mut group, mut several) = (None, false);
            op.visit_keys(|key| {
                let of_key = group_of(key);
                several |= *group.get_or_insert(of_key) != of_key;
            });
            if several { spread_keys(*op, group_of) } else { Spread::One(group.unwrap_or(GroupId(0)), op) }
        }
    }
}

fn everywhere(groups: u16, merge: Merge, op: impl Fn() -> KeyOp) -> Spread {
    Spread::Many((0..groups).map(|group| (GroupId(group), op())).collect(), merge)
}

/// The client's cursor holds the group as well.
fn spread_scan(scan: &Scan, shape: &mut Shape, groups: u16) -> Spread {
    let Shape::Scan(step) = shape else {
        let whole = || KeyOp::Scan(Scan { from: 0, count: u64::MAX });
        return everywhere(groups, Merge::Keys, whole);
    };
    step.groups = groups;
    step.group = (scan.from % u64::from(groups)) as u16;
    let inner = Scan { from: scan.from / u64::from(groups), count: scan.count };
    Spread::One(GroupId(step.group), Box::new(KeyOp::Scan(inner)))
}

fn spread_keys(op: KeyOp, group_of: impl Fn(&[u8]) -> GroupId) -> Spread {
    match op {
        KeyOp::Delete(keys) => {
            let parts = apart(keys, |key| group_of(key)).0;
            let ops = parts.into_iter().map(|(group, keys)| (group, KeyOp::Delete(keys)));
            Spread::Many(ops.collect(), Merge::Sum)
        }
        KeyOp::Exists(keys) => {
            let parts = apart(keys, |key| group_of(key)).0;
            let ops = parts.into_iter().map(|(group, keys)| (group, KeyOp::Exists(keys)));
            Spread::Many(ops.collect(), Merge::Sum)
        }
        KeyOp::Read(read) => {
            let order = read.streams.iter().map(|(key, _)| key.clone()).collect();
            let (parts, places) = apart(read.streams, |(key, _)| group_of(key));
            let op = |streams| KeyOp::Read(Read { streams, ..Read { streams: Vec::new(), ..read } });
            spread_streams(parts, places, order, op)
        }
        KeyOp::ReadGroup(mut read) => {
            let streams = std::mem::take(&mut read.streams);
            let order = streams.iter().map(|(key, _)| key.clone()).collect();
            let (parts, places) = apart(streams, |(key, _)| group_of(key));
            let op = |streams| KeyOp::ReadGroup(ReadGroup { streams, ..read.clone() });
            spread_streams(parts, places, order, op)
        }
        one => Spread::One(one.key().map_or(GroupId(0), |key| group_of(&key)), Box::new(one)),
    }
}

fn spread_streams<T>(
    parts: Vec<(GroupId, Vec<T>)>,
    places: Vec<usize>,
    keys: Vec<Text>,
    op: impl Fn(Vec<T>) -> KeyOp,
) -> Spread {
    let order = places.into_iter().zip(keys).collect();
    let ops = parts.into_iter().map(|(group, streams)| (group, op(streams)));
    Spread::Many(ops.collect(), Merge::Streams(order))
}

/// Items by group, and of each item the part that it went to.
fn apart<T>(items: Vec<T>, group_of: impl Fn(&T) -> GroupId) -> (Vec<(GroupId, Vec<T>)>, Vec<usize>) {
    let mut parts: Vec<(GroupId, Vec<T>)> = Vec::new();
    let mut places = Vec::with_capacity(items.len());
    for item in items {
        let group = group_of(&item);
        let place = parts.iter().position(|(known, _)| *known == group).unwrap_or_else(|| {
            parts.push((group, Vec::new()));
            parts.len() - 1
        });
        parts[place].1.push(item);
        places.push(place);
    }
    (parts, places)
}

impl Merge {
    /// The answer, of the answers to the parts in their order.
    #[must_use]
    pub fn merge(&self, values: Vec<Value>) -> Value {
        if values.iter().any(|value| matches!(value, Value::Error(_))) {
            return values.into_iter().find(|value| matches!(value, Value::Error(_))).unwrap_or(Value::Null);
        }
        match self {
            Merge::Sum => Value::Integer(values.iter().map(number).sum()),
            Merge::Done => Value::Done,
            Merge::Streams(order) => merge_streams(order, values),
            Merge::Keys => merge_keys(values),
        }
    }
}

fn number(value: &Value) -> i64 {
    if let Value::Integer(number) = value { *number } else { 0 }
}

fn merge_streams(order: &[(usize, Text)], values: Vec<Value>) -> Value {
    let mut streams: Vec<VecDeque<(Text, Entries)>> = Vec::with_capacity(values.len());
    let mut waits: Vec<VecDeque<_>> = Vec::with_capacity(values.len());
    for value in values {
        let (found, ids) = match value {
            Value::Streams(found) => (found, Vec::new()),
            Value::Nothing(ids) => (Vec::new(), ids),
            _ => (Vec::new(), Vec::new()),
        };
        streams.push(found.into());
        waits.push(ids.into());
    }
    let next = |(part, key): &(usize, Text)| streams.get_mut(*part)?.pop_front_if(|(found, _)| found == key);
    let merged: Vec<_> = order.iter().filter_map(next).collect();
    if !merged.is_empty() {
        return Value::Streams(merged);
    }
    let ids: Vec<_> = order.iter().filter_map(|(part, _)| waits.get_mut(*part)?.pop_front()).collect();
    if ids.is_empty() { Value::NullArray } else { Value::Nothing(ids) }
}

fn merge_keys(values: Vec<Value>) -> Value {
    let mut all = Vec::new();
    for value in values {
        let Value::Array(parts) = value else { continue };
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next()) {
            (Some(Value::Integer(0)), Some(Value::Array(keys))) => all.extend(keys),
            _ => return Value::Error(TOO_MANY_KEYS.to_owned()),
        }
    }
    Value::Array(all)
}
