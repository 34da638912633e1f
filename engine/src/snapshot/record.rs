//! The payload of each record, written and read side by side.

use super::frame::{Reader, put_count, put_text};
use crate::id::{GroupId, KeyGen, RequestHash, Seq, UserHash, ZoneId};
use crate::keyring::Keyring;
use crate::pass::{PassKey, PassKeyId, PassKeys, PassSeed, Wall};
use crate::shard::requests::Remembered;
use crate::structure::{BlockImage, SLOTS, WORDS};
use crate::time::{LogTime, WallMs};
use crate::token::Place;
use crate::zone::settings::{Mode, Texts, ZoneName, ZoneSettings};
use crate::zone::state::{Totals, ZoneState};
use crate::zone::users::{Expiry, Users};
use crate::zone::view::Terms;
use crate::zone::window::{Run, Window};
use std::sync::Arc;

/// Appends numbers, little-endian.
macro_rules! put {
    ($out:expr, $($value:expr),+ $(,)?) => { $( $out.extend_from_slice(&$value.to_le_bytes()); )+ };
}
pub(super) use put;

/// Position of a shard in its log, and its keys.
pub(crate) struct ShardHeader {
    pub(crate) group: GroupId,
    pub(crate) index: u64,
    pub(crate) stamp: LogTime,
    pub(crate) wall: WallMs,
    pub(crate) ordinal: u64,
    pub(crate) keys: Keyring,
    pub(crate) passes: PassKeys,
}

/// A zone but for its blocks and its expiring users.
pub(crate) struct ZoneHeader {
    pub(crate) ordinal: u64,
    pub(crate) name: ZoneName,
    pub(crate) terms: Terms,
    pub(crate) totals: Totals,
    pub(crate) window: Window,
    pub(crate) tail: u64,
    pub(crate) emptied: Vec<u64>,
}

pub(crate) fn put_shard(out: &mut Vec<u8>, shard: &ShardHeader) {
    put!(out, shard.group.0, shard.index, shard.stamp.0, shard.wall.0, shard.ordinal);
    out.push(shard.keys.active().0);
    out.extend_from_slice(&shard.keys.identity());
    put_count(out, shard.keys.secrets().len());
    for (generation, secret) in shard.keys.secrets() {
        out.push(generation.0);
        out.extend_from_slice(&secret);
    }
    put_passes(out, &shard.passes);
}

/// Stands for no moment.
const NEVER: u64 = u64::MAX;

fn put_passes(out: &mut Vec<u8>, passes: &PassKeys) {
    put_count(out, passes.all().len());
    for key in passes.all() {
        let [since, until] = [key.since, key.until].map(|stamp| stamp.map_or(NEVER, |stamp| stamp.0));
        put!(out, key.id.0, since, until);
        out.extend_from_slice(&key.seed.0);
    }
    put_count(out, passes.walls().len());
    for wall in passes.walls() {
        put!(out, wall.from.0, wall.wall.0);
    }
}

fn read_passes(from: &mut Reader<'_>) -> Option<PassKeys> {
    let stamp = |value: u64| (value != NEVER).then_some(LogTime(value));
    let count = from.count(56)?;
    let keys: Option<Vec<_>> = (0..count)
        .map(|_| {
            let (id, since, until) = (PassKeyId(from.u64()?), stamp(from.u64()?), stamp(from.u64()?));
            Some(PassKey { id, seed: PassSeed(from.array()?), since, until })
        })
        .collect();
    let count = from.count(16)?;
    let walls: Option<Vec<_>> =
        (0..count).map(|_| Some(Wall { from: LogTime(from.u64()?), wall: WallMs(from.u64()?) })).collect();
    PassKeys::from_parts(keys?, walls?)
}

pub(crate) fn read_shard(from: &mut Reader<'_>) -> Option<ShardHeader> {
    let (group, index) = (GroupId(from.u16()?), from.u64()?);
    let (stamp, wall, ordinal) = (LogTime(from.u64()?), WallMs(from.u64()?), from.u64()?);
    let (active, identity) = (KeyGen(from.u8()?), from.array()?);
    let count = from.count(17)?;
    let keys: Option<Vec<_>> = (0..count).map(|_| Some((KeyGen(from.u8()?), from.array()?))).collect();
    Some(ShardHeader {
        group,
        index,
        stamp,
        wall,
        ordinal,
        keys: Keyring::from_parts(&keys?, active, identity)?,
        passes: read_passes(from)?,
    })
}

