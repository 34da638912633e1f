//! How a node is set up, and why one does not start.

use crate::disk::Disk;
use crate::group::Background;
use crate::log::LogError;
use crate::node::{Identity, IdentityError, LedgerError};
use crate::peer::Local;
use crate::queue::Door;
use crate::secret::JoinSecret;
use crate::types::{Member, NodeId};
use futures_util::future::BoxFuture;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

/// Timeouts of a cluster. All its nodes should have the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// How often a leader is heard of, ms.
    pub heartbeat_ms: u64,
    /// Silence of a leader after which others stand for election, at least, ms.
    pub election_ms_min: u64,
    /// At most, ms; also how long a leader that nobody answers goes on.
    pub election_ms_max: u64,
}

impl Default for Timing {
    fn default() -> Timing {
        // A follower waits for the longest election timeout, then for one of its own: with these a lost leader is
        // replaced after about 1.4 s. Heartbeats are answered within their interval at round trips up to 200 ms.
        Timing { heartbeat_ms: 220, election_ms_min: 450, election_ms_max: 900 }
    }
}

/// What was drawn at random for this start.
#[derive(Clone)]
pub struct Drawn {
    /// The cluster's id, if this start founds one.
    pub cluster: u128,
    /// Its secret.
    pub secret: [u8; 16],
    /// The join secret, where this node has to make one.
    pub join_secret: [u8; 32],
    /// Salt of the log's checksums: no other node ever hears of it.
    pub salt: u64,
    /// Draws the secrets of later.
    pub later: Draw,
    /// What others tell this process by: as the nonce of a node that waits, in what it says of itself, and in the operations that it
    /// begins.
    pub process: u64,
}

/// Draws a secret; `None` while the system gives no randomness.
pub type Draw = Arc<dyn Fn() -> Option<[u8; 16]> + Send + Sync>;

