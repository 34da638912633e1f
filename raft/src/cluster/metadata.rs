//! What the first group's log says of the cluster: which ids were ever given, and which change is under way.
//!
//! Invariant: an id that was given is never given again, whatever became of the node.

use crate::types::{Member, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Format of what the cluster writes to its logs.
pub(super) const FORMAT: u32 = 4;

/// The cluster's replicated metadata.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Metadata {
    /// Format in use.
    pub format: u32,
    /// The lowest id that no node ever had, and above which none had.
    pub next_node: NodeId,
    /// Nodes that were added; the founder is not among them.
    pub added: BTreeMap<NodeId, Member>,
    /// The change under way.
    pub operation: Option<Operation>,
}

/// A change under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// Who began it names it so.
    pub nonce: u64,
    /// What it is, in words.
    pub text: String,
}

/// One change of the metadata.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// Begin an operation, unless one is under way.
    Begin(Operation),
    /// The operation is over.
    End,
    /// Give a node an id: this one, or the next, unless it was used. Whoever finds itself in the result got it.
    Add {
        /// The id to give.
        node: NodeId,
        /// Where the node is reached.
        member: Member,
    },
}

impl Default for Metadata {
    /// A cluster of its founder, node 1.
    fn default() -> Metadata {
        Metadata { format: FORMAT, next_node: 2, added: BTreeMap::new(), operation: None }
    }
}

impl Metadata {
    /// Applies a change.
    ///
    /// ```
    /// use sluice_raft::cluster::{Change, Metadata};
    /// let mut metadata = Metadata::default();
    /// metadata.apply(Change::Add { node: 5, member: Default::default() });
    /// assert_eq!(metadata.next_node, 6);
    /// metadata.apply(Change::Add { node: 3, member: Default::default() });
    /// assert!(!metadata.added.contains_key(&3), "ids below one that was given count as used");
    /// ```
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Begin(operation) => _ = self.operation.get_or_insert(operation),
            Change::End => self.operation = None,
            Change::Add { node, member } if node >= self.next_node => {
                self.next_node = node.saturating_add(1);
                self.added.insert(node, member);
            }
            // Used: whoever asked finds another member there, or none.
            Change::Add { .. } => {}
        }
    }
}
