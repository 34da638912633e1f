//! What an answer may take, known before it is made: nothing is copied to find out.
//!
//! A price is never below [`Value::bytes`] of the answer (the model of streams asserts it for each of its operations, and for
//! the questions that it has no other answer to), and looks at blocks of entries and at names, not at entries: what it costs to
//! find out is in proportion to what the answer may take. For a change it is what the answer would take if it were carried out
//! now.
//!
//! A *walk* is what an operation may look at and not tell.

use super::entries::EntryRef;
use super::group::Group;
use super::id::StreamId;
use super::keyspace::Keyspace;
use super::op::{After, Follow, FollowFrom, GroupOp, KeyOp, PendingRange, Range, Read, ReadGroup, Scan};
use super::run::{Run, Stretch};
use super::state::Stream;
use super::text::Text;
use super::value::{Followed, Value};
use crate::limit::{
    CLAIM_ATTEMPTS, CLAIM_ATTEMPTS_MAX, PENDING_TOLD_MAX, RANGE_BYTES_MAX, READ_BYTES_MAX, SCAN_BYTES_MAX,
    SCAN_PLACES_MAX,
};
use crate::time::WallMs;

/// A value among others.
const VALUE: usize = size_of::<Value>();
/// A value that is a short word, or a number in words.
const WORD: usize = VALUE + 24;
/// A refusal, beside the names that it repeats.
const REFUSAL: usize = 256;
/// Pending entries that are passed over in the time of one attempt to claim one.
const ATTEMPT_WALK: u64 = 32;
/// The same for one id that is claimed: its entry is found by itself, and taken from one to another.
const CLAIM_WALK: u64 = 256;
/// The same for one entry that is given out: it is found, copied, and noted as pending.
const GIVEN_WALK: u64 = 256;
/// So many are given out in the time of any other operation.
const GIVEN_FREE: u64 = 256;
/// No read gives out more.
const GIVEN_MAX: u64 = (READ_BYTES_MAX / EMPTY_ENTRY) as u64;
/// The same for one place of a scan.
const PLACE_WALK: u64 = 4;
/// So many consumers, or groups, whose places in an order move are passed over in the time of one pending entry.
const MOVED: u64 = 8;

impl Keyspace {
    /// Bytes that the answer may take.
    pub(crate) fn price(&self, op: &KeyOp, wall: WallMs) -> u64 {
        let stream = |key: &Text| self.stream(key, wall);
        let bytes = match op {
            KeyOp::Range(range) => stream(&range.key).map_or(0, |stream| range_price(stream, range)),
            KeyOp::Read(read) => self.read_price(read, wall),
            KeyOp::Follow(follow) => {
                size_of::<Followed>() + stream(&follow.key).map_or(0, |it| follow_price(it, follow))
            }
            KeyOp::ReadGroup(read) => self.read_group_price(read, wall),
            KeyOp::Claim(claim) if claim.just_id => {
                claim.ids.len() * VALUE + names(&[&claim.key, &claim.group])
            }
            KeyOp::Claim(claim) => {
                stream(&claim.key).map_or(0, |it| all_price(&it.run)) + names(&[&claim.key, &claim.group])
            }
            KeyOp::AutoClaim(claim) => {
                let most = stream(&claim.key)
                    .and_then(|it| it.groups.get(&claim.group))
                    .map_or(0, |group| group.pending.len().min(claim.count) as usize * VALUE);
                let entries =
                    if claim.just_id { 0 } else { stream(&claim.key).map_or(0, |it| all_price(&it.run)) };
                most + entries + 3 * VALUE + names(&[&claim.key, &claim.group])
            }
            KeyOp::Pending(key, group, range) => {
                let found = stream(key).and_then(|stream| stream.groups.get(group));
                names(&[key, group]) + found.map_or(0, |group| pending_price(group, range.as_ref()))
            }
            KeyOp::InfoStream(key, full) => stream(key).map_or(REFUSAL, |it| info_price(it, *full)),
            KeyOp::InfoGroups(key) => REFUSAL + stream(key).map_or(0, groups_price),
            KeyOp::InfoConsumers(key, group) => {
                let found = stream(key).and_then(|stream| stream.groups.get(group));
                names(&[key, group]) + found.map_or(0, consumers_price)
            }
            KeyOp::Scan(scan) => self.scan_price(scan, wall),
            KeyOp::Namespaces => self.usage().map(|space| 15 * WORD + space.prefix.len()).sum(),
            KeyOp::Faulty(op, fault) => fault.len() + faulty_names(op),
            _ => REFUSAL,
        };
        bytes as u64
    }

