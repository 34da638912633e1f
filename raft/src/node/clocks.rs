//! A node whose wall clock stands elsewhere than most others' does not lead: it gives its groups away, and gets none.

use openraft::async_runtime::AsyncRuntime;
use sluice_engine::sequencer::Clocks;
use std::collections::BTreeSet;
use std::sync::Weak;
use std::time::Duration;

use super::limit::{CLOCKS_AGAIN_MS, CLOCKS_CHECK_MS};
use super::{Group, Inner};
use crate::group::Lead;
use crate::types::NodeId;

/// Gives groups away as long as the node is there.
pub(super) async fn heed_clocks<R: AsyncRuntime>(inner: Weak<Inner<R>>) {
    let mut known: BTreeSet<NodeId> = BTreeSet::new();
    loop {
        R::sleep(Duration::from_millis(CLOCKS_CHECK_MS)).await;
        let Some(inner) = inner.upgrade() else { return };
        let off = inner.nodes_off();
        tell(&off, &known);
        known = off;
        if inner.give_away().await {
            drop(inner);
            // Elections take a moment, and a second transfer would only be in the way of the first.
            R::sleep(Duration::from_millis(CLOCKS_AGAIN_MS)).await;
        }
    }
}

fn tell(off: &BTreeSet<NodeId>, known: &BTreeSet<NodeId>) {
    for node in off.difference(known) {
        tracing::error!(
            node,
            "the wall clock of this node stands elsewhere than most others': it is not given groups to lead"
        );
    }
    for node in known.difference(off) {
        tracing::warn!(
            node,
            "the wall clock of this node agrees with others again, or another node judges of it"
        );
    }
}

impl<R: AsyncRuntime> Inner<R> {
    /// By how much, in ms, this node's clock is ahead of others', where it does not agree with most.
    pub(super) fn clock_ahead_ms(&self) -> i64 {
        let ahead = self.judged().map(|clocks| clocks.ahead_ms);
        ahead.max_by_key(|ms| ms.unsigned_abs()).unwrap_or(0)
    }

    /// Nodes that this one, as a leader, finds off.
    pub(super) fn nodes_off(&self) -> BTreeSet<NodeId> {
        self.judged().flat_map(|clocks| clocks.others_off).collect()
    }

    /// What the owners of groups that this node leads find.
    fn judged(&self) -> impl Iterator<Item = Clocks> + '_ {
        self.groups.iter().filter(|group| group.leads()).map(|group| group.shared.clocks())
    }

    /// Gives away the groups that this node should not lead; true where there was one.
    async fn give_away(&self) -> bool {
        let mut any = false;
        for group in self.groups.iter().filter(|group| group.leads()) {
            let clocks = group.shared.clocks();
            if let (true, Some(to)) = (clocks.is_off, self.heir(group)) {
                tracing::error!(
                    group = group.shared.group.0,
                    to,
                    ahead_ms = clocks.ahead_ms,
                    "leadership given away: this node's wall clock stands elsewhere than most others'"
                );
                any |= group.give_to(to).await;
            }
        }
        any
    }
}

impl<R: AsyncRuntime> Group<R> {
    fn leads(&self) -> bool {
        matches!(self.shared.roles.told(), Lead::Here(_))
    }
}
