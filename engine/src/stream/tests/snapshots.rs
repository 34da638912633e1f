//! I9 for keys: a snapshot that is written while they change is the state at its cut, and counts the same memory.

use super::add;
use super::model::draw::Draw;
use super::model::{check, rounds};
use crate::command::Command;
use crate::directory::Names;
use crate::id::{GroupId, KeyGen};
use crate::keyring::Keyring;
use crate::sequencer::Committed;
use crate::shard::Shard;
use crate::snapshot::cut::ShardCut;
use crate::snapshot::hash::state_hash;
use crate::snapshot::restore::restore;
use crate::stream::id::StreamId;
use crate::stream::op::{After, GroupOp, Keep, KeyOp, ReadGroup, Trim};
use crate::stream::policy::{OnFull, Policy};
use crate::stream::text::Text;
use crate::time::{LogTime, WallMs};
use std::sync::Arc;

const ROUNDS: u64 = 60;
/// A slice may exceed its 64 KiB by one part, and by what was copied since the slice before.
const SLICE_BYTES_MAX: usize = 96 * 1024;

fn shard() -> Shard {
    Shard::new(GroupId(0), Keyring::new(KeyGen(1), [7; 16]), LogTime(0), Arc::new(Names::default()))
}

fn command(draw: &mut Draw) -> Command {
    match draw.rng.u32(0..60) {
        0 => {
            let prefixes: [&[u8]; 3] = [b"b", b"b:2", b"a"];
            let policy = Policy {
                maxlen: draw.rng.bool().then(|| draw.rng.u64(1..30)),
                ttl_ms: draw.rng.bool().then(|| draw.rng.u64(1..400)),
                memory_bytes: draw.rng.bool().then(|| draw.rng.u64(4_096..12_000)),
                on_full: if draw.rng.bool() { OnFull::Refuse } else { OnFull::DropOldest },
            };
            Command::Key(Box::new(KeyOp::SetNamespace(Text::from(prefixes[draw.rng.usize(0..3)]), policy)))
        }
        1 => Command::Key(Box::new(KeyOp::DeleteNamespace(Text::from(b"b")))),
        2 => Command::KeySweep,
        3..=10 => Command::Keys((0..4).map(|_| draw.op()).collect()),
        _ => Command::Key(Box::new(draw.op())),
    }
}

/// Applies so many batches.
fn run(shard: &mut Shard, draw: &mut Draw, batches: u32, log: &mut Vec<Committed>) {
    for _ in 0..batches {
        draw.wall += draw.rng.u64(0..4);
        let commands = (0..draw.rng.usize(0..4)).map(|_| command(draw)).collect();
        let index = shard.index + 1;
        let (stamp, wall) = (LogTime(draw.wall * 40), WallMs(draw.wall));
        let batch = Committed { index, stamp, wall, proposal: None, commands };
        log.push(batch.clone());
        shard.apply(batch, &mut Vec::new());
    }
}

fn round(seed: u64) {
    let mut draw = Draw { rng: fastrand::Rng::with_seed(seed), wall: 1_000, epoch: 1 };
    let (mut shard, mut log) = (shard(), Vec::new());
    run(&mut shard, &mut draw, 400, &mut log);
    for _ in 0..3 {
        let (hash, index, bytes) = (state_hash(&shard), shard.index, shard.keyspace.bytes());
        shard.cut = Some(ShardCut::begin(&mut shard));
        let mut written = Vec::new();
        let quiet = draw.rng.u32(0..60);
        run(&mut shard, &mut draw, quiet, &mut log);
        while let Some(mut cut) = shard.cut.take() {
            let Some(slice) = cut.slice(&mut shard) else { break };
            assert!(slice.len() <= SLICE_BYTES_MAX, "a slice of {} bytes", slice.len());
            written.extend(slice);
            shard.cut = Some(cut);
            run(&mut shard, &mut draw, 3, &mut log);
        }
        let mut restored = restore(&written, GroupId(0), Arc::new(Names::default())).expect("it restores");
        assert_eq!((restored.index, state_hash(&restored)), (index, hash), "I9, seed {seed}");
        assert_eq!(restored.keyspace.bytes(), bytes, "seed {seed}");
        check(&restored.keyspace);
        for batch in &log[index as usize..] {
            restored.apply(batch.clone(), &mut Vec::new());
        }
        assert_eq!(state_hash(&restored), state_hash(&shard), "I9: it goes on alike, seed {seed}");
        run(&mut shard, &mut draw, 100, &mut log);
    }
}

#[test]
fn i9_keys_in_a_snapshot_are_those_of_its_cut() {
    rounds(ROUNDS, round);
}

