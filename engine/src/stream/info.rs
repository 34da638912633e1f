//! What is told of streams and groups: `XPENDING`, `XINFO`.

use super::append::{NO_KEY, error};
use super::entries::{Entries, EntryRef};
use super::group::{Consumer, Group};
use super::group_change::{no_group, no_key_or_group};
use super::id::StreamId;
use super::keyspace::Keyspace;
use super::lag::Marks;
use super::op::PendingRange;
use super::pending::{Pended, Sought};
use super::read::TOO_LONG;
use super::state::{Stream, collect};
use super::text::Text;
use super::value::Value;
use crate::limit::{PENDING_TOLD_MAX, RANGE_BYTES_MAX};
use crate::time::WallMs;
use std::borrow::Cow;

fn word(text: impl Into<Cow<'static, str>>) -> Value {
    Value::Word(text.into())
}

/// A count as Redis prints it: beyond what is signed it goes on below zero.
fn number(value: u64) -> Value {
    Value::Integer(value as i64)
}

fn number_or_null(value: Option<i64>) -> Value {
    value.map_or(Value::Null, Value::Integer)
}

fn map<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (word(name), value)).collect())
}

impl Keyspace {
    pub(super) fn pending(
        &self,
        key: &Text,
        group: &Text,
        range: Option<&PendingRange>,
        (wall, now): (WallMs, WallMs),
    ) -> Value {
        let found = self.stream(key, wall).and_then(|stream| stream.groups.get(group));
        match (found, range) {
            (None, _) => no_key_or_group(key, group, ""),
            (Some(group), None) => pending_summary(group),
            (Some(group), Some(range)) => pending_range(group, range, now),
        }
    }

    pub(super) fn info_stream(&self, key: &Text, full: Option<u64>, wall: WallMs) -> Value {
        let Some(stream) = self.stream(key, wall) else { return error(NO_KEY) };
        match full {
            None => info_short(stream),
            Some(count) => info_full(stream, if count == 0 { u64::MAX } else { count }),
        }
    }

    pub(super) fn info_groups(&self, key: &Text, wall: WallMs) -> Value {
        let Some(stream) = self.stream(key, wall) else { return error(NO_KEY) };
        let marks = Marks::of(stream);
        let groups = stream.groups.iter().map(|group| {
            map([
                ("name", Value::Text(group.name.clone())),
                ("consumers", number(group.consumers().len() as u64)),
                ("pending", number(group.pending.len())),
                ("last-delivered-id", Value::Id(group.last_id)),
                ("entries-read", number_or_null(group.read())),
                ("lag", number_or_null(marks.lag(group))),
            ])
        });
        Value::Array(groups.collect())
    }

    pub(super) fn info_consumers(&self, key: &Text, group: &Text, (wall, now): (WallMs, WallMs)) -> Value {
        let Some(stream) = self.stream(key, wall) else { return error(NO_KEY) };
        let Some(found) = stream.groups.get(group) else { return no_group(key, group) };
        let consumers = found.consumers().map(|(_, consumer)| {
            let inactive = consumer.active.map(|active| number(now.0.saturating_sub(active)));
            map([
                ("name", Value::Text(consumer.name.clone())),
                ("pending", number(consumer.pending)),
                ("idle", number(now.0.saturating_sub(consumer.seen))),
                ("inactive", inactive.unwrap_or(Value::Integer(-1))),
            ])
        });
        Value::Array(consumers.collect())
    }
}

fn pending_summary(group: &Group) -> Value {
    let Some(first) = group.pending.iter().next() else {
        return Value::Array(vec![Value::Integer(0), Value::Null, Value::Null, Value::NullArray]);
    };
    let last = group.pending.last().map_or(first.id, |last| last.id);
    let busy = group.consumers().filter(|(_, consumer)| consumer.pending > 0);
    let consumers = busy.map(|(_, consumer)| {
        Value::Array(vec![Value::Text(consumer.name.clone()), word(consumer.pending.to_string())])
    });
    Value::Array(vec![
        number(group.pending.len()),
        Value::Id(first.id),
        Value::Id(last),
        Value::Array(consumers.collect()),
    ])
}

