//! Leadership given away in good order: before this node stops, or because its disk is full while another's is not.

use futures_util::stream::{FuturesUnordered, StreamExt};
use openraft::async_runtime::{AsyncRuntime, Instant, WatchReceiver};
use std::sync::Weak;
use std::time::Duration;

use super::limit::{
    HAND_OVER_CHECK_MS, HAND_OVER_MS, RELIEVE_CHECK_MS, RELIEVE_RETRY_MS, STAND_ALL_THE_SAME_MS,
};
use super::{Group, Inner};
use crate::group::{Lead, give_away};
use crate::types::NodeId;

impl<R: AsyncRuntime> Inner<R> {
    /// Gives every group that this node leads to the voter that is nearest to it, and waits a moment for that.
    pub(super) async fn hand_over(&self) {
        let mut giving = FuturesUnordered::new();
        for group in &self.groups {
            if let Some(to) = self.last_heir(group) {
                giving.push(group.give_to(to));
            }
        }
        while giving.next().await.is_some() {}
        for _ in 0..HAND_OVER_MS / HAND_OVER_CHECK_MS {
            if !self.groups.iter().any(|group| group.successor(|_| true).is_some()) {
                return;
            }
            R::sleep(Duration::from_millis(HAND_OVER_CHECK_MS)).await;
        }
    }

    /// Where this node leads: who can take over. Nobody knows of a silent node what its disk is like, so it has to answer.
    pub(super) fn heir(&self, group: &Group<R>) -> Option<NodeId> {
        group.successor(|node| self.fits(node) && group.answered(node, self.lease_ms))
    }

    /// Who takes over from a node that goes in any case: one without room, or that was not heard of lately, where nobody else can.
    fn last_heir(&self, group: &Group<R>) -> Option<NodeId> {
        let answering = |node| group.answered(node, self.lease_ms);
        self.heir(group).or_else(|| group.successor(answering)).or_else(|| group.successor(|_| true))
    }

    /// Whether a voter should lead, as far as is known of its disk.
    pub(super) fn fits(&self, node: NodeId) -> bool {
        self.has_room(node) && !self.is_behind(node)
    }

    /// Gives every group that this node leads to a voter that has room and answers. True where it gave one.
    async fn relieve(&self) -> bool {
        let mut gave = false;
        for group in &self.groups {
            if let Some(to) = self.heir(group) {
                tracing::warn!(
                    group = group.shared.group.0,
                    to,
                    "leadership given away: the disk of this node has no room for its log"
                );
                gave |= group.give_to(to).await;
            }
        }
        gave
    }
}

/// Says whether this node stands for election, and gives its groups away while its disk is full, as long as the node is there.
///
/// It stands once it is known that it has all that it acknowledged, and after every lease that an earlier process of it gave.
/// A full node does not stand for election, unless nobody has led a group for [`STAND_ALL_THE_SAME_MS`]: it may be the only one
/// that has the whole log. It has a segment of room for that, and gives the group away as soon as others have caught up.
pub(super) async fn guard_leadership<R: AsyncRuntime>(inner: Weak<Inner<R>>) {
    let mut leaderless_ms: Vec<u64> = Vec::new();
    loop {
        let mut pause_ms = RELIEVE_CHECK_MS;
        {
            let Some(inner) = inner.upgrade() else { return };
            let is_full = inner.log.is_full();
            leaderless_ms.resize(inner.groups.len(), 0);
            for (group, waited_ms) in inner.groups.iter().zip(&mut leaderless_ms) {
                let is_led = group.shared.roles.lead() != Lead::Nobody;
                *waited_ms = if is_led { 0 } else { *waited_ms + RELIEVE_CHECK_MS };
                let has_room = !is_full || *waited_ms >= STAND_ALL_THE_SAME_MS;
                let may_vote = inner.has_outlived_leases() && inner.proof.may_stand(group.shared.group);
                group.may_stand(has_room && may_vote);
            }
            if is_full && inner.relieve().await {
                pause_ms = RELIEVE_RETRY_MS;
            }
        }
        R::sleep(Duration::from_millis(pause_ms)).await;
    }
}

impl<R: AsyncRuntime> Group<R> {
    /// Gives the group to this voter. True where it was asked to take over; whether it did shows in who leads.
    pub(super) async fn give_to(&self, to: NodeId) -> bool {
        match self.raft.get() {
            Some(raft) => give_away(raft, &self.shared, to).await,
            None => false,
        }
    }

    /// Where this node leads: another voter that fits, the one that has most of the log.
    pub(super) fn successor(&self, fits: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        let metrics = self.raft.get()?.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.as_ref().filter(|_| metrics.state.is_leader())?;
        let voters = metrics.membership_config.membership().voter_ids().filter(|id| *id != metrics.id);
        let matched = |id: &NodeId| replication.get(id).copied().flatten().map_or(0, |log_id| log_id.index);
        voters.filter(|id| fits(*id)).max_by_key(matched)
    }

    /// Whether the node answered this leader within `lease_ms`.
    pub(super) fn answered(&self, node: NodeId, lease_ms: u64) -> bool {
        let Some(raft) = self.raft.get() else { return false };
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let at = metrics.heartbeat.as_ref().and_then(|acked| acked.get(&node).copied().flatten());
        at.is_some_and(|at| (at.elapsed().as_millis() as u64) < lease_ms)
    }

    fn may_stand(&self, may: bool) {
        if let Some(raft) = self.raft.get() {
            raft.runtime_config().elect(may);
        }
    }
}
