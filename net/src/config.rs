//! What the server is told when it starts. Deployment fills it in and checks where it came from.

use crate::auth::AuthTable;
use crate::clock::Clock;
use crate::limit;
use crate::network::Network;
use std::net::SocketAddr;

/// The server's configuration. [`NetConfig::loopback`] has the defaults.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Where RESP is served; port 0 lets the system choose.
    pub resp: SocketAddr,
    /// Where HTTP is served; port 0 lets the system choose.
    pub http: SocketAddr,
    /// Worker threads, 1 to [`limit::WORKERS_MAX`].
    pub workers: usize,
    /// Whether each worker is bound to one of the processors that the process may use.
    pub pin: bool,
    /// Connections that the kernel may hold before they are accepted.
    pub backlog: u32,
    /// Connections, both protocols together; an eighth is kept for each.
    pub connections_max: usize,
    /// Connections of one address, or of one /64 of IPv6; this machine and `trusted_proxies` may have all.
    pub address_connections_max: usize,
    /// Who speaks for others: what they say of whom they speak for is believed.
    pub trusted_proxies: Vec<Network>,
    /// Names of this machine, beside its addresses and `localhost`, by which HTTP callers without credentials may call it.
    pub names: Vec<String>,
    /// Time for a RESP connection to log in, where credentials are asked for; 0: any.
    pub login_ms: u64,
    /// Silence after which an idle RESP connection is closed; 0: never.
    pub resp_idle_ms: u64,
    /// Silence after which an idle HTTP connection is closed; 0: never.
    pub http_idle_ms: u64,
    /// Time from the first byte of a request to its last; 0: any.
    pub request_ms: u64,
    /// Time for which unsent answers may make no progress; 0: any.
    pub stuck_ms: u64,
    /// Silence after which the reader of an event stream is sent a sign of life; at least 1.
    pub heartbeat_ms: u64,
    /// Answers later than this are in the slow log.
    pub slow_ms: u64,
    /// Who may do what.
    pub auth: AuthTable,
    /// Origins whose pages may call; `*` allows all.
    pub cors_origins: Vec<String>,
    /// Seconds for which a browser may remember that it may call.
    pub cors_max_age_s: u32,
    /// The memory bound that the engine was opened with, to be shown; bytes.
    pub memory_max_bytes: u64,
    /// The process's clock, the same that the engine was opened with.
    pub clock: Clock,
}

impl NetConfig {
    /// The defaults: ports 7379 and 7380 of the loopback interface, one worker.
    ///
    /// ```
    /// let config = sluice_net::config::NetConfig::loopback(sluice_net::clock::Clock::start());
    /// assert_eq!((config.resp.port(), config.http.port()), (7379, 7380));
    /// assert!(config.check().is_ok());
    /// ```
    #[must_use]
    pub fn loopback(clock: Clock) -> NetConfig {
        NetConfig {
            resp: SocketAddr::from(([127, 0, 0, 1], 7379)),
            http: SocketAddr::from(([127, 0, 0, 1], 7380)),
            workers: 1,
            pin: true,
            backlog: 4_096,
            connections_max: 10_000,
            address_connections_max: 10_000,
            trusted_proxies: Vec::new(),
            names: Vec::new(),
            login_ms: 10_000,
            resp_idle_ms: 0,
            http_idle_ms: 75_000,
            request_ms: 10_000,
            stuck_ms: 30_000,
            heartbeat_ms: limit::HEARTBEAT_MS,
            slow_ms: 10,
            auth: AuthTable::open(),
            cors_origins: Vec::new(),
            cors_max_age_s: 600,
            memory_max_bytes: 0,
            clock,
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// The name of the setting and its range.
    pub fn check(&self) -> Result<(), &'static str> {
        let sessions_max = self.workers.saturating_mul(limit::SESSIONS_PER_WORKER_MAX);
        let rules = [
            ((1..=limit::WORKERS_MAX).contains(&self.workers), "workers must be 1 to 64"),
            ((1..=1 << 20).contains(&self.backlog), "backlog must be 1 to 1048576"),
            (self.connections_max >= 1, "connections_max must be at least 1"),
            (self.address_connections_max >= 1, "address_connections_max must be at least 1"),
            (self.connections_max <= sessions_max, "connections_max must be at most 4194304 a worker"),
            (self.heartbeat_ms >= 1, "heartbeat_ms must be at least 1"),
            (self.cors_origins.len() <= limit::ORIGINS_MAX, "cors_origins may name at most 64 origins"),
            (self.cors_origins.iter().all(|origin| is_field_text(origin)), "cors_origins must be origins"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, why)) => Err(why),
            None => Ok(()),
        }
    }
}

/// Whether the text can stand in a header without ending it.
fn is_field_text(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