/// Applies one operation.
fn apply(shard: &mut Shard, op: KeyOp) {
    let (index, now) = (shard.index + 1, 5_000 + shard.index / 8);
    let commands = vec![Command::Key(Box::new(op))];
    let batch = Committed { index, stamp: LogTime(now), wall: WallMs(now), proposal: None, commands };
    shard.apply(batch, &mut Vec::new());
}

/// Writes the snapshot under way to its end; `meanwhile` happens between two slices.
fn written(shard: &mut Shard, mut meanwhile: impl FnMut(&mut Shard)) -> Vec<Vec<u8>> {
    let mut slices = Vec::new();
    while let Some(mut cut) = shard.cut.take() {
        let Some(slice) = cut.slice(shard) else { break };
        slices.push(slice);
        shard.cut = Some(cut);
        meanwhile(shard);
    }
    slices
}

fn read_group(key: &Text, consumer: &[u8], count: u64) -> KeyOp {
    KeyOp::ReadGroup(ReadGroup {
        group: Text::from(b"g"),
        consumer: Text::from(consumer),
        streams: vec![(key.clone(), None)],
        count,
        no_ack: false,
        waits: false,
    })
}

/// A stream with a group of so many consumers, whose names are so long.
fn with_consumers(shard: &mut Shard, key: &Text, consumers: usize, name_bytes: usize) {
    apply(shard, KeyOp::Add(add(key)));
    let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: false, read: None };
    apply(shard, KeyOp::Group(key.clone(), Text::from(b"g"), create));
    for number in 0..consumers {
        apply(shard, read_group(key, format!("{number:0name_bytes$}").as_bytes(), 1));
    }
}

#[test]
fn i9_a_group_of_many_consumers_is_written_in_slices() {
    for (consumers, name_bytes, slice_max) in [(9_000, 40, SLICE_BYTES_MAX), (40, 60_000, 160 * 1024)] {
        let (mut shard, key) = (shard(), Text::from(b"orders"));
        with_consumers(&mut shard, &key, consumers, name_bytes);
        let hash = state_hash(&shard);
        shard.cut = Some(ShardCut::begin(&mut shard));
        let mut number = 0;
        let slices = written(&mut shard, |shard| {
            number += 1;
            let gone = GroupOp::RemoveConsumer(Text::from(format!("{number:0name_bytes$}").as_bytes()));
            apply(shard, KeyOp::Group(key.clone(), Text::from(b"g"), gone));
        });
        let longest = slices.iter().map(Vec::len).max().unwrap_or(0);
        assert!(longest <= slice_max, "a slice of {longest} bytes");
        assert!(slices.len() > 5, "{} slices", slices.len());
        let restored =
            restore(&slices.concat(), GroupId(0), Arc::new(Names::default())).expect("it restores");
        assert_eq!(state_hash(&restored), hash, "I9");
        check(&restored.keyspace);
    }
}

#[test]
fn what_is_pending_is_written_without_the_name_of_its_group_each_time() {
    let (mut shard, key, group) = (shard(), Text::from(b"orders"), Text::from(&[b'g'; 60_000]));
    (0..4_000).for_each(|_| apply(&mut shard, KeyOp::Add(add(&key))));
    let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: false, read: None };
    apply(&mut shard, KeyOp::Group(key.clone(), group.clone(), create));
    let KeyOp::ReadGroup(read) = read_group(&key, b"ann", 4_000) else { unreachable!() };
    apply(&mut shard, KeyOp::ReadGroup(ReadGroup { group, ..read }));
    shard.cut = Some(ShardCut::begin(&mut shard));
    let bytes = written(&mut shard, |_| ()).concat().len();
    assert!(bytes < 400_000, "{bytes} bytes: the name is in it once");
}

#[test]
fn what_a_snapshot_holds_is_counted_and_freed_part_by_part() {
    let (mut shard, key) = (shard(), Text::from(b"orders"));
    // Of several blocks each: a single one is freed at once.
    for number in 0..10 {
        let key = Text::from(format!("orders:{number}").as_bytes());
        (0..4_000).for_each(|_| apply(&mut shard, KeyOp::Add(add(&key))));
    }
    (0..20_000).for_each(|_| apply(&mut shard, KeyOp::Add(add(&key))));
    for removal in [0, 1, 2] {
        let before = shard.keyspace.bytes();
        let hash = state_hash(&shard);
        shard.cut = Some(ShardCut::begin(&mut shard));
        assert_eq!(shard.keyspace.held(), 0, "nothing has changed");
        match removal {
            0 => apply(&mut shard, KeyOp::Trim(key.clone(), Trim { keep: Keep::Newest(5_000), limit: 0 })),
            1 => apply(&mut shard, KeyOp::Delete(vec![key.clone()])),
            _ => apply(&mut shard, KeyOp::Clear),
        }
        let lost = before - shard.keyspace.bytes();
        assert!(lost > 0 && shard.keyspace.held() >= lost, "{} of {lost} are held", shard.keyspace.held());
        let slices = written(&mut shard, |shard| {
            // What is there and what is held are never less than what the snapshot is of.
            let held = shard.keyspace.bytes() + shard.keyspace.held();
            assert!(held >= before || shard.keyspace.cut.is_none(), "{held} of {before}");
        });
        assert!(!shard.keyspace.waste.is_empty(), "nothing is freed at once");
        let mut turns = 0;
        while !shard.keyspace.waste.is_empty() {
            shard.keyspace.waste.free(1);
            turns += 1;
        }
        assert!(turns > 8, "removal {removal}: {turns} turns");
        assert_eq!(shard.keyspace.held(), 0, "removal {removal}");
        let restored =
            restore(&slices.concat(), GroupId(0), Arc::new(Names::default())).expect("it restores");
        assert_eq!(state_hash(&restored), hash, "I9, removal {removal}");
    }
}

