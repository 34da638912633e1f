//! What small streams, and what is pending in a group, cost in memory, counted by the allocator and by the engine itself.
//!
//! The counting allocator sees the whole process, so this binary has one test.

use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::id::Ticket;
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Local;
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::{Add, After, GroupOp, Keep, KeyOp, NewId, ReadGroup, Trim};
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::Value;
use sluice_engine::time::MonoMs;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Streams of one measurement, entries of a stream, and appends to each: most of them trim.
const STREAMS: usize = 500;
const ENTRIES: usize = 50;
const APPENDS: usize = 140;
/// The engine may be wrong about itself by so many hundredths.
const OFF_PERCENT: usize = 15;
/// Pending entries of a group, and by how many hundredths it may be wrong about them: lists that much was taken from hold
/// some room for what comes.
const PENDING: usize = 40_000;
const PENDING_OFF_PERCENT: usize = 20;

fn append(key: &str, value: &[u8]) -> Command {
    let add = Add {
        key: Text::from(key.as_bytes()),
        no_create: false,
        trim: Some(Trim { keep: Keep::Newest(ENTRIES as u64), limit: 0 }),
        id: NewId::Auto,
        fields: Fields::pack([&b"type"[..], b"progress", b"data", value]),
        request: None,
        ttl_ms: None,
        end: false,
    };
    Command::Key(Box::new(KeyOp::Add(add)))
}

/// Bytes that the allocator holds more than at the region's beginning.
fn held(region: &Region<'_, System>) -> usize {
    let change = region.change();
    change.bytes_allocated - change.bytes_deallocated
}

fn node() -> (Arc<Directory>, Owner) {
    let local = |_, applied| Box::new(Local::new(applied)) as _;
    let options = Options { groups: 1, ..Options::new([7; 16]) };
    let (directory, mut owners) = node::open(options, vec![None], local, MonoMs(0)).unwrap();
    (directory, owners.remove(0))
}

#[test]
fn what_is_held_costs_little_more_than_what_is_in_it() {
    streams_of_fifty_entries();
    pending_entries_of_a_group();
}

/// Entries are read by eight consumers, then three of four are acknowledged, in no order.
fn pending_entries_of_a_group() {
    let (directory, mut owner) = node();
    let (key, group) = (Text::from(b"orders"), Text::from(b"g"));
    let mut replies = Vec::with_capacity(16);
    let mut now = 1;
    let mut run = |op: KeyOp| {
        now += 1;
        owner.submit(Command::Key(Box::new(op)), Ticket(0)).unwrap();
        owner.turn(MonoMs(now));
        owner.drain_replies(&mut replies);
        match replies.pop() {
            Some((_, Reply::Key(value, _))) => value,
            other => panic!("{other:?}"),
        }
    };
    let add = Add {
        key: key.clone(),
        no_create: false,
        trim: None,
        id: NewId::Auto,
        fields: Fields::pack([&b"f"[..], b"v"]),
        request: None,
        ttl_ms: None,
        end: false,
    };
    let mut ids: Vec<StreamId> = (0..PENDING)
        .map(|_| match run(KeyOp::Add(add.clone())) {
            Value::Added(added) => added.id,
            other => panic!("{other:?}"),
        })
        .collect();
    let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: false, read: None };
    run(KeyOp::Group(key.clone(), group.clone(), create));
    let region = Region::new(ALLOCATOR);
    let before = directory.memory_used() as usize;
    for reader in 0..PENDING / 1_000 {
        let read = ReadGroup {
            group: group.clone(),
            consumer: Text::from(format!("reader {}", reader % 8).as_bytes()),
            streams: vec![(key.clone(), None)],
            count: 1_000,
            no_ack: false,
            waits: false,
        };
        assert!(matches!(run(KeyOp::ReadGroup(read)), Value::Streams(_)));
    }
    let is_close = |what: &str| {
        let (allocated, counted) = (held(&region), directory.memory_used() as usize - before);
        println!("{what}: {allocated} bytes, {counted} by its own count");
        let off = counted.abs_diff(allocated) * 100 / allocated;
        assert!(off <= PENDING_OFF_PERCENT, "{what}: {counted} counted, {allocated} allocated");
    };
    is_close("all pending");
    fastrand::Rng::with_seed(1).shuffle(&mut ids);
    for ids in ids[..PENDING / 4 * 3].chunks(100) {
        run(KeyOp::Ack(key.clone(), group.clone(), ids.to_vec()));
    }
    is_close("a quarter pending");
}

fn streams_of_fifty_entries() {
    for value_len in [4, 30, 200, 1_000] {
        let (directory, mut owner) = node();
        let mut replies = Vec::new();
        let value = vec![b'v'; value_len];
        let payload = ENTRIES * ("typeprogressdata".len() + value_len + 16);
        let region = Region::new(ALLOCATOR);
        let before = directory.memory_used() as usize;
        for second in 1..=APPENDS as u64 {
            for stream in 0..STREAMS {
                owner.submit(append(&format!("scan:events:{stream}"), &value), Ticket(0)).unwrap();
                owner.turn(MonoMs(second * 1_000));
                owner.drain_replies(&mut replies);
                let reply = replies.pop().map(|(_, reply)| reply);
                assert!(matches!(reply, Some(Reply::Key(Value::Added(_), _))), "{reply:?}");
            }
        }
        let (allocated, counted) = (held(&region), directory.memory_used() as usize - before);
        let (allocated, counted) = (allocated / STREAMS, counted / STREAMS);
        println!(
            "values of {value_len}: {allocated} bytes a stream, {counted} by its own count, {payload} in it"
        );
        let most = payload * 3 / 2 + 256;
        assert!(allocated <= most, "{allocated} bytes a stream of {payload}: more than {most}");
        let off = counted.abs_diff(allocated) * 100 / allocated;
        assert!(off <= OFF_PERCENT, "{counted} counted, {allocated} allocated");
    }
}
