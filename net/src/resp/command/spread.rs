//! Operations on keys of several groups: apart on the way there, one answer on the way back.
//!
//! ```text
//! DEL a b c ─┬─▶ group 1: DEL a c ─▶ 2 ─┐
//!            └─▶ group 4: DEL b   ─▶ 1 ─┴─▶ 3
//! ```
//! Each part is atomic by itself.

use super::key_call::Shape;
use super::stream::namespace;
use sluice_engine::id::GroupId;
use sluice_engine::stream::entries::Entries;
use sluice_engine::stream::op::{KeyOp, Read, ReadGroup, Scan};
use sluice_engine::stream::policy::Policy;
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
    /// 1 where any of them is not 0.
    Any,
    /// All did it.
    Done,
    /// Namespaces by prefix, what each has in all groups.
    Namespaces,
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
        KeyOp::Namespaces => everywhere(groups, Merge::Namespaces, || KeyOp::Namespaces),
        KeyOp::DeleteNamespace(prefix) => {
            everywhere(groups, Merge::Any, || KeyOp::DeleteNamespace(prefix.clone()))
        }
        KeyOp::PassKey(op) => everywhere(groups, Merge::Done, || KeyOp::PassKey(op.clone())),
        KeyOp::SetNamespace(prefix, policy) => spread_policy(&prefix, policy, groups),
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

/// All groups or none: what the smallest share cannot be is told by one group, and no other hears of it.
fn spread_policy(prefix: &Text, policy: Policy, groups: u16) -> Spread {
    let part = |group| KeyOp::SetNamespace(prefix.clone(), policy.share(group, groups));
    let last = groups.saturating_sub(1);
    if policy.share(last, groups).check(prefix).is_err() {
        return Spread::One(GroupId(last), Box::new(part(last)));
    }
    Spread::Many((0..groups).map(|group| (GroupId(group), part(group))).collect(), Merge::Done)
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
            let parts = apart(keys, |key| group_of(key), |_, _| false).0;
            let ops = parts.into_iter().map(|(group, keys)| (group, KeyOp::Delete(keys)));
            Spread::Many(ops.collect(), Merge::Sum)
        }
        KeyOp::Exists(keys) => {
            let parts = apart(keys, |key| group_of(key), |_, _| false).0;
            let ops = parts.into_iter().map(|(group, keys)| (group, KeyOp::Exists(keys)));
            Spread::Many(ops.collect(), Merge::Sum)
        }
        KeyOp::Read(read) => {
            let order = read.streams.iter().map(|(key, _)| key.clone()).collect();
            let (parts, places) = apart(read.streams, |(key, _)| group_of(key), is_same_key);
            let op = |streams| KeyOp::Read(Read { streams, ..Read { streams: Vec::new(), ..read } });
            spread_streams(parts, places, order, op)
        }
        KeyOp::ReadGroup(mut read) => {
            let streams = std::mem::take(&mut read.streams);
            let order = streams.iter().map(|(key, _)| key.clone()).collect();
            let (parts, places) = apart(streams, |(key, _)| group_of(key), is_same_key);
            let op = |streams| KeyOp::ReadGroup(ReadGroup { streams, ..read.clone() });
            spread_streams(parts, places, order, op)
        }
        KeyOp::Faulty(op, fault) => match spread_keys(*op, group_of) {
            Spread::One(group, op) => Spread::One(group, Box::new(KeyOp::Faulty(op, fault))),
            Spread::Many(parts, merge) => {
                let faulty = |op| KeyOp::Faulty(Box::new(op), fault.clone());
                let parts = parts.into_iter().map(|(group, op)| (group, faulty(op)));
                Spread::Many(parts.collect(), merge)
            }
        },
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

/// An answer names its streams by their keys: one that is read twice is read in two parts.
fn is_same_key<T>((one, _): &(Text, T), (other, _): &(Text, T)) -> bool {
    one == other
}

