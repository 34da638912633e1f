//! The groups of the reference: pending entries in one plain list.

use super::reference::{Entry, Reference, Stream, entries, error, most};
use crate::stream::entries::Entries;
use crate::stream::id::StreamId;
use crate::stream::keyspace::Moment;
use crate::stream::op::{After, AutoClaim, Claim, Delivered, GroupOp, KeyOp, PendingRange, ReadGroup};
use crate::stream::text::Text;
use crate::stream::value::Value;
use std::borrow::Cow;

#[derive(Clone)]
pub(super) struct Consumer {
    name: Text,
    seen: i64,
    active: i64,
}

#[derive(Clone)]
pub(super) struct Pended {
    id: StreamId,
    owner: Text,
    at: i64,
    count: i64,
}

#[derive(Clone, Default)]
pub(super) struct Group {
    name: Text,
    last_id: StreamId,
    /// -1: unknown.
    read: i64,
    consumers: Vec<Consumer>,
    pending: Vec<Pended>,
}

impl Group {
    fn consumer(&mut self, name: &Text, wall: i64) -> &mut Consumer {
        if !self.consumers.iter().any(|held| held.name == *name) {
            self.consumers.push(Consumer { name: name.clone(), seen: wall, active: -1 });
            self.consumers.sort_by(|one, other| one.name.cmp(&other.name));
        }
        self.consumers.iter_mut().find(|held| held.name == *name).expect("it was just made")
    }

    fn give(&mut self, id: StreamId, owner: &Text, at: i64, count: i64) {
        self.pending.retain(|pended| pended.id != id);
        self.pending.push(Pended { id, owner: owner.clone(), at, count });
        self.pending.sort_by_key(|pended| pended.id);
    }

    fn count_of(&self, owner: &Text) -> i64 {
        self.pending.iter().filter(|pended| pended.owner == *owner).count() as i64
    }
}

impl Stream {
    fn hole_at_or_behind(&self, id: StreamId) -> bool {
        !self.entries.is_empty()
            && self.max_deleted != StreamId::MIN
            && self.max_deleted >= self.first_id()
            && id <= self.max_deleted
    }

    /// How many entries were added up to an id, turning around past what is signed; -1: unknown.
    fn distance(&self, id: StreamId) -> i64 {
        if self.added == 0 {
            return 0;
        }
        if id == self.last_id || (self.entries.is_empty() && id < self.last_id) {
            return self.added;
        }
        let holes = self.max_deleted != StreamId::MIN && self.max_deleted >= self.first_id();
        if id > self.last_id || holes || id > self.first_id() {
            return -1;
        }
        self.added.wrapping_sub(self.entries.len() as i64).wrapping_add(i64::from(id == self.first_id()))
    }

    fn lag(&self, group: &Group) -> Value {
        let read = match group.read {
            _ if self.added == 0 => self.added,
            read if read != -1 && !self.hole_at_or_behind(group.last_id) => read,
            _ => self.distance(group.last_id),
        };
        if read == -1 { Value::Null } else { Value::Integer(self.added.wrapping_sub(read)) }
    }
}

fn word(text: impl Into<Cow<'static, str>>) -> Value {
    Value::Word(text.into())
}

fn ids(list: &[StreamId]) -> Value {
    Value::Array(list.iter().map(|id| Value::Id(*id)).collect())
}

fn lossy(text: &Text) -> String {
    String::from_utf8_lossy(text).split('\0').next().unwrap_or_default().to_owned()
}

fn no_group(key: &Text, group: &Text) -> Value {
    error(format!("NOGROUP No such consumer group '{}' for key name '{}'", lossy(group), lossy(key)))
}

fn nothing_there(key: &Text, group: &Text, end: &str) -> Value {
    error(format!("NOGROUP No such key '{}' or consumer group '{}'{end}", lossy(key), lossy(group)))
}

fn group_of<'a>(stream: &'a mut Stream, name: &Text) -> Option<(&'a mut Group, Vec<Entry>)> {
    let entries = stream.entries.clone();
    stream.groups.iter_mut().find(|group| group.name == *name).map(|group| (group, entries))
}