pub(crate) fn put_zone(out: &mut Vec<u8>, ordinal: u64, zone: &ZoneState) {
    put!(out, ordinal);
    put_text(out, zone.view.name().as_str());
    put_settings(out, &zone.settings);
    put!(out, zone.terms.good_from.0);
    let Totals { joined, abandoned, left, direct } = zone.totals;
    put!(out, joined, abandoned, left, direct, zone.window.total(), zone.waiters.tail());
    put_count(out, zone.window.run_count());
    zone.window.runs().for_each(|run| {
        put!(out, run.at.0, run.before);
    });
    put_count(out, zone.emptied.len());
    zone.emptied.iter().for_each(|block| {
        put!(out, block);
    });
}

pub(crate) fn read_zone(from: &mut Reader<'_>) -> Option<ZoneHeader> {
    let ordinal = from.u64()?;
    let name = ZoneName::parse(from.text()?.as_bytes()).ok()?;
    let settings = Arc::new(read_settings(from)?);
    let terms = Terms { settings, good_from: LogTime(from.u64()?) };
    let totals =
        Totals { joined: from.u64()?, abandoned: from.u64()?, left: from.u64()?, direct: from.u64()? };
    let (total, tail) = (from.u64()?, from.u64()?);
    let runs = from.count(16)?;
    let runs: Option<Vec<Run>> =
        (0..runs).map(|_| Some(Run { at: LogTime(from.u64()?), before: from.u64()? })).collect();
    let emptied = from.count(8)?;
    let emptied: Option<Vec<u64>> = (0..emptied).map(|_| from.u64()).collect();
    let window = Window::restore(runs?, total)?;
    Some(ZoneHeader { ordinal, name, terms, totals, window, tail, emptied: emptied? })
}

fn put_settings(out: &mut Vec<u8>, settings: &ZoneSettings) {
    put!(out, settings.limit, settings.window_ms, settings.slice_ms, settings.poll_ms, settings.abandon_ms);
    put!(out, settings.max_waiting, settings.pass_ttl_ms, settings.mode as u8);
    put_texts(out, &settings.title);
    put_texts(out, &settings.message);
    put_text(out, &settings.target_url);
}

fn read_settings(from: &mut Reader<'_>) -> Option<ZoneSettings> {
    let mut settings = ZoneSettings::with_limit(from.u32()?);
    settings.window_ms = from.u32()?;
    settings.slice_ms = from.u32()?;
    settings.poll_ms = from.u32()?;
    settings.abandon_ms = from.u32()?;
    settings.max_waiting = from.u64()?;
    settings.pass_ttl_ms = from.u32()?;
    let mode = from.u8()?;
    settings.mode =
        [Mode::Auto, Mode::Paused, Mode::Open, Mode::Closed].into_iter().find(|m| *m as u8 == mode)?;
    settings.title = read_texts(from)?;
    settings.message = read_texts(from)?;
    settings.target_url = from.text()?;
    settings.check().ok()?;
    Some(settings)
}

fn put_texts(out: &mut Vec<u8>, texts: &Texts) {
    put_count(out, texts.len());
    for (tag, text) in texts {
        put_text(out, tag);
        put_text(out, text);
    }
}

fn read_texts(from: &mut Reader<'_>) -> Option<Texts> {
    let count = from.count(8)?;
    (0..count).map(|_| Some((from.text()?, from.text()?))).collect()
}

/// A block, and the user ids of its places.
pub(crate) fn put_block(out: &mut Vec<u8>, ordinal: u64, image: &BlockImage, users: &Users) {
    put!(out, ordinal, image.block, image.joined_first.0, image.joined_last.0);
    image.live.iter().for_each(|word| {
        put!(out, word);
    });
    put!(out, image.fill as u16);
    put_count(out, image.admitted.len());
    image.admitted.iter().for_each(|(slot, at)| {
        put!(out, slot, at.0);
    });
    let first = image.block * SLOTS as u64;
    let user_of = |slot: u16| users.user_of(Seq(first + u64::from(slot))).map(|user| (slot, user));
    let named: Vec<(u16, UserHash)> =
        if users.is_empty() { Vec::new() } else { (0..SLOTS as u16).filter_map(user_of).collect() };
    put_count(out, named.len());
    named.iter().for_each(|(slot, user)| {
        put!(out, slot, user.0);
    });
}

