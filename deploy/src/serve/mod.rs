//! The server's life: take what it needs, start the parts, wait for a signal, take them down in order.
//!
//! ```text
//! signals, data folder, ports ─▶ node (log, groups) ─▶ shards recover, first zones ─▶ net ─▶ banner
//!                                                                              │ SIGTERM
//!                        exit 0 ◀─ node stopped ◀─ net drained ◀─ not ready ◀───────────────────────┘ drain_delay
//! ```

mod banner;
mod data;
mod error;
mod files;
mod shards;
mod signal;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use sluice_engine::id::GroupId;
use sluice_net::auth::AuthTable;
use sluice_net::clock::Clock;
use sluice_net::cluster::{Addresses, Alone};
use sluice_net::config::NetConfig;
use sluice_net::resp::server::Role as NetRole;
use sluice_net::server::{LocalAddrs, Ports, Server};
use sluice_raft::node::{Drawn, Identity, Server as Node, ServerConfig as NodeConfig, Timing};
use sluice_raft::types::Member;

use crate::config::{Config, available_bytes};
use crate::credentials::Role;
use crate::limit;
use banner::Banner;
pub(crate) use error::StartError;
use shards::Shards;
use signal::Stop;

/// The exit code of a node whose disk failed it.
const FAILED_EXIT: i32 = 1;

/// Serves until a signal. What fails before the banner fails the start.
pub(crate) fn run(config: &Config) -> Result<(), StartError> {
    let mut stop = Stop::listen().map_err(StartError::Signals)?;
    data::check(&config.data_dir)?;
    let clock = Clock::start();
    let memory_max_bytes = config.memory_max.bytes(available_bytes(Path::new("/")));
    let net = net_config(config, memory_max_bytes, clock)?;
    let workers = net.workers;
    // Taken first: a port in use stops the start before anything is written.
    let taken = Ports::take(&net)?;
    let is_founded_now = !Identity::is_in(&config.data_dir);
    let (node, ports) = Node::start(node_config(config, taken.local_addrs())?)?;
    let identity = node.node().identity().clone();
    let mut shards = Shards::open(&identity, ports, memory_max_bytes, clock)?;
    let handle = node.node().clone();
    let is_ready = shards.drive_until(|| handle.is_ready(), &mut stop);
    if is_ready && is_founded_now && shards.drive_until(|| handle.can_write(), &mut stop) {
        shards.create_first(config)?;
    }
    let Shards { directory, owners, .. } = shards;
    let addresses = Addresses {
        resp: taken.local_addrs().resp.to_string(),
        http: taken.local_addrs().http.to_string(),
        ..Addresses::default()
    };
    let cluster = Arc::new(Alone::new(identity.groups, addresses));
    let server = Server::start_on(taken, net, directory, owners, cluster)?;
    for group in (0..identity.groups).map(GroupId) {
        node.node().set_waker(group, Box::new(server.waker(group)));
    }
    announce(config, server.local_addrs(), workers);
    stop.wait();
    server.set_ready(false);
    // Everything is still served meanwhile; a second signal ends this too.
    thread::sleep(config.drain_delay());
    drop(server.drain(Duration::from_millis(limit::DRAIN_WITHIN_MS)));
    node.stop();
    tracing::info!("stopped");
    Ok(())
}

fn node_config(config: &Config, clients: LocalAddrs) -> Result<NodeConfig, StartError> {
    Ok(NodeConfig {
        folder: config.data_dir.clone(),
        listen: config.listen.peer,
        member: Member {
            peer: config.listen.peer.to_string(),
            resp: clients.resp.to_string(),
            http: clients.http.to_string(),
            admin: config.listen.admin.to_string(),
        },
        tls: None,
        snapshot_bytes: sluice_raft::node::limit::SNAPSHOT_BYTES,
        groups: limit::GROUPS_DEFAULT,
        epoch: shards::wall_ms(),
        timing: Timing::default(),
        tls: None,
        snapshot_bytes: sluice_raft::node::limit::SNAPSHOT_BYTES,
        drawn: Drawn {
            cluster: u128::from_le_bytes(shards::random()?),
            secret: shards::random()?,
            salt: u64::from_le_bytes(shards::random()?),
        },
        on_failure: Box::new(|why| {
            // Nothing may be acknowledged any more, and nothing here can mend it.
            tracing::error!("{why}");
            std::process::exit(FAILED_EXIT);
        }),
    })
}

fn net_config(config: &Config, memory_max_bytes: u64, clock: Clock) -> Result<NetConfig, StartError> {
    let files_max = files::raise_limit();
    let (connections_max, room) = files::connections(config.limits.connections, files_max);
    if let Some(room) = room {
        tracing::warn!(
            connections = connections_max,
            files_max,
            room,
            "open files run out before connections: raise the limit"
        );
    }
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let cores = thread::available_parallelism().map_or(1, usize::from).min(limit::WORKERS_MAX);
    Ok(NetConfig {
        resp: config.listen.resp,
        http: config.listen.http,
        workers: config.workers.unwrap_or(cores),
        backlog: config.limits.backlog,
        connections_max,
        resp_idle_ms: millis(config.limits.resp_idle_timeout),
        http_idle_ms: millis(config.limits.http_idle_timeout),
        request_ms: millis(config.limits.request_timeout),
        auth: auth_table(config)?,
        cors_origins: config.cors.origins.clone(),
        cors_max_age_s: u32::try_from(config.cors.max_age.as_secs()).unwrap_or(u32::MAX),
        memory_max_bytes,
        ..NetConfig::loopback(clock)
    })
}

fn auth_table(config: &Config) -> Result<AuthTable, StartError> {
    let mut table = AuthTable::open();
    for user in config.credentials.resp_users() {
        let role = match user.role {
            Role::Client => NetRole::Client,
            Role::Operator => NetRole::Operator,
            Role::Admin => NetRole::Admin,
        };
        table.add_user(&user.name, user.hash.0, role);
    }
    for writer in config.credentials.writer_tokens() {
        table.add_writer(writer.hash.0);
    }
    // Zone calls beyond this machine are anonymous, but a stranger must not name a user and fetch that user's token:
    // with a writer whose secret nobody knows, an open table no longer trusts everybody.
    let nobody_known = config.credentials.writer_tokens().is_empty();
    if nobody_known && !config.insecure && !config.listen.http.ip().is_loopback() {
        table.add_writer(shards::random()?);
    }
    Ok(table)
}

/// Tells a person where the server is. Nobody may be reading: that is no reason not to serve.
fn announce(config: &Config, LocalAddrs { resp, http }: LocalAddrs, workers: usize) {
    let first = config.zones.first().map_or(shards::DEMO, |zone| zone.name.as_str());
    let data_dir = config.data_dir.clone();
    let banner = Banner { resp, http, data_dir, workers, zone: first.to_owned() };
    let mut stdout = std::io::stdout().lock();
    let _ = write!(stdout, "{banner}").and_then(|()| stdout.flush());
}
