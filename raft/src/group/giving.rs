//! Leadership given away.
//!
//! An election that its leader asked for waits for no lease, of any node: another one may lead, and acknowledge writes, long before this
//! one hears of it. So the session ends here first, for good, and only then is anybody asked to stand.
//!
//! Invariant: such an election is of the term right after the session, so it ends this session and no other. openraft itself takes no
//! writes and sends no heartbeats in a session that was given away: where nobody takes it over, an ordinary election follows.

use openraft::ServerState;
use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use sluice_engine::limit::LEASE_MS;
use std::sync::Arc;
use std::time::Duration;

use super::Raft;
use super::limit::GIVE_CHECK_MS;
use super::shared::Shared;
use crate::types::NodeId;

/// Gives the group, where this node leads it, to `to`, a voter. True where that was asked for: who leads shows whether it took over.
pub(crate) async fn give_away<R: AsyncRuntime>(raft: &Raft<R>, shared: &Arc<Shared>, to: NodeId) -> bool {
    let Some(session) = led(raft) else { return false };
    let (raft, shared) = (raft.clone(), Arc::clone(shared));
    // To its end, whoever waits for it: a session that has ended here, and not there, would leave the group without a leader.
    let given = R::spawn(async move {
        shared.give_away(session);
        fall_silent::<R>(&shared, session).await;
        // One that has ended meanwhile is over for everybody.
        led(&raft) == Some(session) && raft.trigger().transfer_leader(to).await.is_ok()
    });
    given.await.unwrap_or(false)
}

/// The session that this node leads.
fn led<R: AsyncRuntime>(raft: &Raft<R>) -> Option<u64> {
    let metrics = raft.server_metrics();
    let metrics = metrics.borrow_watched();
    (metrics.state == ServerState::Leader).then_some(metrics.vote.leader_id.term)
}

/// Waits until the owner answers nothing as the leader of this session any more. Of one that takes no turn, the last proof runs out.
async fn fall_silent<R: AsyncRuntime>(shared: &Shared, session: u64) {
    for _ in 0..LEASE_MS.div_ceil(GIVE_CHECK_MS) {
        if shared.owner_leads() != Some(session) {
            return;
        }
        R::sleep(Duration::from_millis(GIVE_CHECK_MS)).await;
    }
}
