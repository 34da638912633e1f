//! Nodes that come, and those that go for good.

use crate::cluster::process::Process;
use crate::cluster::runtime::Host;
use crate::cluster::site::Site;
use crate::cluster::world::{World, rate};
use futures_util::FutureExt;
use sluice_raft::node::{Identity, StartError};
use sluice_raft::types::NodeId;
use std::pin::Pin;
use std::sync::Arc;

/// A node that waits until it is added.
pub(crate) struct Newcomer {
    site: Site,
    host: Arc<Host>,
    /// Its start, which ends when it has an id. It goes on with each step of the world.
    start: Pin<Box<dyn Future<Output = Result<Process, StartError>>>>,
}

impl Newcomer {
    fn start(site: Site, world: &World) -> Newcomer {
        let host = Host::new();
        let (at, on, clock) = (site.clone(), Arc::clone(&host), world.clock(&site));
        let (net, judge) = (Arc::clone(&world.net), Arc::clone(&world.town.judge));
        let start = async move { Process::start(on, &at, &net, &judge, clock).await };
        Newcomer { site, host, start: Box::pin(start) }
    }

    fn take_process(&mut self) -> Option<Process> {
        let started = self.start.as_mut().now_or_never()?;
        Some(started.unwrap_or_else(|error| panic!("{} does not start: {error}", self.site.address)))
    }
}

impl World {
    /// A node comes to where nobody was, and waits there; returns its address. It announces itself to any node.
    pub(crate) fn invite(&mut self) -> String {
        self.places += 1;
        let to = self.town.any_node(&mut self.rng);
        let (seed, rate) = (self.rng.u64(..), rate(&mut self.rng));
        let site = Site::empty(self.places, seed, rate, &self.sites[&to].address);
        let address = site.address.clone();
        let newcomer = Newcomer::start(site, self);
        self.newcomers.push(newcomer);
        address
    }

    /// Those that were added are nodes like all others.
    pub(crate) fn welcome(&mut self) {
        for mut newcomer in std::mem::take(&mut self.newcomers) {
            let Some(process) = newcomer.take_process() else {
                self.newcomers.push(newcomer);
                continue;
            };
            self.settles(process.id(), newcomer.site);
            self.runs(process);
        }
    }

    /// Power cut where nodes wait. Who was given an id meanwhile has it; the others do not come back. Returns their places.
    pub(crate) async fn lose_newcomers(&mut self) -> Vec<Site> {
        self.welcome();
        let mut without_id = Vec::new();
        for newcomer in std::mem::take(&mut self.newcomers) {
            self.net.crash(newcomer.site.node);
            newcomer.host.kill();
            let site = Site { disk: newcomer.site.disk.crash(), ..newcomer.site };
            let identity = Identity::load(&site.disk).await.expect("whole, or not there");
            match identity {
                Some(identity) => self.settles(identity.node, site),
                None => without_id.push(site),
            }
        }
        without_id
    }

    /// A node waits again at the place where it did.
    pub(crate) fn come_back(&mut self, site: Site) {
        let newcomer = Newcomer::start(site, self);
        self.newcomers.push(newcomer);
    }

    /// Nodes that learned that they were removed end for good.
    ///
    /// # Panics
    /// Where nobody asked for that.
    pub(crate) fn dismiss_removed(&mut self) {
        for node in self.nodes() {
            if self.running.get(&node).is_some_and(|process| process.was_removed()) {
                assert!(self.condemned.contains(&node), "node {node} thinks that it was removed");
                self.retire(node);
            }
        }
    }

    fn settles(&mut self, node: NodeId, site: Site) {
        self.note(format_args!("the node at {} has id {node}", site.address));
        self.town.judge().ids.given(node, &site.address);
        self.town.nodes.lock().expect("no panic").insert(node);
        self.sites.insert(node, Site { node, ..site });
    }

    /// A node was removed: it is stopped and never comes back.
    pub(crate) fn retire(&mut self, node: NodeId) {
        self.note(format_args!("node {node} is gone"));
        self.crash(node, false);
        self.town.nodes.lock().expect("no panic").remove(&node);
        self.lost.remove(&node);
        self.sites.remove(&node);
    }
}