/// Ordinal of the zone, the block, and its users.
pub(crate) type BlockRecord = (u64, BlockImage, Vec<(Seq, UserHash)>);

pub(crate) fn read_block(from: &mut Reader<'_>) -> Option<BlockRecord> {
    let (ordinal, block) = (from.u64()?, from.u64()?);
    let (joined_first, joined_last) = (LogTime(from.u64()?), LogTime(from.u64()?));
    let mut live = [0u64; WORDS];
    for word in &mut live {
        *word = from.u64()?;
    }
    let fill = usize::from(from.u16()?);
    let count = from.count(10)?;
    let admitted: Option<Vec<_>> = (0..count).map(|_| Some((from.u16()?, LogTime(from.u64()?)))).collect();
    let count = from.count(18)?;
    let first = block.checked_mul(SLOTS as u64)?;
    let mut user = || Some((Seq(first.checked_add(u64::from(from.u16()?))?), UserHash(from.u128()?)));
    let users: Option<Vec<_>> = (0..count).map(|_| user()).collect();
    Some((ordinal, BlockImage { block, fill, live, joined_first, joined_last, admitted: admitted? }, users?))
}

/// Admissions to forget, each with whether it is still the place that its user holds.
pub(crate) fn put_expiries<'a>(
    out: &mut Vec<u8>,
    ordinal: u64,
    expiries: impl ExactSizeIterator<Item = &'a Expiry>,
    users: &Users,
) {
    put!(out, ordinal);
    put_count(out, expiries.len());
    for expiry in expiries {
        put!(out, expiry.admitted_at.0, expiry.user.0);
        put_place(out, expiry.place);
        out.push(u8::from(users.place(expiry.user) == Some(expiry.place)));
    }
}

pub(crate) fn read_expiries(from: &mut Reader<'_>) -> Option<(u64, Vec<(Expiry, bool)>)> {
    let ordinal = from.u64()?;
    let count = from.count(34)?;
    let expiries = (0..count).map(|_| {
        let (admitted_at, user) = (LogTime(from.u64()?), UserHash(from.u128()?));
        let expiry = Expiry { admitted_at, user, place: read_place(from)? };
        Some((expiry, from.u8()? == 1))
    });
    Some((ordinal, expiries.collect::<Option<Vec<_>>>()?))
}

/// A user and the place that it held at the cut, given up since.
pub(crate) fn put_holder(out: &mut Vec<u8>, ordinal: u64, user: UserHash, place: Place) {
    put!(out, ordinal, user.0);
    put_place(out, place);
}

pub(crate) fn read_holder(from: &mut Reader<'_>) -> Option<(u64, UserHash, Place)> {
    Some((from.u64()?, UserHash(from.u128()?), read_place(from)?))
}

pub(crate) fn put_requests<'a>(out: &mut Vec<u8>, requests: impl ExactSizeIterator<Item = &'a Remembered>) {
    put_count(out, requests.len());
    for entry in requests {
        put!(out, entry.at.0, entry.request.0, entry.zone.ordinal);
        put_place(out, entry.place);
    }
}

pub(crate) fn read_requests(from: &mut Reader<'_>, group: GroupId) -> Option<Vec<Remembered>> {
    let count = from.count(41)?;
    let requests = (0..count).map(|_| {
        let (at, request) = (LogTime(from.u64()?), RequestHash(from.u128()?));
        let zone = ZoneId { group, ordinal: from.u64()? };
        Some(Remembered { at, request, zone, place: read_place(from)? })
    });
    requests.collect()
}

fn put_place(out: &mut Vec<u8>, place: Place) {
    match place {
        Place::Queue(seq) => {
            out.push(0);
            put!(out, seq.0);
        }
        Place::Direct { serial, stamp } => {
            out.push(1);
            put!(out, serial, stamp.0);
        }
    }
}

fn read_place(from: &mut Reader<'_>) -> Option<Place> {
    match from.u8()? {
        0 => Some(Place::Queue(Seq(from.u64()?))),
        1 => Some(Place::Direct { serial: from.u64()?, stamp: LogTime(from.u64()?) }),
        _ => None,
    }
}