#[test]
fn i9_a_long_stream_is_written_in_slices_while_it_is_trimmed_and_acknowledged() {
    let mut shard = shard();
    let key = Text::from(b"orders");
    (0..20_000).for_each(|_| apply(&mut shard, KeyOp::Add(add(&key))));
    let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: false, read: None };
    apply(&mut shard, KeyOp::Group(key.clone(), Text::from(b"g"), create));
    for (consumer, count) in [(b"ann", 4_000), (b"bob", 3_000)] {
        let read = ReadGroup {
            group: Text::from(b"g"),
            consumer: Text::from(consumer),
            streams: vec![(key.clone(), None)],
            count,
            no_ack: false,
            waits: false,
        };
        apply(&mut shard, KeyOp::ReadGroup(read));
    }
    let hash = state_hash(&shard);
    shard.cut = Some(ShardCut::begin(&mut shard));
    let (mut written, mut slices) = (Vec::new(), 0);
    while let Some(mut cut) = shard.cut.take() {
        let Some(slice) = cut.slice(&mut shard) else { break };
        assert!(slice.len() <= SLICE_BYTES_MAX, "a slice of {} bytes", slice.len());
        written.extend(slice);
        slices += 1;
        shard.cut = Some(cut);
        apply(
            &mut shard,
            KeyOp::Trim(key.clone(), Trim { keep: Keep::Newest(20_000 - slices * 900), limit: 0 }),
        );
        let ids = (0..8).map(|seq| StreamId { ms: 5_000 + slices, seq }).collect();
        apply(&mut shard, KeyOp::Ack(key.clone(), Text::from(b"g"), ids));
        apply(&mut shard, KeyOp::Add(add(&key)));
    }
    assert!(slices > 5, "{slices} slices");
    let restored = restore(&written, GroupId(0), Arc::new(Names::default())).expect("it restores");
    assert_eq!(state_hash(&restored), hash, "I9");
    check(&restored.keyspace);
    check(&shard.keyspace);
}

#[test]
fn i9_a_count_that_went_below_zero_is_restored_as_it_is() {
    let mut shard = shard();
    let (key, group) = (Text::from(b"k"), Text::from(b"g"));
    let read = |consumer: &[u8]| {
        let streams = vec![(Text::from(b"k"), None)];
        let (group, consumer) = (Text::from(b"g"), Text::from(consumer));
        KeyOp::ReadGroup(ReadGroup { group, consumer, streams, count: 1, no_ack: true, waits: false })
    };
    (0..3).for_each(|_| apply(&mut shard, KeyOp::Add(add(&key))));
    let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: false, read: Some(i64::MAX) };
    apply(&mut shard, KeyOp::Group(key.clone(), group.clone(), create));
    apply(&mut shard, read(b"ann"));
    shard.cut = Some(ShardCut::begin(&mut shard));
    let mut written = Vec::new();
    while let Some(mut cut) = shard.cut.take() {
        let Some(slice) = cut.slice(&mut shard) else { break };
        written.extend(slice);
        shard.cut = Some(cut);
    }
    let mut restored = restore(&written, GroupId(0), Arc::new(Names::default())).expect("it restores");
    let count = |shard: &Shard| {
        let stream = &shard.keyspace.key(0).unwrap().stream;
        stream.groups.get(&group).unwrap().read()
    };
    assert_eq!((count(&shard), count(&restored)), (Some(i64::MIN), Some(i64::MIN)));
    for shard in [&mut shard, &mut restored] {
        apply(shard, read(b"ann"));
    }
    assert_eq!(count(&restored), Some(i64::MIN + 1), "as Redis goes on");
    assert_eq!(state_hash(&restored), state_hash(&shard), "I9: both go on alike");
}