fn pending_range(group: &Group, range: &PendingRange, wall: WallMs) -> Value {
    let only = match &range.consumer {
        None => None,
        Some(name) => match group.number(name) {
            Some(number) => Some(number),
            None => return Value::Array(Vec::new()),
        },
    };
    let idle = |pended: &Pended| wall.0.saturating_sub(pended.delivered);
    let delivered_max = if range.idle_ms == 0 { Some(u64::MAX) } else { wall.0.checked_sub(range.idle_ms) };
    let Some(delivered_max) = delivered_max else { return Value::Array(Vec::new()) };
    let sought = Sought { start: range.start, end: range.end, holder: only, delivered_max };
    let old = group.pending.sought(sought);
    let held = only.map_or(group.pending.len(), |only| group.consumer(only).pending);
    let most = usize::try_from(range.count.min(held)).unwrap_or(usize::MAX);
    if most > PENDING_TOLD_MAX && old.clone().take(PENDING_TOLD_MAX + 1).count() > PENDING_TOLD_MAX {
        return error(TOO_LONG);
    }
    let told = old.take(most).map(|pended| {
        let owner = Value::Text(group.consumer(pended.consumer).name.clone());
        Value::Array(vec![Value::Id(pended.id), owner, number(idle(pended)), number(pended.count)])
    });
    Value::Array(told.collect())
}

fn entry_value(entry: Option<EntryRef<'_>>) -> Value {
    let Some(entry) = entry else { return Value::Null };
    let texts = entry.fields.into_iter().flat_map(|fields| fields.texts());
    let texts = texts.map(|text| Value::Text(Text::from(text))).collect();
    Value::Array(vec![Value::Id(entry.id), Value::Array(texts)])
}

/// What both forms begin with. Blocks stand for the nodes of Redis's tree.
fn info_head(stream: &Stream) -> Vec<(Value, Value)> {
    let blocks = stream.run.block_count() as u64;
    let head = map([
        ("length", number(stream.run.len())),
        ("radix-tree-keys", number(blocks)),
        ("radix-tree-nodes", number(blocks + 1)),
        ("last-generated-id", Value::Id(stream.last_id)),
        ("max-deleted-entry-id", Value::Id(stream.max_deleted)),
        ("entries-added", number(stream.added)),
        ("recorded-first-entry-id", Value::Id(stream.first_id())),
    ]);
    match head {
        Value::Map(fields) => fields,
        _ => Vec::new(),
    }
}

fn info_short(stream: &Stream) -> Value {
    let mut fields = info_head(stream);
    fields.push((word("groups"), number(stream.groups.iter().len() as u64)));
    fields.push((word("first-entry"), entry_value(stream.run.first())));
    fields.push((word("last-entry"), entry_value(stream.run.last())));
    Value::Map(fields)
}

fn info_full(stream: &Stream, count: u64) -> Value {
    let entries: Entries = collect(stream.run.range(StreamId::MIN, StreamId::MAX), count, RANGE_BYTES_MAX);
    let pending: u64 = stream.groups.iter().map(|group| group.pending.len().min(count)).sum();
    if entries.bytes() >= RANGE_BYTES_MAX || pending > PENDING_TOLD_MAX as u64 {
        return error(TOO_LONG);
    }
    let marks = Marks::of(stream);
    let groups = stream.groups.iter().map(|group| group_full(group, &marks, count));
    let mut fields = info_head(stream);
    fields.push((word("entries"), Value::Entries(entries)));
    fields.push((word("groups"), Value::Array(groups.collect())));
    Value::Map(fields)
}

fn group_full(group: &Group, marks: &Marks, count: u64) -> Value {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let pending = group.pending.iter().take(count).map(|pended| {
        let owner = Value::Text(group.consumer(pended.consumer).name.clone());
        Value::Array(vec![Value::Id(pended.id), owner, number(pended.delivered), number(pended.count)])
    });
    let wanted = group.consumers().map(|(own, consumer)| (own, consumer.pending.min(count as u64)));
    let mut held = group.pending.first_of_each(wanted.collect());
    let consumers = group
        .consumers()
        .map(|(own, consumer)| consumer_full(consumer, held.remove(&own).unwrap_or_default()));
    map([
        ("name", Value::Text(group.name.clone())),
        ("last-delivered-id", Value::Id(group.last_id)),
        ("entries-read", number_or_null(group.read())),
        ("lag", number_or_null(marks.lag(group))),
        ("pel-count", number(group.pending.len())),
        ("pending", Value::Array(pending.collect())),
        ("consumers", Value::Array(consumers.collect())),
    ])
}

fn consumer_full(consumer: &Consumer, held: Vec<Pended>) -> Value {
    let pending = held.iter().map(|pended| {
        Value::Array(vec![Value::Id(pended.id), number(pended.delivered), number(pended.count)])
    });
    map([
        ("name", Value::Text(consumer.name.clone())),
        ("seen-time", number(consumer.seen)),
        ("active-time", consumer.active.map_or(Value::Integer(-1), number)),
        ("pel-count", number(consumer.pending)),
        ("pending", Value::Array(pending.collect())),
    ])
}