    /// Pending entries that the operation may have to look through, or what takes as long.
    pub(crate) fn walk(&self, op: &KeyOp, wall: WallMs) -> u64 {
        let stream = |key: &Text| self.stream(key, wall);
        let group = |key: &Text, name: &Text| stream(key).and_then(|stream| stream.groups.get(name));
        let if_held = |group: &Group, consumer: &Text| {
            let held = group.number(consumer).is_some_and(|number| group.consumer(number).pending > 0);
            if held { group.pending.len() } else { 0 }
        };
        // Who is new moves others in the order of names.
        let crowd = |group: &Group| group.consumers().len() as u64 / MOVED;
        match op {
            KeyOp::Pending(key, name, Some(range)) => {
                group(key, name).map_or(0, |it| match &range.consumer {
                    Some(consumer) => if_held(it, consumer),
                    None if range.idle_ms > 0 => it.pending.len(),
                    None => 0,
                })
            }
            KeyOp::InfoStream(key, Some(_)) => {
                stream(key).map_or(0, |it| it.groups.iter().map(|group| 1 + group.pending.len()).sum())
            }
            KeyOp::ReadGroup(read) => {
                let walk = |(key, after): &(Text, Option<StreamId>)| {
                    let Some(it) = group(key, &read.group) else { return (0, 0) };
                    let walk = crowd(it) + if after.is_some() { if_held(it, &read.consumer) } else { 0 };
                    let (given, looked) =
                        stream(key).map_or((0, 0), |stream| given(stream, it, read, *after));
                    (walk + looked, given)
                };
                let (mut looked, mut out) = (0, 0);
                for (walk, given) in read.streams.iter().map(walk) {
                    (looked, out) = (looked + walk, out + given);
                }
                looked + out.min(GIVEN_MAX).saturating_sub(GIVEN_FREE) * GIVEN_WALK
            }
            KeyOp::Claim(claim) => group(&claim.key, &claim.group)
                .map_or(0, |it| crowd(it) + claim.ids.len() as u64 * CLAIM_WALK),
            KeyOp::Group(key, name, GroupOp::RemoveConsumer(consumer)) => {
                group(key, name).map_or(0, |it| crowd(it) + if_held(it, consumer))
            }
            KeyOp::Group(key, name, GroupOp::AddConsumer(_)) => group(key, name).map_or(0, crowd),
            KeyOp::Group(key, _, GroupOp::Create { .. } | GroupOp::Destroy) => {
                stream(key).map_or(0, |it| it.groups.iter().len() as u64 / MOVED)
            }
            KeyOp::AutoClaim(claim) => {
                let most = claim.count.saturating_mul(CLAIM_ATTEMPTS).min(CLAIM_ATTEMPTS_MAX);
                let looked = |it: &Group| crowd(it) + it.pending.len().min(most) * ATTEMPT_WALK;
                group(&claim.key, &claim.group).map_or(0, looked)
            }
            KeyOp::Scan(scan) => {
                let places = (self.slot_count() as u64).saturating_sub(scan.from);
                places.min(scan.count.clamp(1, SCAN_PLACES_MAX)) * PLACE_WALK
            }
            _ => 0,
        }
    }

