//! What commands ask of the server around them. Implemented by the workers; tests have a small one of their own.

use super::command::fault::Fault;
use super::command::spec::Replies;
use super::encode::Proto;
use crate::caller::RequestId;
use crate::cluster::Cluster;
use sluice_engine::id::RequestHash;
use sluice_engine::pass::{PassKeyId, PassSeed};
use std::net::SocketAddr;

/// What Redis this server is compatible with. Clients decide by it which commands they may use.
pub const REDIS_VERSION: &str = "7.2.4";

/// What a connection may do; each role includes the ones before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Join, name the user who joins, poll, leave, read about zones, publish and subscribe.
    Client,
    /// Also change zones, and see connections and configuration.
    Operator,
    /// Everything.
    Admin,
}

impl Role {
    /// The word used in configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Role::Client => "client",
            Role::Operator => "operator",
            Role::Admin => "admin",
        }
    }

    /// Reads the word back, in any case.
    ///
    /// ```
    /// use sluice_net::resp::server::Role;
    /// assert_eq!(Role::parse("Operator"), Some(Role::Operator));
    /// assert!(Role::Client < Role::Admin);
    /// ```
    #[must_use]
    pub fn parse(word: &str) -> Option<Role> {
        [Role::Client, Role::Operator, Role::Admin]
            .into_iter()
            .find(|role| role.word().eq_ignore_ascii_case(word))
    }
}

/// One connection, as `CLIENT LIST` shows it. What the connection said about itself is overlaid from its own session
/// where a connection asks about itself.
#[derive(Clone, Copy, Debug)]
pub struct ClientRow<'a> {
    /// Its id, never used twice.
    pub id: u64,
    /// The far end.
    pub peer: SocketAddr,
    /// The near end.
    pub local: SocketAddr,
    /// The file descriptor.
    pub fd: i32,
    /// Seconds since it was accepted.
    pub age_s: u64,
    /// Seconds since it last sent something.
    pub idle_s: u64,
    /// Bytes received and not yet read as requests.
    pub input_bytes: usize,
    /// Bytes of replies not yet sent.
    pub output_bytes: usize,
    /// Bytes it holds in all.
    pub memory_bytes: usize,
    /// The last command, for example `client|list`; `NULL` before the first.
    pub command: &'a str,
    /// From `CLIENT SETNAME`; empty when unset.
    pub name: &'a [u8],
    /// From `CLIENT SETINFO`; empty when unset.
    pub lib_name: &'a [u8],
    /// From `CLIENT SETINFO`; empty when unset.
    pub lib_version: &'a [u8],
    /// Who it logged in as.
    pub user: &'a [u8],
    /// What it speaks.
    pub proto: Proto,
    /// Channels that it listens to.
    pub channels: usize,
    /// Patterns that it listens to.
    pub patterns: usize,
}

/// A request that took long, as `SLOWLOG GET` shows it.
#[derive(Clone, Copy, Debug)]
pub struct SlowRow<'a> {
    /// Its number, rising.
    pub id: u64,
    /// When it ended, seconds of wall time.
    pub wall_s: u64,
    /// How long it took, microseconds.
    pub took_us: u64,
    /// The command's name. Arguments are left out: tokens and user ids are in them.
    pub command: &'a str,
    /// The connection's far end.
    pub peer: SocketAddr,
    /// The connection's name.
    pub name: &'a [u8],
}

/// A key that signs passes, as `Q.KEY LIST` shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PassKeyRow {
    /// Its id, the `kid` of its passes.
    pub id: String,
    /// `installed`, `active` or `retired`.
    pub state: &'static str,
    /// Since when it signs or did, ms of log time.
    pub since_ms: Option<u64>,
    /// Its public half, base64url.
    pub public: String,
}

