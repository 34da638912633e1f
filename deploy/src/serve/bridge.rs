//! The node's cluster, as the sockets and the admin plane see it. The only place that knows both sides' words.

use std::sync::OnceLock;

use openraft_rt_tokio::TokioRuntime;
use sluice_net::cluster::{
    Addresses, Clocks, Cluster, Decide, Decision, Done, Group, Log, Member, Operation, Part, Progress,
    Refused, Secret, Standing, Status,
};
use sluice_raft::cluster::{
    AdminRequest, Administered, Belonging, ClusterStatus, GroupStatus, NodeStatus, Part as NodePart,
};
use sluice_raft::node::Node;

const _: () = assert!(
    sluice_net::limit::BATCH_BYTES_MAX <= sluice_raft::peer::limit::CAST_BYTES_MAX,
    "what the sockets hand on at once fits one message between nodes"
);

/// A node, from before it runs: while it waits to be added it is alone.
pub(super) struct Bridge {
    addresses: Addresses,
    node: OnceLock<Node<TokioRuntime>>,
}

impl Bridge {
    /// A node that is reached there and does not run yet.
    pub(super) fn new(addresses: Addresses) -> Bridge {
        Bridge { addresses, node: OnceLock::new() }
    }

    /// The node runs.
    pub(super) fn set(&self, node: Node<TokioRuntime>) {
        // Set once, when the node has started; a second one would be the same node.
        let _ = self.node.set(node);
    }

    /// As it sees itself before it belongs to a cluster.
    fn waiting(&self) -> Status {
        let me = Member {
            id: 0,
            part: Part::Waiting,
            addresses: self.addresses.clone(),
            reachable: Some(true),
            heard_ms: Some(0),
            disk_full: false,
            behind: false,
        };
        Status { cluster: "0".repeat(32), nodes: vec![me], standing: Standing::Joining, ..Status::default() }
    }
}

impl Cluster for Bridge {
    fn status(&self) -> Status {
        let Some(node) = self.node.get() else { return self.waiting() };
        let (syncs, written_bytes) = node.log_figures();
        let refused_messages = node.refused_messages();
        Status {
            log: Log { syncs, written_bytes, is_full: node.is_full() },
            clocks: Clocks { ahead_ms: node.clock_ahead_ms(), off: node.nodes_off() },
            refused_messages,
            ..told(node.status())
        }
    }

    fn administer(&self, operation: Operation, decide: Decide) {
        match self.node.get() {
            None => decide.tell(Err(Refused::new(
                "WAITING",
                "this node waits to be added: ask a node that belongs to the cluster",
            ))),
            Some(node) => {
                node.administer(asked(operation), Box::new(move |outcome| decide.tell(decision(outcome))))
            }
        }
    }

    fn can_write(&self) -> bool {
        self.node.get().is_some_and(Node::can_write)
    }

    fn is_ready(&self) -> bool {
        self.node.get().is_some_and(Node::is_ready)
    }

    fn standing(&self) -> Standing {
        self.node.get().map_or(Standing::Joining, |node| standing(node.belonging()))
    }

    fn has_others(&self) -> bool {
        self.node.get().is_some_and(Node::has_others)
    }

    fn publish(&self, messages: Vec<u8>) -> bool {
        self.node.get().is_some_and(|node| node.publish(messages))
    }
}

fn asked(operation: Operation) -> AdminRequest {
    match operation {
        Operation::Init => AdminRequest::Init,
        Operation::AddLearner { node, peer } => AdminRequest::AddLearner { node, peer },
        Operation::Promote { node } => AdminRequest::Promote { node },
        Operation::Remove { node } => AdminRequest::Remove { node },
        Operation::Transfer { group, node } => AdminRequest::Transfer { group, node },
        Operation::Snapshot { group } => AdminRequest::Snapshot { group },
        Operation::Replace { node, peer } => AdminRequest::Replace { node, peer },
        Operation::Finish => AdminRequest::Finish,
        Operation::RotateSecret { number } => AdminRequest::RotateSecret { number },
    }
}

fn decision(outcome: Administered) -> Decision {
    match outcome {
        Ok(reply) => Ok(Done { message: reply.message, node: reply.node }),
        Err(error) => Err(Refused {
            code: error.code.word().to_owned(),
            message: error.message,
            retry_ms: error.code.retry_ms(),
        }),
    }
}

fn told(status: ClusterStatus) -> Status {
    // Nodes that lead nothing hear of leaders only: that they never heard of the others says nothing about them.
    let leads = status.groups.iter().any(|group| group.leader == Some(status.node));
    let member = |node: NodeStatus| {
        let is_unknown = node.heard_ms.is_none() && (!leads || node.part == NodePart::Joining);
        Member { reachable: (!is_unknown).then_some(node.is_reachable), ..member(node) }
    };
    Status {
        cluster: format!("{:032x}", status.cluster),
        format: status.format,
        node: status.node,
        nodes: status.nodes.into_iter().map(member).collect(),
        groups: status.groups.into_iter().map(group).collect(),
        secret: Secret { number: status.secret.number, waits_for: status.secret.waits_for },
        operation: status.operation,
        log: Log::default(),
        refused_messages: 0,
        clocks: Clocks::default(),
        standing: standing(status.belonging),
    }
}

fn standing(belonging: Belonging) -> Standing {
    match belonging {
        Belonging::Member => Standing::Member,
        Belonging::Joining => Standing::Joining,
        Belonging::Leaving | Belonging::Left => Standing::Removed,
    }
}

fn member(node: NodeStatus) -> Member {
    let at = node.member;
    Member {
        id: node.id,
        part: match node.part {
            NodePart::Voter => Part::Voter,
            NodePart::Learner => Part::Learner,
            NodePart::Waiting => Part::Waiting,
            NodePart::Joining => Part::Joining,
        },
        addresses: Addresses { resp: at.resp, http: at.http, admin: at.admin, peer: at.peer },
        reachable: Some(node.is_reachable),
        heard_ms: node.heard_ms,
        disk_full: node.is_full,
        behind: node.is_behind,
    }
}

fn group(group: GroupStatus) -> Group {
    let progress = |(node, matched)| Progress { node, matched };
    Group {
        id: group.id,
        leader: group.leader,
        term: group.term,
        last_log: group.last_log,
        committed: group.committed,
        applied: group.applied,
        snapshot: group.snapshot,
        log_bytes: group.log_bytes,
        progress: group.matched.into_iter().map(progress).collect(),
        joint: group.joint,
    }
}
