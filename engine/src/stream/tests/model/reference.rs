//! The keys as plain lists: no blocks, no index, nothing counted ahead.

use super::groups::Group;
use crate::id::RequestHash;
use crate::limit::REQUEST_TTL_MS;
use crate::stream::entries::Entries;
use crate::stream::fields::Fields;
use crate::stream::id::StreamId;
use crate::stream::keyspace::Moment;
use crate::stream::op::{
    Add, After, Clock, Expire, Follow, FollowFrom, Keep, KeyOp, NewId, Range, Read, Scan, SetId, Trim, Unit,
};
use crate::stream::text::Text;
use crate::stream::value::{Added, Extent, Followed, Reset, Value};

/// An entry.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) id: StreamId,
    pub(super) dense: u64,
    pub(super) fields: Fields,
}

/// A key and its stream.
#[derive(Clone, Default)]
pub(super) struct Stream {
    pub(super) name: Text,
    pub(super) expires: Option<i64>,
    pub(super) entries: Vec<Entry>,
    pub(super) groups: Vec<Group>,
    pub(super) epoch: u64,
    pub(super) newest: u64,
    pub(super) last_id: StreamId,
    pub(super) added: i64,
    pub(super) max_deleted: StreamId,
    pub(super) ended: bool,
}

/// All keys: a slot each.
#[derive(Default)]
pub(super) struct Reference {
    pub(super) slots: Vec<Option<Stream>>,
    epoch: u64,
    requests: Vec<(u64, RequestHash, Text, Added)>,
}

pub(super) fn error(text: impl AsRef<[u8]>) -> Value {
    Value::error(text)
}

pub(super) fn entries<'a>(list: impl Iterator<Item = &'a Entry>) -> Entries {
    let mut out = Entries::default();
    list.for_each(|entry| out.push(entry.id, entry.dense, Some(entry.fields.as_ref())));
    out
}

pub(super) fn most(count: u64) -> usize {
    if count == 0 { usize::MAX } else { usize::try_from(count).unwrap_or(usize::MAX) }
}

impl Stream {
    pub(super) fn first_id(&self) -> StreamId {
        self.entries.first().map_or(StreamId::MIN, |entry| entry.id)
    }

    pub(super) fn find(&self, id: StreamId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    fn trim(&mut self, trim: Trim) -> i64 {
        let mut gone = 0;
        while let Some(first) = self.entries.first() {
            let goes = match trim.keep {
                Keep::Newest(keep) => self.entries.len() as u64 > keep,
                Keep::From(id) => first.id < id,
            };
            if !goes || (trim.limit > 0 && gone == trim.limit) {
                break;
            }
            self.entries.remove(0);
            gone += 1;
        }
        gone as i64
    }

    fn extent(&self) -> Extent {
        Extent {
            epoch: self.epoch,
            oldest: self.entries.first().map_or(self.newest + 1, |entry| entry.dense),
            newest: self.newest,
            last_id: self.last_id,
            ended: self.ended,
        }
    }

    fn set_id(&mut self, set: &SetId) -> Value {
        if set.id < self.max_deleted {
            return error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
        }
        let said = "ERR The ID specified in XSETID is smaller than the target stream top item";
        if self.entries.last().is_some_and(|last| set.id < last.id) {
            return error(said);
        }
        if set.added.is_some_and(|added| !self.entries.is_empty() && added < self.entries.len() as u64) {
            return error(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            );
        }
        self.last_id = set.id;
        self.added = set.added.map_or(self.added, |added| added as i64);
        if let Some(id) = set.max_deleted.filter(|id| *id != StreamId::MIN) {
            self.max_deleted = id;
        }
        Value::Done
    }

    fn follow(&self, follow: &Follow) -> Followed {
        let mut told = Followed { stream: Some(self.extent()), reset: None, entries: Entries::default() };
        let after = match follow.from {
            FollowFrom::Oldest => self.entries.first().map_or(self.newest, |first| first.dense - 1),
            FollowFrom::Newest => self.newest,
            FollowFrom::After(after) => after,
        };
        let next = self.entries.iter().find(|entry| entry.dense > after);
        if follow.epoch.is_some_and(|epoch| epoch != self.epoch) {
            told.reset = Some(Reset::Epoch);
        } else if after > self.newest {
            told.reset = Some(Reset::Unknown);
        } else {
            let behind = next.map_or(self.newest + 1, |entry| entry.dense);
            if after < self.newest && behind != after + 1 {
                let trimmed = self.entries.first().is_none_or(|first| first.dense > after + 1);
                told.reset = Some(if trimmed { Reset::Trimmed } else { Reset::Deleted });
            }
            let told_none = told.reset == Some(Reset::Trimmed);
            let rest = self.entries.iter().filter(|entry| entry.dense > after && !told_none);
            for entry in rest {
                let full = told.entries.len() as u64 == follow.limit
                    || (!told.entries.is_empty() && told.entries.bytes() as u64 >= follow.bytes_max);
                if entry.dense != behind + told.entries.len() as u64 || full {
                    break;
                }
                told.entries.push(entry.id, entry.dense, Some(entry.fields.as_ref()));
            }
        }
        told
    }
}

impl Reference {
    /// The key of that name at a wall time.
    pub(super) fn get(&self, name: &Text, wall: u64) -> Option<&Stream> {
        let live = |stream: &&Stream| stream.expires.is_none_or(|at| at > wall as i64);
        self.slots.iter().flatten().find(|stream| stream.name == *name).filter(live)
    }

