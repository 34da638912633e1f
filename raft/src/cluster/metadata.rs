//! What the first group's log says of the cluster: which ids were ever given, who shall belong to it, and which change is under way.
//!
//! It is what operators decided; the members of every group are brought to it, by whoever carries the change out or, where that one
//! was lost, by the leader of the first group. So each step of a change can be done again.
//!
//! Invariants: an id that was given is never given again, whatever became of the node; a node that left never comes back.

use super::rotation::{Rotation, Stage};
use crate::secret::ClusterSecret;
use crate::types::{Member, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Format of what the cluster writes to its logs.
pub(super) const FORMAT: u32 = 4;
/// The node that founds a cluster.
pub(crate) const FOUNDER: NodeId = 1;
/// Ids given to nodes that never came: beyond this many the oldest is taken back.
pub(super) const GIVEN_MAX: usize = 64;

/// The cluster's replicated metadata.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Metadata {
    /// Format in use.
    pub format: u32,
    /// The lowest id that no node ever had, and above which none had.
    pub next_node: NodeId,
    /// Nodes that belong to the cluster, or were given an id in it.
    pub nodes: BTreeMap<NodeId, Enrolled>,
    /// The change under way.
    pub operation: Option<Operation>,
    /// The last rotation of the secret; `None`: it is that of the founding.
    pub rotation: Option<Rotation>,
}

/// A node that belongs to the cluster, or is about to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Enrolled {
    /// Where it is reached; of the founder nothing is known here.
    pub member: Member,
    /// How far it has come.
    pub part: Enrolment,
    /// Whether it shall vote.
    pub votes: bool,
}

/// How far a node has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Enrolment {
    /// An id was set aside for the process that announced itself with this nonce. Whether it knows is not known.
    Given(u64),
    /// It has taken the id: it belongs to every group.
    Entered,
}

/// A change under way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Operation {
    /// Who began it names it so.
    pub nonce: u64,
    /// What it is, in words.
    pub text: String,
}

impl Operation {
    /// Whether it takes that node out of the cluster.
    pub(crate) fn removes(&self, node: NodeId) -> bool {
        self.text == format!("remove node {node}")
            || self.text.starts_with(&format!("replace node {node} by "))
    }
}

/// One change of the metadata. Each may be applied twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// Begin an operation, unless another one is under way. The same one, asked for again, is taken over.
    Begin(Operation),
    /// The operation of this nonce is over; `None`: whichever is under way.
    End(Option<u64>),
    /// Give a node an id: this one, or the next, unless it was used. Whoever finds itself in the result got it.
    Add {
        /// The id to give.
        node: NodeId,
        /// Where the node is reached.
        member: Member,
        /// What it announced itself with.
        nonce: u64,
        /// Whether it shall vote.
        votes: bool,
    },
    /// A node has taken the id that it was given, and is reached there.
    Enter {
        /// Its id.
        node: NodeId,
        /// Where it is reached.
        member: Member,
    },
    /// A node shall vote.
    Vote(NodeId),
    /// A node leaves for good.
    Leave(NodeId),
    /// The cluster has another secret, unless a rotation is under way.
    Rotate {
        /// Its number: the next one.
        number: u64,
        /// The secret.
        secret: ClusterSecret,
    },
    /// A rotation has come so far.
    Rotated {
        /// Number of its secret.
        number: u64,
        /// How far.
        stage: Stage,
    },
}

impl Default for Metadata {
    /// A cluster of its founder, node 1.
    fn default() -> Metadata {
        let founder = Enrolled { member: Member::default(), part: Enrolment::Entered, votes: true };
        let nodes = BTreeMap::from([(FOUNDER, founder)]);
        Metadata { format: FORMAT, next_node: FOUNDER + 1, nodes, operation: None, rotation: None }
    }
}

