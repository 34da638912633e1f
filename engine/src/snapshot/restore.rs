//! Bytes to a shard.

use super::SnapshotError;
use super::frame::{Kind, Reader, Records};
use super::record::{self, BlockRecord, ShardHeader, ZoneHeader};
use crate::directory::Names;
use crate::id::{GroupId, UserHash, ZoneId};
use crate::shard::Shard;
use crate::shard::requests::Remembered;
use crate::structure::{BlockImage, Waiters};
use crate::time::LogTime;
use crate::token::Place;
use crate::zone::state::ZoneState;
use crate::zone::users::{Expiry, Users};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The parts of a zone as they are met.
#[derive(Default)]
struct Parts {
    header: Option<ZoneHeader>,
    blocks: BTreeMap<u64, BlockImage>,
    users: Users,
    expiries: Vec<(Expiry, bool)>,
    holders: Vec<(UserHash, Place)>,
}

/// Everything of a shard as it is met.
#[derive(Default)]
struct Collected {
    shard: Option<ShardHeader>,
    zones: BTreeMap<u64, Parts>,
    requests: Vec<Remembered>,
}

/// Builds the shard that the bytes describe.
pub(crate) fn restore(bytes: &[u8], group: GroupId, names: Arc<Names>) -> Result<Shard, SnapshotError> {
    let mut records = Records::open(bytes)?;
    let mut collected = Collected::default();
    loop {
        let (kind, mut reader) = records.next()?;
        if kind == Kind::End {
            break;
        }
        collected
            .take(kind, &mut reader)
            .ok_or(SnapshotError::Inconsistent("a record that cannot be read"))?;
        if !reader.is_empty() {
            return Err(SnapshotError::Inconsistent("a record that is too long"));
        }
    }
    let header = collected.shard.take().ok_or(SnapshotError::Inconsistent("no shard"))?;
    if header.group != group {
        return Err(SnapshotError::Group(header.group.0));
    }
    collected.build(header, names)
}

impl Collected {
    fn take(&mut self, kind: Kind, from: &mut Reader<'_>) -> Option<()> {
        match kind {
            Kind::Shard => self.shard = Some(record::read_shard(from)?),
            Kind::Zone => {
                let header = record::read_zone(from)?;
                let parts = self.zones.entry(header.ordinal).or_default();
                parts.header = Some(header);
            }
            Kind::Block => {
                let (ordinal, image, users): BlockRecord = record::read_block(from)?;
                let parts = self.zones.entry(ordinal).or_default();
                users.into_iter().for_each(|(seq, user)| parts.users.restore_waiter(user, seq));
                parts.blocks.insert(image.block, image);
            }
            Kind::Expiries => {
                let (ordinal, expiries) = record::read_expiries(from)?;
                self.zones.entry(ordinal).or_default().expiries.extend(expiries);
            }
            Kind::Holder => {
                let (ordinal, user, place) = record::read_holder(from)?;
                self.zones.entry(ordinal).or_default().holders.push((user, place));
            }
            Kind::Requests => {
                let group = self.shard.as_ref()?.group;
                self.requests.extend(record::read_requests(from, group)?);
            }
            Kind::End => {}
        }
        Some(())
    }

    fn build(self, header: ShardHeader, names: Arc<Names>) -> Result<Shard, SnapshotError> {
        let mut shard = Shard::new(header.group, header.keys, header.stamp, names);
        shard.index = header.index;
        shard.ordinal = header.ordinal;
        for parts in self.zones.into_values() {
            shard.insert_zone(parts.build(shard.group, shard.stamp)?);
        }
        self.requests.into_iter().for_each(|entry| shard.requests.remember(entry));
        Ok(shard)
    }
}

impl Parts {
    fn build(self, group: GroupId, now: LogTime) -> Result<ZoneState, SnapshotError> {
        let header = self.header.ok_or(SnapshotError::Inconsistent("a zone without its header"))?;
        let id = ZoneId { group, ordinal: header.ordinal };
        let waiters = Waiters::restore(self.blocks.into_values(), header.tail, now)?;
        let mut zone = ZoneState::with_waiters(id, header.name, header.settings, waiters);
        zone.window = header.window;
        zone.totals = header.totals;
        zone.emptied = header.emptied.into();
        zone.users = self.users;
        self.expiries.into_iter().for_each(|(expiry, held)| zone.users.restore_expiry(expiry, held));
        self.holders.into_iter().for_each(|(user, place)| zone.users.restore_holder(user, place));
        Ok(zone)
    }
}
