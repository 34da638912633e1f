//! Follows who leads a group, and whether that leader can be reached.

use openraft::ServerState;
use openraft::async_runtime::{AsyncRuntime, Instant, Select2, WatchReceiver};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Raft;
use super::limit::ROLE_CHECK_MS;
use super::roles::Lead;
use super::shared::Shared;

/// Tells `shared` who leads until the group stops. A leader that nobody answered, or that was not heard of, for `lease_ms` counts
/// as gone. `is_full` says whether the disk has no room for entries.
pub(crate) async fn watch<R: AsyncRuntime>(
    raft: Raft<R>,
    shared: Arc<Shared>,
    lease_ms: u64,
    is_full: impl Fn() -> bool + Send + 'static,
) {
    let mut server = raft.server_metrics();
    shared.lease_ms.store(lease_ms, Ordering::Release);
    loop {
        shared.full.store(is_full(), Ordering::Relaxed);
        look(&raft, &shared, lease_ms);
        let tick = R::sleep(Duration::from_millis(ROLE_CHECK_MS));
        if let Select2::First(Err(_)) = R::select2(server.changed(), tick).await {
            // The group has stopped for good.
            set_lead(&shared, Lead::Nobody);
            shared.proposals.stop();
            shared.errands.stop();
            return;
        }
    }
}

fn look<R: AsyncRuntime>(raft: &Raft<R>, shared: &Shared, lease_ms: u64) {
    let node = shared.node;
    let (leads, session, leader, alone, others) = {
        let metrics = raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let mut voters = membership.voter_ids();
        let alone = voters.next() == Some(node) && voters.next().is_none();
        let log_id = metrics.membership_config.log_id();
        let index = log_id.as_ref().map_or(0, |log_id| log_id.index);
        shared.set_named(membership.get_node(&node).map(|_| index));
        let others: Vec<_> = membership.nodes().map(|(id, _)| *id).filter(|id| *id != node).collect();
        let session = metrics.vote.leader_id.term;
        (metrics.state == ServerState::Leader, session, metrics.current_leader, alone, others)
    };
    shared.set_others(others);
    // Read first: where this thread is stopped in between, the answer counts as older than it is.
    let now_ms = (shared.clock)();
    let acked =
        raft.data_metrics().borrow_watched().last_quorum_acked.map(|at| at.elapsed().as_millis() as u64);
    let acked_ms = acked.filter(|_| leads).map(|age_ms| now_ms.saturating_sub(age_ms));
    shared.set_acked(acked_ms, leads && alone);
    let lead = match leader {
        Some(leader) if leader == node && leads => {
            let answered = alone || acked.is_some_and(|age| age < lease_ms);
            if answered { Lead::Here(session) } else { Lead::Nobody }
        }
        Some(leader) if leader != node && shared.heard_age_ms().is_some_and(|age| age < lease_ms) => {
            Lead::There(leader, session)
        }
        _ => Lead::Nobody,
    };
    set_lead(shared, lead);
}

fn set_lead(shared: &Shared, lead: Lead) {
    if shared.set_lead(lead) {
        shared.errands.leader_changed();
    }
}