    /// The same for a change: it goes where its time has come.
    pub(super) fn get_mut(&mut self, name: &Text, wall: u64) -> Option<&mut Stream> {
        if self.get(name, wall).is_none() {
            self.drop_key(name);
        }
        self.slots.iter_mut().flatten().find(|stream| stream.name == *name)
    }

    fn drop_key(&mut self, name: &Text) {
        let slot = self.slots.iter_mut().find(|slot| slot.as_ref().is_some_and(|held| held.name == *name));
        slot.into_iter().for_each(|slot| *slot = None);
        while matches!(self.slots.last(), Some(None)) {
            self.slots.pop();
        }
    }

    pub(super) fn make(&mut self, name: &Text, at: Moment) -> &mut Stream {
        self.epoch = (self.epoch + 1).max(at.ordinal);
        let slot = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if slot == self.slots.len() {
            self.slots.push(None);
        }
        self.slots[slot].insert(Stream { name: name.clone(), epoch: self.epoch, ..Stream::default() })
    }

    pub(super) fn sweep(&mut self, at: Moment) {
        let due = |stream: &Stream| stream.expires.is_some_and(|due| due <= at.wall.0 as i64);
        let names: Vec<Text> = self
            .slots
            .iter()
            .flatten()
            .filter(|stream| due(stream))
            .map(|stream| stream.name.clone())
            .collect();
        names.iter().for_each(|name| self.drop_key(name));
        self.requests.retain(|(stamp, ..)| stamp + REQUEST_TTL_MS > at.log.0);
    }

    fn add(&mut self, add: &Add, at: Moment) -> Value {
        for _ in 0..2 {
            if self.requests.first().is_some_and(|(stamp, ..)| stamp + REQUEST_TTL_MS <= at.log.0) {
                self.requests.remove(0);
            }
        }
        let last = self.requests.iter().rev().find(|(_, request, ..)| Some(*request) == add.request);
        if let Some((_, _, _, added)) = last.filter(|(_, _, key, _)| *key == add.key) {
            return Value::Added(*added);
        }
        if add.id == NewId::Exact(StreamId::MIN) {
            return error("ERR The ID specified in XADD must be greater than 0-0");
        }
        let found = self.get_mut(&add.key, at.wall.0).map(|stream| (stream.last_id, stream.ended));
        let (last, ended) = match found {
            None if add.no_create => return Value::Null,
            found => found.unwrap_or_default(),
        };
        if ended {
            return error("ERR the stream has ended");
        }
        if last == StreamId::MAX {
            return error("ERR The stream has exhausted the last possible ID, unable to add more items");
        }
        let (wall, follower) = (at.wall.0, last.next().unwrap_or(last));
        let id = match add.id {
            NewId::Exact(id) => id,
            NewId::Auto => follower.max(StreamId { ms: wall, seq: 0 }),
            NewId::Within(ms) if ms == last.ms && last.seq == u64::MAX => {
                return error("ERR Elements are too large to be stored");
            }
            NewId::Within(ms) if ms == last.ms => follower,
            NewId::Within(ms) => StreamId { ms, seq: 0 },
        };
        if id <= last {
            let said = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
            return error(said);
        }
        if found.is_none() {
            self.make(&add.key, at);
        }
        let Some(stream) = self.get_mut(&add.key, wall) else { return Value::Null };
        stream.newest += 1;
        stream.added = stream.added.wrapping_add(1);
        stream.last_id = id;
        stream.entries.push(Entry { id, dense: stream.newest, fields: add.fields.clone() });
        add.trim.map(|trim| stream.trim(trim));
        stream.ended = add.end;
        if let Some(ttl_ms) = add.ttl_ms {
            stream.expires = Some((wall + ttl_ms) as i64);
        }
        let added = Added { id, epoch: stream.epoch, dense: stream.newest };
        if let Some(request) = add.request {
            self.requests.push((at.log.0, request, add.key.clone(), added));
        }
        Value::Added(added)
    }