impl Reference {
    pub(super) fn change_groups(&mut self, op: &KeyOp, at: Moment) -> Option<Value> {
        let wall = at.wall.0;
        Some(match op {
            KeyOp::Group(key, group, op) => self.group_op(key, group, op, at),
            KeyOp::ReadGroup(read) => self.read_group(read, wall),
            KeyOp::Ack(key, group, gone) => {
                let found = self.get_mut(key, wall).and_then(|stream| group_of(stream, group));
                let Some((group, _)) = found else { return Some(Value::Integer(0)) };
                let before = group.pending.len();
                group.pending.retain(|pended| !gone.contains(&pended.id));
                Value::Integer((before - group.pending.len()) as i64)
            }
            KeyOp::Claim(claim) => {
                let found = self.get_mut(&claim.key, wall).and_then(|stream| group_of(stream, &claim.group));
                match found {
                    Some((group, entries)) => group.claim(&entries, claim, wall as i64),
                    None => nothing_there(&claim.key, &claim.group, ""),
                }
            }
            KeyOp::AutoClaim(claim) => {
                let found = self.get_mut(&claim.key, wall).and_then(|stream| group_of(stream, &claim.group));
                match found {
                    Some((group, entries)) => group.auto_claim(&entries, claim, wall as i64),
                    None => nothing_there(&claim.key, &claim.group, ""),
                }
            }
            _ => return None,
        })
    }

    fn group_op(&mut self, key: &Text, name: &Text, op: &GroupOp, at: Moment) -> Value {
        let makes = matches!(op, GroupOp::Create { make: true, .. });
        if self.get_mut(key, at.wall.0).is_none() {
            if !makes {
                return error(
                    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to \
                     use the MKSTREAM option to create an empty stream automatically.",
                );
            }
            self.make(key, at);
        }
        let stream = self.get_mut(key, at.wall.0).expect("it was just made");
        let last_id = stream.last_id;
        let from = |after: &After| if let After::Id(id) = after { *id } else { last_id };
        let known = stream.groups.iter_mut().find(|group| group.name == *name);
        match (op, known) {
            (GroupOp::Create { .. }, Some(_)) => error("BUSYGROUP Consumer Group name already exists"),
            (GroupOp::Create { from: after, read, .. }, None) => {
                let (last_id, read) = (from(after), read.unwrap_or(-1));
                stream.groups.push(Group { name: name.clone(), last_id, read, ..Group::default() });
                stream.groups.sort_by(|one, other| one.name.cmp(&other.name));
                Value::Done
            }
            (GroupOp::Destroy, known) => {
                let was_there = known.is_some();
                stream.groups.retain(|group| group.name != *name);
                Value::Integer(i64::from(was_there))
            }
            (_, None) => no_group(key, name),
            (GroupOp::SetId { from: after, read }, Some(group)) => {
                (group.last_id, group.read) = (from(after), read.unwrap_or(-1));
                Value::Done
            }
            (GroupOp::AddConsumer(consumer), Some(group)) => {
                let before = group.consumers.len();
                group.consumer(consumer, at.wall.0 as i64);
                Value::Integer((group.consumers.len() - before) as i64)
            }
            (GroupOp::RemoveConsumer(consumer), Some(group)) => {
                let held = group.count_of(consumer);
                group.pending.retain(|pended| pended.owner != *consumer);
                group.consumers.retain(|known| known.name != *consumer);
                Value::Integer(held)
            }
        }
    }

    fn read_group(&mut self, read: &ReadGroup, wall: u64) -> Value {
        for (key, _) in &read.streams {
            let there = self.get_mut(key, wall).and_then(|stream| group_of(stream, &read.group)).is_some();
            if !there {
                return nothing_there(key, &read.group, " in XREADGROUP with GROUP option");
            }
        }
        let last_of = |this: &mut Reference, key: &Text| {
            let found = this.get_mut(key, wall).and_then(|stream| group_of(stream, &read.group));
            found.map_or(StreamId::MIN, |(group, _)| group.last_id)
        };
        let behind: Vec<StreamId> =
            read.streams.iter().map(|(key, after)| after.unwrap_or_else(|| last_of(self, key))).collect();
        let mut found = Vec::new();
        for (key, after) in &read.streams {
            let stream = self.get_mut(key, wall).expect("it was looked at");
            let given = match after {
                Some(after) => Some(stream.history(read, *after, wall as i64)),
                None => stream.fresh(read, wall as i64),
            };
            found.extend(given.map(|entries| (key.clone(), entries)));
        }
        match found.is_empty() {
            false => Value::Streams(found),
            true if read.waits => Value::Nothing(behind),
            true => Value::NullArray,
        }
    }

