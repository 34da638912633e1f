//! What is read of streams: `XLEN`, `XRANGE`, `XREVRANGE`, `XREAD`, and entries by number for who follows.
//!
//! A read stops after about [`READ_BYTES_MAX`]: the rest comes by a later read, since whoever reads goes on from where it is.
//! A range has no such next time, so one that is too long is refused.

use super::append::error;
use super::clip::Clip;
use super::entries::Entries;
use super::id::StreamId;
use super::keyspace::Keyspace;
use super::op::{After, Follow, FollowFrom, Range, Read};
use super::run::Stretch;
use super::state::{Stream, collect};
use super::text::Text;
use super::value::{Followed, Reset, Value};
use crate::limit::{RANGE_BYTES_MAX, READ_BYTES_MAX};
use crate::time::WallMs;

pub(super) const TOO_LONG: &str =
    "ERR the reply would be longer than 64 MiB, ask for fewer entries with COUNT";

impl Range {
    /// Which entries it asks for.
    pub(super) fn stretch(&self) -> Stretch {
        if self.reverse { Stretch::Back(self.start, self.end) } else { Stretch::Ids(self.start, self.end) }
    }
}

impl Keyspace {
    pub(super) fn stream_len(&self, key: &Text, wall: WallMs) -> Value {
        Value::Integer(self.stream(key, wall).map_or(0, |stream| stream.run.len()) as i64)
    }

    pub(super) fn range(&self, range: &Range, wall: WallMs) -> Value {
        let Some(stream) = self.stream(&range.key, wall) else { return Value::Entries(Entries::default()) };
        if range.count == Some(0) {
            return Value::NullArray;
        }
        let count = range.count.unwrap_or(u64::MAX);
        let weight = stream.run.weight(range.stretch(), count, RANGE_BYTES_MAX);
        let entries = if weight > READ_BYTES_MAX {
            let ids = (range.start, range.end);
            Entries::sharing(Clip::of(&stream.run, ids, range.reverse, count, RANGE_BYTES_MAX))
        } else if range.reverse {
            let back = stream.run.backward(range.end).take_while(|entry| entry.id >= range.start);
            collect(back, count, RANGE_BYTES_MAX)
        } else {
            collect(stream.run.range(range.start, range.end), count, RANGE_BYTES_MAX)
        };
        if entries.bytes() >= RANGE_BYTES_MAX && entries.len() > 1 {
            return error(TOO_LONG);
        }
        Value::Entries(entries)
    }

    pub(super) fn read(&self, read: &Read, wall: WallMs) -> Value {
        let (mut found, mut positions, mut bytes) = (Vec::new(), Vec::new(), 0usize);
        let count = if read.count == 0 { u64::MAX } else { read.count };
        for (key, after) in &read.streams {
            let stream = self.stream(key, wall);
            let last_id = stream.map_or(StreamId::MIN, |stream| stream.last_id);
            positions.push(match after {
                After::Id(id) => *id,
                After::Last | After::LastEntry => last_id,
            });
            let from = match after {
                After::Id(id) => id.next(),
                After::Last => None,
                After::LastEntry => stream.and_then(|stream| stream.run.last()).map(|entry| entry.id),
            };
            let (Some(stream), Some(from)) = (stream, from) else { continue };
            if bytes >= READ_BYTES_MAX {
                continue;
            }
            let room = READ_BYTES_MAX.saturating_sub(bytes);
            let entries = collect(stream.run.range(from, StreamId::MAX), count, room);
            bytes += entries.bytes();
            if !entries.is_empty() {
                found.push((key.clone(), entries));
            }
        }
        match (found.is_empty(), read.waits) {
            (false, _) => Value::Streams(found),
            (true, true) => Value::Nothing(positions),
            (true, false) => Value::NullArray,
        }
    }

    pub(crate) fn follow(&self, follow: &Follow, wall: WallMs) -> Followed {
        match self.stream(&follow.key, wall) {
            None => {
                let reset = follow.epoch.map(|_| Reset::Epoch);
                Followed { stream: None, reset, entries: Entries::default() }
            }
            Some(stream) => follow_stream(stream, follow),
        }
    }
}

fn follow_stream(stream: &Stream, follow: &Follow) -> Followed {
    let extent = stream.extent();
    let told = |reset, extent| Followed { stream: Some(extent), reset, entries: Entries::default() };
    if follow.epoch.is_some_and(|epoch| epoch != extent.epoch) {
        return told(Some(Reset::Epoch), extent);
    }
    let after = match follow.from {
        FollowFrom::Oldest => extent.oldest.saturating_sub(1),
        FollowFrom::Newest => extent.newest,
        FollowFrom::After(number) => number,
    };
    if after > extent.newest {
        return told(Some(Reset::Unknown), extent);
    }
    if after == extent.newest {
        return told(None, extent);
    }
    let first = after + 1;
    if first < extent.oldest {
        return told(Some(Reset::Trimmed), extent);
    }
    let behind = stream.run.since_dense(first);
    // What is behind a hole comes with the reset, so that the reader knows where to go on.
    let there = behind.clone().next().map_or(extent.newest + 1, |entry| entry.dense);
    let reset = (there != first).then_some(Reset::Deleted);
    let dense = behind.zip(there..).take_while(|(entry, number)| entry.dense == *number);
    let bytes_max = usize::try_from(follow.bytes_max).unwrap_or(usize::MAX);
    let entries = collect(dense.map(|(entry, _)| entry), follow.limit, bytes_max);
    Followed { stream: Some(extent), reset, entries }
}
