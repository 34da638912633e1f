//! A node id is given once: to one node, at one address, for ever.

use sluice_raft::types::NodeId;
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Ids {
    given: BTreeMap<NodeId, String>,
}

impl Ids {
    /// The node at this address has this id.
    pub(crate) fn given(&mut self, node: NodeId, address: &str) {
        let first = self.given.entry(node).or_insert_with(|| address.to_owned());
        assert!(first == address, "ids: {node} was given to {first} and again to {address}");
    }
}
