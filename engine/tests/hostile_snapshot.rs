//! Snapshots whose records have right checksums and wrong contents: refused or taken, but nothing panics, and nothing takes
//! memory for a number that merely stands there.
//!
//! The counting allocator sees the whole process, so this binary has one test.

use sluice_engine::command::Command;
use sluice_engine::id::{GroupId, RequestHash, Seq, Ticket, UserHash};
use sluice_engine::node::{self, Detached, Options};
use sluice_engine::owner::Owner;
use sluice_engine::sequencer::Local;
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::{Add, After, GroupOp, KeyOp, NewId, ReadGroup};
use sluice_engine::stream::policy::{OnFull, Policy};
use sluice_engine::stream::text::Text;
use sluice_engine::time::MonoMs;
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MUTATIONS: u64 = 4_000;
/// Before its first record.
const HEAD_BYTES: usize = 10;
const RECORD_HEAD_BYTES: usize = 5;
/// What a snapshot may take beside what its length allows for: places of keys and waiters far behind all others.
const ALLOCATED_MAX: usize = 256 << 20;

/// A record: its kind, its payload.
type Record = (u8, Vec<u8>);

fn key(name: &str) -> Text {
    Text::from(name.as_bytes())
}

fn add(name: &str, value: usize, request: Option<u128>) -> KeyOp {
    KeyOp::Add(Add {
        key: key(name),
        no_create: false,
        trim: None,
        id: NewId::Auto,
        fields: Fields::pack([&b"field"[..], &vec![b'v'; value]]),
        request: request.map(RequestHash),
        ttl_ms: request.map(|_| 1_000_000),
        end: false,
    })
}

/// A snapshot of something of everything.
fn snapshot() -> Vec<u8> {
    let local = |_, applied| Box::new(Local::new(applied)) as _;
    let options = Options { groups: 1, ..Options::new([7; 16]) };
    let (directory, mut owners) = node::open(options, vec![None], local, MonoMs(0)).unwrap();
    let mut owner = owners.remove(0);
    let run = |owner: &mut Owner, command| {
        owner.submit(command, Ticket(0)).unwrap();
        owner.turn(MonoMs(1_000));
        owner.drain_replies(&mut Vec::new());
    };
    for name in ["shop", "gate"] {
        let name = ZoneName::parse(name.as_bytes()).unwrap();
        let patch = Box::new(ZonePatch { limit: Some(5), ..ZonePatch::default() });
        run(&mut owner, Command::ZoneSet { name, patch });
    }
    let zone = directory.zone(b"shop").unwrap();
    for user in 0..1_100 {
        let user = (user % 3 == 0).then_some(UserHash(user));
        owner.join(zone, user, user.map(|user| RequestHash(user.0)), Ticket(0)).unwrap();
    }
    owner.turn(MonoMs(1_000));
    for seq in [0, 9, 600] {
        run(&mut owner, Command::Leave { zone, seq: Seq(seq) });
    }
    let policy =
        Policy { maxlen: Some(500), ttl_ms: None, memory_bytes: Some(1 << 20), on_full: OnFull::DropOldest };
    run(&mut owner, Command::Key(Box::new(KeyOp::SetNamespace(key("b"), policy))));
    for n in 0..160 {
        run(&mut owner, Command::Key(Box::new(add(["a", "b1", "b2"][n % 3], n, Some(n as u128)))));
    }
    for group in ["g", "h"] {
        let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: false, read: None };
        run(&mut owner, Command::Key(Box::new(KeyOp::Group(key("a"), key(group), create))));
        for consumer in ["ann", "bob", "cyd"] {
            let streams = vec![(key("a"), None)];
            let (group, consumer) = (key(group), key(consumer));
            let read = ReadGroup { group, consumer, streams, count: 9, no_ack: false, waits: false };
            run(&mut owner, Command::Key(Box::new(KeyOp::ReadGroup(read))));
        }
    }
    owner.begin_snapshot().unwrap();
    std::iter::from_fn(|| owner.snapshot_slice()).flatten().collect()
}

