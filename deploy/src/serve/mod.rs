//! The server's life: take what it needs, start the parts, wait for a signal, take them down in order.
//!
//! ```text
//! signals, data folder, open files ─▶ engine (state or first zones) ─▶ net ─▶ banner
//!                                                                              │ SIGTERM
//!          exit 0 ◀─ state saved ◀─ owners back ◀─ net drained ◀─ not ready ◀──┘ drain_delay
//! ```

mod banner;
mod data;
mod error;
mod files;
mod shards;
mod signal;

use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use sluice_net::auth::AuthTable;
use sluice_net::clock::Clock;
use sluice_net::config::NetConfig;
use sluice_net::resp::server::Role as NetRole;
use sluice_net::server::{LocalAddrs, Server};

use crate::config::{Config, available_bytes};
use crate::credentials::Role;
use crate::limit;
use banner::Banner;
use data::DataDir;
pub(crate) use error::StartError;
use signal::Stop;

/// Serves until a signal. What fails before the banner fails the start.
pub(crate) fn run(config: &Config) -> Result<(), StartError> {
    let stop = Stop::listen().map_err(StartError::Signals)?;
    let data = DataDir::open(&config.data_dir)?;
    let clock = Clock::start();
    let memory_max_bytes = config.memory_max.bytes(available_bytes(Path::new("/")));
    let (directory, owners) = shards::open(config, data.load()?, memory_max_bytes, clock.now())?;
    let groups = owners.len();
    let net = net_config(config, memory_max_bytes, clock)?;
    let workers = net.workers;
    // Noted before the first place is given; a start that fails gives none.
    let is_noted_here = data.begin()?;
    let server = match Server::start(net, directory, owners) {
        Ok(server) => server,
        Err(error) => {
            if is_noted_here {
                data.end()?;
            }
            return Err(error.into());
        }
    };
    announce(config, server.local_addrs(), workers);
    stop.wait();
    server.set_ready(false);
    // Everything is still served meanwhile; a second signal ends this too.
    thread::sleep(config.drain_delay());
    let owners = server.drain(Duration::from_millis(limit::DRAIN_WITHIN_MS));
    shards::save(&data, owners, groups)?;
    tracing::info!("stopped");
    Ok(())
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
