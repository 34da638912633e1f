//! What small streams cost in memory, counted by the allocator and by the engine itself.
//!
//! The counting allocator sees the whole process, so this binary has one test.

use sluice_engine::command::Command;
use sluice_engine::id::Ticket;
use sluice_engine::node::{self, Options};
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Local;
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::op::{Add, Keep, KeyOp, NewId, Trim};
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::Value;
use sluice_engine::time::MonoMs;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Streams of one measurement, entries of a stream, and appends to each: most of them trim.
const STREAMS: usize = 500;
const ENTRIES: usize = 50;
const APPENDS: usize = 140;
/// The engine may be wrong about itself by so many hundredths.
const OFF_PERCENT: usize = 15;

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

#[test]
fn a_stream_of_fifty_entries_costs_little_more_than_what_is_in_it() {
    for value_len in [4, 30, 200, 1_000] {
        let local = |_, applied| Box::new(Local::new(applied)) as _;
        let options = Options { groups: 1, ..Options::new([7; 16]) };
        let (directory, mut owners) = node::open(options, vec![None], local, MonoMs(0)).unwrap();
        let (mut owner, mut replies) = (owners.remove(0), Vec::new());
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
