//! Commands, operations and their parts, drawn at random; numbers are often at their ends.

use fastrand::Rng;
use sluice_engine::command::Command;
use sluice_engine::id::{GroupId, KeyGen, RequestHash, Seq, UserHash, ZoneId};
use sluice_engine::pass::{PassKeyId, PassKeyOp, PassSeed};
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::{
    Add, After, AutoClaim, Claim, Clock, Delivered, Expire, ExpireWhen, Follow, FollowFrom, GroupOp, Keep,
    KeyOp, NewId, PendingRange, Range, Read, ReadGroup, Scan, SetId, Trim, Unit,
};
use sluice_engine::stream::policy::{OnFull, Policy};
use sluice_engine::stream::text::Text;
use sluice_engine::zone::settings::{Mode, ZoneName, ZonePatch};

/// Variants of [`Command`]; [`command`] makes each.
pub(crate) const COMMANDS: u8 = 12;

/// The command of this number.
pub(crate) fn command(variant: u8, rng: &mut Rng) -> Command {
    let zone = ZoneId { group: GroupId(rng.u16(..)), ordinal: wide(rng) };
    let name = ZoneName::parse(&vec![b'z'; rng.usize(1..=128)]).unwrap();
    match variant {
        0 => Command::ZoneSet { name, patch: Box::new(patch(rng)) },
        1 => Command::ZoneDelete { name },
        2 => Command::Join {
            zone,
            user: rng.bool().then(|| UserHash(rng.u128(..))),
            request: rng.bool().then(|| RequestHash(rng.u128(..))),
            nobody_ahead: rng.bool(),
        },
        3 => Command::Leave { zone, seq: Seq(wide(rng)) },
        4 => Command::Admit { zone, seq: Seq(wide(rng)) },
        5 => Command::Evict { zone, block: wide(rng), slots: std::array::from_fn(|_| wide(rng)) },
        6 => Command::Sweep { zone },
        7 => Command::KeyInstall { generation: KeyGen(rng.u8(..)), secret: rng.u128(..).to_le_bytes() },
        8 => Command::KeyActivate { generation: KeyGen(rng.u8(..)) },
        9 => Command::Key(Box::new(op(rng))),
        10 => Command::Keys((0..rng.usize(..9)).map(|_| op(rng)).collect()),
        _ => Command::KeySweep,
    }
}

pub(crate) fn patch(rng: &mut Rng) -> ZonePatch {
    let mut texts =
        || (0..rng.usize(..5)).map(|_| (String::from("en"), "é".repeat(rng.usize(..900)))).collect();
    let (title, message) = (texts(), texts());
    ZonePatch {
        limit: Some(rng.u32(..)),
        mode: Some(Mode::Paused),
        max_waiting: rng.bool().then(|| wide(rng)),
        target_url: rng.bool().then(|| "https://".repeat(rng.usize(..99))),
        title,
        message,
        ..ZonePatch::default()
    }
}

/// An operation: a change, or a question.
pub(crate) fn op(rng: &mut Rng) -> KeyOp {
    if rng.u8(..4) == 0 { question(rng) } else { change(rng) }
}

fn change(rng: &mut Rng) -> KeyOp {
    let (key, name) = (key(rng), name(rng));
    let ids: Vec<_> = (0..rng.usize(..40)).map(|_| id(rng)).collect();
    match rng.u8(..18) {
        0 | 1 => KeyOp::Add(add(key, rng)),
        2 => KeyOp::Trim(key, trim(rng)),
        3 => KeyOp::Remove(key, ids),
        4 => KeyOp::SetId(SetId { key, id: id(rng), added: Some(wide(rng)), max_deleted: Some(id(rng)) }),
        5 => KeyOp::End(key),
        6 | 7 => KeyOp::Group(key, name, group(rng)),
        8 => KeyOp::ReadGroup(ReadGroup {
            group: name,
            consumer: self::name(rng),
            streams: vec![(key, rng.bool().then(|| id(rng))), (self::key(rng), None)],
            count: wide(rng),
            no_ack: rng.bool(),
            waits: rng.bool(),
        }),
        9 => KeyOp::Ack(key, name, ids),
        10 => KeyOp::Claim(claim(key, name, ids, rng)),
        11 => KeyOp::AutoClaim(AutoClaim {
            key,
            group: name,
            consumer: self::name(rng),
            idle_ms: wide(rng),
            start: id(rng),
            count: wide(rng),
            just_id: rng.bool(),
        }),
        12 => KeyOp::Delete(vec![key, name]),
        13 => KeyOp::Expire(Expire {
            key,
            time: wide(rng) as i64,
            unit: if rng.bool() { Unit::Ms } else { Unit::Seconds },
            clock: if rng.bool() { Clock::Absolute } else { Clock::Relative },
            when: ExpireWhen { later: rng.bool(), earlier: rng.bool(), ..ExpireWhen::default() },
        }),
        14 => KeyOp::SetNamespace(
            name,
            Policy {
                maxlen: rng.bool().then(|| wide(rng)),
                ttl_ms: rng.bool().then(|| wide(rng)),
                memory_bytes: rng.bool().then(|| wide(rng)),
                on_full: if rng.bool() { OnFull::DropOldest } else { OnFull::Refuse },
            },
        ),
        15 => KeyOp::DeleteNamespace(name),
        16 => KeyOp::PassKey(PassKeyOp::Install(PassKeyId(wide(rng)), PassSeed([rng.u8(..); 32]))),
        _ => KeyOp::Persist(key),
    }
}

