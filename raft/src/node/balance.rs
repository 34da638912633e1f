//! Spreads leaders over the voters: a node that leads two groups more than another gives one away.
//!
//! One transfer at a time, by whoever leads most, and none shortly after any change of a leader: elections settle first, and two
//! nodes never hand a group to and fro.

use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use std::collections::BTreeMap;
use std::sync::Weak;
use std::time::Duration;

use super::Inner;
use super::limit::{BALANCE_CALM_MS, BALANCE_CHECK_MS, BEHIND_ENTRIES_MAX};
use crate::group::Lead;
use crate::types::NodeId;

/// Leaders of the groups, where all have one.
type Leaders = Vec<NodeId>;

pub(super) async fn balance<R: AsyncRuntime>(inner: Weak<Inner<R>>) {
    let mut known: Option<Leaders> = None;
    let mut calm_ms = 0;
    loop {
        R::sleep(Duration::from_millis(BALANCE_CHECK_MS)).await;
        let Some(inner) = inner.upgrade() else { return };
        let leaders = inner.leaders();
        if leaders.is_none() || leaders != known {
            known = leaders;
            calm_ms = 0;
            continue;
        }
        calm_ms += BALANCE_CHECK_MS;
        if calm_ms >= BALANCE_CALM_MS && inner.is_idle() {
            inner.give_one(known.as_deref().unwrap_or_default()).await;
            calm_ms = 0;
        }
    }
}

impl<R: AsyncRuntime> Inner<R> {
    fn leaders(&self) -> Option<Leaders> {
        let leader = |lead| match lead {
            Lead::Here(_) => Some(self.identity.node),
            Lead::There(leader, _) => Some(leader),
            Lead::Nobody => None,
        };
        self.groups.iter().map(|group| leader(group.shared.roles.lead())).collect()
    }

    /// No operator's change is under way: that one decides who leads.
    fn is_idle(&self) -> bool {
        let metadata = self.groups.first().and_then(|group| group.shared.metadata());
        metadata.is_none_or(|metadata| metadata.operation.is_none())
    }

    async fn give_one(&self, leaders: &[NodeId]) {
        let me = self.identity.node;
        let mut count: BTreeMap<NodeId, usize> = BTreeMap::new();
        leaders.iter().for_each(|leader| *count.entry(*leader).or_default() += 1);
        let mine = count.get(&me).copied().unwrap_or(0);
        let is_most = count.iter().all(|(node, others)| (*others, *node) <= (mine, me));
        if !is_most {
            return;
        }
        for group in &self.groups {
            let Some(to) = self.poorer(group, &count, mine) else { continue };
            tracing::info!(
                group = group.shared.group.0,
                to,
                "leadership given away: this node leads most groups"
            );
            group.give_to(to).await;
            return;
        }
    }

    /// A voter that leads at least two groups fewer, answers, and has all of this group that this node leads.
    fn poorer(
        &self,
        group: &super::Group<R>,
        count: &BTreeMap<NodeId, usize>,
        mine: usize,
    ) -> Option<NodeId> {
        use openraft::async_runtime::Instant;
        let metrics = group.raft.get()?.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.as_ref().filter(|_| metrics.state.is_leader())?;
        let heartbeat = metrics.heartbeat.as_ref()?;
        let next = metrics.last_log_index.map_or(0, |index| index + 1);
        let fits = |id: &NodeId| {
            let matched = replication.get(id).copied().flatten().map_or(0, |log_id| log_id.index + 1);
            let heard = heartbeat.get(id).copied().flatten().map(|at| at.elapsed().as_millis() as u64);
            next.saturating_sub(matched) <= BEHIND_ENTRIES_MAX
                && heard.is_some_and(|age| age < self.lease_ms / 2)
        };
        let leads = |id: &NodeId| count.get(id).copied().unwrap_or(0);
        let voters = metrics.membership_config.membership().voter_ids().filter(|id| *id != metrics.id);
        let off = self.nodes_off();
        let fits = |id: &NodeId| fits(id) && self.fits(*id) && !off.contains(id);
        voters.filter(|id| leads(id) + 2 <= mine && fits(id)).min_by_key(leads)
    }
}