    pub(super) fn answer_groups(&self, op: &KeyOp, wall: u64) -> Value {
        let none = error("ERR no such key");
        let find = |key: &Text| self.get(key, wall);
        match op {
            KeyOp::Pending(key, name, range) => {
                let group =
                    find(key).and_then(|stream| stream.groups.iter().find(|group| group.name == *name));
                match (group, range) {
                    (None, _) => nothing_there(key, name, ""),
                    (Some(group), None) => group.summary(),
                    (Some(group), Some(range)) => group.told(range, wall as i64),
                }
            }
            KeyOp::InfoGroups(key) => find(key).map_or(none, |stream| {
                Value::Array(stream.groups.iter().map(|group| group.info(stream)).collect())
            }),
            KeyOp::InfoConsumers(key, name) => {
                let Some(stream) = find(key) else { return none };
                let group = stream.groups.iter().find(|group| group.name == *name);
                group.map_or_else(|| no_group(key, name), |group| group.consumer_info(wall as i64))
            }
            _ => Value::Null,
        }
    }
}

impl Stream {
    fn fresh(&mut self, read: &ReadGroup, wall: i64) -> Option<Entries> {
        let at = self.groups.iter().position(|group| group.name == read.group)?;
        let mut group = self.groups[at].clone();
        let newer: Vec<Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.id > group.last_id)
            .take(most(read.count))
            .cloned()
            .collect();
        group.consumer(&read.consumer, wall).seen = wall;
        for entry in &newer {
            if group.read != -1 && !self.hole_at_or_behind(entry.id) {
                group.read = group.read.wrapping_add(1);
            } else if self.added != 0 {
                group.read = self.distance(entry.id);
            }
            group.last_id = entry.id;
            if !read.no_ack {
                group.give(entry.id, &read.consumer, wall, 1);
                group.consumer(&read.consumer, wall).active = wall;
            }
        }
        self.groups[at] = group;
        (!newer.is_empty()).then(|| entries(newer.iter()))
    }

    fn history(&mut self, read: &ReadGroup, after: StreamId, wall: i64) -> Entries {
        let held = self.entries.clone();
        let (group, _) = group_of(self, &read.group).expect("it was looked at");
        group.consumer(&read.consumer, wall).seen = wall;
        let mut out = Entries::default();
        for pended in &mut group.pending {
            if pended.owner != read.consumer || pended.id <= after || out.len() == most(read.count) {
                continue;
            }
            match held.iter().find(|entry| entry.id == pended.id) {
                Some(entry) => {
                    out.push(entry.id, entry.dense, Some(entry.fields.as_ref()));
                    (pended.at, pended.count) = (wall, pended.count + 1);
                }
                None => out.push(pended.id, 0, None),
            }
        }
        out
    }
}

impl Group {
    fn claim(&mut self, held: &[Entry], claim: &Claim, wall: i64) -> Value {
        self.last_id = self.last_id.max(claim.last_id.unwrap_or(StreamId::MIN));
        self.consumer(&claim.consumer, wall).seen = wall;
        let at = match claim.delivered {
            Delivered::Ago(ms) if ms <= wall as u64 => wall - ms as i64,
            Delivered::At(at) if at <= wall as u64 => at as i64,
            _ => wall,
        };
        let mut taken = Vec::new();
        for id in &claim.ids {
            let Some(entry) = held.iter().find(|entry| entry.id == *id) else {
                self.pending.retain(|pended| pended.id != *id);
                continue;
            };
            let count = match self.pending.iter().find(|pended| pended.id == *id) {
                Some(pended) if (wall - pended.at) as u64 >= claim.idle_ms => pended.count,
                None if claim.force => 1,
                _ => continue,
            };
            let count = claim.retries.map_or(count + i64::from(!claim.just_id), |retries| retries as i64);
            self.consumer(&claim.consumer, wall).active = wall;
            self.give(*id, &claim.consumer, at, count);
            taken.push(entry);
        }
        if claim.just_id {
            return ids(&taken.iter().map(|entry| entry.id).collect::<Vec<_>>());
        }
        Value::Entries(entries(taken.into_iter()))
    }