fn records(bytes: &[u8]) -> Vec<Record> {
    let (mut rest, mut records) = (&bytes[HEAD_BYTES..], Vec::new());
    while let [kind, a, b, c, d, ..] = *rest {
        let end = RECORD_HEAD_BYTES + u32::from_le_bytes([a, b, c, d]) as usize;
        records.push((kind, rest[RECORD_HEAD_BYTES..end].to_vec()));
        rest = &rest[end + 4..];
    }
    records
}

fn bytes(head: &[u8], records: &[Record]) -> Vec<u8> {
    let mut bytes = head.to_vec();
    for (kind, payload) in records {
        let start = bytes.len();
        bytes.push(*kind);
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(payload);
        let crc = crc32fast::hash(&bytes[start..]);
        bytes.extend(crc.to_le_bytes());
    }
    bytes
}

/// Changes something, and leaves the end where it is.
fn mutate(records: &mut Vec<Record>, rng: &mut fastrand::Rng) {
    let last = records.len() - 1;
    let (at, other) = (rng.usize(0..last), rng.usize(0..last));
    match rng.u32(0..12) {
        0 => records.swap(at, other),
        1 => records.insert(other, records[at].clone()),
        2 => drop(records.remove(at)),
        3 => records[at].0 = rng.u8(0..18),
        4 => {
            let len = rng.usize(0..=records[at].1.len());
            records[at].1.truncate(len);
        }
        5 => records[at].1.extend([0; 9]),
        6..=8 => write_number(&mut records[at].1, rng),
        _ => {
            let payload = &mut records[at].1;
            if !payload.is_empty() {
                let byte = rng.usize(0..payload.len());
                payload[byte] ^= rng.u8(1..);
            }
        }
    }
}

/// An extreme number somewhere, of any width.
fn write_number(payload: &mut [u8], rng: &mut fastrand::Rng) {
    let width = [1, 2, 4, 8][rng.usize(0..4)];
    if payload.len() < width {
        return;
    }
    // Most numbers stand at the beginning.
    let places = payload.len() - width + 1;
    let within = if rng.bool() { places } else { places.min(48) };
    let at = rng.usize(0..within);
    let power = 1u64 << rng.u32(0..64);
    let number = [0, 1, u64::MAX, power, power - 1, u64::MAX - power][rng.usize(0..6)];
    payload[at..at + width].copy_from_slice(&number.to_le_bytes()[..width]);
}

#[test]
fn whatever_a_snapshot_says_nothing_panics_and_memory_follows_its_length() {
    let whole = snapshot();
    let (head, good) = (&whole[..HEAD_BYTES], records(&whole));
    assert_eq!(bytes(head, &good), whole, "taken apart and put together");
    assert!(Detached::restore(&whole, GroupId(0)).is_ok());
    let (mut taken, mut refused) = (0, 0);
    for seed in 0..MUTATIONS {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut records = good.clone();
        (0..rng.usize(1..4)).for_each(|_| mutate(&mut records, &mut rng));
        let bytes = bytes(head, &records);
        let region = Region::new(ALLOCATOR);
        let restored = Detached::restore(&bytes, GroupId(0));
        let allocated = region.change().bytes_allocated;
        assert!(allocated < ALLOCATED_MAX + 200 * bytes.len(), "seed {seed}: {allocated} bytes");
        match restored {
            Ok(_) => {
                taken += 1;
                serve(bytes);
            }
            Err(_) => refused += 1,
        }
    }
    assert!(taken > MUTATIONS / 20 && refused > MUTATIONS / 5, "{taken} taken, {refused} refused");
}

/// What was taken is served from: it is a state like another.
fn serve(bytes: Vec<u8>) {
    let local = |_, applied| Box::new(Local::new(applied)) as _;
    let options = Options { groups: 1, ..Options::new([7; 16]) };
    let Ok((_, mut owners)) = node::open(options, vec![Some(bytes)], local, MonoMs(0)) else { return };
    let mut owner = owners.remove(0);
    owner.turn(MonoMs(10));
}
