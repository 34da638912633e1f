//! Why the server did not start, or did not end cleanly: always one line that says which and what to do.

use std::fmt;
use std::io;

use sluice_engine::error::Refusal;
use sluice_engine::snapshot::SnapshotError;
use sluice_net::server::StartError as NetError;
use sluice_raft::node::StartError as NodeError;

use super::data::OldData;

/// What stopped the server.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The data folder.
    Data(OldData),
    /// The node: who it is, its log, its threads.
    Node(NodeError),
    /// The shards cannot be opened.
    Shard(SnapshotError),
    /// A zone of the configuration that the engine will not have.
    Zone { zone: String, why: Refusal },
    /// A port, or a thread.
    Net(NetError),
    /// The system gives no randomness.
    Random(getrandom::Error),
    /// The system does not deliver signals.
    Signals(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Data(error) => error.fmt(f),
            StartError::Node(error) => error.fmt(f),
            StartError::Shard(why) => write!(f, "the shards cannot be opened: {why}"),
            StartError::Zone { zone, why } => write!(f, "zone {zone} cannot be created: {why}"),
            StartError::Net(NetError::Listen { protocol, at, source }) => {
                let key = protocol.to_lowercase();
                write!(f, "cannot serve {protocol} at {at} (`listen.{key}`): ")?;
                match source.kind() {
                    io::ErrorKind::AddrInUse => {
                        write!(
                            f,
                            "the port is in use; stop who uses it, or choose another with --{key} or --ports"
                        )
                    }
                    io::ErrorKind::AddrNotAvailable => f.write_str("this machine has no such address"),
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("not permitted; choose a port from 1024 on")
                    }
                    _ => source.fmt(f),
                }
            }
            StartError::Net(error) => error.fmt(f),
            StartError::Random(error) => write!(f, "the system gives no randomness: {error}"),
            StartError::Signals(error) => write!(f, "the system does not deliver signals: {error}"),
        }
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

impl From<NodeError> for StartError {
    fn from(error: NodeError) -> Self {
        StartError::Node(error)
    }
}
