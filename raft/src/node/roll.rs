//! Who may ask what of a group: its members, in their own name, and nothing that no cluster can have come to.
//!
//! A node may lag behind a change of members, and the newest leader may be one that it has not heard of: refused for that, it would
//! never catch up. So who is not on a group's list is refused only where this node knows better: the id was given, and the change
//! that gave it is over, and no group has the node.

use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use std::sync::atomic::Ordering;

use super::{Group, Inner};
use crate::peer::plausible::{self, Known};
use crate::peer::{Refusal, Request};
use crate::types::NodeId;

impl<R: AsyncRuntime> Inner<R> {
    /// Whether `from` may ask this.
    pub(super) fn check(&self, from: NodeId, request: &Request<R>) -> Result<(), Refusal> {
        let Some(group) = request.group() else {
            // Whoever may announce itself was judged when the connection opened.
            let may =
                matches!(request, Request::Waiting { .. } | Request::Admin(_)) || self.may_be_member(from);
            return if may { Ok(()) } else { Err(self.not_member(from)) };
        };
        let group = self.group(group)?;
        if !self.admits(group, from) {
            return Err(self.not_member(from));
        }
        plausible::check_request(from, group.known(), request).map_err(|why| {
            self.count_refused(|count| {
                let group = group.shared.group.0;
                tracing::error!(node = from, group, %why, count, "a message of a peer was refused");
            });
            Refusal::Other(why.to_string())
        })
    }

    /// Whether a node is a member of the group, as far as this one can know.
    pub(super) fn admits(&self, group: &Group<R>, from: NodeId) -> bool {
        // A node that was only just added knows no member yet.
        group.has(from).unwrap_or(true) || self.may_be_member(from)
    }

    /// Whether a node belongs to the cluster, as far as this one can know.
    pub(super) fn may_be_member(&self, node: NodeId) -> bool {
        let has = |group: &Group<R>| group.has(node) == Some(true);
        if node != 0 && self.groups.iter().any(has) {
            return true;
        }
        let first = self.groups.first();
        // Who was only just added knows no member, and nothing of who was one.
        let knows_members = first.is_some_and(|group| group.has(node).is_some());
        let metadata = first.filter(|_| knows_members).and_then(|group| group.shared.metadata());
        let knows_better =
            |metadata: crate::cluster::Metadata| metadata.operation.is_none() && node < metadata.next_node;
        node != 0 && !metadata.is_some_and(knows_better)
    }

    pub(super) fn not_member(&self, from: NodeId) -> Refusal {
        self.count_refused(|count| {
            tracing::warn!(node = from, count, "a message of a node that is no member was refused");
        });
        // Not the word that a node was removed: this one may know less than the node that asks.
        Refusal::NotAllowed
    }

    /// Logs the first refusals and then ever fewer: a peer that goes on must not fill the disk.
    fn count_refused(&self, log: impl FnOnce(u64)) {
        let count = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if count.is_power_of_two() {
            log(count);
        }
    }
}

impl<R: AsyncRuntime> Group<R> {
    /// Whether a node is a member; `None` where no member is known yet.
    fn has(&self, node: NodeId) -> Option<bool> {
        let metrics = self.raft.get()?.server_metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        membership.nodes().next()?;
        Some(membership.get_node(&node).is_some())
    }

    fn known(&self) -> Known {
        let Some(raft) = self.raft.get() else { return Known::default() };
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        Known { term: metrics.vote.leader_id.term, committed: metrics.local_committed }
    }
}
