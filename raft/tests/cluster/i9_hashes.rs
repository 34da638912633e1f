//! I9: all replicas have equal state at equal index, whatever they went through.

use sluice_engine::id::GroupId;
use sluice_raft::types::NodeId;
use std::collections::BTreeMap;

/// By group and index: who told its hash first.
#[derive(Default)]
pub(crate) struct Hashes {
    told: BTreeMap<(GroupId, u64), (NodeId, u64)>,
    /// By node and group: the index told last.
    last: BTreeMap<(GroupId, NodeId), u64>,
    /// Comparisons made.
    pub(crate) compared: u64,
}

impl Hashes {
    pub(crate) fn hashed(&mut self, node: NodeId, group: GroupId, index: u64, hash: u64) {
        self.last.insert((group, node), index);
        let (first, told) = *self.told.entry((group, index)).or_insert((node, hash));
        self.compared += u64::from(first != node);
        assert!(told == hash, "I9: nodes {first} and {node} differ in group {} at {index}", group.0);
    }

    /// Whether all these nodes told the same index last.
    pub(crate) fn agree(&self, group: GroupId, nodes: &[NodeId]) -> bool {
        let last = |node: &NodeId| self.last.get(&(group, *node)).copied();
        let first = nodes.first().and_then(last);
        first.is_some() && nodes.iter().all(|node| last(node) == first)
    }
}
