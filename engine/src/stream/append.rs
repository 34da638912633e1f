//! What makes a stream longer or shorter: `XADD`, `XTRIM`, `XDEL`, `XSETID`, `X.END`.

use super::id::StreamId;
use super::keyspace::{Keyspace, Moment};
use super::op::{Add, Keep, NewId, SetId, Trim};
use super::requests::{RememberedAdd, request_key};
use super::state::Stream;
use super::text::Text;
use super::value::{Added, ENDED, Value};
use crate::limit::ENTRY_BYTES_MAX;
use crate::time::WallMs;

const ZERO_ID: &str = "ERR The ID specified in XADD must be greater than 0-0";
const LOW_ID: &str = "ERR The ID specified in XADD is equal or smaller than the target stream top item";
const NO_ID_LEFT: &str = "ERR The stream has exhausted the last possible ID, unable to add more items";
const TOO_LARGE: &str = "ERR Elements are too large to be stored";
pub(super) const TOO_MANY_KEYS: &str = "OOM too many keys";
pub(super) const NO_KEY: &str = "ERR no such key";

/// Requests forgotten by one append, at most: more than it adds.
const FORGET_AN_ADD: usize = 2;

/// A refusal in Redis's words.
pub(super) fn error(text: &str) -> Value {
    Value::error(text)
}

impl Keyspace {
    pub(super) fn add(&mut self, add: Add, at: Moment) -> Value {
        self.forget_requests(at.log, FORGET_AN_ADD);
        let request = add.request.map(|request| (request, request_key(&add.key)));
        if let Some(added) = request.and_then(|(request, key)| self.requests.added(request, key)) {
            return Value::Added(added);
        }
        let value = self.append(add, at);
        if let (Some((request, key)), Value::Added(added)) = (request, &value) {
            self.requests.remember(RememberedAdd { at: at.log, request, key, added: *added });
        }
        value
    }

    fn append(&mut self, add: Add, at: Moment) -> Value {
        if add.id == NewId::Exact(StreamId::MIN) {
            return error(ZERO_ID);
        }
        if add.fields.as_ref().bytes().len() > ENTRY_BYTES_MAX {
            return error(TOO_LARGE);
        }
        let found = self.slot_at(&add.key, at.wall);
        if found.is_none() && add.no_create {
            return Value::Null;
        }
        let stream = found.and_then(|slot| self.key(slot)).map(|key| &key.stream);
        let last_id = stream.map_or(StreamId::MIN, |stream| stream.last_id);
        if stream.is_some_and(|stream| stream.ended) {
            return error(ENDED);
        }
        let id = match next_id(add.id, last_id, at.wall) {
            Ok(id) => id,
            Err(refusal) => return error(refusal),
        };
        let fields = add.fields.as_ref();
        let space = match stream {
            Some(_) => found.and_then(|slot| self.key(slot)?.space),
            None => self.spaces.number_of(&add.key),
        };
        if let Err(refusal) = self.check_space(space, found, add.key.len(), (id, fields)) {
            return refusal;
        }
        let policy = self.spaces.get(space).map(|space| space.policy).unwrap_or_default();
        let before = self.spaces.bytes(space);
        let Some(slot) = found.or_else(|| self.insert(add.key, at)) else { return error(TOO_MANY_KEYS) };
        let (added, trimmed) = self.edit(slot, |stream| {
            let dense = stream.append(id, fields);
            stream.ended = add.end;
            let first = add.trim.map(|trim| stream.trim(trim).1);
            let then = policy.maxlen.map(|most| stream.trim(Trim { keep: Keep::Newest(most), limit: 0 }).1);
            (Added { id, epoch: stream.epoch, dense }, [first, then])
        });
        trimmed.into_iter().flatten().for_each(|blocks| self.waste.take_blocks(blocks));
        if let Some(ttl_ms) = add.ttl_ms.or(policy.ttl_ms) {
            self.set_deadline(slot, Some(WallMs(at.wall.0.saturating_add(ttl_ms))));
        }
        self.touch(slot);
        self.make_room(space, slot, self.spaces.bytes(space).saturating_sub(before));
        Value::Added(added)
    }

    pub(super) fn trim(&mut self, key: &Text, trim: Trim, wall: WallMs) -> Value {
        let slot = self.slot_at(key, wall);
        let (gone, blocks) = slot.map(|slot| self.edit(slot, |stream| stream.trim(trim))).unwrap_or_default();
        self.waste.take_blocks(blocks);
        Value::Integer(gone as i64)
    }

    pub(super) fn remove_entries(&mut self, key: &Text, ids: &[StreamId], wall: WallMs) -> Value {
        let remove = |stream: &mut Stream| ids.iter().filter(|id| stream.remove(**id)).count();
        let slot = self.slot_at(key, wall);
        Value::Integer(slot.map_or(0, |slot| self.edit(slot, remove)) as i64)
    }

    pub(super) fn set_id(&mut self, set: &SetId, wall: WallMs) -> Value {
        if set.max_deleted.is_some_and(|deleted| set.id < deleted) {
            return error("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
        }
        match self.slot_at(&set.key, wall) {
            Some(slot) => self.edit(slot, |stream| set_id(stream, set)),
            None => error(NO_KEY),
        }
    }

    pub(super) fn end(&mut self, key: &Text, wall: WallMs) -> Value {
        let slot = self.slot_at(key, wall);
        let is_new =
            slot.is_some_and(|slot| self.edit(slot, |stream| !std::mem::replace(&mut stream.ended, true)));
        Value::Integer(i64::from(is_new))
    }
}

/// The id that an append gets. Where a millisecond has no number left, Redis says something else than what is wrong.
fn next_id(wanted: NewId, last: StreamId, wall: WallMs) -> Result<StreamId, &'static str> {
    let next = last.next().ok_or(NO_ID_LEFT)?;
    let id = match wanted {
        NewId::Auto if wall.0 > last.ms => StreamId { ms: wall.0, seq: 0 },
        NewId::Auto => next,
        NewId::Within(ms) if ms == last.ms => StreamId { ms, seq: last.seq.checked_add(1).ok_or(TOO_LARGE)? },
        NewId::Within(ms) => StreamId { ms, seq: 0 },
        NewId::Exact(id) => id,
    };
    if id > last { Ok(id) } else { Err(LOW_ID) }
}

fn set_id(stream: &mut Stream, set: &SetId) -> Value {
    if set.id < stream.max_deleted {
        return error("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
    }
    if let Some(last) = stream.run.last() {
        if set.id < last.id {
            return error("ERR The ID specified in XSETID is smaller than the target stream top item");
        }
        if set.added.is_some_and(|added| added < stream.run.len()) {
            return error(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            );
        }
    }
    stream.last_id = set.id;
    stream.added = set.added.unwrap_or(stream.added);
    stream.max_deleted = set.max_deleted.filter(|id| *id > StreamId::MIN).unwrap_or(stream.max_deleted);
    Value::Done
}
