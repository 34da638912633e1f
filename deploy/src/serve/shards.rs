//! The engine's shards: opened from the state of last time or empty, and saved at the end.

use std::sync::Arc;
use std::time::SystemTime;

use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::id::Ticket;
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Local;
use sluice_engine::time::{LogTime, MonoMs};
use sluice_engine::zone::settings::{ZoneName, ZonePatch, ZoneSettings};

use super::data::{DataDir, Saved};
use super::error::StartError;
use crate::config::{Config, ZoneEntry};

/// The zone of a server that nobody has configured.
pub(super) const DEMO: &str = "demo";
const DEMO_LIMIT: u32 = 60;

/// The readable half of all shards, and their owners in order of their groups.
type Engine = (Arc<Directory>, Vec<Owner>);

/// All shards. Where nothing was ever saved, with the first zones: what operators change later is theirs, so a
/// configuration creates zones once. After a clean stop, as they were. After a crash with the zones of the last clean
/// stop and nobody in them: places given since then are not in that state, and giving them to others under the same
/// tokens would let two people share one. A fresh secret refuses the old tokens instead, and their holders join again.
pub(super) fn open(
    config: &Config,
    saved: Option<Saved>,
    memory_max: u64,
    now: MonoMs,
) -> Result<Engine, StartError> {
    let epoch = LogTime(wall_ms());
    let mut options = Options { memory_max, epoch, ..Options::new(random()?) };
    let Some(saved) = saved else {
        return open_empty(options, &first_zones(config), now);
    };
    // Keys keep the group they were hashed to, so their number is that of the data, not of this build.
    options.groups = u16::try_from(saved.shards.len()).unwrap_or(u16::MAX);
    let (directory, owners) = open_engine(options.clone(), saved.shards, now)?;
    if saved.is_latest {
        return Ok((directory, owners));
    }
    let zones = all_zones(&directory);
    tracing::warn!(
        zones = zones.len(),
        "the last run did not stop cleanly: zones are as at the last clean stop, those who waited must join again"
    );
    open_empty(options, &zones, now)
}

fn open_engine(options: Options, saved: Vec<Vec<u8>>, now: MonoMs) -> Result<Engine, StartError> {
    let saved = saved.into_iter().map(Some).collect();
    let opened = node::open(options, saved, |_, applied| Box::new(Local::new(applied)), now);
    opened.map_err(StartError::Shard)
}

fn open_empty(options: Options, zones: &[ZoneEntry], now: MonoMs) -> Result<Engine, StartError> {
    let (directory, mut owners) = open_engine(options, Vec::new(), now)?;
    for zone in zones {
        create(&directory, &mut owners, zone, now)?;
    }
    Ok((directory, owners))
}

fn all_zones(directory: &Directory) -> Vec<ZoneEntry> {
    let entry = |name: ZoneName| {
        let settings = directory.settings(name.as_str().as_bytes())?;
        Some(ZoneEntry { name, patch: patch_of(&settings) })
    };
    directory.names().into_iter().filter_map(entry).collect()
}

/// The patch that makes a new zone with these settings.
fn patch_of(settings: &ZoneSettings) -> ZonePatch {
    ZonePatch {
        limit: Some(settings.limit),
        window_ms: Some(settings.window_ms),
        slice_ms: Some(settings.slice_ms),
        poll_ms: Some(settings.poll_ms),
        abandon_ms: Some(settings.abandon_ms),
        max_waiting: Some(settings.max_waiting),
        pass_ttl_ms: Some(settings.pass_ttl_ms),
        mode: Some(settings.mode),
        title: settings.title.clone(),
        message: settings.message.clone(),
        target_url: Some(settings.target_url.clone()),
        only_create: false,
    }
}

fn first_zones(config: &Config) -> Vec<ZoneEntry> {
    if config.from_file {
        return config.zones.clone();
    }
    let patch = ZonePatch { limit: Some(DEMO_LIMIT), only_create: true, ..ZonePatch::default() };
    let name = ZoneName::parse(DEMO.as_bytes());
    name.map(|name| ZoneEntry { name, patch }).into_iter().collect()
}

/// Before anybody is connected the owners can be driven from here.
fn create(
    directory: &Directory,
    owners: &mut [Owner],
    zone: &ZoneEntry,
    now: MonoMs,
) -> Result<(), StartError> {
    let refused = |why| StartError::Zone { zone: zone.name.to_string(), why };
    let group = directory.group_of(zone.name.as_str().as_bytes());
    let owner = owners.iter_mut().find(|owner| owner.group() == group);
    let owner = owner.ok_or_else(|| refused(Refusal::NoZone))?;
    let command = Command::ZoneSet { name: zone.name.clone(), patch: Box::new(zone.patch.clone()) };
    owner.submit(command, Ticket(0)).map_err(refused)?;
    owner.turn(now);
    let mut replies = Vec::new();
    owner.drain_replies(&mut replies);
    match replies.pop() {
        Some((_, Reply::ZoneSet { .. })) => Ok(()),
        Some((_, Reply::Refused(why))) => Err(refused(why)),
        // The unreplicated sequencer answers within the turn.
        other => unreachable!("a zone was set, the answer is {other:?}"),
    }
}

/// Writes the state of all `groups` shards.
pub(super) fn save(data: &DataDir, mut owners: Vec<Owner>, groups: usize) -> Result<(), StartError> {
    // A worker that ended by itself took its shards along; the rest alone would be another group's place.
    if owners.len() != groups {
        return Err(StartError::Lost { groups, owners: owners.len() });
    }
    for owner in &mut owners {
        owner.begin_snapshot().map_err(StartError::Snapshot)?;
    }
    let count = u32::try_from(owners.len()).unwrap_or(u32::MAX);
    let next_slice = |shard: u32| owners.get_mut(usize::try_from(shard).ok()?)?.snapshot_slice();
    Ok(data.save(count, next_slice)?)
}

/// Secrets come from the system, here and nowhere else.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(StartError::Random)?;
    Ok(bytes)
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
