//! Whether this node belongs to its cluster, as far as it knows: only one that does is ready.
//!
//! ```text
//!            its own logs say so                     peers say that it was removed
//!  Joining ───────────────────────▶ Member ─────────────────────────────────────▶ Leaving ──▶ Left, written down: it ends
//!     └── asks the nodes it knows, which take it in ◀── so does one that hears of no leader
//! ```
//! What is asked is decided by the first group's log (`cluster::Metadata`). That a node left is for ever, so whoever knows it may say
//! so; that one is taken in is said by the leader alone.

use futures_util::stream::{FuturesUnordered, StreamExt};
use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Inner;
use super::admin::{FIRST, question};
use super::config::StartError;
use super::limit::{BELONG_CALL_MS, BELONG_MS, CONTACTS_MAX, RETRY_MS};
use crate::cluster::{Belonging, Change, Enrolment};
use crate::codec;
use crate::group::Lead;
use crate::peer::{CallError, Denial, Lane, Refusal, Request, Response};
use crate::types::{Member, NodeId};

/// What a node is told of itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// Nobody knows now.
    Unsure,
    /// No id like this was ever given.
    Unknown,
    /// It belongs to the cluster, and to every group soon.
    Entered,
    /// It was removed, and is still named in a group.
    Leaving,
    /// It was removed.
    Left,
}

/// What this node believes. Written by its own task, read by any thread.
#[derive(Default)]
pub(super) struct Belief(AtomicU8);

impl Belief {
    pub(super) fn get(&self) -> Belonging {
        match self.0.load(Ordering::Acquire) {
            0 => Belonging::Member,
            1 => Belonging::Joining,
            2 => Belonging::Leaving,
            _ => Belonging::Left,
        }
    }

    /// True where that is news. One that left stays so.
    pub(super) fn set(&self, belonging: Belonging) -> bool {
        let before = self.get();
        if before == Belonging::Left {
            return false;
        }
        self.0.store(belonging as u8, Ordering::Release);
        before != belonging
    }
}

/// Looks whether this node belongs to its cluster, until it left it, or is there no more.
pub(super) async fn belong<R: AsyncRuntime>(inner: Weak<Inner<R>>) {
    let mut left = 0;
    loop {
        let Some(inner) = inner.upgrade() else { return };
        if inner.groups.iter().any(|group| group.raft.get().is_none()) {
            drop(inner);
            R::sleep(Duration::from_millis(RETRY_MS)).await;
            continue;
        }
        let told = if inner.is_in_doubt() { inner.ask_whether_it_belongs().await } else { Told::Entered };
        left = if told == Told::Left { left + 1 } else { 0 };
        inner.believe(told);
        // Twice, and when nobody waits for an answer of this node: the change that removed it may have been asked for here.
        if left > 1 && inner.carried.load(Ordering::Acquire) == 0 {
            return inner.leave().await;
        }
        drop(inner);
        R::sleep(Duration::from_millis(BELONG_MS)).await;
    }
}

impl<R: AsyncRuntime> Inner<R> {
    /// Whether every group's log here names this node.
    fn is_named(&self) -> bool {
        let me = self.identity.node;
        self.groups.iter().all(|group| {
            let Some(raft) = group.raft.get() else { return false };
            let metrics = raft.server_metrics();
            metrics.borrow_watched().membership_config.membership().get_node(&me).is_some()
        })
    }

    /// Whether others have to be asked: a log does not name this node, or no leader tells it anything.
    fn is_in_doubt(&self) -> bool {
        let is_led = |lead| !matches!(lead, Lead::Nobody);
        let led = self.groups.iter().all(|group| is_led(group.shared.roles.lead()));
        !(self.is_named() && led)
    }

