//! Why a run could not be made, and whose fault that is.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use sluice_client::ClientError;

use crate::load::FramingError;

/// What a fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, BenchError>;

/// Everything that ends a run.
#[derive(Debug)]
pub enum BenchError {
    /// Caller: an argument, or a combination of them, that makes no sense.
    Argument(String),
    /// Host: programs that the chosen rows need are not installed; one line each.
    Missing(Vec<String>),
    /// Host: the operating system refused something.
    Io {
        /// What was attempted, as "reading the token file x".
        doing: String,
        /// The system's reason.
        source: io::Error,
    },
    /// Server: nobody accepts connections there.
    Connect {
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// Server: it closed a connection that had requests in flight.
    Closed {
        /// Which server.
        address: SocketAddr,
        /// Replies that this connection had received.
        answered: u64,
    },
    /// Server: its bytes are not replies of the expected protocol.
    Framing(FramingError),
    /// Server: it answered with an error where none may be, or not as its contract says.
    Server(String),
    /// Server: a call that prepares a run failed.
    Client(ClientError),
    /// Server: a peer process could not be started or ended early.
    Peer {
        /// Which program.
        name: String,
        /// Its last words.
        reason: String,
    },
}

impl BenchError {
    /// Wraps an operating-system error with what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(text) | Self::Server(text) => out.write_str(text),
            Self::Missing(programs) => {
                write!(out, "not installed: {}", programs.join("; "))?;
                out.write_str(". Install them, or choose rows that do without, with --only")
            }
            Self::Io { doing, source } => write!(out, "{doing}: {source}"),
            Self::Connect { address, source } => write!(out, "cannot connect to {address}: {source}"),
            Self::Closed { address, answered } => {
                write!(out, "{address} closed a connection after {answered} replies, with requests in flight")
            }
            Self::Client(error) => write!(out, "preparing a run: {error}"),
            Self::Framing(error) => write!(out, "the server's bytes are not a reply: {error}"),
            Self::Peer { name, reason } => write!(out, "{name}: {reason}"),
        }
    }
}

impl std::error::Error for BenchError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::Connect { source, .. } => Some(source),
            Self::Framing(error) => Some(error),
            Self::Client(error) => Some(error),
            _ => None,
        }
    }
}

impl From<FramingError> for BenchError {
    fn from(error: FramingError) -> Self {
        Self::Framing(error)
    }
}

impl From<ClientError> for BenchError {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}
