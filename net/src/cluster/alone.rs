//! A cluster of one node without a log.

use super::{Addresses, Cluster, Decide, Group, Member, Operation, Part, Refused, Status};

/// One node that leads every group; nothing can be changed about it.
#[derive(Clone, Debug)]
pub struct Alone {
    groups: u16,
    addresses: Addresses,
}

/// The id of the only node.
const ME: u64 = 1;

impl Alone {
    /// A node with so many groups.
    #[must_use]
    pub fn new(groups: u16, addresses: Addresses) -> Alone {
        Alone { groups, addresses }
    }
}

impl Cluster for Alone {
    fn status(&self) -> Status {
        let group = |id| Group { id, leader: Some(ME), ..Group::default() };
        let member = Member {
            id: ME,
            part: Part::Voter,
            addresses: self.addresses.clone(),
            reachable: Some(true),
            heard_ms: Some(0),
            disk_full: false,
            behind: false,
        };
        Status {
            cluster: "0".repeat(32),
            node: ME,
            nodes: vec![member],
            groups: (0..self.groups).map(group).collect(),
            ..Status::default()
        }
    }

    fn administer(&self, _: Operation, decide: Decide) {
        decide.tell(Err(Refused::new("ERR", "this server is not replicated")));
    }

    fn can_write(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        true
    }
}
