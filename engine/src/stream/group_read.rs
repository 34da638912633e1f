//! `XREADGROUP`: entries that nobody of the group was given, or what is pending with one consumer.
//!
//! As a read, it stops after about [`READ_BYTES_MAX`]; what it did not give out is still there for the next.

use super::entries::Entries;
use super::group::{Group, too_many_consumers};
use super::group_change::no_key_or_group;
use super::id::StreamId;
use super::keyspace::Keyspace;
use super::lag::Marks;
use super::op::ReadGroup;
use super::pending::{Pended, Sought};
use super::run::Run;
use super::state::{Stream, collect};
use super::value::Value;
use crate::limit::READ_BYTES_MAX;
use crate::time::WallMs;

/// Ends what is said of a group that is not there.
pub(super) const AS_READER: &str = " in XREADGROUP with GROUP option";

/// What one stream is asked for.
struct Wanted<'a> {
    read: &'a ReadGroup,
    count: u64,
    bytes_max: usize,
    wall: u64,
}

impl Keyspace {
    pub(super) fn read_group(&mut self, read: &ReadGroup, wall: WallMs) -> Value {
        let mut slots = Vec::with_capacity(read.streams.len());
        for (key, _) in &read.streams {
            let slot = self.slot_at(key, wall);
            let group = slot.and_then(|slot| self.key(slot)?.stream.groups.get(&read.group));
            let (Some(slot), Some(group)) = (slot, group) else {
                return no_key_or_group(key, &read.group, AS_READER);
            };
            if !group.takes(&read.consumer) {
                return too_many_consumers();
            }
            slots.push((slot, group.last_id));
        }
        let (mut found, mut positions, mut bytes) = (Vec::new(), Vec::new(), 0usize);
        for ((key, after), (slot, last_id)) in read.streams.iter().zip(slots) {
            if bytes >= READ_BYTES_MAX {
                break;
            }
            let after = after.filter(|id| *id < StreamId::MAX);
            positions.push(after.unwrap_or(last_id));
            let count = if read.count == 0 { u64::MAX } else { read.count };
            let bytes_max = READ_BYTES_MAX.saturating_sub(bytes);
            let wanted = Wanted { read, count, bytes_max, wall: wall.0 };
            let entries = self.edit(slot, |stream| match after {
                Some(after) => Some(history(stream, &wanted, after)),
                None => fresh(stream, &wanted),
            });
            if let Some(entries) = entries {
                bytes += entries.bytes();
                found.push((key.clone(), entries));
            }
        }
        match (found.is_empty(), read.waits) {
            (false, _) => Value::Streams(found),
            (true, true) => Value::Nothing(positions),
            (true, false) => Value::NullArray,
        }
    }
}

/// Entries that nobody of the group was given; `None`: there is none.
fn fresh(stream: &mut Stream, wanted: &Wanted<'_>) -> Option<Entries> {
    let marks = Marks::of(stream);
    let run = &stream.run;
    let read = wanted.read;
    stream.groups.edit(&read.group, |group| {
        let from = group.last_id.next().unwrap_or(StreamId::MAX);
        let entries = collect(run.range(from, StreamId::MAX), wanted.count, wanted.bytes_max);
        let is_new = entries.iter().next().is_some_and(|entry| entry.id > group.last_id);
        // Who is mentioned is a consumer, also where it finds nothing.
        let (consumer, _) = group.number_or_new(&read.consumer, wanted.wall);
        group.saw(consumer, wanted.wall);
        if !is_new {
            return None;
        }
        for entry in entries.iter() {
            group.set_read(marks.read_with(group, entry.id));
            group.last_id = entry.id;
            if !read.no_ack {
                group.pend(Pended { id: entry.id, delivered: wanted.wall, count: 1, consumer });
                group.acted(consumer, wanted.wall);
            }
        }
        Some(entries)
    })?
}

/// What is pending with the consumer behind an id. Each entry that is still there counts as delivered again.
fn history(stream: &mut Stream, wanted: &Wanted<'_>, after: StreamId) -> Entries {
    let run = &stream.run;
    let read = wanted.read;
    let entries = stream.groups.edit(&read.group, |group| {
        let (consumer, _) = group.number_or_new(&read.consumer, wanted.wall);
        group.saw(consumer, wanted.wall);
        let entries = pending_of(group, consumer, run, wanted, after);
        for entry in entries.iter().filter(|entry| entry.fields.is_some()) {
            group.pending.deliver_again(entry.id, wanted.wall);
        }
        entries
    });
    entries.unwrap_or_default()
}

fn pending_of(group: &Group, consumer: u32, run: &Run, wanted: &Wanted<'_>, after: StreamId) -> Entries {
    let mut entries = Entries::default();
    // It ends with the consumer's last one, and does not look for more.
    let most = group.consumer(consumer).pending.min(wanted.count);
    let Some(from) = after.next() else { return entries };
    let own = group.pending.sought(Sought::of(consumer, from));
    let mut find = run.seek(from);
    for pended in own.take(usize::try_from(most).unwrap_or(usize::MAX)) {
        if entries.bytes() >= wanted.bytes_max && !entries.is_empty() {
            break;
        }
        match find(pended.id) {
            Some(entry) => entries.push(entry.id, entry.dense, entry.fields),
            None => entries.push(pended.id, 0, None),
        }
    }
    entries
}
