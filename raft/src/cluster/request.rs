//! What operators ask of a cluster, and what they are told.

use crate::types::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One operation on the cluster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AdminRequest {
    /// Add and promote every node that waits.
    Init,
    /// Add a waiting node: it answers polls and has no vote.
    AddLearner {
        /// Its id; `None`: the next free one.
        node: Option<NodeId>,
        /// Where its peer port is, `host:port`.
        peer: String,
    },
    /// Give a learner a vote.
    Promote {
        /// The learner.
        node: NodeId,
    },
    /// Take a node out, for ever.
    Remove {
        /// The node.
        node: NodeId,
    },
    /// Hand leadership over.
    Transfer {
        /// Of this group; `None`: of all.
        group: Option<u16>,
        /// To this voter.
        node: NodeId,
    },
    /// Write a snapshot, on the node that is asked.
    Snapshot {
        /// Of this group; `None`: of all.
        group: Option<u16>,
    },
    /// Put a waiting node in the place of another one.
    Replace {
        /// The one that goes.
        node: NodeId,
        /// Where the waiting node's peer port is, `host:port`.
        peer: String,
    },
    /// Complete, or give up, a change that was interrupted.
    Finish,
    /// Replace the cluster's secret by another one.
    RotateSecret {
        /// Number of the new one: asked for twice it is done once. `None`: that of the rotation under way, else the next.
        number: Option<u64>,
    },
}

impl fmt::Display for AdminRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdminRequest::Init => f.write_str("add and promote all waiting nodes"),
            AdminRequest::AddLearner { peer, .. } => write!(f, "add the node at {peer}"),
            AdminRequest::Promote { node } => write!(f, "promote node {node}"),
            AdminRequest::Remove { node } => write!(f, "remove node {node}"),
            AdminRequest::Transfer { node, .. } => write!(f, "transfer leadership to node {node}"),
            AdminRequest::Snapshot { .. } => f.write_str("write snapshots"),
            AdminRequest::Replace { node, peer } => write!(f, "replace node {node} by the one at {peer}"),
            AdminRequest::Finish => f.write_str("finish an interrupted change"),
            AdminRequest::RotateSecret { number: None } => f.write_str("rotate the secret"),
            AdminRequest::RotateSecret { number: Some(number) } => {
                write!(f, "rotate the secret to number {number}")
            }
        }
    }
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AdminReply {
    /// One sentence for a person.
    pub message: String,
    /// The id that was given, where one was.
    pub node: Option<NodeId>,
}

/// Why an operation was not carried out, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum AdminCode {
    /// A group has no leader that can be reached. Try again.
    NoLeader,
    /// Another change is under way. Wait for it, or finish it.
    Busy,
    /// Too few voters would be left to decide anything.
    Quorum,
    /// The node has not caught up yet. Try again.
    NotCaughtUp,
    /// The id belonged to a node before, or is beyond those that nodes have.
    UsedId,
    /// No such node, or no such group.
    Unknown,
    /// No node waits at that address.
    NotWaiting,
    /// There is nothing to do.
    Already,
    /// A step failed half-way.
    Failed,
}

impl AdminCode {
    /// The stable code.
    ///
    /// ```
    /// assert_eq!(sluice_raft::cluster::AdminCode::Quorum.word(), "QUORUM");
    /// ```
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            AdminCode::NoLeader => "NOLEADER",
            AdminCode::Busy => "BUSY",
            AdminCode::Quorum => "QUORUM",
            AdminCode::NotCaughtUp => "BEHIND",
            AdminCode::UsedId => "USEDID",
            AdminCode::Unknown => "UNKNOWN",
            AdminCode::NotWaiting => "NOTWAITING",
            AdminCode::Already => "ALREADY",
            AdminCode::Failed => "FAILED",
        }
    }

    /// When the same may succeed, ms, where waiting helps.
    #[must_use]
    pub fn retry_ms(self) -> Option<u32> {
        match self {
            AdminCode::NoLeader | AdminCode::Busy | AdminCode::NotCaughtUp => Some(1_000),
            _ => None,
        }
    }
}

/// Why an operation was not carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AdminError {
    /// For programs.
    pub code: AdminCode,
    /// One sentence for a person, with what to do.
    pub message: String,
}

impl AdminError {
    pub(crate) fn new(code: AdminCode, message: impl Into<String>) -> AdminError {
        AdminError { code, message: message.into() }
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code.word(), self.message)
    }
}

impl std::error::Error for AdminError {}

/// The outcome of an operation.
pub type Administered = Result<AdminReply, AdminError>;
