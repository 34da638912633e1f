//! Keeps the log short. A group takes a snapshot when it has logged much since the last one, and when an old segment holds entries
//! of it that no snapshot does; what old segments hold is purged then. So one log for all groups is as long as its newest
//! segments, also where a group logs so little that its entries would stay for ever.

use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use sluice_engine::id::GroupId;
use std::sync::Weak;
use std::time::Duration;

use super::Inner;
use super::limit::{LOG_SEGMENTS_KEPT, SNAPSHOT_CHECK_MS};

/// Asks for snapshots and purges as long as the node is there.
pub(super) async fn keep_house<R: AsyncRuntime>(inner: Weak<Inner<R>>, snapshot_bytes: u64) {
    loop {
        R::sleep(Duration::from_millis(SNAPSHOT_CHECK_MS)).await;
        let Some(inner) = inner.upgrade() else { return };
        for (number, group) in (0..).zip(&inner.groups) {
            let Some(raft) = group.raft.get() else { continue };
            let id = GroupId(number);
            let outlived = inner.log.last_before(id, LOG_SEGMENTS_KEPT);
            let covered = raft.metrics().borrow_watched().snapshot.map(|log_id| log_id.index);
            let is_due = inner.log.bytes_since_snapshot(id) >= snapshot_bytes;
            if is_due || covered < outlived {
                // One that is under way, or a group that has stopped, needs none.
                let _ = raft.trigger().snapshot().await;
            }
            if let Some(last) = outlived.filter(|last| covered >= Some(*last)) {
                let _ = raft.trigger().purge_log(last).await;
            }
        }
    }
}
