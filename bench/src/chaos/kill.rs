//! Nodes killed as a crash does: one at a time, and all at once.

use super::cluster::{Cluster, pause, server_binary};
use super::crowd::Crowd;
use super::history::User;
use super::host::{FAR, Host};
use super::oracle::{Rules, judge};
use super::{Arguments, probe, relay, report};
use crate::error::{BenchError, Result};
use crate::random::Random;
use sluice_client::{Connection, ZoneSettings};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Ports of the nodes, ten apart, from here on.
pub(super) const PORTS: u16 = 17_379;
/// From one node's first port to the next one's, and from the first to that of peers, as the cluster numbers them.
const PORTS_A_NODE: u16 = 10;
const PEER_PORT: u16 = 3;
const NODES: usize = 3;
/// What a slow link adds each way.
const LATE: Duration = Duration::from_millis(100);
/// Zones, enough that every group has one.
const ZONES: usize = 12;
/// Groups of a cluster.
const GROUPS: u16 = 6;
/// Admissions a minute of every zone.
const LIMIT: usize = 30;
/// The load goes on undisturbed for so long each round.
const CALM: Duration = Duration::from_millis(700);
/// A new cluster has elected a leader of every group by then, or never.
const LEADER_WITHIN: Duration = Duration::from_secs(60);
/// Replicas are looked at so often until they are at the same index.
const HASH_TRIES: usize = 100;

/// A cluster with zones, and clients at work.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) crowd: Crowd,
    pub(super) zones: Vec<String>,
    pub(super) random: Random,
}

impl Stage {
    pub(super) fn set(arguments: &Arguments, hosts: Vec<Host>) -> Result<Stage> {
        let members = hosts.len();
        Stage::set_on(arguments, hosts, members)
    }

    /// The same, with a cluster on the first `members` of the hosts.
    pub(super) fn set_on(arguments: &Arguments, hosts: Vec<Host>, members: usize) -> Result<Stage> {
        let cluster = Cluster::start(server_binary(arguments.server.as_ref())?, hosts, members, PORTS)?;
        let zones: Vec<String> = (0..ZONES).map(|n| format!("zone-{n}")).collect();
        let mut connection = Connection::connect_within(cluster.nodes[0].resp, Duration::from_secs(10))?;
        for zone in &zones {
            let settings = ZoneSettings {
                limit: Some(LIMIT as u64),
                poll_ms: Some(super::crowd::POLL_EVERY.as_millis() as u64),
                ..ZoneSettings::default()
            };
            set_patiently(&mut connection, zone, &settings)?;
        }
        let crowd = Crowd::start(&cluster, zones.clone(), arguments.joins, arguments.seed);
        Ok(Stage { cluster, crowd, zones, random: Random::new(arguments.seed) })
    }

    pub(super) fn any_node(&mut self) -> usize {
        (self.random.draw() % self.cluster.nodes.len() as u64) as usize
    }

    /// While nobody asks for anything, replicas at the same index have the same state.
    pub(super) fn compare_replicas(&self) -> Result<()> {
        self.crowd.pause();
        for group in 0..GROUPS {
            if !self.agree(group)? {
                self.crowd.shared.blame(format!("group {group}: replicas do not come to the same index"));
            }
        }
        self.crowd.resume();
        Ok(())
    }

    fn agree(&self, group: u16) -> Result<bool> {
        for _ in 0..HASH_TRIES {
            let nodes = self.cluster.nodes.iter().enumerate();
            let nodes = nodes.filter(|(_, node)| node.epoch.up().is_some()).map(|(node, _)| node);
            let states =
                nodes.map(|node| self.cluster.state_hash(node, group)).collect::<Result<Vec<_>>>()?;
            let (first, rest) =
                states.split_first().ok_or_else(|| BenchError::Server("no nodes".to_owned()))?;
            if let Some(other) = rest.iter().find(|other| other.0 == first.0 && other.1 != first.1) {
                self.crowd
                    .shared
                    .blame(format!("group {group} at index {}: {:x} and {:x}", first.0, first.1, other.1));
            }
            if rest.iter().all(|other| other.0 == first.0) {
                return Ok(true);
            }
            pause(Duration::from_millis(50));
        }
        Ok(false)
    }

