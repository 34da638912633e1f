//! How messages get to another node, and who answers them there: two traits, so that a simulated network can stand in.

use futures_util::future::BoxFuture;
use openraft::async_runtime::AsyncRuntime;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::frame::FrameError;
use super::handshake::Denial;
use super::message::{Cast, Refusal, Request, Response};
use crate::types::{Member, NodeId};

/// A connection of its own for each, so that a long message never holds up a short one that matters more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
pub enum Lane {
    /// Votes, heartbeats, soft state.
    Vote,
    /// Entries.
    Append,
    /// Snapshots, forwarded commands, administration, published messages.
    Bulk,
}

/// What comes of a call.
pub type Called<R> = Result<Response<R>, CallError>;

/// Sends messages to other nodes.
pub trait Transport<R: AsyncRuntime>: Send + Sync + 'static {
    /// Asks node `to`, which is reached at `member`, and gives up after `within`.
    ///
    /// The request takes its place in its lane when this is called, not when the future is first polled: calls of one lane
    /// arrive in order unless the connection breaks. A refusal of the node itself is a [`Response::Refused`].
    ///
    /// # Errors
    /// The future's: see [`CallError`]. Only [`CallError::Unreachable`], [`CallError::Denied`], [`CallError::Busy`] and
    /// [`CallError::Frame`] say that the request was not carried out.
    fn call(
        &self,
        to: NodeId,
        member: &Member,
        lane: Lane,
        request: Request<R>,
        within: Duration,
    ) -> BoxFuture<'static, Called<R>>;

    /// Tells node `to` something, if that is possible right now. Never waits.
    fn cast(&self, to: NodeId, member: &Member, cast: Cast);
}

/// Answers messages from other nodes.
pub trait Service<R: AsyncRuntime>: Send + Sync + 'static {
    /// Answers a request of `from`; 0 is a node that waits to be added.
    ///
    /// Requests of one lane are first polled in the order in which they came, then run side by side. The future is dropped
    /// when the connection ends or the caller's deadline has passed: what must be finished belongs in a task of its own.
    fn call(self: Arc<Self>, from: NodeId, request: Request<R>) -> BoxFuture<'static, Response<R>>;

    /// Takes a cast of `from`. Must not block.
    fn cast(&self, from: NodeId, cast: Cast);
}

/// Why a call has no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallError {
    /// No connection to the node could be made lately.
    Unreachable(String),
    /// The node, or this one, refused the connection.
    Denied(Denial),
    /// The connection ended before the answer.
    Lost,
    /// No answer came in time.
    Timeout,
    /// Too much is on its way to the node already.
    Busy,
    /// The request does not fit a frame.
    Frame(FrameError),
    /// The node refused the request.
    Refused(Refusal),
    /// The node answered something else than was asked.
    Mismatch,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Unreachable(reason) => write!(f, "unreachable: {reason}"),
            CallError::Denied(denial) => write!(f, "connection refused: {denial}"),
            CallError::Lost => f.write_str("the connection ended before the answer"),
            CallError::Timeout => f.write_str("no answer in time"),
            CallError::Busy => f.write_str("too much is under way to this node"),
            CallError::Frame(error) => error.fmt(f),
            CallError::Refused(refusal) => write!(f, "refused: {refusal}"),
            CallError::Mismatch => f.write_str("an answer to something else"),
        }
    }
}

impl std::error::Error for CallError {}