    fn scan_price(&self, scan: &Scan, wall: WallMs) -> usize {
        let end = scan.from.saturating_add(scan.count.clamp(1, SCAN_PLACES_MAX));
        let places = scan.from.min(u64::from(u32::MAX))..end.min(self.slot_count() as u64);
        let keys = places.filter_map(|slot| self.key(slot as u32)).filter(|key| key.is_live(wall));
        let (mut told, mut names) = (3 * VALUE, 0);
        for key in keys {
            if names >= SCAN_BYTES_MAX {
                break;
            }
            names += key.name.len();
            told += VALUE;
        }
        told + names
    }

    fn read_price(&self, read: &Read, wall: WallMs) -> usize {
        let count = if read.count == 0 { u64::MAX } else { read.count };
        let (mut keys, mut all, mut largest) = (0, 0, 0);
        for (key, after) in &read.streams {
            keys += VALUE + key.len();
            let Some(stream) = self.stream(key, wall) else { continue };
            let from = match after {
                After::Id(id) => id.next(),
                After::Last => None,
                After::LastEntry => stream.run.last().map(|entry| entry.id),
            };
            let Some(from) = from else { continue };
            let weight = stream.run.weight(Stretch::Ids(from, StreamId::MAX), count, READ_BYTES_MAX);
            (all, largest) = (all + weight, largest.max(weight));
        }
        keys + all.min(READ_BYTES_MAX + largest)
    }

    fn read_group_price(&self, read: &ReadGroup, wall: WallMs) -> usize {
        let count = if read.count == 0 { u64::MAX } else { read.count };
        let (mut keys, mut all, mut largest) = (names(&[&read.group]), 0, 0);
        for (key, after) in &read.streams {
            keys += VALUE + names(&[key]);
            let Some(stream) = self.stream(key, wall) else { continue };
            let Some(group) = stream.groups.get(&read.group) else { continue };
            let weight = match after {
                None => {
                    let from = group.last_id.next().unwrap_or(StreamId::MAX);
                    stream.run.weight(Stretch::Ids(from, StreamId::MAX), count, READ_BYTES_MAX)
                }
                Some(_) => {
                    let pending = group.pending.len().min(count) as usize;
                    all_price(&stream.run) + (pending * EMPTY_ENTRY).min(READ_BYTES_MAX + EMPTY_ENTRY)
                }
            };
            (all, largest) = (all + weight, largest.max(weight));
        }
        keys + all.min(READ_BYTES_MAX + largest)
    }
}

/// An entry of which only a pending list knows.
const EMPTY_ENTRY: usize = super::entries::HEAD_BYTES;

/// About how many entries of one stream a read of its group gives out, and what is looked at to find out.
fn given(stream: &Stream, group: &Group, read: &ReadGroup, after: Option<StreamId>) -> (u64, u64) {
    let most = if read.count == 0 { GIVEN_MAX } else { read.count.min(GIVEN_MAX) };
    match (after, group.last_id.next()) {
        (Some(_), _) => {
            (group.number(&read.consumer).map_or(0, |it| group.consumer(it).pending.min(most)), 0)
        }
        (None, Some(next)) if next <= stream.last_id => stream.run.count_from(next, most, READ_BYTES_MAX),
        (None, _) => (0, 0),
    }
}

fn names(names: &[&Text]) -> usize {
    REFUSAL + names.iter().map(|name| name.len()).sum::<usize>()
}

/// Names that the refusal of a faulty operation may repeat.
fn faulty_names(op: &KeyOp) -> usize {
    let group = match op {
        KeyOp::Group(_, group, _) | KeyOp::Claim(super::op::Claim { group, .. }) => group.len(),
        KeyOp::ReadGroup(read) => read.group.len(),
        _ => 0,
    };
    let mut longest = 0;
    op.visit_keys(|key| longest = longest.max(key.len()));
    REFUSAL + group + longest
}

