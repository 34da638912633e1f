//! The types that openraft is set up with, generic over the runtime `R`: tokio in the server, virtual time in the simulator.

use bytes::Bytes;
use openraft::async_runtime::AsyncRuntime;
use openraft::impls::leader_id_std;
use openraft::{EntryPayload, RaftTypeConfig};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::marker::PhantomData;

/// A node of the cluster, for ever: an id is never given to another node, also not to the same machine with an empty disk.
pub type NodeId = u64;

/// Where a node is reached. Addresses are `host:port` texts, resolved when a connection is made.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Member {
    /// Peers of the cluster.
    pub peer: String,
    /// RESP clients.
    pub resp: String,
    /// HTTP clients.
    pub http: String,
    /// The admin plane.
    pub admin: String,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.peer)
    }
}

/// What a log entry carries, beside openraft's own blanks and memberships.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Commands of the group's shard.
    Batch(Batch),
    /// A change of the cluster's metadata, in the first group's log only. Its content is [`crate::cluster`]'s.
    Cluster(Bytes),
}

/// Commands that an owner proposed together. Encoded once, when it is proposed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// The leader session (the term) it was proposed in: void in any other.
    pub session: u64,
    /// The proposer's number of it, unique within the session.
    pub proposal: u64,
    /// Log time that it should carry, ms.
    pub stamp: u64,
    /// Wall time that it should carry, ms.
    pub wall: u64,
    /// The commands, as [`crate::codec`] writes them.
    pub commands: Bytes,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Batch(batch) => write!(f, "batch {} of session {}", batch.proposal, batch.session),
            Command::Cluster(bytes) => write!(f, "cluster change of {} bytes", bytes.len()),
        }
    }
}

/// openraft's type configuration.
pub struct Types<R>(PhantomData<fn() -> R>);

impl<R: AsyncRuntime> RaftTypeConfig for Types<R> {
    type D = Command;
    type R = ();
    type NodeId = NodeId;
    type Node = Member;
    type Term = u64;
    // One leader a term, as in the Raft paper: a term names a leader session.
    type LeaderId = leader_id_std::LeaderId<u64, NodeId>;
    type Vote = openraft::impls::Vote<Self::LeaderId>;
    type Payload = EntryPayload<Command, NodeId, Member>;
    type Entry =
        openraft::impls::Entry<<Self::LeaderId as openraft::vote::RaftLeaderId>::Committed, Self::Payload>;
    type AsyncRuntime = R;
    type Responder<T>
        = openraft::impls::OneshotResponder<Self, T>
    where
        T: openraft::OptionalSend + 'static;
    type Batch<T>
        = Vec<T>
    where
        T: openraft::OptionalSend + 'static;
    type ErrorSource = openraft::AnyError;
}

// Written out, because a derive would ask the runtime for each of them.
impl<R> Clone for Types<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Types<R> {}

impl<R> Default for Types<R> {
    fn default() -> Self {
        Types(PhantomData)
    }
}

impl<R> fmt::Debug for Types<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Types")
    }
}

impl<R> PartialEq for Types<R> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<R> Eq for Types<R> {}

impl<R> PartialOrd for Types<R> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Types<R> {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}
