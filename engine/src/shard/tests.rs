//! What readers see is the state, however the shard came by it.

use super::Shard;
use super::ears::{ListenerId, Tidings};
use crate::command::Command;
use crate::directory::Names;
use crate::id::{GroupId, KeyGen};
use crate::keyring::Keyring;
use crate::pass::{PassKeyId, PassKeyOp, PassKeys, PassSeed};
use crate::sequencer::Committed;
use crate::snapshot::cut::ShardCut;
use crate::snapshot::restore::restore;
use crate::stream::fields::Fields;
use crate::stream::op::{Add, KeyOp, NewId};
use crate::stream::policy::{OnFull, Policy};
use crate::stream::text::Text;
use crate::structure::pin;
use crate::time::{LogTime, WallMs};
use crate::zone::settings::{ZoneName, ZonePatch};
use std::sync::Arc;

fn founded() -> Shard {
    Shard::new(GroupId(0), Keyring::new(KeyGen(1), [7; 16]), LogTime(5_000), Arc::new(Names::default()))
}

fn apply(shard: &mut Shard, stamp: u64, commands: Vec<Command>) {
    let batch = Committed {
        index: shard.index + 1,
        stamp: LogTime(stamp),
        wall: WallMs(2 * stamp),
        proposal: None,
        commands,
    };
    shard.apply(batch, &mut Vec::new());
}

fn pass_key(op: PassKeyOp) -> Command {
    Command::Key(Box::new(KeyOp::PassKey(op)))
}

/// A shard of which nothing is as it was when it was founded.
fn lived() -> Shard {
    let mut shard = founded();
    let name = ZoneName::parse(b"shop").unwrap();
    let patch = Box::new(ZonePatch { limit: Some(5), ..ZonePatch::default() });
    let add = Add {
        key: Text::from(b"orders"),
        no_create: false,
        trim: None,
        id: NewId::Auto,
        fields: Fields::pack([&b"a"[..], b"1"]),
        request: None,
        ttl_ms: Some(60_000),
        end: false,
    };
    apply(
        &mut shard,
        10_000,
        vec![Command::ZoneSet { name, patch }, Command::Key(Box::new(KeyOp::Add(add)))],
    );
    let new = PassKeyId(2);
    apply(&mut shard, 20_000, vec![pass_key(PassKeyOp::Install(new, PassSeed([2; 32])))]);
    apply(&mut shard, 30_000, vec![pass_key(PassKeyOp::Activate(new))]);
    apply(&mut shard, 40_000, vec![Command::KeyInstall { generation: KeyGen(2), secret: [9; 16] }]);
    apply(&mut shard, 50_000, vec![Command::KeyActivate { generation: KeyGen(2) }]);
    shard
}

/// All that readers see.
#[derive(PartialEq, Debug)]
struct Seen {
    passes: PassKeys,
    token_key: KeyGen,
    macs: Vec<Option<u64>>,
    streams: (u64, u64),
    knows: [bool; 2],
    zones: Vec<String>,
    is_found: bool,
}

fn seen(shard: &Shard) -> Seen {
    let guard = pin();
    let (view, last) = (&shard.view, shard.ordinal);
    let keys = view.keys(&guard);
    let mut zones: Vec<String> = shard.shared_names.iter().map(|entry| entry.key().to_string()).collect();
    zones.sort();
    Seen {
        passes: view.passes(&guard).clone(),
        token_key: keys.active(),
        macs: (0..4).map(|generation| keys.mac(KeyGen(generation), b"text")).collect(),
        streams: view.streams(),
        knows: [view.knows(last), view.knows(last + 1)],
        is_found: shard.zones.keys().all(|zone| view.zones.get(*zone, &guard).is_some()),
        zones,
    }
}

fn snapshot(shard: &mut Shard) -> Vec<u8> {
    shard.cut = Some(ShardCut::begin(shard));
    let mut written = Vec::new();
    while let Some(mut cut) = shard.cut.take() {
        let Some(slice) = cut.slice(shard) else { break };
        written.extend(slice);
        shard.cut = Some(cut);
    }
    written
}

#[test]
fn i9_readers_see_the_same_after_a_restart_and_after_an_installed_snapshot() {
    let mut lived = lived();
    let expected = seen(&lived);
    assert_ne!(seen(&founded()).passes, expected.passes, "keys were rotated");
    let written = snapshot(&mut lived);
    let restore = || restore(&written, GroupId(0), Arc::new(Names::default())).expect("it restores");
    assert_eq!(seen(&restore()), expected, "restored");
    let mut installed = founded();
    drop(installed.replace(restore()));
    assert_eq!(seen(&installed), expected, "installed");
    apply(&mut installed, 60_000, vec![pass_key(PassKeyOp::Revoke(expected.passes.all()[0].id))]);
    assert_eq!(seen(&installed).passes.all().len(), 1, "and goes on from there");
}

#[test]
fn who_listens_to_a_stream_hears_that_it_made_room_for_another() {
    let mut shard = founded();
    let policy = Policy { memory_bytes: Some(8_192), on_full: OnFull::DropOldest, ..Policy::default() };
    let add = |key: &[u8]| {
        let add = Add {
            key: Text::from(key),
            no_create: false,
            trim: None,
            id: NewId::Auto,
            fields: Fields::pack([&b"a"[..], &[b'1'; 100]]),
            request: None,
            ttl_ms: None,
            end: false,
        };
        Command::Key(Box::new(KeyOp::Add(add)))
    };
    let namespace = KeyOp::SetNamespace(Text::from(b"job:"), policy);
    apply(&mut shard, 6_000, vec![Command::Key(Box::new(namespace))]);
    apply(&mut shard, 6_000, (0..30).map(|_| add(b"job:quiet")).collect());
    let (key, wall) = (Text::from(b"job:quiet"), shard.wall);
    let full = shard.keyspace.extent(&key, wall);
    shard.ears.listen(ListenerId(0), &key, full);
    let mut heard: Vec<Tidings> = Vec::new();
    let mut oldest = 1;
    for _ in 0..100 {
        apply(&mut shard, 6_000, vec![add(b"job:busy")]);
        heard.clear();
        shard.ears.drain(|_, tidings| heard.push(tidings));
        let now = shard.keyspace.extent(&key, shard.wall);
        let told = heard.last().map_or(oldest, |tidings| tidings.stream.map_or(0, |told| told.oldest));
        assert_eq!(told, now.map_or(0, |now| now.oldest), "it hears of each entry that goes");
        oldest = told;
        if now.is_none() {
            break;
        }
    }
    assert_eq!(oldest, 0, "and that the stream is gone");
    assert!(shard.keyspace.taken_from.is_empty());
}