    /// Judges, and prints; true where every promise was kept.
    pub(super) fn end(self, scenario: &str, resumed: Vec<Option<Duration>>) -> bool {
        let shared = std::sync::Arc::clone(&self.crowd.shared);
        let users: Vec<User> = self.crowd.stop();
        let mut wrong = shared.take_wrong();
        wrong.extend(judge(&users, Rules { limit: LIMIT }));
        let admitted = users.iter().filter(|user| user.is_admitted()).count();
        println!("  users {}, admitted {admitted}", users.len());
        report::print(scenario, &shared, resumed, &wrong)
    }
}

/// A group of a new cluster may still be electing: that refusal is repeated, as its text asks.
fn set_patiently(connection: &mut Connection, zone: &str, settings: &ZoneSettings) -> Result<()> {
    let started = Instant::now();
    loop {
        match connection.zone_set(zone, settings) {
            Err(error) if error.code() == Some("NOLEADER") && started.elapsed() < LEADER_WITHIN => {
                pause(Duration::from_millis(100));
            }
            done => return Ok(done?),
        }
    }
}

/// Kills a random node a round.
pub(super) fn one_at_a_time(arguments: &Arguments, rounds: u32) -> Result<bool> {
    kill_each_round("kill", Stage::set(arguments, vec![Host::Loopback; NODES])?, rounds)
}

/// The same, where every node hears the others late.
pub(super) fn over_slow_links(arguments: &Arguments, rounds: u32) -> Result<bool> {
    for peer in (0..NODES as u16).map(|node| PORTS + node * PORTS_A_NODE + PEER_PORT) {
        relay::start((FAR, peer).into(), (Ipv4Addr::LOCALHOST, peer).into(), LATE)?;
    }
    kill_each_round("latency", Stage::set(arguments, vec![Host::Far; NODES])?, rounds)
}

/// Stops every node as an operator does, one after the other.
pub(super) fn in_order(arguments: &Arguments, rounds: u32) -> Result<bool> {
    let mut stage = Stage::set(arguments, vec![Host::Loopback; NODES])?;
    let mut resumed = Vec::new();
    for node in (0..rounds).flat_map(|_| 0..NODES) {
        pause(CALM * 2);
        let stopped = Instant::now();
        stage.cluster.stop(node)?;
        let took = probe::writes_resume(&stage.cluster, &stage.zones, stopped);
        stage.cluster.restart(node)?;
        stage.cluster.wait_ready(node)?;
        stage.compare_replicas()?;
        println!("node {node} stopped and started, writes to every zone {took:?} after the signal");
        resumed.push(took);
    }
    Ok(stage.end("rolling", resumed))
}

fn kill_each_round(scenario: &str, mut stage: Stage, rounds: u32) -> Result<bool> {
    let mut resumed = Vec::new();
    pause(CALM * 3);
    for round in 0..rounds {
        let node = stage.any_node();
        let killed = Instant::now();
        stage.cluster.kill(node)?;
        let took = probe::writes_resume(&stage.cluster, &stage.zones, killed);
        pause(CALM);
        stage.cluster.restart(node)?;
        stage.cluster.wait_ready(node)?;
        stage.compare_replicas()?;
        let took_ms = took.map_or_else(|| "never".to_owned(), |took| format!("{} ms", took.as_millis()));
        println!("round {}: node {node} killed, writes resumed after {took_ms}", round + 1);
        resumed.push(took);
        pause(CALM);
    }
    Ok(stage.end(scenario, resumed))
}

/// Kills all nodes at once.
pub(super) fn all_at_once(arguments: &Arguments, rounds: u32) -> Result<bool> {
    let mut stage = Stage::set(arguments, vec![Host::Loopback; NODES])?;
    for round in 0..rounds {
        pause(CALM * 3);
        let nodes = 0..stage.cluster.nodes.len();
        nodes.clone().try_for_each(|node| stage.cluster.kill(node))?;
        nodes.clone().try_for_each(|node| stage.cluster.restart(node))?;
        let restarted = Instant::now();
        nodes.clone().try_for_each(|node| stage.cluster.wait_ready(node))?;
        let took = probe::writes_resume(&stage.cluster, &stage.zones, restarted);
        if took.is_none() {
            stage.crowd.shared.blame(format!("round {}: no writes after the restart", round + 1));
        }
        stage.compare_replicas()?;
        println!("round {}: all nodes killed, writes resumed {:?} after the restart", round + 1, took);
    }
    Ok(stage.end("power", Vec::new()))
}
