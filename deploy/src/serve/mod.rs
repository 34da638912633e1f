//! The server's life: take what it needs, start the parts, wait for a signal, take them down in order.
//!
//! ```text
//! signals, ports ─▶ admin plane ─▶ node (log, groups) ─▶ shards recover, first zones ─▶ net ─▶ banner
//!                                                                              │ SIGTERM
//!     exit 0 ◀─ admin plane ◀─ node handed over, stopped ◀─ net drained ◀─ not ready ◀──┘ drain_delay
//! ```
//! `alarm` says when memory is short. `front` and `peers` turn the configuration into that of the two sides; `bridge` lets one ask the other.

mod alarm;
mod banner;
mod bridge;
mod data;
mod error;
mod files;
mod front;
mod peers;
mod random;
mod removal;
mod resident;
mod shards;
mod signal;

use std::fmt::Display;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sluice_engine::id::GroupId;
use sluice_net::clock::Clock;
use sluice_net::cluster::Addresses;
use sluice_net::server::{LocalAddrs, Ports, Server};
use sluice_raft::node::{Identity, Server as Node, ServerConfig as NodeConfig, Started};

use crate::admin::{self, Admin, Reach};
use crate::config::{Config, available_bytes};
use crate::limit;
use alarm::Alarm;
use banner::{Banner, Waiting};
use bridge::Bridge;
pub(crate) use error::StartError;
use removal::Removal;
use resident::Resident;
use shards::Shards;
use signal::Stop;

/// Serves until a signal. What fails before the banner fails the start.
pub(crate) fn run(config: &Config) -> Result<(), StartError> {
    let mut stop = Stop::listen().map_err(StartError::Signals)?;
    data::check(&config.data_dir)?;
    let clock = Clock::start();
    let memory_max_bytes = memory_max_bytes(config);
    let net = front::net_config(config, memory_max_bytes, clock)?;
    let workers = net.workers;
    // Taken first: a port in use stops the start before anything is written.
    let ports = Ports::take(&net)?;
    let at = config.listen.admin;
    let listener = TcpListener::bind(at).map_err(|why| StartError::Admin { at, why })?;
    let admin_at = listener.local_addr().map_err(|why| StartError::Admin { at, why })?;
    let (addresses, peer_at) = peers::addresses(config, ports.local_addrs(), admin_at)?;
    let bridge = Arc::new(Bridge::new(addresses.clone()));
    let tokens = config.credentials.admin_tokens().iter().map(|token| token.hash.0);
    let reach = Reach { is_open: !at.ip().is_loopback(), names: config.listen.names.clone() };
    let plane = admin::shared(bridge.clone(), tokens, reach);
    let admin = Admin::start(listener, Arc::clone(&plane)).map_err(|why| StartError::Admin { at, why })?;

    let is_new = !Identity::is_in(&config.data_dir);
    let is_founded_now = is_new && config.node.join.is_none();
    if let (true, Some(cluster)) = (is_new, &config.node.join) {
        say(&Waiting { at: &addresses, cluster });
    }
    let removal = Arc::new(Removal::default());
    let node_config = peers::node_config(config, &addresses, peer_at, &removal, memory_max_bytes)?;
    let started = start_node(node_config, &mut stop);
    let Some(started) = started else { return Ok(()) };
    let (node, groups) = started.map_err(|error| StartError::of_node(error, &config.data_dir))?;
    bridge.set(node.node().clone());
    let shards = recover(config, &node, groups, (memory_max_bytes, clock), is_founded_now, &mut stop)?;
    let Shards { directory, owners, .. } = shards;
    let server = Server::start_on(ports, net, directory, owners, bridge)?;
    for group in (0..node.node().identity().groups).map(GroupId) {
        node.node().set_waker(group, Box::new(server.waker(group)));
    }
    node.node().set_intake(Box::new(server.intake()));
    plane.show(server.observer());
    let alarm = (Alarm::watch(server.observer()), Resident::watch(memory_max_bytes));
    let has_peers = config.listens_alone() || node.node().has_others();
    announce(config, server.local_addrs(), &addresses, has_peers, workers);
    stop.wait();
    server.set_ready(false);
    // Everything is still served meanwhile; a second signal ends this too.
    thread::sleep(config.drain_delay());
    // While clients are still served, so that nobody is refused for want of a leader.
    node.hand_over();
    let owners = server.drain(Duration::from_millis(limit::DRAIN_WITHIN_MS));
    node.stop();
    drop((owners, admin, alarm));
    tracing::info!("stopped");
    removal.outcome()
}

/// What the process may hold here.
fn memory_max_bytes(config: &Config) -> u64 {
    let available = available_bytes(Path::new("/"));
    if let Some(excess) = config.memory_max.excess(available) {
        tracing::warn!("{excess}");
    }
    config.memory_max.bytes(available)
}

/// Starts the node, which takes until it is added where it joins a cluster. `None`: a signal came first, and there is
/// nothing yet that would have to be taken down.
fn start_node(config: NodeConfig, stop: &mut Stop) -> Option<Started> {
    let starting = thread::spawn(move || Node::start(config));
    while !starting.is_finished() {
        if stop.has_come() {
            return None;
        }
        thread::park_timeout(Duration::from_millis(limit::RECOVERY_TURN_MS));
    }
    match starting.join() {
        Ok(started) => Some(started),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The shards with everything that the log holds, and where the cluster was founded now, with its first zones.
fn recover(
    config: &Config,
    node: &Node,
    groups: Vec<sluice_raft::group::Port>,
    (memory_max_bytes, clock): (u64, Clock),
    is_founded_now: bool,
    stop: &mut Stop,
) -> Result<Shards, StartError> {
    let node = node.node();
    let mut shards = Shards::open(config, node.identity(), groups, memory_max_bytes, clock)?;
    if !shards.drive_until(|| node.is_ready(), Duration::MAX, stop) {
        return Ok(shards);
    }
    // A lone node leads within moments, and its first clients need not be refused. With others, polls come first.
    let within = if is_founded_now { Duration::MAX } else { Duration::from_millis(limit::LEADER_WAIT_MS) };
    let can_write = shards.drive_until(|| node.can_write(), within, stop);
    if is_founded_now && can_write {
        shards.create_first(config)?;
    }
    Ok(shards)
}

/// Tells a person where the server is.
fn announce(
    config: &Config,
    LocalAddrs { resp, http }: LocalAddrs,
    at: &Addresses,
    has_peers: bool,
    workers: usize,
) {
    let first = config.zones.first().map_or(shards::DEMO, |zone| zone.name.as_str());
    let data_dir = config.data_dir.clone();
    let (admin, peer) = (at.admin.clone(), has_peers.then(|| at.peer.clone()));
    let banner = Banner { resp, http, admin, peer, data_dir, workers, zone: first.to_owned() };
    say(&banner);
}

/// Nobody may be reading: that is no reason not to serve.
fn say(text: &impl Display) {
    let mut stdout = std::io::stdout().lock();
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}
