//! Brings the members of every group, and the secret, to what the first group's log says of them: after a change whose carrier was
//! lost, for nodes that say themselves that they were taken in, and when the last node has come to hold the secret.
//!
//! The leader of the first group looks at what its own logs say, and asks only where that differs twice in a row.

use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::Inner;
use super::super::limit::HEAL_MS;
use super::FIRST;
use super::change::{Outcome, check_quorum};
use super::step::Act;
use crate::cluster::{AdminReply, Administered, Change, Metadata};
use crate::group::Lead;
use crate::types::NodeId;

/// Looks as long as the node is there.
pub(in crate::node) async fn heal<R: AsyncRuntime>(inner: Weak<Inner<R>>) {
    let mut differed = false;
    loop {
        R::sleep(Duration::from_millis(HEAL_MS)).await;
        let Some(inner) = inner.upgrade() else { return };
        let differs = inner.is_at_rest() && inner.has_something_to_do();
        if differs && differed {
            match inner.bring_about().await {
                Ok(done) if !done.is_empty() => {
                    tracing::warn!("brought to what was decided: {}", done.join(", "));
                }
                Ok(_) => {}
                Err(error) => tracing::info!(%error, "not everything is yet as it was decided"),
            }
        }
        differed = differs;
    }
}

impl<R: AsyncRuntime> Inner<R> {
    /// This node decides about members, and carries no change out.
    fn is_at_rest(&self) -> bool {
        self.decides() && self.carried.load(Ordering::Acquire) == 0
    }

    /// This node leads the first group, and has applied all that was decided before it did.
    pub(in crate::node) fn decides(&self) -> bool {
        matches!(self.groups[usize::from(FIRST.0)].shared.roles.told(), Lead::Here(_))
    }

    fn has_something_to_do(&self) -> bool {
        let metadata = self.metadata();
        self.differs(&metadata) || self.has_rotation_to_do(&metadata)
    }

    /// Whether a group, as this node knows it, has other members than was decided.
    fn differs(&self, metadata: &Metadata) -> bool {
        self.groups.iter().filter_map(|group| group.raft.get()).any(|raft| {
            let metrics = raft.server_metrics();
            let metrics = metrics.borrow_watched();
            let membership = metrics.membership_config.membership();
            let is_voter = |node: NodeId| membership.voter_ids().any(|voter| voter == node);
            let lacks = |node: NodeId, votes: bool| {
                membership.get_node(&node).is_none() || (votes && !is_voter(node))
            };
            membership.get_joint_config().len() > 1
                || membership.nodes().any(|(node, _)| metadata.has_left(*node))
                || metadata.entered().any(|(node, enrolled)| lacks(node, enrolled.votes))
        })
    }

    /// Does what is left to do of all that was decided; says what that was.
    pub(super) async fn bring_about(&self) -> Outcome<Vec<String>> {
        let mut done = Vec::new();
        if self.mint().await? {
            done.push("tokens are minted with the new secret".to_owned());
        }
        if self.end_rotation().await? {
            done.push("the secret of before is not accepted any more".to_owned());
        }
        for group in self.all() {
            if self.at(group, Act::Look).await?.is_joint {
                self.at(group, Act::Finish).await?;
                done.push(format!("group {group} is out of its half-way state"));
            }
        }
        let metadata = self.metadata();
        for (node, _) in metadata.entered() {
            if self.is_lacking(node).await? {
                self.enrol(node).await?;
                done.push(format!("node {node} is taken in"));
            }
        }
        for (node, _) in metadata.entered().filter(|(_, enrolled)| enrolled.votes) {
            if self.lacks_vote(node).await? && self.behind(node).await?.is_none() {
                self.vote(node).await?;
                done.push(format!("node {node} votes"));
            }
        }
        for group in self.all().rev() {
            let report = self.at(group, Act::Look).await?;
            for peer in report.nodes.iter().filter(|peer| metadata.has_left(peer.id)) {
                if peer.is_voter {
                    check_quorum(&report, group, |other| other.is_voter && other.id != peer.id)?;
                }
                self.at(group, Act::Remove(peer.id)).await?;
                done.push(format!("node {} is out of group {group}", peer.id));
            }
        }
        Ok(done)
    }

    async fn is_lacking(&self, node: NodeId) -> Outcome<bool> {
        for group in self.all() {
            if self.at(group, Act::Look).await?.peer(node).is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn lacks_vote(&self, node: NodeId) -> Outcome<bool> {
        for group in self.all() {
            if !self.at(group, Act::Look).await?.peer(node).is_some_and(|peer| peer.is_voter) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends what is under way, after bringing about what was decided.
    pub(super) async fn finish(&self) -> Administered {
        let done = self.bring_about().await?;
        let under_way = self.metadata().operation;
        self.record(&Change::End(None)).await?;
        let done = match done.len() {
            0 => "nothing was left half-way".to_owned(),
            _ => done.join(", "),
        };
        let message = match under_way {
            Some(operation) => {
                format!(
                    "{} is over; {done}: ask for it again unless the status shows it done",
                    operation.text
                )
            }
            None if done.starts_with("nothing") => "nothing was under way".to_owned(),
            None => done,
        };
        Ok(AdminReply { message, node: None })
    }
}
