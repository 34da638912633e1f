//! What a node is told about its cluster, and what must hold between these settings.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Config, ConfigError};
use crate::limit;

/// What is this node's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Node {
    /// The host at which other nodes and clients reach this one, where the listening addresses do not say.
    pub(crate) advertise: Option<String>,
    /// The peer port of any node of the cluster to wait for, `host:port`; unset: found a cluster.
    pub(crate) join: Option<String>,
    /// Bytes that a group may log before a snapshot is written.
    pub(crate) snapshot_bytes: u64,
}

/// What all nodes should be told alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cluster {
    /// Groups of a cluster that is founded here; afterwards the cluster knows.
    pub(crate) groups: u16,
    /// How often a leader is heard of.
    pub(crate) heartbeat: Duration,
    /// The shortest silence after which a node asks for votes.
    pub(crate) election_min: Duration,
    /// The longest one.
    pub(crate) election_max: Duration,
    /// How long a node that cannot be reached may hold up evictions.
    pub(crate) evict_hold: Duration,
    /// What a node's wall clock may differ by from most others' for it to lead.
    pub(crate) clock_skew_max: Duration,
    /// A file with the secret that lets nodes join; the one in the data folder where unset.
    pub(crate) join_secret_file: Option<PathBuf>,
}

/// How nodes prove to each other who they are. All three or none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct PeerTls {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
    /// A name in the certificates that stands for any node.
    pub(crate) name: Option<String>,
}

impl Default for Node {
    fn default() -> Self {
        Self { advertise: None, join: None, snapshot_bytes: limit::SNAPSHOT_BYTES_DEFAULT }
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            groups: limit::GROUPS_DEFAULT,
            heartbeat: Duration::from_millis(limit::HEARTBEAT_MS_DEFAULT),
            election_min: Duration::from_millis(limit::ELECTION_MIN_MS_DEFAULT),
            election_max: Duration::from_millis(limit::ELECTION_MAX_MS_DEFAULT),
            evict_hold: Duration::from_millis(limit::EVICT_HOLD_MS_DEFAULT),
            clock_skew_max: Duration::from_millis(sluice_engine::limit::CLOCK_SKEW_MS_DEFAULT),
            join_secret_file: None,
        }
    }
}

/// Certificate, key and authority, all there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PeerFiles<'c> {
    pub(crate) certificate: &'c PathBuf,
    pub(crate) key: &'c PathBuf,
    pub(crate) ca: &'c PathBuf,
}

impl PeerTls {
    /// The files, where peers use TLS.
    pub(crate) fn files(&self) -> Option<PeerFiles<'_>> {
        match (&self.certificate, &self.key, &self.ca) {
            (Some(certificate), Some(key), Some(ca)) => Some(PeerFiles { certificate, key, ca }),
            _ => None,
        }
    }
}

impl Config {
    /// `address` as others should use it.
    pub(crate) fn advertised(&self, address: SocketAddr) -> String {
        let host = match &self.node.advertise {
            Some(host) if host.contains(':') => format!("[{host}]"),
            Some(host) => host.clone(),
            None if address.ip().is_unspecified() => "127.0.0.1".to_owned(),
            None => return address.to_string(),
        };
        format!("{host}:{}", address.port())
    }
}

/// Checks what one key alone cannot.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let wrong = |key, why: String| Err(ConfigError::Contradiction { key, why });
    let Cluster { heartbeat, election_min, election_max, .. } = config.cluster;
    if heartbeat * limit::HEARTBEATS_PER_ELECTION > election_min {
        let least = (heartbeat * limit::HEARTBEATS_PER_ELECTION).as_millis();
        return wrong("cluster.election_min", format!("must be at least {least} ms, two heartbeats"));
    }
    if election_min >= election_max {
        let why = "must be longer than `cluster.election_min`, or elections end in ties".to_owned();
        return wrong("cluster.election_max", why);
    }
    let tls = &config.peer_tls;
    let files = [("certificate", &tls.certificate), ("key", &tls.key), ("ca", &tls.ca)]
        .map(|(name, file)| (name, file.is_some()));
    if files.iter().any(|(_, set)| *set)
        && let Some((missing, _)) = files.iter().find(|(_, set)| !set)
    {
        return wrong("tls.peers", format!("lacks `{missing}`: certificate, key and ca go together"));
    }
    if config.listen.peer.ip().is_unspecified() && config.node.advertise.is_none() {
        let why = format!(
            "must name the host at which other nodes reach this one, for `listen.peer` is {}",
            config.listen.peer
        );
        return wrong("node.advertise", why);
    }
    Ok(())
}
