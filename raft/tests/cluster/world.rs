//! A cluster, its clients and what happens to them, all of one seed: a phase in which anything breaks, then one in which
//! everything heals and has to go on.

use crate::cluster::client::{Client, Town, ZONES, pause};
use crate::cluster::clock::NodeInstant;
use crate::cluster::door::Request;
use crate::cluster::judge::{Judge, Tally};
use crate::cluster::members::Changes;
use crate::cluster::newcomer::Newcomer;
use crate::cluster::process::{Clock, Process};
use crate::cluster::runtime::{Host, Runtime, panicked};
use crate::cluster::site::{FOUNDERS, GROUPS, Site};
use crate::cluster::trouble::Trouble;
use crate::cluster::writer::{self, STREAMS, Writer};
use crate::net::{Faults, Net};
use openraft::async_runtime::{AsyncRuntime, Instant};
use openraft_rt_sim::SimInstant;
use sluice_engine::id::GroupId;
use sluice_raft::node::StartError;
use sluice_raft::types::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

const CLIENTS: u64 = 30;
const WRITERS: u64 = 5;
/// The phase in which things break, ms.
pub(crate) const TROUBLE_MS: u64 = 12_000;
/// After everything has healed, writes have to go through within this, ms.
const RESUME_MS: u64 = 10_000;
/// And replicas have to agree within this after the last client is gone, ms.
const AGREE_MS: u64 = 10_000;
/// Deviation of a node's clock, of a million.
const RATE_PPM: u64 = 3_000;
const STEP_MS: u64 = 20;

/// The nodes, and what is between them.
pub(crate) struct World {
    pub(crate) rng: fastrand::Rng,
    pub(crate) net: Arc<Net>,
    pub(crate) sites: BTreeMap<NodeId, Site>,
    pub(crate) running: BTreeMap<NodeId, Process>,
    /// Nodes that wait to be added.
    pub(crate) newcomers: Vec<Newcomer>,
    /// Nodes that an operator thinks lost: they stay down.
    pub(crate) lost: BTreeSet<NodeId>,
    /// Nodes that somebody asked to remove.
    pub(crate) condemned: BTreeSet<NodeId>,
    /// Places where a node ever was.
    pub(crate) places: u64,
    pub(crate) town: Arc<Town>,
}

/// Runs one seed to its end.
///
/// # Panics
/// Where an invariant is broken.
pub(crate) fn run(seed: u64, trouble: bool) -> Tally {
    Runtime::with_seed(seed).block_on(async {
        let mut world = World::found(seed).await;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| Runtime::spawn(Client::new(Arc::clone(&world.town), number, seed).live()))
            .collect();
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| Runtime::spawn(Writer::new(Arc::clone(&world.town), number, seed).live()))
            .collect();
        let mut troubles = Trouble::default();
        let mut changes = Changes::default();
        while trouble && world.town.now() < TROUBLE_MS {
            pause(STEP_MS).await;
            troubles.step(&mut world).await;
            changes.step(&mut world).await;
            assert!(!panicked(), "see above");
        }
        troubles.heal(&mut world).await;
        changes.settle(&mut world).await;
        world.resume().await;
        world.town.is_closing.store(true, Ordering::Relaxed);
        for client in clients.into_iter().chain(writers) {
            client.await.expect("a client lives to the end");
        }
        world.agree().await;
        world.read_streams().await;
        world.end().await
    })
}

impl World {
    pub(crate) async fn found(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut sites = BTreeMap::new();
        for node in 1..=FOUNDERS {
            sites.insert(node, Site::found(node, seed, rate(&mut rng)).await);
        }
        let mut world = World { sites, ..World::of(rng) };
        world.town.nodes.lock().expect("no panic").extend(1..=FOUNDERS);
        for node in 1..=FOUNDERS {
            world.start(node).await;
        }
        world.town.create_zones().await;
        world
    }

    /// Without any node.
    pub(crate) fn nobody(seed: u64) -> World {
        World::of(fastrand::Rng::with_seed(seed))
    }

    fn of(mut rng: fastrand::Rng) -> World {
        let town = Arc::new(Town {
            nodes: Mutex::default(),
            doors: Mutex::default(),
            judge: Arc::new(Mutex::new(Judge::default())),
            is_closing: AtomicBool::new(false),
            began: SimInstant::now(),
        });
        World {
            net: Net::new(rng.u64(..), Faults::NONE),
            rng,
            sites: BTreeMap::new(),
            running: BTreeMap::new(),
            newcomers: Vec::new(),
            lost: BTreeSet::new(),
            condemned: BTreeSet::new(),
            places: FOUNDERS,
            town,
        }
    }