    /// Carries out an operation; groups are the other file's.
    pub(super) fn change(&mut self, op: &KeyOp, at: Moment) -> Value {
        let wall = at.wall.0;
        match op {
            KeyOp::Add(add) => self.add(add, at),
            KeyOp::Trim(key, trim) => {
                Value::Integer(self.get_mut(key, wall).map_or(0, |stream| stream.trim(*trim)))
            }
            KeyOp::Remove(key, ids) => {
                let Some(stream) = self.get_mut(key, wall) else { return Value::Integer(0) };
                let before = stream.entries.len();
                for id in ids.iter().filter(|id| stream.find(**id).is_some()).collect::<Vec<_>>() {
                    stream.max_deleted = stream.max_deleted.max(*id);
                }
                stream.entries.retain(|entry| !ids.contains(&entry.id));
                Value::Integer((before - stream.entries.len()) as i64)
            }
            KeyOp::SetId(set) if set.max_deleted.is_some_and(|id| id > set.id) => {
                error("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id")
            }
            KeyOp::SetId(set) => match self.get_mut(&set.key, wall) {
                Some(stream) => stream.set_id(set),
                None => error("ERR no such key"),
            },
            KeyOp::End(key) => match self.get_mut(key, wall) {
                Some(stream) if !stream.ended => {
                    stream.ended = true;
                    Value::Integer(1)
                }
                _ => Value::Integer(0),
            },
            KeyOp::Delete(keys) => {
                let mut gone = 0;
                for key in keys {
                    gone += i64::from(self.get(key, wall).is_some());
                    self.drop_key(key);
                }
                Value::Integer(gone)
            }
            KeyOp::Expire(expire) => self.expire(expire, wall as i64),
            KeyOp::Persist(key) => {
                let Some(stream) = self.get_mut(key, wall) else { return Value::Integer(0) };
                Value::Integer(i64::from(stream.expires.take().is_some()))
            }
            KeyOp::Clear => {
                self.slots.clear();
                Value::Done
            }
            other => self.change_groups(other, at).unwrap_or_else(|| self.answer(other, wall)),
        }
    }

    fn expire(&mut self, expire: &Expire, wall: i64) -> Value {
        let ms = match expire.unit {
            Unit::Ms => i128::from(expire.time),
            Unit::Seconds => i128::from(expire.time) * 1_000,
        };
        let at = ms + i128::from(if expire.clock == Clock::Relative { wall } else { 0 });
        let (Ok(_), Ok(at)) = (i64::try_from(ms), i64::try_from(at)) else {
            let at = if expire.clock == Clock::Absolute { "at" } else { "" };
            let p = if expire.unit == Unit::Ms { "p" } else { "" };
            return error(format!("ERR invalid expire time in '{p}expire{at}' command"));
        };
        let Some(stream) = self.get_mut(&expire.key, wall as u64) else { return Value::Integer(0) };
        let when = expire.when;
        let allowed = match stream.expires {
            None => !when.some && !when.later,
            Some(_) if when.none => false,
            Some(before) => (!when.later || at > before) && (!when.earlier || at < before),
        };
        if allowed && at > wall {
            stream.expires = Some(at);
        } else if allowed {
            self.drop_key(&expire.key);
        }
        Value::Integer(i64::from(allowed))
    }

