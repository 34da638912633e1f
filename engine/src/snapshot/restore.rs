//! Bytes to a shard.

use super::SnapshotError;
use super::frame::{Kind, Reader, Records};
use super::key_record::{self, KeyspaceHeader};
use super::record::{self, BlockRecord, ShardHeader, ZoneHeader};
use crate::directory::Names;
use crate::id::{GroupId, UserHash, ZoneId};
use crate::shard::Shard;
use crate::shard::requests::Remembered;
use crate::stream::block::Block;
use crate::stream::keyspace::{Key, Keyspace};
use crate::stream::requests::RememberedAdd;
use crate::stream::run::Run;
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
    keyspace: Option<KeyspaceHeader>,
    keys: BTreeMap<u32, KeyParts>,
    add_requests: Vec<RememberedAdd>,
}

/// The parts of a key as they are met.
struct KeyParts {
    key: Key,
    blocks: Vec<Block>,
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
            Kind::Keyspace => self.keyspace = Some(key_record::read_keyspace(from)?),
            Kind::Key => {
                let (slot, key) = key_record::read_key(from)?;
                let parts = KeyParts { key, blocks: Vec::new() };
                return self.keys.insert(slot, parts).is_none().then_some(());
            }
            Kind::Entries => {
                let (slot, block) = key_record::read_entries(from)?;
                self.keys.get_mut(&slot)?.blocks.push(block);
            }
            Kind::Group => {
                let (slot, group) = key_record::read_group(from)?;
                return self.keys.get_mut(&slot)?.key.stream.groups.push(group);
            }
            Kind::Consumers => {
                let ((slot, at), consumers) = key_record::read_consumers(from)?;
                let groups = &mut self.keys.get_mut(&slot)?.key.stream.groups;
                groups.edit_at(at as usize, |group| {
                    consumers.into_iter().try_for_each(|(number, held)| group.restore_consumer(number, held))
                })??;
            }
            Kind::Pending => {
                let ((slot, at), pending) = key_record::read_pending(from)?;
                let groups = &mut self.keys.get_mut(&slot)?.key.stream.groups;
                groups.edit_at(at as usize, |group| group.restore_pending(pending))??;
            }
            Kind::AddRequests => self.add_requests.extend(key_record::read_add_requests(from)?),
            Kind::End => {}
        }
        Some(())
    }

    fn build(self, header: ShardHeader, names: Arc<Names>) -> Result<Shard, SnapshotError> {
        let mut shard = Shard::new(header.group, header.keys, header.stamp, names);
        shard.index = header.index;
        shard.ordinal = header.ordinal;
        shard.wall = header.wall;
        shard.set_passes(header.passes);
        for parts in self.zones.into_values() {
            shard.insert_zone(parts.build(shard.group, shard.stamp)?);
        }
        let keyspace = self.keyspace.ok_or(SnapshotError::Inconsistent("no keyspace"))?;
        let keys = self.keys.into_iter().map(|(slot, parts)| Some((slot, parts.build()?)));
        let keys =
            keys.collect::<Option<Vec<_>>>().ok_or(SnapshotError::Inconsistent("entries out of order"))?;
        shard.keyspace = Keyspace::restore(keyspace, keys, self.add_requests)
            .ok_or(SnapshotError::Inconsistent("keys that contradict each other"))?;
        self.requests.into_iter().for_each(|entry| shard.requests.remember(entry));
        shard.publish();
        Ok(shard)
    }
}

impl KeyParts {
    fn build(mut self) -> Option<Key> {
        self.key.stream.run = Run::from_blocks(self.blocks)?;
        self.key.stream.is_sound().then_some(self.key)
    }
}

impl Parts {
    fn build(self, group: GroupId, now: LogTime) -> Result<ZoneState, SnapshotError> {
        let header = self.header.ok_or(SnapshotError::Inconsistent("a zone without its header"))?;
        let id = ZoneId { group, ordinal: header.ordinal };
        let waiters = Waiters::restore(self.blocks.into_values(), header.tail, now)?;
        let mut zone = ZoneState::with_waiters(id, header.name, header.terms, waiters);
        zone.window = header.window;
        zone.totals = header.totals;
        zone.emptied = header.emptied.into();
        zone.users = self.users;
        self.expiries.into_iter().for_each(|(expiry, held)| zone.users.restore_expiry(expiry, held));
        self.holders.into_iter().for_each(|(user, place)| zone.users.restore_holder(user, place));
        Ok(zone)
    }
}