    fn auto_claim(&mut self, held: &[Entry], claim: &AutoClaim, wall: i64) -> Value {
        self.consumer(&claim.consumer, wall).seen = wall;
        let todo: Vec<Pended> =
            self.pending.iter().filter(|pended| pended.id >= claim.start).cloned().collect();
        let (mut taken, mut gone, mut looked) = (Vec::new(), Vec::new(), 0);
        for pended in todo.iter().take((claim.count * 10) as usize) {
            if (taken.len() + gone.len()) as u64 == claim.count {
                break;
            }
            looked += 1;
            match held.iter().find(|entry| entry.id == pended.id) {
                None => {
                    gone.push(pended.id);
                    self.pending.retain(|other| other.id != pended.id);
                }
                Some(entry) if (wall - pended.at) as u64 >= claim.idle_ms => {
                    self.consumer(&claim.consumer, wall).active = wall;
                    self.give(pended.id, &claim.consumer, wall, pended.count + i64::from(!claim.just_id));
                    taken.push(entry);
                }
                Some(_) => {}
            }
        }
        let next = todo.get(looked).map_or(StreamId::MIN, |pended| pended.id);
        let claimed = match claim.just_id {
            true => ids(&taken.iter().map(|entry| entry.id).collect::<Vec<_>>()),
            false => Value::Entries(entries(taken.into_iter())),
        };
        Value::Array(vec![Value::Id(next), claimed, ids(&gone)])
    }

    fn summary(&self) -> Value {
        let (Some(first), Some(last)) = (self.pending.first(), self.pending.last()) else {
            return Value::Array(vec![Value::Integer(0), Value::Null, Value::Null, Value::NullArray]);
        };
        let busy = self.consumers.iter().map(|held| (&held.name, self.count_of(&held.name)));
        let busy = busy
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| Value::Array(vec![Value::Text(name.clone()), word(count.to_string())]));
        let count = Value::Integer(self.pending.len() as i64);
        Value::Array(vec![count, Value::Id(first.id), Value::Id(last.id), Value::Array(busy.collect())])
    }

    fn told(&self, range: &PendingRange, wall: i64) -> Value {
        let is_asked = |pended: &&Pended| {
            pended.id >= range.start
                && pended.id <= range.end
                && (wall - pended.at) as u64 >= range.idle_ms
                && range.consumer.as_ref().is_none_or(|name| *name == pended.owner)
        };
        let told = self.pending.iter().filter(is_asked).take(range.count as usize).map(|pended| {
            let owner = Value::Text(pended.owner.clone());
            let (idle, count) = (Value::Integer(wall - pended.at), Value::Integer(pended.count));
            Value::Array(vec![Value::Id(pended.id), owner, idle, count])
        });
        Value::Array(told.collect())
    }

    fn info(&self, stream: &Stream) -> Value {
        let read = if self.read == -1 { Value::Null } else { Value::Integer(self.read) };
        Value::Map(vec![
            (word("name"), Value::Text(self.name.clone())),
            (word("consumers"), Value::Integer(self.consumers.len() as i64)),
            (word("pending"), Value::Integer(self.pending.len() as i64)),
            (word("last-delivered-id"), Value::Id(self.last_id)),
            (word("entries-read"), read),
            (word("lag"), stream.lag(self)),
        ])
    }

    fn consumer_info(&self, wall: i64) -> Value {
        let told = self.consumers.iter().map(|held| {
            let inactive = if held.active < 0 { -1 } else { wall - held.active };
            Value::Map(vec![
                (word("name"), Value::Text(held.name.clone())),
                (word("pending"), Value::Integer(self.count_of(&held.name))),
                (word("idle"), Value::Integer(wall - held.seen)),
                (word("inactive"), Value::Integer(inactive)),
            ])
        });
        Value::Array(told.collect())
    }
}
