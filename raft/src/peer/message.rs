//! What nodes say to each other.

use bytes::Bytes;
use openraft::alias::{LogIdOf, SnapshotMetaOf, VoteOf};
use openraft::async_runtime::AsyncRuntime;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderResponse, VoteRequest,
    VoteResponse,
};
use serde::{Deserialize, Deserializer, Serialize};
use sluice_engine::id::GroupId;
use std::fmt;

use super::limit::{APPEND_ENTRIES_MAX, BODY_BYTES_MAX, SMALL_BYTES_MAX};
use super::transport::Lane;
use crate::codec::AtMost;
use crate::limit::SNAPSHOT_META_BYTES_MAX;
use crate::log::Entry;
use crate::secret::{ClusterSecret, MemberSecrets};
use crate::types::{Member, NodeId, Types};

/// Asks for a [`Response`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Request<R: AsyncRuntime> {
    /// A candidate asks for a vote.
    Vote {
        /// The group in which it stands.
        group: GroupId,
        /// openraft's request.
        vote: VoteRequest<Types<R>>,
    },
    /// A node asks whether it would win, before it disturbs anybody.
    PreVote {
        /// The group in which it would stand.
        group: GroupId,
        /// openraft's request.
        vote: VoteRequest<Types<R>>,
    },
    /// The leader sends entries, or a heartbeat without any.
    Append {
        /// The group they belong to.
        group: GroupId,
        /// openraft's request.
        #[serde(deserialize_with = "read_append")]
        append: AppendEntriesRequest<Types<R>>,
    },
    /// The leader is about to send a snapshot; a transfer of the same group under way is given up for it.
    SnapshotBegin {
        /// The group whose state it is.
        group: GroupId,
        /// The leader's vote.
        vote: VoteOf<Types<R>>,
        /// What the snapshot covers.
        meta: SnapshotMetaOf<Types<R>>,
        /// Bytes that will follow, about: what it takes on the leader's disk.
        bytes: u64,
    },
    /// A chunk of a snapshot, as it was written by who made the snapshot.
    SnapshotChunk {
        /// The group whose state it is.
        group: GroupId,
        /// The transfer, as the receiver numbered it.
        transfer: u64,
        /// Bytes of the chunks before it.
        offset: u64,
        /// The bytes.
        bytes: Bytes,
    },
    /// All chunks were sent: install them.
    SnapshotFinish {
        /// The group whose state it is.
        group: GroupId,
        /// The transfer, as the receiver numbered it.
        transfer: u64,
        /// Bytes of all chunks together.
        bytes: u64,
    },
    /// The leader hands its place on.
    TransferLeader {
        /// The group it leads.
        group: GroupId,
        /// The leader's vote.
        from_leader: VoteOf<Types<R>>,
        /// Who shall lead.
        to: NodeId,
        /// What the new leader must have.
        last_log_id: Option<LogIdOf<Types<R>>>,
    },
    /// A client's commands, on their one hop to the leader.
    Forward {
        /// The group they are for.
        group: GroupId,
        /// The commands, opaque here.
        bytes: Bytes,
    },
    /// An operator's request, on its way to the node that can answer it; opaque here.
    Admin(Bytes),
    /// To a waiting node: it belongs to a cluster now.
    Adopt(Adoption),
    /// From a node without a cluster: it waits to be added.
    Waiting {
        /// Where it is reached.
        member: Member,
        /// Tells two waiting nodes at one address, one after the other, apart.
        nonce: u64,
    },
    /// A node says how it is, and asks how the other one is; opaque here.
    Tell(Bytes),
}

impl<R: AsyncRuntime> Request<R> {
    /// The group that it is about.
    pub fn group(&self) -> Option<GroupId> {
        match self {
            Request::Vote { group, .. }
            | Request::PreVote { group, .. }
            | Request::Append { group, .. }
            | Request::SnapshotBegin { group, .. }
            | Request::SnapshotChunk { group, .. }
            | Request::SnapshotFinish { group, .. }
            | Request::TransferLeader { group, .. }
            | Request::Forward { group, .. } => Some(*group),
            Request::Admin(_) | Request::Adopt(_) | Request::Waiting { .. } | Request::Tell(_) => None,
        }
    }
}

/// Bytes of a request's frame, by the number of its kind as it is sent. What is a byte on the way may be a hundred in memory, so only
/// what carries entries, commands or chunks may be large.
pub(super) fn request_bytes_max(kind: u32) -> usize {
    const APPEND: u32 = 2;
    const SNAPSHOT_BEGIN: u32 = 3;
    const SNAPSHOT_CHUNK: u32 = 4;
    const FORWARD: u32 = 7;
    match kind {
        APPEND | SNAPSHOT_CHUNK | FORWARD => BODY_BYTES_MAX,
        SNAPSHOT_BEGIN => SNAPSHOT_META_BYTES_MAX,
        _ => SMALL_BYTES_MAX,
    }
}

/// openraft's request as it is sent, with no more entries than a leader puts into one.
#[derive(Deserialize)]
#[serde(bound = "")]
struct Append<R: AsyncRuntime> {
    vote: VoteOf<Types<R>>,
    prev_log_id: Option<LogIdOf<Types<R>>>,
    entries: AtMost<Entry, APPEND_ENTRIES_MAX>,
    leader_commit: Option<LogIdOf<Types<R>>>,
}