/// Any entries of a run, as far as a read goes.
fn all_price(run: &Run) -> usize {
    // In any order: one more entry than the bound may be the largest, which nobody knows.
    let all = run.weight(Stretch::Ids(StreamId::MIN, StreamId::MAX), u64::MAX, 2 * READ_BYTES_MAX);
    all.min(2 * READ_BYTES_MAX)
}

fn range_price(stream: &Stream, range: &Range) -> usize {
    let count = range.count.unwrap_or(u64::MAX);
    REFUSAL + stream.run.weight(range.stretch(), count, RANGE_BYTES_MAX)
}

fn follow_price(stream: &Stream, follow: &Follow) -> usize {
    let first = match follow.from {
        FollowFrom::Oldest => 0,
        FollowFrom::Newest => return 0,
        FollowFrom::After(number) => number.saturating_add(1),
    };
    let bytes_max = usize::try_from(follow.bytes_max).unwrap_or(usize::MAX);
    stream.run.weight(Stretch::Numbers(first), follow.limit, bytes_max)
}

fn pending_price(group: &Group, range: Option<&PendingRange>) -> usize {
    let Some(range) = range else {
        return 5 * VALUE + group.consumers().map(|(_, it)| 2 * WORD + VALUE + it.name.len()).sum::<usize>();
    };
    let most = usize::try_from(range.count).unwrap_or(usize::MAX).min(PENDING_TOLD_MAX + 1);
    match &range.consumer {
        None => told_price(group, range.start, range.end, most),
        Some(name) => group.number(name).map_or(0, |number| {
            let held = usize::try_from(group.consumer(number).pending).unwrap_or(usize::MAX);
            most.min(held) * (5 * VALUE + name.len())
        }),
    }
}

/// So many pending entries within a range, each with its consumer's name. Looks at those entries or at the consumers, whichever
/// are fewer.
fn told_price(group: &Group, start: StreamId, end: StreamId, most: usize) -> usize {
    let most = most.min(usize::try_from(group.pending.len()).unwrap_or(usize::MAX));
    if most <= group.consumers().len() {
        let within = group.pending.since(start).take_while(|pended| pended.id <= end);
        return within.take(most).map(|it| 5 * VALUE + group.consumer(it.consumer).name.len()).sum();
    }
    let (mut names, mut longest) = (0, 0);
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending > 0) {
        let held = usize::try_from(consumer.pending).unwrap_or(usize::MAX);
        names += held.min(most) * consumer.name.len();
        longest = longest.max(consumer.name.len());
    }
    most * 5 * VALUE + names.min(most * longest)
}

fn entry_price(entry: Option<EntryRef<'_>>) -> usize {
    let fields = entry.and_then(|entry| entry.fields);
    4 * VALUE + fields.map_or(0, |fields| fields.count() * VALUE + fields.bytes().len())
}

fn info_price(stream: &Stream, full: Option<u64>) -> usize {
    let head = 32 * WORD;
    let Some(count) = full else {
        return head + entry_price(stream.run.first()) + entry_price(stream.run.last());
    };
    let count = if count == 0 { u64::MAX } else { count };
    let entries = stream.run.weight(Stretch::Ids(StreamId::MIN, StreamId::MAX), count, RANGE_BYTES_MAX);
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let groups = stream.groups.iter().map(|group| {
        let pending = told_price(group, StreamId::MIN, StreamId::MAX, most.min(PENDING_TOLD_MAX + 1));
        let held = |pending: u64| pending.min(count) as usize * 4 * VALUE;
        let consumers = group.consumers().map(|(_, it)| 12 * WORD + it.name.len() + held(it.pending));
        16 * WORD + group.name.len() + pending + consumers.sum::<usize>()
    });
    head + entries + groups.sum::<usize>()
}

fn groups_price(stream: &Stream) -> usize {
    stream.groups.iter().map(|group| 14 * WORD + group.name.len()).sum()
}

fn consumers_price(group: &Group) -> usize {
    group.consumers().map(|(_, consumer)| 10 * WORD + consumer.name.len()).sum()
}
