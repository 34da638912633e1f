//! The payload of each record of streams and their keys, written and read side by side.

use super::frame::{Reader, put_blob, put_count};
use super::record::put;
use crate::id::RequestHash;
use crate::stream::block::Block;
use crate::stream::consumers::Consumer;
use crate::stream::group::Group;
use crate::stream::id::StreamId;
use crate::stream::keyspace::{Key, Keyspace};
use crate::stream::pending::Pended;
use crate::stream::policy::{OnFull, Policy};
use crate::stream::requests::RememberedAdd;
use crate::stream::state::Stream;
use crate::stream::text::Text;
use crate::stream::value::Added;
use crate::time::{LogTime, WallMs};

/// Counters of a keyspace, and its namespaces.
pub(crate) struct KeyspaceHeader {
    pub(crate) epoch: u64,
    pub(crate) appends: u64,
    pub(crate) spaces: Vec<(Text, Policy)>,
}

pub(crate) fn put_keyspace(out: &mut Vec<u8>, keyspace: &Keyspace) {
    put!(out, keyspace.epoch(), keyspace.appends());
    put_count(out, keyspace.spaces().iter().len());
    for space in keyspace.spaces().iter() {
        put_blob(out, &space.prefix);
        put_option(out, space.policy.maxlen);
        put_option(out, space.policy.ttl_ms);
        put_option(out, space.policy.memory_bytes);
        out.push(u8::from(space.policy.on_full == OnFull::DropOldest));
    }
}

pub(crate) fn read_keyspace(from: &mut Reader<'_>) -> Option<KeyspaceHeader> {
    let (epoch, appends) = (from.u64()?, from.u64()?);
    let count = from.count(8)?;
    let spaces = (0..count).map(|_| {
        let prefix = Text::from(from.blob()?);
        let (maxlen, ttl_ms, memory_bytes) = (read_option(from)?, read_option(from)?, read_option(from)?);
        let on_full = if from.u8()? == 1 { OnFull::DropOldest } else { OnFull::Refuse };
        Some((prefix, Policy { maxlen, ttl_ms, memory_bytes, on_full }))
    });
    Some(KeyspaceHeader { epoch, appends, spaces: spaces.collect::<Option<Vec<_>>>()? })
}

fn put_option(out: &mut Vec<u8>, value: Option<u64>) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put!(out, value);
    }
}

fn read_option(from: &mut Reader<'_>) -> Option<Option<u64>> {
    match from.u8()? {
        0 => Some(None),
        1 => from.u64().map(Some),
        _ => None,
    }
}

fn put_id(out: &mut Vec<u8>, id: StreamId) {
    put!(out, id.ms, id.seq);
}

fn read_id(from: &mut Reader<'_>) -> Option<StreamId> {
    Some(StreamId { ms: from.u64()?, seq: from.u64()? })
}

/// A key but for its entries and groups.
pub(crate) fn put_key(out: &mut Vec<u8>, slot: u32, key: &Key) {
    put!(out, slot);
    put_blob(out, &key.name);
    put_option(out, key.expires.map(|expires| expires.0));
    let stream = &key.stream;
    put!(out, key.touched, stream.epoch, stream.newest, stream.added);
    put_id(out, stream.last_id);
    put_id(out, stream.max_deleted);
    out.push(u8::from(stream.ended));
}

pub(crate) fn read_key(from: &mut Reader<'_>) -> Option<(u32, Key)> {
    let (slot, name) = (from.u32()?, Text::from(from.blob()?));
    let expires = read_option(from)?.map(WallMs);
    let touched = from.u64()?;
    let mut stream = Stream::new(from.u64()?);
    (stream.newest, stream.added) = (from.u64()?, from.u64()?);
    (stream.last_id, stream.max_deleted) = (read_id(from)?, read_id(from)?);
    stream.ended = from.u8()? == 1;
    Some((slot, Key::restored(name, expires, touched, stream)))
}

/// A block of the stream in a slot.
pub(crate) fn put_entries(out: &mut Vec<u8>, slot: u32, block: &Block) {
    put!(out, slot);
    put_id(out, block.base);
    put!(out, block.base_dense, block.dead() as u64, block.room() as u64);
    put_blob(out, block.live());
}

