//! What the sockets of clients are told: bounds, and who may do what.

use std::thread;
use std::time::Duration;

use sluice_net::auth::AuthTable;
use sluice_net::clock::Clock;
use sluice_net::config::NetConfig;
use sluice_net::resp::server::Role as NetRole;

use super::error::StartError;
use super::{files, random};
use crate::config::Config;
use crate::credentials::Role;
use crate::limit;

/// The configuration of the sockets.
pub(super) fn net_config(
    config: &Config,
    memory_max_bytes: u64,
    clock: Clock,
) -> Result<NetConfig, StartError> {
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
        address_connections_max: config
            .limits
            .address_connections
            .unwrap_or_else(|| (connections_max / limit::ADDRESS_PART).max(1)),
        trusted_proxies: config.trusted_proxies.clone(),
        names: config.listen.names.clone(),
        login_ms: millis(config.limits.login_timeout),
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
        table.add_writer(random::bytes()?);
    }
    Ok(table)
}