/// Items by group, and of each item the part that it went to. Items that `clash` are not in one part.
fn apart<T>(
    items: Vec<T>,
    group_of: impl Fn(&T) -> GroupId,
    clash: impl Fn(&T, &T) -> bool,
) -> (Vec<(GroupId, Vec<T>)>, Vec<usize>) {
    let mut parts: Vec<(GroupId, Vec<T>)> = Vec::new();
    let mut places = Vec::with_capacity(items.len());
    for item in items {
        let group = group_of(&item);
        let takes = |(known, held): &(GroupId, Vec<T>)| {
            *known == group && !held.iter().any(|other| clash(other, &item))
        };
        let place = parts.iter().position(takes).unwrap_or_else(|| {
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
            // Another node may answer any number.
            Merge::Sum => Value::Integer(values.iter().map(number).fold(0, i64::saturating_add)),
            Merge::Any => Value::Integer(values.iter().any(|value| number(value) != 0).into()),
            Merge::Done => Value::Done,
            Merge::Namespaces => namespace::merge(values),
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
            _ => return Value::error(TOO_MANY_KEYS),
        }
    }
    Value::Array(all)
}

#[cfg(test)]
mod tests {
    use super::{Merge, Spread, spread};
    use crate::resp::command::key_call::Shape;
    use crate::resp::encode::Proto;
    use sluice_engine::id::GroupId;
    use sluice_engine::stream::entries::Entries;
    use sluice_engine::stream::id::StreamId;
    use sluice_engine::stream::op::{After, KeyOp, Read, Scan};
    use sluice_engine::stream::text::Text;
    use sluice_engine::stream::value::Value;

    const GROUPS: u16 = 3;

    /// A key `1x` belongs to group 1.
    fn of(key: &[u8]) -> GroupId {
        GroupId(u16::from(key[0] - b'0'))
    }

    fn texts(keys: &[&str]) -> Vec<Text> {
        keys.iter().map(|key| Text::from(key.as_bytes())).collect()
    }

    fn apart(op: KeyOp) -> Spread {
        spread(Box::new(op), &mut Shape::Whole, GROUPS, of)
    }

    fn read(keys: &[&str]) -> Read {
        let behind = |key| (key, After::Id(StreamId::MIN));
        Read { streams: texts(keys).into_iter().map(behind).collect(), count: 4, waits: true }
    }

    #[test]
    fn what_one_group_has_stays_whole() {
        let op = KeyOp::Delete(texts(&["1a", "1b"]));
        assert_eq!(apart(op.clone()), Spread::One(GroupId(1), Box::new(op)));
        let op = KeyOp::Read(read(&["2a", "2b"]));
        assert_eq!(apart(op.clone()), Spread::One(GroupId(2), Box::new(op)));
    }

    #[test]
    fn keys_go_to_their_groups_and_numbers_are_added() {
        let expected = vec![
            (GroupId(1), KeyOp::Delete(texts(&["1a", "1c"]))),
            (GroupId(0), KeyOp::Delete(texts(&["0b"]))),
        ];
        let op = KeyOp::Delete(texts(&["1a", "0b", "1c"]));
        assert_eq!(apart(op), Spread::Many(expected, Merge::Sum));
        assert_eq!(Merge::Sum.merge(vec![Value::Integer(2), Value::Integer(1)]), Value::Integer(3));
        let Spread::Many(parts, merge) = apart(KeyOp::Clear) else { panic!("every group is cleared") };
        assert_eq!((parts.len(), merge.merge(vec![Value::Done; 3])), (3, Value::Done));
    }

    #[test]
    fn streams_come_back_in_the_order_asked_for() {
        let parts = vec![
            (GroupId(1), KeyOp::Read(read(&["1a", "1c"]))),
            (GroupId(0), KeyOp::Read(read(&["0b"]))),
            (GroupId(1), KeyOp::Read(read(&["1a"]))),
        ];
        let Spread::Many(found, merge) = apart(KeyOp::Read(read(&["1a", "0b", "1c", "1a"]))) else {
            panic!("two groups are asked")
        };
        assert_eq!(found, parts);
        let streams = |keys: &[&str]| {
            Value::Streams(texts(keys).into_iter().map(|key| (key, Entries::default())).collect())
        };
        let merged = merge.merge(vec![streams(&["1a", "1c"]), streams(&["0b"]), streams(&["1a"])]);
        assert_eq!(merged, streams(&["1a", "0b", "1c", "1a"]));
        let merged = merge.merge(vec![Value::Nothing(vec![]), streams(&["0b"]), streams(&["1a"])]);
        assert_eq!(
            merged,
            streams(&["0b", "1a"]),
            "of a key that is read twice, the one that found something"
        );
        let merged =
            merge.merge(vec![streams(&["1c"]), Value::Nothing(vec![StreamId::MAX]), Value::NullArray]);
        assert_eq!(merged, streams(&["1c"]), "what is there is told although another group would wait");
        assert_eq!(merge.merge(vec![Value::NullArray, Value::NullArray]), Value::NullArray);
    }

    #[test]
    fn where_all_wait_the_ids_come_back_in_order_and_where_one_fails_all_do() {
        let Spread::Many(_, merge) = apart(KeyOp::Read(read(&["1a", "0b", "1c"]))) else {
            panic!("two groups are asked")
        };
        let id = |ms| StreamId { ms, seq: 0 };
        let merged = merge.merge(vec![Value::Nothing(vec![id(1), id(3)]), Value::Nothing(vec![id(2)])]);
        assert_eq!(merged, Value::Nothing(vec![id(1), id(2), id(3)]));
        let no = Value::error("NOGROUP no");
        assert_eq!(merge.merge(vec![Value::Nothing(vec![]), no.clone()]), no);
    }

    /// The cursors that a client sees while it goes through groups of so many steps each.
    fn walk(steps: &[u64]) -> Vec<String> {
        let (mut cursor, mut seen) = (0u64, Vec::new());
        loop {
            let mut shape = Shape::Scan(Box::default());
            let op = Box::new(KeyOp::Scan(Scan { from: cursor, count: 10 }));
            let Spread::One(group, op) = spread(op, &mut shape, GROUPS, of) else { panic!("one group") };
            let KeyOp::Scan(Scan { from, .. }) = *op else { panic!("a scan stays one") };
            let next = if from / 10 + 1 < steps[usize::from(group.0)] { from + 10 } else { 0 };
            let key = Value::Text(Text::from(format!("{}:{from}", group.0).as_bytes()));
            let mut out = Vec::new();
            let answer = Value::Array(vec![Value::Integer(next as i64), Value::Array(vec![key.clone()])]);
            shape.encode(&answer, Proto::Resp2, &mut out);
            let text = String::from_utf8(out).unwrap();
            cursor = text.split("\r\n").nth(2).unwrap().parse().unwrap();
            let Value::Text(key) = key else { unreachable!() };
            seen.push(String::from_utf8_lossy(&key).into_owned());
            if cursor == 0 {
                return seen;
            }
        }
    }

    #[test]
    fn a_scan_goes_through_all_groups() {
        assert_eq!(walk(&[2, 1, 3]), ["0:0", "0:10", "1:0", "2:0", "2:10", "2:20"]);
        let mut shape = Shape::Scan(Box::default());
        let far = Box::new(KeyOp::Scan(Scan { from: u64::MAX, count: 1 }));
        assert!(matches!(spread(far, &mut shape, GROUPS, of), Spread::One(GroupId(0), _)));
    }

    #[test]
    fn keys_of_all_groups_are_listed_unless_there_are_too_many() {
        let keys = |next, key: &str| {
            Value::Array(vec![Value::Integer(next), Value::Array(vec![Value::Text(key.as_bytes().into())])])
        };
        let merged = Merge::Keys.merge(vec![keys(0, "a"), keys(0, "b")]);
        let mut out = Vec::new();
        Shape::Keys(b"[b-z]"[..].into()).encode(&merged, Proto::Resp2, &mut out);
        assert_eq!(out, b"*1\r\n$1\r\nb\r\n");
        assert!(matches!(Merge::Keys.merge(vec![keys(0, "a"), keys(9, "b")]), Value::Error(_)));
    }
}