    /// Answers a question; groups are the other file's.
    pub(super) fn answer(&self, op: &KeyOp, wall: u64) -> Value {
        let there = |key: &Text| self.get(key, wall).is_some();
        match op {
            KeyOp::Len(key) => {
                Value::Integer(self.get(key, wall).map_or(0, |stream| stream.entries.len() as i64))
            }
            KeyOp::Range(range) => self.range(range, wall),
            KeyOp::Read(read) => self.read(read, wall),
            KeyOp::Follow(follow) => {
                let reset = follow.epoch.map(|_| Reset::Epoch);
                let none = Followed { stream: None, reset, entries: Entries::default() };
                let stream = self.get(&follow.key, wall);
                Value::Followed(Box::new(stream.map_or(none, |stream| stream.follow(follow))))
            }
            KeyOp::Exists(keys) => Value::Integer(keys.iter().filter(|key| there(key)).count() as i64),
            KeyOp::Type(key) => Value::Simple(if there(key) { "stream" } else { "none" }.to_owned()),
            KeyOp::Ttl(key, unit, clock) => {
                let left = self.get(key, wall).map(|stream| {
                    stream.expires.map(|at| if *clock == Clock::Absolute { at } else { at - wall as i64 })
                });
                Value::Integer(match (left, unit) {
                    (None, _) => -2,
                    (Some(None), _) => -1,
                    (Some(Some(ms)), Unit::Ms) => ms,
                    (Some(Some(ms)), Unit::Seconds) => (i128::from(ms) + 500).div_euclid(1_000) as i64,
                })
            }
            KeyOp::Scan(scan) => self.scan(scan, wall),
            KeyOp::Size => {
                let live = |stream: &&Stream| stream.expires.is_none_or(|at| at > wall as i64);
                Value::Integer(self.slots.iter().flatten().filter(live).count() as i64)
            }
            other => self.answer_groups(other, wall),
        }
    }

    fn scan(&self, scan: &Scan, wall: u64) -> Value {
        let end = scan.from + scan.count.max(1);
        let slots =
            self.slots.iter().enumerate().filter(|(slot, _)| (scan.from..end).contains(&(*slot as u64)));
        let keys =
            slots.filter_map(|(_, stream)| stream.as_ref()).filter(|s| self.get(&s.name, wall).is_some());
        let keys = keys.map(|stream| Value::Text(stream.name.clone())).collect();
        let next = if end < self.slots.len() as u64 { end as i64 } else { 0 };
        Value::Array(vec![Value::Integer(next), Value::Array(keys)])
    }

    fn range(&self, range: &Range, wall: u64) -> Value {
        let Some(stream) = self.get(&range.key, wall) else { return Value::Entries(Entries::default()) };
        if range.count == Some(0) {
            return Value::NullArray;
        }
        let mut found: Vec<&Entry> =
            stream.entries.iter().filter(|entry| range.start <= entry.id && entry.id <= range.end).collect();
        if range.reverse {
            found.reverse();
        }
        Value::Entries(entries(found.into_iter().take(most(range.count.unwrap_or(0)))))
    }

    fn read(&self, read: &Read, wall: u64) -> Value {
        let (mut found, mut behind) = (Vec::new(), Vec::new());
        for (key, after) in &read.streams {
            let empty = Stream::default();
            let stream = self.get(key, wall).unwrap_or(&empty);
            let newer: Vec<&Entry> = match after {
                After::Id(id) => stream.entries.iter().filter(|entry| entry.id > *id).collect(),
                After::Last => Vec::new(),
                After::LastEntry => stream.entries.last().into_iter().collect(),
            };
            behind.push(if let After::Id(id) = after { *id } else { stream.last_id });
            if !newer.is_empty() {
                found.push((key.clone(), entries(newer.into_iter().take(most(read.count)))));
            }
        }
        match found.is_empty() {
            false => Value::Streams(found),
            true if read.waits => Value::Nothing(behind),
            true => Value::NullArray,
        }
    }
}