    fn believe(&self, told: Told) {
        let me = self.identity.node;
        let belonging = match told {
            Told::Leaving | Told::Left => Belonging::Leaving,
            _ if self.is_named() => Belonging::Member,
            _ => Belonging::Joining,
        };
        if !self.belief.set(belonging) {
            return;
        }
        match (belonging, told) {
            (Belonging::Leaving, _) => {
                tracing::warn!("node {me} was removed from the cluster: it is not ready any more")
            }
            (Belonging::Joining, Told::Unknown) => {
                tracing::warn!("the cluster knows no node {me}: it is not ready");
            }
            (Belonging::Joining, _) => tracing::warn!("node {me} is not yet in every group: it is not ready"),
            _ => {}
        }
    }

    /// This node is removed: that is written down, so that its next start says so too.
    async fn leave(&self) {
        if let Err(error) = self.save_removed().await {
            tracing::error!(%error, "it cannot be written down that this node was removed");
        }
        (self.on_removed)(&StartError::removed(&self.identity).to_string());
    }

    /// Asks the nodes that this one knows.
    async fn ask_whether_it_belongs(&self) -> Told {
        let question = question(self.identity.node, self.member.clone(), false);
        let within = Duration::from_millis(BELONG_CALL_MS);
        let mut asked: FuturesUnordered<_> = FuturesUnordered::new();
        for (node, member) in self.acquaintances() {
            asked.push(self.transport.call(
                node,
                &member,
                Lane::Bulk,
                Request::Admin(question.clone()),
                within,
            ));
        }
        let mut told = Told::Unsure;
        while let Some(answer) = asked.next().await {
            told = told.max(match answer {
                Ok(Response::Admin(bytes)) => codec::decode(&bytes).unwrap_or(Told::Unsure),
                Ok(Response::Refused(Refusal::NotMember)) | Err(CallError::Denied(Denial::NotMember)) => {
                    Told::Left
                }
                _ => Told::Unsure,
            });
            if told > Told::Unknown {
                return told;
            }
        }
        told
    }

    /// Nodes of the cluster as far as this one ever heard of them.
    fn acquaintances(&self) -> Vec<(NodeId, Member)> {
        let contacts = self.identity.contacts.iter();
        let contacts = contacts
            .map(|contact| (contact.node, Member { peer: contact.peer.clone(), ..Member::default() }));
        let mut known: BTreeMap<NodeId, Member> = contacts.collect();
        for raft in self.groups.iter().filter_map(|group| group.raft.get()) {
            let metrics = raft.server_metrics();
            let metrics = metrics.borrow_watched();
            known.extend(metrics.membership_config.membership().nodes().map(|(id, at)| (*id, at.clone())));
        }
        known.remove(&self.identity.node);
        known.into_iter().take(CONTACTS_MAX).collect()
    }

    /// Tells a node whether it belongs to the cluster. The leader of the first group takes in one that has taken its id.
    pub(super) async fn whether_it_belongs(
        self: &Arc<Self>,
        node: NodeId,
        member: Member,
        is_passed_on: bool,
    ) -> Told {
        let metadata = self.metadata();
        if metadata.has_left(node) {
            return if self.is_somewhere(node) { Told::Leaving } else { Told::Left };
        }
        match self.leader(FIRST) {
            Some((leader, at)) if leader != self.identity.node && !is_passed_on => {
                match self.tell(leader, &at, question(node, member, true)).await {
                    Ok(Response::Admin(bytes)) => codec::decode(&bytes).unwrap_or(Told::Unsure),
                    _ => Told::Unsure,
                }
            }
            Some((leader, _)) if leader == self.identity.node && self.decides() => {
                match metadata.nodes.get(&node).map(|enrolled| enrolled.part) {
                    None => Told::Unknown,
                    Some(Enrolment::Entered) => Told::Entered,
                    Some(Enrolment::Given(_)) => match self.record(&Change::Enter { node, member }).await {
                        Ok(_) => Told::Entered,
                        Err(_) => Told::Unsure,
                    },
                }
            }
            _ => Told::Unsure,
        }
    }

    /// Whether a group, as this node knows it, names that node.
    pub(super) fn is_somewhere(&self, node: NodeId) -> bool {
        self.groups.iter().filter_map(|group| group.raft.get()).any(|raft| {
            let metrics = raft.server_metrics();
            metrics.borrow_watched().membership_config.membership().get_node(&node).is_some()
        })
    }
}
