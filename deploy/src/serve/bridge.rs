//! The node's cluster, as the sockets and the admin plane see it. The only place that knows both sides' words.

use std::sync::OnceLock;

use openraft_rt_tokio::TokioRuntime;
use sluice_net::cluster::{Addresses, Cluster, Decide, Group, Member, Operation, Part, Refused, Status};
use sluice_raft::node::Node;

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

    fn alone(&self, part: Part, id: u64) -> Member {
        Member {
            id,
            part,
            addresses: self.addresses.clone(),
            reachable: true,
            heard_ms: Some(0),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        }
    }
}

impl Cluster for Bridge {
    fn status(&self) -> Status {
        let Some(node) = self.node.get() else {
            let nodes = vec![self.alone(Part::Waiting, 0)];
            return Status { cluster: "0".repeat(32), nodes, ..Status::default() };
        };
        let identity = node.identity();
        Status {
            cluster: format!("{:032x}", identity.cluster),
            format: 1,
            node: identity.node,
            nodes: vec![self.alone(Part::Voter, identity.node)],
            groups: (0..identity.groups)
                .map(|id| Group { id, leader: Some(identity.node), ..Group::default() })
                .collect(),
            operation: None,
        }
    }

    fn administer(&self, _: Operation, decide: Decide) {
        decide.tell(Err(Refused::new("ERR", "this build cannot change its cluster")));
    }

    fn can_write(&self) -> bool {
        self.node.get().is_some_and(Node::can_write)
    }

    fn is_ready(&self) -> bool {
        self.node.get().is_some_and(Node::is_ready)
    }
}