    /// Starts a node from its disk.
    ///
    /// # Panics
    /// Where it refuses: nothing that happens to its disk is a reason to.
    pub(crate) async fn start(&mut self, node: NodeId) {
        let started = self.try_start(&self.sites[&node]).await;
        if let (Err(StartError::Removed { .. }), true) = (&started, self.condemned.contains(&node)) {
            return self.retire(node);
        }
        self.runs(started.unwrap_or_else(|error| panic!("node {node} does not start: {error}")));
    }

    /// Clients reach this process from now on.
    pub(crate) fn runs(&mut self, process: Process) {
        let node = process.id();
        self.town.doors.lock().expect("no panic").insert(node, Arc::clone(&process.door));
        self.running.insert(node, process);
    }

    /// Starts a node from any disk of its.
    pub(crate) async fn try_start(&self, site: &Site) -> Result<Process, StartError> {
        Process::start(Host::new(), site, &self.net, &self.town.judge, self.clock(site)).await
    }

    /// A clock that begins anew, somewhere.
    pub(crate) fn clock(&self, site: &Site) -> Clock {
        let offset_ms = self.town.now() * 7_919 % 1_000_003;
        Clock { began: NodeInstant::now(), offset_ms, rate: site.rate }
    }

    /// Those that are there for good, up or down.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.sites.keys().copied().collect()
    }

    /// Whether a node is down and should not be.
    pub(crate) fn may_start(&self, node: NodeId) -> bool {
        self.sites.contains_key(&node) && !self.running.contains_key(&node) && !self.lost.contains(&node)
    }

    /// Says what happens, where somebody looks on.
    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        if std::env::var_os("SLUICE_SIM_SHOW").is_some() {
            eprintln!("{:>6} {what}", self.town.now());
        }
    }

    /// Ends a node's process; what the system had not written yet is lost with the power.
    pub(crate) fn crash(&mut self, node: NodeId, is_power_cut: bool) {
        let Some(process) = self.running.remove(&node) else { return };
        self.town.doors.lock().expect("no panic").remove(&node);
        process.crash(&self.net);
        if is_power_cut && let Some(site) = self.sites.get_mut(&node) {
            site.disk = site.disk.crash();
        }
    }

    /// Everything works again: joins go through at every node.
    async fn resume(&mut self) {
        let until = self.town.now() + RESUME_MS;
        for node in self.nodes() {
            for zone in ZONES {
                let request = Request::Join { zone, request: format!("after-{node}-{zone}") };
                while !matches!(self.town.ask(node, request.clone()).await, Some(Ok(_))) {
                    assert!(!panicked(), "see above");
                    assert!(self.town.now() < until, "liveness: no join in {zone} by node {node}");
                    pause(STEP_MS).await;
                }
            }
        }
    }

    /// All replicas get to the same index.
    pub(crate) async fn agree(&mut self) {
        let until = self.town.now() + AGREE_MS;
        let nodes = self.nodes();
        while !(0..GROUPS).all(|group| self.town.judge().hashes.agree(GroupId(group), &nodes)) {
            assert!(!panicked(), "see above");
            assert!(self.town.now() < until, "liveness: the nodes do not get to the same index");
            pause(STEP_MS).await;
        }
    }

    /// Every node has what was acknowledged.
    async fn read_streams(&mut self) {
        let until = self.town.now() + AGREE_MS;
        for node in self.nodes() {
            for key in STREAMS {
                let (epoch, count) = loop {
                    if let Some(read) = writer::read(&self.town, node, key).await {
                        break read;
                    }
                    assert!(self.town.now() < until, "liveness: node {node} does not tell of {key}");
                    pause(STEP_MS).await;
                };
                self.town.judge().streams.are_kept(key, epoch, count);
            }
        }
    }

    pub(crate) async fn end(mut self) -> Tally {
        for node in self.nodes() {
            let failed = self.running.get(&node).and_then(Process::failed);
            assert_eq!(failed, None, "node {node} has failed");
            self.crash(node, false);
        }
        // What is dead is dropped at its next step.
        pause(1).await;
        assert!(!panicked(), "see above");
        let mut judge = self.town.judge();
        (judge.tally.appends, judge.tally.entries_read) = (judge.streams.appends, judge.streams.entries_read);
        judge.tally.syncs = self.sites.values().map(|site| site.disk.syncs()).sum();
        assert!(judge.hashes.compared > 0, "no two nodes were compared");
        judge.tally
    }
}

/// How fast a clock is: ticks for a million true ones.
pub(crate) fn rate(rng: &mut fastrand::Rng) -> u64 {
    rng.u64(1_000_000 - RATE_PPM..=1_000_000 + RATE_PPM)
}
