//! The engine's shards on the node's groups: opened empty, filled by what the log and the snapshots hold, and given the first zones.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, Ticket};
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Ask;
use sluice_engine::stream::op::KeyOp;
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::Value;
use sluice_engine::time::LogTime;
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use sluice_net::clock::Clock;
use sluice_raft::group::Port;
use sluice_raft::node::Identity;

use super::error::StartError;
use super::signal::Stop;
use crate::config::{Config, NamespaceEntry, ZoneEntry};
use crate::limit;

/// The zone of a server that nobody has configured.
pub(super) const DEMO: &str = "demo";
const DEMO_LIMIT: u32 = 60;

/// All shards of this node before its workers have them. Driven from here meanwhile.
pub(super) struct Shards {
    pub(super) directory: Arc<Directory>,
    pub(super) owners: Vec<Owner>,
    clock: Clock,
}

impl Shards {
    /// Empty shards on these ports.
    pub(super) fn open(
        config: &Config,
        identity: &Identity,
        ports: Vec<Port>,
        memory_max: u64,
        clock: Clock,
    ) -> Result<Shards, StartError> {
        let options = Options {
            groups: identity.groups,
            memory_max,
            epoch: LogTime(identity.epoch),
            evict_hold_ms: u64::try_from(config.cluster.evict_hold.as_millis()).unwrap_or(u64::MAX),
            clock_skew_max_ms: u64::try_from(config.cluster.clock_skew_max.as_millis()).unwrap_or(u64::MAX),
            ..Options::new(identity.secret.token_key())
        };
        let mut ports = ports.into_iter();
        let port = |_, _| -> Box<dyn sluice_engine::sequencer::Sequencer> {
            Box::new(ports.next().expect("a node has one port a group"))
        };
        let (directory, owners) =
            node::open(options, Vec::new(), port, clock.now()).map_err(StartError::Shard)?;
        Ok(Shards { directory, owners, clock })
    }

    /// Drives the owners until `done`, at most `within`, and hands them what was there by then; false where it was not
    /// done, or a signal came first.
    pub(super) fn drive_until(&mut self, done: impl Fn() -> bool, within: Duration, stop: &mut Stop) -> bool {
        let begun = Instant::now();
        while !done() {
            if stop.has_come() || begun.elapsed() >= within {
                return false;
            }
            self.turn();
            let now = self.clock.now();
            if self.owners.iter().filter_map(Owner::next_wake).all(|wake| wake > now) {
                thread::park_timeout(Duration::from_millis(limit::RECOVERY_TURN_MS));
            }
        }
        self.turn();
        true
    }

    /// Makes the zones and namespaces of a cluster that was founded just now.
    pub(super) fn create_first(&mut self, config: &Config) -> Result<(), StartError> {
        first_zones(config).iter().try_for_each(|zone| self.create(zone))?;
        config.namespaces.iter().try_for_each(|namespace| self.create_namespace(namespace))
    }

    fn create(&mut self, zone: &ZoneEntry) -> Result<(), StartError> {
        let refused = |why| StartError::Zone { zone: zone.name.to_string(), why };
        let group = self.directory.group_of(zone.name.as_str().as_bytes());
        let command = Command::ZoneSet { name: zone.name.clone(), patch: Box::new(zone.patch.clone()) };
        match self.ask(group, Ask::Change(Box::new(command))) {
            Reply::Refused(why) => Err(refused(why)),
            _ => Ok(()),
        }
    }

    /// Every group is told, each its share.
    fn create_namespace(&mut self, namespace: &NamespaceEntry) -> Result<(), StartError> {
        let refused = |why| StartError::Namespace { prefix: namespace.prefix.clone(), why };
        let groups = self.directory.groups() as u16;
        for group in 0..groups {
            let prefix = Text::from(namespace.prefix.as_bytes());
            let op = KeyOp::SetNamespace(prefix, namespace.policy.share(group, groups));
            match self.ask(GroupId(group), Ask::Key(Box::new(op))) {
                Reply::Refused(why) => return Err(refused(why.to_string())),
                Reply::Key(Value::Error(why), _) => {
                    return Err(refused(String::from_utf8_lossy(&why).into_owned()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Asks a group and waits for its reply.
    fn ask(&mut self, group: GroupId, ask: Ask) -> Reply {
        let now = self.clock.now();
        let owner = self.owners.iter_mut().find(|owner| owner.group() == group);
        let Some(owner) = owner else { return Reply::Refused(Refusal::NoZone) };
        let mut reply = owner.request(ask, Ticket(0), now);
        loop {
            match reply {
                Some(reply) => return reply,
                None => reply = self.turn().pop(),
            }
            thread::park_timeout(Duration::from_millis(limit::RECOVERY_TURN_MS));
        }
    }

    /// One turn of every owner; the replies.
    fn turn(&mut self) -> Vec<Reply> {
        let mut replies = Vec::new();
        for owner in &mut self.owners {
            owner.turn(self.clock.now());
            owner.flush();
            owner.drain_replies(&mut replies);
        }
        self.owners.iter_mut().for_each(Owner::wake);
        replies.into_iter().map(|(_, reply)| reply).collect()
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