impl Metadata {
    /// Applies a change.
    ///
    /// ```
    /// use sluice_raft::cluster::{Change, Metadata};
    /// let mut metadata = Metadata::default();
    /// metadata.apply(Change::Add { node: 5, member: Default::default(), nonce: 9, votes: false });
    /// assert_eq!(metadata.next_node, 6);
    /// metadata.apply(Change::Add { node: 3, member: Default::default(), nonce: 9, votes: false });
    /// assert!(!metadata.nodes.contains_key(&3), "ids below one that was given count as used");
    /// metadata.apply(Change::Leave(5));
    /// assert!(metadata.has_left(5));
    /// ```
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Begin(operation) => match &mut self.operation {
                Some(under_way) if under_way.text != operation.text => {}
                free => *free = Some(operation),
            },
            Change::End(nonce) => {
                let is_meant = |operation: &Operation| nonce.is_none_or(|nonce| operation.nonce == nonce);
                self.operation = self.operation.take().filter(|operation| !is_meant(operation));
            }
            Change::Add { node, member, nonce, votes } if node >= self.next_node => {
                self.next_node = node.saturating_add(1);
                self.nodes.insert(node, Enrolled { member, part: Enrolment::Given(nonce), votes });
                self.take_back();
            }
            // Used: whoever asked finds another node there, or none.
            Change::Add { .. } => {}
            Change::Enter { node, member } => {
                if let Some(given) = self.nodes.get_mut(&node)
                    && given.part != Enrolment::Entered
                {
                    let peer = member.peer.clone();
                    *given = Enrolled { member, part: Enrolment::Entered, votes: given.votes };
                    // Ids of processes that are there no more: they waited at this address and took none.
                    self.nodes
                        .retain(|_, other| other.part == Enrolment::Entered || other.member.peer != peer);
                }
            }
            Change::Vote(node) => {
                if let Some(enrolled) = self.nodes.get_mut(&node) {
                    enrolled.votes = true;
                }
            }
            Change::Leave(node) => drop(self.nodes.remove(&node)),
            Change::Rotate { number, secret } => self.rotate(number, secret),
            Change::Rotated { number, stage } => self.advance(number, stage),
        }
    }

    /// Whether the id was given, or counts as used, and its node does not belong to the cluster (any more). That stays so for ever.
    #[must_use]
    pub fn has_left(&self, node: NodeId) -> bool {
        node < self.next_node && !self.nodes.contains_key(&node)
    }

    /// Whether the node belongs to the cluster.
    #[must_use]
    pub fn has_entered(&self, node: NodeId) -> bool {
        self.nodes.get(&node).is_some_and(|enrolled| enrolled.part == Enrolment::Entered)
    }

    /// Nodes that belong to the cluster.
    pub fn entered(&self) -> impl Iterator<Item = (NodeId, &Enrolled)> {
        let entered = self.nodes.iter().filter(|(_, enrolled)| enrolled.part == Enrolment::Entered);
        entered.map(|(node, enrolled)| (*node, enrolled))
    }

    /// The newest node whose peer address this is.
    #[must_use]
    pub fn at(&self, peer: &str) -> Option<(NodeId, &Enrolled)> {
        let mut nodes = self.nodes.iter().rev();
        nodes.find(|(_, enrolled)| enrolled.member.peer == peer).map(|(node, enrolled)| (*node, enrolled))
    }

    fn take_back(&mut self) {
        let given = |(_, enrolled): &(&NodeId, &Enrolled)| enrolled.part != Enrolment::Entered;
        if self.nodes.iter().filter(given).count() > GIVEN_MAX
            && let Some(oldest) = self.nodes.iter().find(given).map(|(node, _)| *node)
        {
            self.nodes.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, ClusterSecret, Enrolment, GIVEN_MAX, Metadata, Operation, Stage};
    use crate::types::{Member, NodeId};

    fn given(node: NodeId) -> Change {
        Change::Add { node, member: Member::default(), nonce: node * 10, votes: false }
    }

    #[test]
    fn an_id_whose_process_was_killed_goes_when_the_next_one_there_has_entered() {
        let at = |peer: &str| Member { peer: peer.to_owned(), ..Member::default() };
        let add = |node, nonce, peer| Change::Add { node, member: at(peer), nonce, votes: false };
        let mut metadata = Metadata::default();
        for change in [add(2, 20, "b:1"), add(3, 30, "c:1"), add(4, 40, "b:1")] {
            metadata.apply(change);
        }
        metadata.apply(Change::Enter { node: 4, member: at("b:1") });
        assert!(metadata.has_left(2) && metadata.has_entered(4));
        assert!(metadata.nodes.contains_key(&3), "that one waits elsewhere");
    }

    #[test]
    fn a_node_that_left_never_comes_back() {
        let mut metadata = Metadata::default();
        metadata.apply(given(2));
        metadata.apply(Change::Leave(2));
        let left = metadata.clone();
        for late in [Change::Enter { node: 2, member: Member::default() }, Change::Vote(2), given(2)] {
            metadata.apply(late);
            assert_eq!(metadata, left);
        }
        assert!(metadata.has_left(2) && !metadata.has_left(3) && !metadata.has_left(1));
    }

    #[test]
    fn every_change_may_be_applied_twice() {
        let operation = |nonce| Operation { nonce, text: "add the node at a:1".to_owned() };
        let mut metadata = Metadata::default();
        for change in [
            Change::Begin(operation(7)),
            given(4),
            Change::Enter { node: 4, member: Member::default() },
            Change::Vote(4),
            Change::Leave(4),
            Change::Rotate { number: 2, secret: ClusterSecret::new([2; 16]) },
            Change::Rotated { number: 2, stage: Stage::Over },
            Change::End(Some(7)),
        ] {
            metadata.apply(change.clone());
            let once = metadata.clone();
            metadata.apply(change);
            assert_eq!(metadata, once);
        }
    }

    #[test]
    fn an_operation_says_whom_it_removes() {
        use crate::cluster::AdminRequest;
        let of = |request: AdminRequest| Operation { nonce: 1, text: request.to_string() };
        let replaces = of(AdminRequest::Replace { node: 12, peer: "a:1".to_owned() });
        for operation in [of(AdminRequest::Remove { node: 12 }), replaces] {
            assert!(
                operation.removes(12) && !operation.removes(1) && !operation.removes(123),
                "{operation:?}"
            );
        }
        assert!(!of(AdminRequest::Promote { node: 12 }).removes(12));
    }

    #[test]
    fn whoever_takes_an_operation_over_ends_it() {
        let mut metadata = Metadata::default();
        let operation = |nonce, text: &str| Operation { nonce, text: text.to_owned() };
        metadata.apply(Change::Begin(operation(1, "promote node 2")));
        metadata.apply(Change::Begin(operation(2, "remove node 2")));
        assert_eq!(metadata.operation, Some(operation(1, "promote node 2")), "one at a time");
        metadata.apply(Change::Begin(operation(3, "promote node 2")));
        metadata.apply(Change::End(Some(1)));
        assert_eq!(metadata.operation, Some(operation(3, "promote node 2")), "it was taken over");
        metadata.apply(Change::End(Some(3)));
        assert_eq!(metadata.operation, None);
    }

    #[test]
    fn ids_of_nodes_that_never_came_are_bounded() {
        let mut metadata = Metadata::default();
        (2..).take(3 * GIVEN_MAX).for_each(|node| metadata.apply(given(node)));
        assert_eq!(metadata.nodes.len(), GIVEN_MAX + 1, "and the founder");
        assert!(metadata.has_left(2) && metadata.has_entered(1));
        let newest = metadata.nodes.last_key_value().map(|(_, newest)| newest.part);
        assert_eq!(newest, Some(Enrolment::Given((3 * GIVEN_MAX as u64 + 1) * 10)));
    }
}