fn question(rng: &mut Rng) -> KeyOp {
    let (key, name) = (key(rng), name(rng));
    match rng.u8(..11) {
        0 => KeyOp::Len(key),
        1 => KeyOp::Range(Range {
            key,
            start: id(rng),
            end: id(rng),
            count: rng.bool().then(|| wide(rng)),
            reverse: rng.bool(),
        }),
        2 => KeyOp::Read(Read { streams: vec![(key, after(rng))], count: wide(rng), waits: rng.bool() }),
        3 => KeyOp::Follow(Follow {
            key,
            epoch: rng.bool().then(|| wide(rng)),
            from: FollowFrom::After(wide(rng)),
            limit: wide(rng),
            bytes_max: wide(rng),
        }),
        4 => KeyOp::Pending(
            key,
            name.clone(),
            rng.bool().then(|| PendingRange {
                idle_ms: wide(rng),
                start: id(rng),
                end: id(rng),
                count: wide(rng),
                consumer: rng.bool().then_some(name),
            }),
        ),
        5 => KeyOp::InfoStream(key, rng.bool().then(|| wide(rng))),
        6 => KeyOp::InfoGroups(key),
        7 => KeyOp::Ttl(key, Unit::Seconds, Clock::Relative),
        8 => KeyOp::Scan(Scan { from: wide(rng), count: wide(rng).min(1_000) }),
        9 => KeyOp::Faulty(Box::new(KeyOp::Persist(key)), name),
        _ => KeyOp::Exists(vec![key, name]),
    }
}

fn add(key: Text, rng: &mut Rng) -> Add {
    Add {
        key,
        no_create: rng.bool(),
        trim: rng.bool().then(|| trim(rng)),
        id: match rng.u8(..3) {
            0 => NewId::Exact(id(rng)),
            1 => NewId::Within(wide(rng)),
            _ => NewId::Auto,
        },
        fields: Fields::pack([&*name(rng), &*text(rng)]),
        request: rng.bool().then(|| RequestHash(rng.u128(..))),
        ttl_ms: rng.bool().then(|| wide(rng)),
        end: rng.u8(..16) == 0,
    }
}

fn group(rng: &mut Rng) -> GroupOp {
    let read = rng.bool().then(|| wide(rng) as i64);
    match rng.u8(..5) {
        0 | 1 => GroupOp::Create { from: after(rng), make: rng.bool(), read },
        2 => GroupOp::SetId { from: after(rng), read },
        3 => GroupOp::AddConsumer(name(rng)),
        _ => GroupOp::RemoveConsumer(name(rng)),
    }
}

fn claim(key: Text, group: Text, ids: Vec<StreamId>, rng: &mut Rng) -> Claim {
    Claim {
        key,
        group,
        consumer: name(rng),
        idle_ms: wide(rng),
        ids,
        delivered: if rng.bool() { Delivered::Ago(wide(rng)) } else { Delivered::At(wide(rng)) },
        retries: rng.bool().then(|| wide(rng)),
        force: rng.bool(),
        just_id: rng.bool(),
        last_id: rng.bool().then(|| id(rng)),
    }
}

fn after(rng: &mut Rng) -> After {
    match rng.u8(..3) {
        0 => After::Id(id(rng)),
        1 => After::Last,
        _ => After::LastEntry,
    }
}

/// One of a few keys.
pub(crate) fn key(rng: &mut Rng) -> Text {
    Text::from(&[b'k', b'0' + rng.u8(..4)])
}

/// One of a few names of groups and consumers.
fn name(rng: &mut Rng) -> Text {
    Text::from(&[b'n', b'0' + rng.u8(..3)])
}

fn trim(rng: &mut Rng) -> Trim {
    Trim { keep: if rng.bool() { Keep::Newest(wide(rng)) } else { Keep::From(id(rng)) }, limit: wide(rng) }
}

pub(crate) fn id(rng: &mut Rng) -> StreamId {
    StreamId { ms: wide(rng), seq: wide(rng) }
}

/// Numbers of every length, and the ends.
pub(crate) fn wide(rng: &mut Rng) -> u64 {
    const ENDS: [u64; 6] = [0, 1, i64::MAX as u64, i64::MIN as u64, u64::MAX - 1, u64::MAX];
    if rng.u8(..4) == 0 { ENDS[rng.usize(..ENDS.len())] } else { rng.u64(..) >> rng.u32(..64) }
}

/// Any bytes.
pub(crate) fn text(rng: &mut Rng) -> Text {
    let mut bytes = vec![0; rng.usize(..300)];
    rng.fill(&mut bytes);
    Text::from(&bytes[..])
}
