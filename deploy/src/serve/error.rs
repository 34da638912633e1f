//! Why the server did not start, or did not end cleanly: always one line that says which and what to do.

use std::fmt;
use std::io;

use sluice_engine::error::Refusal;
use sluice_engine::snapshot::SnapshotError;
use sluice_net::server::StartError as NetError;

use super::data::DataError;

/// What stopped the server.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The data folder.
    Data(DataError),
    /// The folder's state is whole, but a shard in it is not what this build reads.
    Shard(SnapshotError),
    /// A zone of the configuration that the engine will not have.
    Zone { zone: String, why: Refusal },
    /// A port, or a thread.
    Net(NetError),
    /// The system gives no randomness.
    Random(getrandom::Error),
    /// The system does not deliver signals.
    Signals(io::Error),
    /// A worker ended by itself, so the state cannot be saved.
    Lost { groups: usize, owners: usize },
    /// The last snapshot could not be taken.
    Snapshot(SnapshotError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Data(error) => error.fmt(f),
            StartError::Shard(why) => {
                write!(f, "the state in the data folder cannot be loaded: {why}; ")?;
                match why {
                    SnapshotError::Version(_) => f.write_str("start the newer build"),
                    _ => f.write_str("restore the data folder from a copy, or name an empty one with --data"),
                }
            }
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
            StartError::Lost { groups, owners } => {
                write!(
                    f,
                    "the state could not be saved: of {groups} shards {owners} are left; this is a defect"
                )
            }
            StartError::Snapshot(error) => write!(f, "the state could not be saved: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl From<DataError> for StartError {
    fn from(error: DataError) -> Self {
        StartError::Data(error)
    }
}

impl From<NetError> for StartError {
    fn from(error: NetError) -> Self {
        StartError::Net(error)
    }
}
