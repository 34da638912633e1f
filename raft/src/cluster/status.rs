//! What one node knows of its cluster, as plain figures.

use crate::types::{Member, NodeId};
use serde::{Deserialize, Serialize};

/// The cluster as one node sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ClusterStatus {
    /// The cluster.
    pub cluster: u128,
    /// Format of what it writes to its logs.
    pub format: u32,
    /// This node.
    pub node: NodeId,
    /// Nodes by id, then those that wait.
    pub nodes: Vec<NodeStatus>,
    /// Groups by number.
    pub groups: Vec<GroupStatus>,
    /// The change under way, in words.
    pub operation: Option<String>,
    /// Whether this node belongs to the cluster.
    pub belonging: Belonging,
    /// How the rotation of the secret stands.
    pub secret: SecretStatus,
}

/// How the rotation of the cluster's secret stands.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SecretStatus {
    /// Number of the newest; that of the founding is 1.
    pub number: u64,
    /// Nodes that are not known to hold it: until they are, peers may prove the one before it. Empty when no rotation is under way.
    pub waits_for: Vec<NodeId>,
}

/// Whether a node belongs to its cluster, as far as it knows itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Belonging {
    /// Its own logs name it, and nobody has told it otherwise.
    Member,
    /// It was given an id, and is not in every group yet.
    Joining,
    /// It was told that it was removed.
    Leaving,
    /// It was removed, which is written down.
    Left,
}

/// What a node is to the cluster.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Part {
    /// Votes, may lead, answers polls.
    Voter,
    /// Answers polls.
    Learner,
    /// Waits to be added.
    Waiting,
    /// Was given an id, and is in no group yet.
    Joining,
}

/// A node.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its id; 0 while it waits.
    pub id: NodeId,
    /// What it is.
    pub part: Part,
    /// Where it is reached.
    pub member: Member,
    /// Whether it was heard of lately.
    pub is_reachable: bool,
    /// Milliseconds since then, where that is known.
    pub heard_ms: Option<u64>,
    /// Its disk has no room for the log, by its own words.
    pub is_full: bool,
    /// It has less than it acknowledged: it neither votes nor leads.
    pub is_behind: bool,
}

/// A group, as one node sees it. Indexes are those of the shard, from 1.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its number.
    pub id: u16,
    /// Who leads it and can be reached, as far as is known.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// Last entry of this node's log.
    pub last_log: u64,
    /// Last entry known to be committed.
    pub committed: u64,
    /// Last entry that the owner here has taken.
    pub applied: u64,
    /// Last entry of the newest snapshot here.
    pub snapshot: Option<u64>,
    /// Bytes logged here since that.
    pub log_bytes: u64,
    /// How far each node's log is known to be the leader's; empty where this node does not lead.
    pub matched: Vec<(NodeId, Option<u64>)>,
    /// Old and new voters while a change of them is half-way; empty otherwise.
    pub joint: Vec<Vec<NodeId>>,
}