pub(crate) fn read_entries(from: &mut Reader<'_>) -> Option<(u32, Block)> {
    let (slot, base, base_dense) = (from.u32()?, read_id(from)?, from.u64()?);
    let (dead, room) = (usize::try_from(from.u64()?).ok()?, usize::try_from(from.u64()?).ok()?);
    Some((slot, Block::from_parts(base, base_dense, dead, room, from.blob()?)?))
}

/// A group of the stream in a slot, but for its consumers and what is pending.
pub(crate) fn put_group(out: &mut Vec<u8>, slot: u32, group: &Group) {
    put!(out, slot);
    put_blob(out, &group.name);
    put_id(out, group.last_id);
    put!(out, group.read().unwrap_or(-1));
}

pub(crate) fn read_group(from: &mut Reader<'_>) -> Option<(u32, Group)> {
    let (slot, name, last_id) = (from.u32()?, Text::from(from.blob()?), read_id(from)?);
    let read = from.array().map(i64::from_le_bytes)?;
    Some((slot, Group::new(name, last_id, Some(read))))
}

/// A slot, and which of its stream's groups, in their order: how parts of a group name it, however long its own name is.
pub(crate) type GroupPlace = (u32, u32);

/// Some of a group's consumers, each with its number.
pub(crate) fn put_consumers(out: &mut Vec<u8>, place: GroupPlace, consumers: &[(u32, &Consumer)]) {
    put!(out, place.0, place.1);
    put_count(out, consumers.len());
    for (number, consumer) in consumers {
        put!(out, number);
        put_blob(out, &consumer.name);
        put!(out, consumer.seen);
        put_option(out, consumer.active);
    }
}

pub(crate) fn read_consumers(from: &mut Reader<'_>) -> Option<(GroupPlace, Vec<(u32, Consumer)>)> {
    let place = (from.u32()?, from.u32()?);
    let count = from.count(17)?;
    let consumers = (0..count).map(|_| {
        let (number, name) = (from.u32()?, Text::from(from.blob()?));
        let (seen, active) = (from.u64()?, read_option(from)?);
        Some((number, Consumer { name, seen, active, pending: 0 }))
    });
    Some((place, consumers.collect::<Option<Vec<_>>>()?))
}

/// Some of what is pending in a group.
pub(crate) fn put_pending(out: &mut Vec<u8>, place: GroupPlace, pending: &[Pended]) {
    put!(out, place.0, place.1);
    put_count(out, pending.len());
    for pended in pending {
        put_id(out, pended.id);
        put!(out, pended.delivered, pended.count, pended.consumer);
    }
}

pub(crate) fn read_pending(from: &mut Reader<'_>) -> Option<(GroupPlace, Vec<Pended>)> {
    let place = (from.u32()?, from.u32()?);
    let count = from.count(36)?;
    let pending = (0..count).map(|_| {
        let (id, delivered) = (read_id(from)?, from.u64()?);
        Some(Pended { id, delivered, count: from.u64()?, consumer: from.u32()? })
    });
    Some((place, pending.collect::<Option<Vec<_>>>()?))
}

pub(crate) fn put_add_requests<'a>(
    out: &mut Vec<u8>,
    requests: impl ExactSizeIterator<Item = &'a RememberedAdd>,
) {
    put_count(out, requests.len());
    for RememberedAdd { at, request, key, added } in requests {
        put!(out, at.0, request.0, key, added.epoch, added.dense);
        put_id(out, added.id);
    }
}

pub(crate) fn read_add_requests(from: &mut Reader<'_>) -> Option<Vec<RememberedAdd>> {
    let count = from.count(64)?;
    let requests = (0..count).map(|_| {
        let (at, request, key) = (LogTime(from.u64()?), RequestHash(from.u128()?), from.u64()?);
        let (epoch, dense, id) = (from.u64()?, from.u64()?, read_id(from)?);
        Some(RememberedAdd { at, request, key, added: Added { id, epoch, dense } })
    });
    requests.collect()
}