fn read_append<'de, D, R>(from: D) -> Result<AppendEntriesRequest<Types<R>>, D::Error>
where
    D: Deserializer<'de>,
    R: AsyncRuntime,
{
    let Append::<R> { vote, prev_log_id, entries, leader_commit } = Append::deserialize(from)?;
    Ok(AppendEntriesRequest { vote, prev_log_id, entries: entries.0, leader_commit })
}

/// What a waiting node becomes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Adoption {
    /// The cluster.
    pub cluster: u128,
    /// The id it was given, for ever.
    pub node: NodeId,
    /// Groups of the cluster.
    pub groups: u16,
    /// The `nonce` of its own [`Request::Waiting`]: another process at the same address must refuse.
    pub nonce: u64,
    /// The secret of the founding: only a channel in which both sides have proven the join secret carries it.
    pub secret: ClusterSecret,
    /// The secrets that make somebody a member now.
    pub members: MemberSecrets,
    /// Log time at which empty shards begin, ms.
    pub epoch: u64,
    /// Nodes that it can turn to, at most [`CONTACTS_MAX`](crate::node::limit::CONTACTS_MAX).
    pub contacts: Vec<Contact>,
}

/// Where a node of the cluster is reached by others.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Contact {
    /// The node.
    pub node: NodeId,
    /// Its peer address.
    pub peer: String,
}

/// Answers a [`Request`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Response<R: AsyncRuntime> {
    /// To [`Request::Vote`] and [`Request::PreVote`].
    Vote(VoteResponse<Types<R>>),
    /// To [`Request::Append`].
    Append(AppendEntriesResponse<Types<R>>),
    /// To [`Request::SnapshotBegin`] and [`Request::SnapshotChunk`]: send on.
    SnapshotWants {
        /// The receiver's number of the transfer.
        transfer: u64,
        /// Bytes of the chunks that it has.
        offset: u64,
    },
    /// To [`Request::SnapshotFinish`], or earlier where a newer leader is known.
    SnapshotDone(SnapshotResponse<Types<R>>),
    /// To [`Request::TransferLeader`].
    TransferLeader(TransferLeaderResponse<Types<R>>),
    /// To [`Request::Forward`].
    Forward(Bytes),
    /// To [`Request::Admin`].
    Admin(Bytes),
    /// To [`Request::Adopt`]: the node has written it down.
    Adopted,
    /// To [`Request::Waiting`]: it is on the list.
    Noted,
    /// The request was not carried out.
    Refused(Refusal),
    /// To [`Request::Tell`].
    Told(Bytes),
}

/// Why a request was not carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Refusal {
    /// The group does not run on this node, or not yet.
    NoGroup,
    /// The group has stopped for good on this node.
    Stopped,
    /// Too much is under way.
    Busy {
        /// When to try again, ms.
        retry_ms: u32,
    },
    /// The deadline passed first. Whether it was carried out is unknown.
    Expired,
    /// No such transfer of a snapshot, or not any more.
    NoTransfer,
    /// Not for this caller: a node without a cluster may only announce itself, and may only be adopted.
    NotAllowed,
    /// The answer does not fit a frame.
    TooLarge,
    /// Something else, for a person to read.
    Other(String),
    /// The caller is no member of the group, or of the cluster any more.
    NotMember,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoGroup => f.write_str("the group does not run there"),
            Refusal::Stopped => f.write_str("the group has stopped there"),
            Refusal::Busy { retry_ms } => write!(f, "busy, try again in {retry_ms} ms"),
            Refusal::Expired => f.write_str("the deadline passed there"),
            Refusal::NoTransfer => f.write_str("no such snapshot transfer there"),
            Refusal::NotAllowed => f.write_str("not allowed to this caller"),
            Refusal::TooLarge => f.write_str("the answer is too large"),
            Refusal::Other(reason) => f.write_str(reason),
            Refusal::NotMember => f.write_str("not a member of the group, or removed from the cluster"),
        }
    }
}

/// Soft state: may be lost, may come late, is never answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Cast {
    /// To the leader: the tokens seen.
    Presence {
        /// The group of their zones.
        group: GroupId,
        /// Opaque here, at most [`super::limit::CAST_BYTES_MAX`].
        bytes: Bytes,
    },
    /// From the leader: frontiers and permits.
    Pulse {
        /// The group of their zones.
        group: GroupId,
        /// Opaque here, at most [`super::limit::CAST_BYTES_MAX`].
        bytes: Bytes,
    },
    /// Messages that clients of the sender published, for the clients of the receiver.
    Publish {
        /// Opaque here, at most [`super::limit::CAST_BYTES_MAX`].
        bytes: Bytes,
    },
}

impl Cast {
    /// The connection that it takes: what clients publish must not hold up votes.
    pub fn lane(&self) -> Lane {
        match self {
            Cast::Presence { .. } | Cast::Pulse { .. } => Lane::Vote,
            Cast::Publish { .. } => Lane::Bulk,
        }
    }

    /// Bytes of its content.
    pub fn bytes(&self) -> usize {
        match self {
            Cast::Presence { bytes, .. } | Cast::Pulse { bytes, .. } | Cast::Publish { bytes } => bytes.len(),
        }
    }
}
