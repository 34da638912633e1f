//! Leadership given away in good order, before this node stops or by an operator's wish.

use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use std::time::Duration;

use super::limit::{HAND_OVER_CHECK_MS, HAND_OVER_MS};
use super::{Group, Inner};
use crate::types::NodeId;

impl<R: AsyncRuntime> Inner<R> {
    /// Gives every group that this node leads to the voter that is nearest to it, and waits a moment for that.
    pub(super) async fn hand_over(&self) {
        for group in &self.groups {
            if let (Some(raft), Some(to)) = (group.raft.get(), group.successor()) {
                // One that has stopped has nothing to give.
                let _ = raft.trigger().transfer_leader(to).await;
            }
        }
        for _ in 0..HAND_OVER_MS / HAND_OVER_CHECK_MS {
            if !self.groups.iter().any(|group| group.successor().is_some()) {
                return;
            }
            R::sleep(Duration::from_millis(HAND_OVER_CHECK_MS)).await;
        }
    }
}

impl<R: AsyncRuntime> Group<R> {
    /// Where this node leads: another voter, the one that has most of the log.
    pub(super) fn successor(&self) -> Option<NodeId> {
        let metrics = self.raft.get()?.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.as_ref().filter(|_| metrics.state.is_leader())?;
        let voters = metrics.membership_config.membership().voter_ids().filter(|id| *id != metrics.id);
        let matched = |id: &NodeId| replication.get(id).copied().flatten().map_or(0, |log_id| log_id.index);
        voters.max_by_key(matched)
    }
}
