//! The one configuration: every value, its default, and where it may come from.
//!
//! ```text
//! defaults < file (TOML) < environment SLUICE_* < flags          a later layer wins, key by key
//! file.rs ─┐
//! environment ─┼─▶ Layer: (key, value, origin) ─▶ keys.rs: one table of all keys ─▶ Config ─▶ checked once
//! flags ───┘
//! ```
//! Nothing else in the project reads the environment or a configuration file. Adding a key: a field here with its
//! default, and a line in the table of `keys.rs`.

mod cluster;
mod error;
mod exposure;
mod file;
mod keys;
mod layer;
mod memory;
mod namespace;
mod size;
mod value;
mod zone;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use cluster::{Cluster, Node, PeerFiles, PeerTls};
pub(crate) use error::{ConfigError, Origin, Place};
pub(crate) use file::read_text;
pub(crate) use layer::Layer;
pub(crate) use memory::{MemoryMax, available_bytes};
pub(crate) use namespace::NamespaceEntry;
pub(crate) use value::Value;
pub(crate) use zone::ZoneEntry;

use sluice_net::network::Network;

use crate::credentials::Credentials;
use crate::limit;

/// Everything that the server is told. Valid once [`Config::load`] has returned it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Config {
    pub(crate) listen: Listen,
    /// Where identity, log and snapshots are kept.
    pub(crate) data_dir: PathBuf,
    /// Data-plane threads; one a core where unset.
    pub(crate) workers: Option<usize>,
    /// How long `/readyz` says 503 before connections are closed; see [`Config::drain_delay`].
    drain_delay: Option<Duration>,
    pub(crate) memory_max: MemoryMax,
    pub(crate) limits: Limits,
    pub(crate) log: Log,
    pub(crate) node: Node,
    pub(crate) cluster: Cluster,
    pub(crate) peer_tls: PeerTls,
    pub(crate) auth: AuthFiles,
    /// What the files of `auth` say.
    pub(crate) credentials: Credentials,
    /// The operator accepts listeners without credentials.
    pub(crate) insecure: bool,
    pub(crate) cors: Cors,
    /// Proxies that speak for others.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Whether there was a file: without one a zone to play with is created.
    pub(crate) from_file: bool,
    /// Zones to create at first start.
    pub(crate) zones: Vec<ZoneEntry>,
    /// Namespaces to make at first start.
    pub(crate) namespaces: Vec<NamespaceEntry>,
    /// Where each key was set that was.
    origins: BTreeMap<&'static str, Origin>,
}

/// Where the server listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Listen {
    pub(crate) resp: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) peer: SocketAddr,
    /// Names of this machine, beside its addresses and `localhost`, by which callers without credentials may call it.
    pub(crate) names: Vec<String>,
    /// Somebody named that address; `ports` alone only moves it.
    pub(crate) peer_is_named: bool,
}

/// Bounds on what clients may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// Client connections, RESP and HTTP together; as many as open files allow where unset.
    pub(crate) connections: Option<usize>,
    /// Connections of one address; a part of all where unset.
    pub(crate) address_connections: Option<usize>,
    /// Time for a RESP connection to log in, where that is asked for; zero: any.
    pub(crate) login_timeout: Duration,
    /// Silence after which a RESP connection is closed; zero never closes one.
    pub(crate) resp_idle_timeout: Duration,
    /// Silence between two requests after which an HTTP connection is closed.
    pub(crate) http_idle_timeout: Duration,
    /// Time from the first byte of a request to its last.
    pub(crate) request_timeout: Duration,
    /// Connections that the kernel may hold before they are accepted.
    pub(crate) backlog: u32,
}

/// What is logged, and in which shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Log {
    pub(crate) level: tracing::Level,
    pub(crate) format: LogFormat,
}

/// One line of log, for a person or for a collector.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Files that hold hashes of secrets, never secrets.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct AuthFiles {
    pub(crate) resp_users: Option<PathBuf>,
    pub(crate) writer_tokens: Option<PathBuf>,
    pub(crate) admin_tokens: Option<PathBuf>,
}

/// Which web pages may call the HTTP port from a browser.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cors {
    /// Exact origins, or `*`; empty allows none.
    pub(crate) origins: Vec<String>,
    /// How long a browser may remember the answer.
    pub(crate) max_age: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: Listen {
                resp: local(7379),
                http: local(7380),
                admin: local(7381),
                peer: local(7382),
                names: Vec::new(),
                peer_is_named: false,
            },
            data_dir: PathBuf::from("sluice-data"),
            workers: None,
            drain_delay: None,
            memory_max: MemoryMax::Percent(75),
            limits: Limits {
                connections: None,
                address_connections: None,
                login_timeout: Duration::from_secs(10),
                resp_idle_timeout: Duration::ZERO,
                http_idle_timeout: Duration::from_secs(75),
                request_timeout: Duration::from_secs(10),
                backlog: limit::BACKLOG_DEFAULT,
            },
            log: Log { level: tracing::Level::INFO, format: LogFormat::Text },
            node: Node::default(),
            cluster: Cluster::default(),
            peer_tls: PeerTls::default(),
            auth: AuthFiles::default(),
            credentials: Credentials::default(),
            insecure: false,
            cors: Cors { origins: Vec::new(), max_age: Duration::from_secs(600) },
            trusted_proxies: Vec::new(),
            from_file: false,
            zones: Vec::new(),
            namespaces: Vec::new(),
            origins: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Lays the file (if any), the environment and the flags over the defaults, reads the files of credentials, and
    /// checks the whole.
    pub(crate) fn load(file: Option<&Path>, upper: &[Layer]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(path) = file {
            let (layer, tables) = file::read(path)?;
            layer.apply_to(&mut config)?;
            config.zones = tables.zones;
            config.namespaces = tables.namespaces;
            config.from_file = true;
        }
        for layer in upper {
            layer.apply_to(&mut config)?;
        }
        config.credentials = Credentials::load(&config)?;
        exposure::check(&config)?;
        cluster::check(&config)?;
        namespace::check(&config)?;
        Ok(config)
    }

    /// Whether other nodes are answered also while there are none.
    pub(crate) fn listens_alone(&self) -> bool {
        self.listen.peer_is_named || self.node.join.is_some()
    }

    /// Which key names this file, where it was set, and the file, for an error.
    pub(crate) fn named(&self, key: &str, path: &Path) -> String {
        let origin = self.origins.get(key).map_or_else(String::new, |origin| format!("{origin}: "));
        format!("{origin}`{key}` names {}", Place(path))
    }

    /// As configured; unset, it is nothing for a server that only this machine reaches.
    pub(crate) fn drain_delay(&self) -> Duration {
        let local = self.listen.resp.ip().is_loopback() && self.listen.http.ip().is_loopback();
        let unset = if local { Duration::ZERO } else { Duration::from_millis(limit::DRAIN_DELAY_MS_DEFAULT) };
        self.drain_delay.unwrap_or(unset)
    }
}

#[cfg(test)]
mod tests;