/// Figures for `INFO`. A worker fills them in when asked; 0 is said where a figure is not known.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Version of this server.
    pub version: &'static str,
    /// Id of the process.
    pub process_id: u32,
    /// Drawn at random when the process started.
    pub run_id: u128,
    /// Milliseconds since the process started.
    pub uptime_ms: u64,
    /// Port of RESP.
    pub resp_port: u16,
    /// Port of HTTP.
    pub http_port: u16,
    /// Worker threads.
    pub workers: usize,
    /// Connections now, both protocols.
    pub connections: u64,
    /// Connections that are allowed at once.
    pub connections_max: u64,
    /// Connections accepted since the start, or since `CONFIG RESETSTAT`.
    pub connections_total: u64,
    /// Connections refused because there were too many.
    pub connections_refused: u64,
    /// Connections whose read waits for news of streams.
    pub connections_parked: u64,
    /// Requests answered.
    pub requests_total: u64,
    /// Requests answered in the last second.
    pub requests_per_second: u64,
    /// Of the requests, polls.
    pub polls_total: u64,
    /// Bytes received.
    pub input_bytes_total: u64,
    /// Bytes sent.
    pub output_bytes_total: u64,
    /// Error replies sent.
    pub errors_total: u64,
    /// Channels that somebody listens to by name.
    pub channels: u64,
    /// Different patterns that somebody listens to.
    pub patterns: u64,
    /// Channels and patterns of all connections.
    pub subscriptions: u64,
    /// Messages published here.
    pub published_total: u64,
    /// Messages handed to subscribers, once for each.
    pub delivered_total: u64,
    /// Messages that were lost because too many were on their way to a worker, or to other nodes.
    pub messages_dropped: u64,
    /// Subscribers that were closed because they did not read.
    pub subscribers_closed: u64,
    /// Bytes that everything counted under the memory bound takes.
    pub memory_used_bytes: u64,
    /// The memory bound.
    pub memory_max_bytes: u64,
    /// Resident bytes of the process.
    pub memory_resident_bytes: u64,
    /// CPU time of the process in the kernel, microseconds.
    pub cpu_system_us: u64,
    /// CPU time of the process outside the kernel, microseconds.
    pub cpu_user_us: u64,
    /// Zones.
    pub zones: u64,
    /// Streams.
    pub streams: u64,
    /// Of the streams, those that expire.
    pub streams_expiring: u64,
    /// Groups, which are shards.
    pub groups: u64,
    /// Live waiters of all zones.
    pub waiting: u64,
}

/// The server, as commands see it. Nothing here waits.
pub trait ServerInfo {
    /// The role of a connection that has not logged in; `None` where it has to.
    fn default_role(&self) -> Option<Role>;

    /// The role of this user with this password. Must take as long for an unknown user as for a wrong password.
    fn authenticate(&self, user: &[u8], password: &[u8]) -> Option<Role>;

    /// Wall time in microseconds since 1970, for `TIME` only.
    fn wall_us(&self) -> u64;

    /// Whether there is room for a reply whose length depends on this.
    ///
    /// # Errors
    /// [`Fault`] where there is none.
    fn admit_reply(&self, replies: Replies) -> Result<(), Fault<'static>> {
        let _ = replies;
        Ok(())
    }

    /// Whether the process has little room for what connections hold.
    fn is_scarce(&self) -> bool {
        false
    }

    /// The hash under which a request of this zone or key is remembered.
    fn request_hash(&self, name: &[u8], request: &RequestId<'_>) -> RequestHash;

    /// The keys that sign passes or did, the oldest first.
    fn pass_keys(&self) -> Vec<PassKeyRow> {
        Vec::new()
    }

    /// A new key that signs passes; `None` where the system has no randomness.
    fn draw_pass_key(&self) -> Option<(PassKeyId, PassSeed)> {
        None
    }

    /// Figures for `INFO`.
    fn facts(&self) -> Facts;

    /// The cluster that this node belongs to.
    fn cluster(&self) -> &dyn Cluster;

    /// Calls `visit` with every parameter that `CONFIG GET` may show, and its value.
    fn visit_config(&self, visit: &mut dyn FnMut(&str, &str));

    /// Calls `visit` with every RESP connection, by rising id.
    fn visit_clients(&self, visit: &mut dyn FnMut(&ClientRow<'_>));

    /// Calls `visit` with one RESP connection, if there is one of that id; the others cost nothing.
    fn visit_client(&self, id: u64, visit: &mut dyn FnMut(&ClientRow<'_>));

    /// Calls `visit` with every channel that somebody listens to by its name, at this node.
    fn visit_channels(&self, visit: &mut dyn FnMut(&[u8]) -> bool) {
        let _ = visit;
    }

    /// Connections of this node that listen to the channel by its name.
    fn subscribers(&self, channel: &[u8]) -> u64 {
        let _ = channel;
        0
    }

    /// Different patterns that connections of this node listen to.
    fn patterns(&self) -> u64 {
        0
    }

    /// Has another connection closed soon; false where there is none of that id.
    fn kill_client(&self, id: u64) -> bool;

    /// Calls `visit` with the slow requests, the latest first.
    fn visit_slow(&self, visit: &mut dyn FnMut(&SlowRow<'_>));

    /// Forgets the slow requests.
    fn reset_slow(&self);

    /// Sets the counters of `INFO` back to 0.
    fn reset_counters(&self);
}