/// Drives the log's writer, which blocks in the disk's calls: on a thread of its own, or in a simulator as a task.
pub type Drive = Box<dyn FnOnce(BoxFuture<'static, ()>) + Send>;

/// How a node is set up.
pub struct NodeConfig {
    /// Where its data is.
    pub disk: Arc<dyn Disk>,
    /// Where others reach it.
    pub member: Member,
    /// As whom it speaks to others; set once it is known.
    pub local: Arc<Local>,
    /// Bytes of a group's log after which a snapshot is taken.
    pub snapshot_bytes: u64,
    /// Entries that stay in the log behind a snapshot.
    pub kept_entries: u64,
    /// Bytes of a segment of the log.
    pub segment_bytes: u64,
    /// Bytes of recent entries kept in memory, of all groups together, about.
    pub cache_bytes: u64,
    /// A node of the cluster to join, `host:port`; `None`: a node without data founds one.
    pub join: Option<String>,
    /// The join secret, where one is configured; else the one that the folder holds.
    pub join_secret: Option<JoinSecret>,
    /// Groups of a cluster that this start founds.
    pub groups: u16,
    /// Log time at which the shards of a cluster founded now begin, ms; 48 bits.
    pub epoch: u64,
    /// Timeouts.
    pub timing: Timing,
    /// Random numbers.
    pub drawn: Drawn,
    /// Drives the log's writer.
    pub drive: Drive,
    /// Runs what takes long.
    pub background: Background,
    /// How other threads are woken by the node's.
    pub door: Door,
    /// Called once when the node cannot go on, with the reason. The process has to stop.
    pub on_failure: Box<dyn Fn(&str) + Send + Sync>,
    /// Called once when the node was removed from its cluster, with the line that says so: it should end in good order.
    pub on_removed: Box<dyn Fn(&str) + Send + Sync>,
}

/// Why a node does not start. Each is one line that says what to do.
#[derive(Debug)]
pub enum StartError {
    /// Who it is cannot be read or written.
    Identity(IdentityError),
    /// Its log cannot be opened.
    Log(LogError),
    /// What it acknowledged cannot be read or written.
    Ledger(LedgerError),
    /// The folder holds a log or snapshots, named here, and not whose they are.
    Stray(&'static str),
    /// The timeouts contradict each other.
    Timing(String),
    /// The data folder cannot be taken.
    Folder(io::Error),
    /// Other nodes cannot be answered there.
    Listen(SocketAddr, io::Error),
    /// No thread could be started.
    Threads(io::Error),
    /// The node of this folder was removed from its cluster.
    Removed {
        /// Which one it was.
        node: NodeId,
        /// The cluster.
        cluster: u128,
    },
    /// A vote cannot be read or written.
    Vote(io::Error),
    /// A vote has a term that no election can have led to.
    AbsurdVote {
        /// The group.
        group: u16,
        /// The term.
        term: u64,
    },
    /// An entry of the log has such a term.
    AbsurdTerm {
        /// The group.
        group: u16,
        /// The term.
        term: u64,
    },
    /// A node that is to join a cluster has nothing to prove that it may.
    NoJoinSecret,
    /// The data folder belongs to no node yet.
    Nobody,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Identity(error) => error.fmt(f),
            StartError::Log(error) => error.fmt(f),
            StartError::Ledger(error) => error.fmt(f),
            StartError::Stray(folder) => write!(
                f,
                "node/identity is missing, and {folder}/ is not empty: put node/ back, or name an empty folder with --data"
            ),
            StartError::Timing(what) => write!(f, "cluster timeouts: {what}"),
            StartError::Folder(error) => write!(f, "data folder: {error}"),
            StartError::Listen(address, error) => {
                write!(
                    f,
                    "cannot listen for peers on {address}: {error}; free the port or choose another with --peer"
                )
            }
            StartError::Threads(error) => write!(f, "a thread cannot be started: {error}"),
            StartError::Removed { node, cluster } => write!(
                f,
                "node {node} was removed from cluster {cluster:032x} and never comes back; to use this machine again, start it \
                 with an empty data folder and --join"
            ),
            StartError::Vote(error) => write!(f, "a vote of the log: {error}"),
            StartError::AbsurdVote { group, term } => write!(
                f,
                "the vote of group {group} is of term {term}, which no election leads to: run `sluice cluster repair-vote \
                 --data` with this data folder, then start again"
            ),
            StartError::AbsurdTerm { group, term } => write!(
                f,
                "the log of group {group} has an entry of term {term}, which no election leads to, and no repair-vote mends \
                 that; remove this node from the cluster and add it again with an empty data folder"
            ),
            StartError::NoJoinSecret => f.write_str(
                "a node that joins has to know the cluster's join secret: name its file with --join-secret (a member has it in its \
                 data folder, node/join-secret), or certificates in [tls.peers]",
            ),
            StartError::Nobody => f.write_str("the data folder belongs to no node yet: there is nothing to repair"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<IdentityError> for StartError {
    fn from(error: IdentityError) -> StartError {
        StartError::Identity(error)
    }
}

impl From<LedgerError> for StartError {
    fn from(error: LedgerError) -> StartError {
        StartError::Ledger(error)
    }
}

impl From<LogError> for StartError {
    fn from(error: LogError) -> StartError {
        StartError::Log(error)
    }
}

impl StartError {
    /// Of a node that was removed.
    pub(crate) fn removed(identity: &Identity) -> StartError {
        StartError::Removed { node: identity.node, cluster: identity.cluster }
    }
}

impl Timing {
    /// openraft's settings for these timeouts.
    pub(crate) fn raft_config(
        self,
        cluster: u128,
        kept_entries: u64,
    ) -> Result<openraft::Config, StartError> {
        let config = openraft::Config {
            cluster_name: format!("{cluster:032x}"),
            heartbeat_interval: self.heartbeat_ms,
            election_timeout_min: self.election_ms_min,
            election_timeout_max: self.election_ms_max,
            // By bytes instead: an entry is a whole batch.
            snapshot_policy: openraft::SnapshotPolicy::Never,
            max_in_snapshot_log_to_keep: kept_entries,
            // Entries that the log still has go out as entries, however many they are.
            replication_lag_threshold: u64::MAX,
            purge_batch_size: super::limit::PURGE_ENTRIES_MIN,
            install_snapshot_timeout: super::limit::SNAPSHOT_CALL_MS,
            // The leader's own disk and the followers' work at the same time.
            broadcast_submitted_on_append: Some(true),
            enable_pre_vote: Some(true),
            // Until it is known whether it has all that it acknowledged.
            enable_elect: false,
            // A node whose disk lost something is given it again. What was committed with its help stays so.
            allow_log_reversion: Some(true),
            // A restarted leader has lost its soft state: it has to begin a new session.
            enable_leader_restore: Some(false),
            quorum_loss_probe_interval: Some(self.election_ms_max * 2),
            ..openraft::Config::default()
        };
        config.validate().map_err(|error| StartError::Timing(error.to_string()))
    }
}
