//! What this node knows of the cluster, gathered from its groups.

use openraft::async_runtime::{AsyncRuntime, Instant, WatchReceiver};
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;

use super::{Group, Inner};
use crate::cluster::{ClusterStatus, FOUNDER, GroupStatus, Metadata, NodeStatus, Part, SecretStatus};
use crate::group::Lead;
use crate::types::{Member, NodeId};

impl<R: AsyncRuntime> Inner<R> {
    pub(super) fn status(&self) -> ClusterStatus {
        let now_ms = (self.clock)();
        let metadata = self.groups.first().and_then(|group| group.shared.metadata()).unwrap_or_default();
        let mut nodes = BTreeMap::new();
        for group in &self.groups {
            group.add_nodes(&mut nodes, self.identity.node);
        }
        for node in nodes.values_mut() {
            node.is_reachable = node.heard_ms.is_some_and(|age| age < self.lease_ms);
            node.is_full = !self.has_room(node.id);
            node.is_behind = self.is_behind(node.id);
        }
        self.add_joining(&metadata, &mut nodes);
        // One that was added meanwhile is known here as waiting for a moment longer.
        let is_member = |peer: &str| nodes.values().any(|node| node.member.peer == peer);
        let mut waiting = self.waiting.list(now_ms);
        waiting.retain(|newcomer| !is_member(&newcomer.member.peer));
        let waiting = waiting.into_iter().map(|newcomer| NodeStatus {
            id: 0,
            part: Part::Waiting,
            member: newcomer.member,
            is_reachable: true,
            heard_ms: Some(now_ms.saturating_sub(newcomer.at_ms)),
            is_full: false,
            is_behind: false,
        });
        ClusterStatus {
            cluster: self.identity.cluster,
            format: metadata.format,
            node: self.identity.node,
            nodes: nodes.into_values().chain(waiting).collect(),
            groups: (0..).zip(&self.groups).map(|(id, group)| self.group_status(id, group)).collect(),
            secret: SecretStatus {
                number: metadata.secret_number(),
                waits_for: self.without_newest_secret(&metadata),
            },
            operation: metadata.operation.map(|operation| operation.text),
            belonging: self.belonging(),
        }
    }

    /// Adds nodes that were given an id and are in no group yet; this one where it does not know any better.
    fn add_joining(&self, metadata: &Metadata, nodes: &mut BTreeMap<NodeId, NodeStatus>) {
        let me = (self.identity.node, &self.member);
        let given = metadata.nodes.iter().map(|(id, enrolled)| (*id, &enrolled.member));
        for (id, member) in given.chain([me]).filter(|(id, _)| *id == me.0 || *id != FOUNDER) {
            let is_me = id == me.0;
            nodes.entry(id).or_insert_with(|| NodeStatus {
                part: Part::Joining,
                is_reachable: is_me,
                heard_ms: is_me.then_some(0),
                ..node(id, member)
            });
        }
    }

    fn group_status(&self, id: u16, group: &Group<R>) -> GroupStatus {
        let leader = match group.shared.roles.lead() {
            Lead::Here(_) => Some(self.identity.node),
            Lead::There(leader, _) => Some(leader),
            Lead::Nobody => None,
        };
        let mut status = GroupStatus {
            id,
            leader,
            term: 0,
            last_log: 0,
            committed: 0,
            applied: group.shared.taken(),
            snapshot: None,
            log_bytes: self.log.bytes_since_snapshot(GroupId(id)),
            matched: Vec::new(),
            joint: Vec::new(),
        };
        let Some(raft) = group.raft.get() else { return status };
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        status.term = metrics.current_term;
        status.last_log = metrics.last_log_index.map_or(0, |index| index + 1);
        status.committed = metrics.local_committed.map_or(0, |log_id| log_id.index + 1);
        status.snapshot = metrics.snapshot.map(|log_id| log_id.index + 1);
        let matched = metrics.replication.iter().flatten();
        status.matched = matched.map(|(id, at)| (*id, at.map(|log_id| log_id.index + 1))).collect();
        let configs = metrics.membership_config.membership().get_joint_config();
        if configs.len() > 1 {
            status.joint = configs.iter().map(|voters| voters.iter().copied().collect()).collect();
        }
        status
    }
}

impl<R: AsyncRuntime> Group<R> {
    /// Adds the nodes of this group, and when each was last heard of.
    fn add_nodes(&self, nodes: &mut BTreeMap<NodeId, NodeStatus>, me: NodeId) {
        let Some(raft) = self.raft.get() else { return };
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let leader = metrics.current_leader.filter(|leader| *leader != me);
        for (id, member) in membership.nodes() {
            let by_heartbeat = metrics.heartbeat.as_ref().and_then(|acked| acked.get(id).copied().flatten());
            let by_heartbeat = by_heartbeat.map(|at| at.elapsed().as_millis() as u64);
            let as_leader = if leader == Some(*id) { self.shared.heard_age_ms() } else { None };
            let myself = (*id == me).then_some(0);
            let heard_ms = [by_heartbeat, as_leader, myself].into_iter().flatten().min();
            let is_voter = membership.voter_ids().any(|voter| voter == *id);
            let node = nodes.entry(*id).or_insert_with(|| node(*id, member));
            if is_voter {
                node.part = Part::Voter;
            }
            node.heard_ms = node.heard_ms.into_iter().chain(heard_ms).min();
        }
    }
}

fn node(id: NodeId, member: &Member) -> NodeStatus {
    let (part, member) = (Part::Learner, member.clone());
    NodeStatus { id, part, member, is_reachable: false, heard_ms: None, is_full: false, is_behind: false }
}
