//! Keeps the log short: snapshots by bytes, and of whoever keeps the oldest segment.

use openraft::async_runtime::AsyncRuntime;
use sluice_engine::id::GroupId;
use std::sync::Weak;
use std::time::Duration;

use super::Inner;
use super::limit::{PINNED_SEGMENTS_MAX, SNAPSHOT_CHECK_MS};

/// Asks for snapshots as long as the node is there.
pub(super) async fn keep_house<R: AsyncRuntime>(inner: Weak<Inner<R>>, snapshot_bytes: u64) {
    loop {
        R::sleep(Duration::from_millis(SNAPSHOT_CHECK_MS)).await;
        let Some(inner) = inner.upgrade() else { return };
        let pinning = inner.log.oldest_pinned().filter(|pinned| pinned.segments > PINNED_SEGMENTS_MAX);
        let pinning = pinning.map(|pinned| pinned.group);
        for (number, group) in (0..).zip(&inner.groups) {
            let Some(raft) = group.raft.get() else { continue };
            let id = GroupId(number);
            if inner.log.bytes_since_snapshot(id) >= snapshot_bytes || pinning == Some(id) {
                // One that is under way, or a group that has stopped, needs none.
                let _ = raft.trigger().snapshot().await;
            }
        }
    }
}
