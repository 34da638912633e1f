//! Why the server did not start, or did not end cleanly: always one line that says which and what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use sluice_engine::error::Refusal;
use sluice_engine::snapshot::SnapshotError;
use sluice_net::server::StartError as NetError;
use sluice_raft::node::StartError as NodeError;

use super::data::OldData;
use crate::config::Place;

/// What stopped the server.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The data folder.
    Data(OldData),
    /// The data folder cannot be had.
    Folder { path: PathBuf, why: io::Error },
    /// The node: who it is, its log, its threads.
    Node(NodeError),
    /// The shards cannot be opened.
    Shard(SnapshotError),
    /// A zone of the configuration that the engine will not have.
    Zone { zone: String, why: Refusal },
    /// A namespace of it.
    Namespace { prefix: String, why: String },
    /// A port, or a thread.
    Net(NetError),
    /// The admin port.
    Admin { at: SocketAddr, why: io::Error },
    /// The peer port.
    Peer { at: SocketAddr, why: io::Error },
    /// The certificates of peers; `named` is which key, where it was set, and the file.
    Tls { named: String, why: String },
    /// The file of the join secret.
    JoinSecret { named: String, why: String },
    /// The system gives no randomness.
    Random(getrandom::Error),
    /// The system does not deliver signals.
    Signals(io::Error),
    /// The node was removed from its cluster while it ran; the line says so.
    Removed(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Data(error) => error.fmt(f),
            StartError::Shard(why) => write!(f, "the shards cannot be opened: {why}"),
            StartError::Zone { zone, why } => write!(f, "zone {zone} cannot be created: {why}"),
            StartError::Namespace { prefix, why } => write!(f, "namespace {prefix:?} cannot be made: {why}"),
            StartError::Net(NetError::Listen { protocol, at, source }) => {
                unserved(f, protocol, &protocol.to_lowercase(), *at, source)
            }
            StartError::Admin { at, why } => unserved(f, "admin", "admin", *at, why),
            StartError::Peer { at, why } | StartError::Node(NodeError::Listen(at, why)) => {
                unserved(f, "peers", "peer", *at, why)
            }
            StartError::Folder { path, why } if why.kind() == io::ErrorKind::ResourceBusy => {
                let path = Place(path);
                write!(
                    f,
                    "data folder {path} is in use by another process: stop that one or name another with --data"
                )
            }
            StartError::Folder { path, why } => {
                let path = Place(path);
                write!(f, "data folder: {path}: {why}; make it writable or name another with --data")
            }
            StartError::Node(error) => error.fmt(f),
            StartError::JoinSecret { named, why } => write!(
                f,
                "{named}: {why}; name the join secret of a member with --join-secret (node/join-secret in its data folder)"
            ),
            StartError::Tls { named, why } => write!(f, "{named}: {why}"),
            StartError::Net(error) => error.fmt(f),
            StartError::Random(error) => write!(f, "the system gives no randomness: {error}"),
            StartError::Removed(line) => f.write_str(line),
            StartError::Signals(error) => write!(f, "the system does not deliver signals: {error}"),
        }
    }
}

/// A port that cannot be had. `key` is that of the configuration and the flag.
fn unserved(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    key: &str,
    at: SocketAddr,
    why: &io::Error,
) -> fmt::Result {
    write!(f, "cannot serve {what} at {at} (`listen.{key}`): ")?;
    match why.kind() {
        io::ErrorKind::AddrInUse => {
            write!(f, "the port is in use; stop who uses it, or choose another with --{key} or --ports")
        }
        io::ErrorKind::AddrNotAvailable => f.write_str("this machine has no such address"),
        io::ErrorKind::PermissionDenied => f.write_str("not permitted; choose a port from 1024 on"),
        _ => write!(f, "{why}"),
    }
}

impl std::error::Error for StartError {}

impl From<OldData> for StartError {
    fn from(error: OldData) -> Self {
        StartError::Data(error)
    }
}

impl From<NetError> for StartError {
    fn from(error: NetError) -> Self {
        StartError::Net(error)
    }
}

impl StartError {
    /// Why the node that has this data folder does not start.
    pub(super) fn of_node(error: NodeError, folder: &Path) -> Self {
        match error {
            NodeError::Folder(why) => StartError::Folder { path: folder.to_owned(), why },
            other => StartError::Node(other),
        }
    }
}
