//! Changes of the cluster, on the leader of the first group.

use openraft::LinearizerOption;
use openraft::async_runtime::AsyncRuntime;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::Inner;
use super::super::limit::{ADMIN_WAIT_MS, BEHIND_ENTRIES_MAX, CATCH_UP_MS, RETRY_MS};
use super::rotate::numbered;
use super::step::{Act, Peer, Report, Step};
use super::{FIRST, no_leader};
use crate::cluster::{
    AdminCode as Code, AdminError, AdminReply, AdminRequest, Administered, Change, Metadata, Operation,
};
use crate::codec;
use crate::limit::NODE_ID_MAX;
use crate::types::{Command, NodeId};

pub(super) type Outcome<T> = Result<T, AdminError>;

/// Why a node cannot vote yet, and in which group.
pub(super) enum Behind {
    /// It does not answer.
    Silent(u16),
    /// It lacks so many entries.
    Entries(u16, u64),
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Behind::Silent(group) => write!(f, "it does not answer in group {group}"),
            Behind::Entries(group, entries) => write!(f, "it is {entries} entries behind in group {group}"),
        }
    }
}

impl<R: AsyncRuntime> Inner<R> {
    /// Carries a change out, alone.
    pub(super) async fn change(self: Arc<Self>, request: AdminRequest) -> Administered {
        let _carried = Carried::begin(&self);
        match &request {
            // These change nothing that two could disagree about.
            AdminRequest::Transfer { group, node } => return self.transfer(*group, *node).await,
            AdminRequest::Snapshot { group } => return self.snapshot(*group).await,
            _ => {}
        }
        let decided = self.decided().await?;
        if request == AdminRequest::Finish {
            return self.finish().await;
        }
        let request = numbered(request, &decided);
        check_ids(&request, &decided)?;
        self.check_number(&request, &decided)?;
        let nonce = self.operations.fetch_add(1, Ordering::Relaxed);
        let operation = Operation { nonce, text: request.to_string() };
        let metadata = self.record(&Change::Begin(operation.clone())).await?;
        match metadata.operation {
            Some(under_way) if under_way != operation => {
                let message = format!(
                    "another change is under way: {}; wait for it, or run finish if whoever began it is gone",
                    under_way.text
                );
                return Err(AdminError::new(Code::Busy, message));
            }
            _ => {}
        }
        let outcome = match request {
            AdminRequest::Init => self.init().await,
            AdminRequest::AddLearner { node, peer } => {
                self.add(node, &peer, false, None).await.map(|node| added(node, &peer))
            }
            AdminRequest::Promote { node } => self.promote(node).await,
            AdminRequest::Remove { node } => self.remove(node).await,
            AdminRequest::Replace { node, peer } => self.replace(node, &peer).await,
            AdminRequest::RotateSecret { number } => self.rotate(number.unwrap_or_default()).await,
            AdminRequest::Transfer { .. } | AdminRequest::Snapshot { .. } | AdminRequest::Finish => {
                unreachable!("carried out above")
            }
        };
        self.end(nonce).await;
        outcome
    }

    /// All that was decided before this was asked, by whoever led then: a leader that was elected a moment ago may have it in its log
    /// and not have applied it. Whoever leads no more is told so.
    async fn decided(&self) -> Outcome<Metadata> {
        let raft = self.groups[usize::from(FIRST.0)].raft.get().ok_or_else(|| no_leader(FIRST))?;
        let within = Duration::from_millis(ADMIN_WAIT_MS);
        let confirmed = LinearizerOption::new(Some(Duration::ZERO), true).with_wait_timeout(within);
        match R::timeout(within, raft.ensure_linearizable(confirmed)).await {
            Ok(Ok(_)) => Ok(self.metadata()),
            _ => Err(no_leader(FIRST)),
        }
    }

    pub(in crate::node) fn metadata(&self) -> Metadata {
        self.groups[usize::from(FIRST.0)].shared.metadata().unwrap_or_default()
    }

    /// Writes a change of the metadata into the first group's log; returns what is applied after it.
    pub(in crate::node) async fn record(&self, change: &Change) -> Outcome<Metadata> {
        let raft = self.groups[usize::from(FIRST.0)].raft.get().ok_or_else(|| no_leader(FIRST))?;
        let command = Command::Cluster(codec::encode(change));
        let within = Duration::from_millis(ADMIN_WAIT_MS);
        match R::timeout(within, raft.client_write(command)).await {
            Ok(Ok(_)) => Ok(self.metadata()),
            _ => Err(no_leader(FIRST)),
        }
    }

    /// The change is over. Where another node leads the first group by now, that one is asked.
    async fn end(self: &Arc<Self>, nonce: u64) {
        if self.record(&Change::End(Some(nonce))).await.is_err() {
            let finished = Box::pin(Arc::clone(self).administer(AdminRequest::Finish)).await;
            if let Err(error) = finished {
                tracing::warn!(%error, "a change stays marked as under way: run finish");
            }
        }
    }

    pub(super) async fn at(&self, group: u16, act: Act) -> Outcome<Report> {
        self.lead_step(&Step { group, act }).await
    }

    pub(super) fn all(&self) -> std::ops::Range<u16> {
        0..self.identity.groups
    }

    /// Every node that waits gets a vote, and those that an interrupted change left without the one they were to have.
    async fn init(&self) -> Administered {
        let mut names = Vec::new();
        for newcomer in self.waiting.list((self.clock)()) {
            let node = self.add(None, &newcomer.member.peer, true, None).await?;
            self.catch_up(node).await?;
            self.promote(node).await?;
            names.push(format!("{node} at {}", newcomer.member.peer));
        }
        for (node, _) in self.metadata().entered().filter(|(_, enrolled)| enrolled.votes) {
            if self.lacks_vote(node).await? {
                self.enrol(node).await?;
                self.catch_up(node).await?;
                self.promote(node).await?;
                names.push(node.to_string());
            }
        }
        let voters = self.at(FIRST.0, Act::Look).await?.nodes.iter().filter(|peer| peer.is_voter).count();
        let message = match (names.is_empty(), voters) {
            (false, _) => format!("voters now: {}", names.join(", ")),
            (true, 0..=1) => {
                let message =
                    "no node waits to be added: start some with --join and this node's peer address";
                return Err(AdminError::new(Code::NotWaiting, message));
            }
            (true, voters) => format!("no node waits to be added; the cluster has {voters} voters"),
        };
        Ok(AdminReply { message, node: None })
    }

    /// Waits until a node has all that the leaders of its groups have.
    async fn catch_up(&self, node: NodeId) -> Outcome<()> {
        let mut silent_ms = 0;
        for _ in 0..CATCH_UP_MS / RETRY_MS {
            match self.behind(node).await? {
                None => return Ok(()),
                Some(Behind::Silent(_)) => silent_ms += RETRY_MS,
                Some(Behind::Entries(..)) => silent_ms = 0,
            }
            if silent_ms > ADMIN_WAIT_MS {
                let message = format!("node {node} is added but does not answer: start it, then promote it");
                return Err(AdminError::new(Code::NotCaughtUp, message));
            }
            R::sleep(Duration::from_millis(RETRY_MS)).await;
        }
        Err(AdminError::new(
            Code::NotCaughtUp,
            format!("node {node} is added but still catching up: promote it later"),
        ))
    }

    /// Why a node cannot vote yet.
    pub(super) async fn behind(&self, node: NodeId) -> Outcome<Option<Behind>> {
        for group in self.all() {
            let report = self.at(group, Act::Look).await?;
            let peer = report.peer(node).ok_or_else(|| unknown(node))?;
            let behind = report.next.saturating_sub(peer.next);
            if !peer.is_reachable {
                return Ok(Some(Behind::Silent(group)));
            }
            if behind > BEHIND_ENTRIES_MAX {
                return Ok(Some(Behind::Entries(group, behind)));
            }
        }
        Ok(None)
    }

    async fn promote(&self, node: NodeId) -> Administered {
        if !self.metadata().has_entered(node) {
            return Err(self.no_member(node));
        }
        self.enrol(node).await?;
        if let Some(why) = self.behind(node).await? {
            let message = format!("node {node} cannot vote yet: {why}; wait until it has caught up");
            return Err(AdminError::new(Code::NotCaughtUp, message));
        }
        self.vote(node).await?;
        Ok(AdminReply { message: format!("node {node} votes"), node: None })
    }

    /// Gives a node that has caught up its vote, in every group.
    pub(super) async fn vote(&self, node: NodeId) -> Outcome<()> {
        for group in self.all() {
            let report = self.at(group, Act::Look).await?;
            check_quorum(&report, group, |peer| peer.is_voter || peer.id == node)?;
        }
        if !self.record(&Change::Vote(node)).await?.has_entered(node) {
            return Err(self.no_member(node));
        }
        for group in self.all() {
            self.at(group, Act::AddVoter(node)).await?;
        }
        Ok(())
    }

    async fn remove(&self, node: NodeId) -> Administered {
        let mut members = BTreeSet::new();
        for group in self.all() {
            let report = self.at(group, Act::Look).await?;
            let Some(peer) = report.peer(node) else { continue };
            members.insert(group);
            if peer.is_voter {
                check_quorum(&report, group, |peer| peer.is_voter && peer.id != node)?;
            }
        }
        let metadata = self.metadata();
        if members.is_empty() && !metadata.nodes.contains_key(&node) {
            if !metadata.has_left(node) {
                return Err(unknown(node));
            }
            let message = format!("node {node} was removed before; its id is never used again");
            return Ok(AdminReply { message, node: None });
        }
        // Decided first: from then on nobody takes it in again.
        self.record(&Change::Leave(node)).await?;
        // The first group last: whoever leads that one carries this change out.
        for group in members.into_iter().rev() {
            self.at(group, Act::Remove(node)).await?;
        }
        Ok(AdminReply { message: format!("node {node} is removed; its id is never used again"), node: None })
    }

    async fn replace(&self, old: NodeId, peer: &str) -> Administered {
        let metadata = self.metadata();
        let votes = match (metadata.nodes.get(&old), metadata.at(peer)) {
            (Some(enrolled), _) => enrolled.votes,
            // Asked for before, and interrupted after it had gone.
            (None, Some((_, fresh))) if metadata.has_left(old) => fresh.votes,
            (None, _) => return Err(self.no_member(old)),
        };
        let node = self.add(None, peer, votes, Some(old)).await?;
        if votes {
            self.catch_up(node).await?;
            self.promote(node).await?;
        }
        self.remove(old).await?;
        Ok(AdminReply {
            message: format!("node {node} at {peer} took the place of node {old}"),
            node: Some(node),
        })
    }

    fn no_member(&self, node: NodeId) -> AdminError {
        if !self.metadata().has_left(node) {
            return unknown(node);
        }
        AdminError::new(Code::Unknown, format!("node {node} was removed: it is no member of this cluster"))
    }

    async fn transfer(&self, group: Option<u16>, to: NodeId) -> Administered {
        for group in self.chosen(group)? {
            let report = self.at(group, Act::Look).await?;
            let peer = report.peer(to).filter(|peer| peer.is_voter);
            let peer = peer.ok_or_else(|| {
                AdminError::new(
                    Code::Unknown,
                    format!("node {to} is no voter of group {group}: promote it first"),
                )
            })?;
            let behind = report.next.saturating_sub(peer.next);
            if !peer.is_reachable || behind > BEHIND_ENTRIES_MAX {
                let message =
                    format!("node {to} cannot lead group {group} now: it does not answer, or is behind");
                return Err(AdminError::new(Code::NotCaughtUp, message));
            }
            if report.leader != to {
                self.give(group, to).await?;
            }
        }
        Ok(AdminReply { message: format!("node {to} leads"), node: None })
    }

    /// Afterwards the old leader cannot report: that the new one does is the proof.
    async fn give(&self, group: u16, to: NodeId) -> Outcome<()> {
        for _ in 0..ADMIN_WAIT_MS / RETRY_MS {
            let report = self.at(group, Act::Look).await?;
            if report.leader == to {
                return Ok(());
            }
            match self.at(group, Act::Transfer(to)).await {
                Ok(_) => {}
                Err(error) if error.code == Code::NoLeader => {}
                Err(error) => return Err(error),
            }
        }
        Err(AdminError::new(Code::Failed, format!("node {to} did not take group {group} over; try again")))
    }

    /// Leader or not: every node that holds a group can.
    pub(super) async fn snapshot(&self, group: Option<u16>) -> Administered {
        for group in self.chosen(group)? {
            self.groups[usize::from(group)].snapshot().await?;
        }
        Ok(AdminReply { message: "snapshots are written".to_owned(), node: None })
    }

    fn chosen(&self, group: Option<u16>) -> Outcome<std::ops::Range<u16>> {
        match group {
            None => Ok(self.all()),
            Some(group) if group < self.identity.groups => Ok(group..group + 1),
            Some(group) => {
                let message =
                    format!("there is no group {group}: they are 0 to {}", self.identity.groups - 1);
                Err(AdminError::new(Code::Unknown, message))
            }
        }
    }
}

/// A change that this node carries out, or has asked another one for: until it is over nothing else is done about members here.
pub(super) struct Carried<'a, R: AsyncRuntime>(&'a Inner<R>);

impl<'a, R: AsyncRuntime> Carried<'a, R> {
    pub(super) fn begin(inner: &'a Inner<R>) -> Carried<'a, R> {
        inner.carried.fetch_add(1, Ordering::AcqRel);
        Carried(inner)
    }
}

impl<R: AsyncRuntime> Drop for Carried<'_, R> {
    fn drop(&mut self) {
        self.0.carried.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Refuses an id that another node has, or had.
fn check_ids(request: &AdminRequest, decided: &Metadata) -> Outcome<()> {
    let AdminRequest::AddLearner { node: Some(node), peer } = request else { return Ok(()) };
    if *node > NODE_ID_MAX {
        // The next one is one more: there has to be one.
        let message = format!("node ids end at {NODE_ID_MAX}: leave it out, or take a smaller one");
        return Err(AdminError::new(Code::UsedId, message));
    }
    let is_same = decided.nodes.get(node).is_some_and(|enrolled| enrolled.member.peer == *peer);
    if *node >= decided.next_node || is_same {
        return Ok(());
    }
    let message = format!(
        "node id {node} was used before and is never used again: leave it out, or take one from {} on",
        decided.next_node
    );
    Err(AdminError::new(Code::UsedId, message))
}

fn added(node: NodeId, peer: &str) -> AdminReply {
    AdminReply { message: format!("node {node} at {peer} is added and catches up"), node: Some(node) }
}

pub(super) fn unknown(node: NodeId) -> AdminError {
    AdminError::new(Code::Unknown, format!("there is no node {node} in this cluster"))
}

/// Refuses a set of voters of which no majority answers.
pub(super) fn check_quorum(report: &Report, group: u16, votes: impl Fn(&Peer) -> bool) -> Outcome<()> {
    let voters = report.nodes.iter().filter(|peer| votes(peer));
    let (count, down) =
        voters.fold((0, 0), |(count, down), peer| (count + 1, down + usize::from(!peer.is_reachable)));
    if count == 0 {
        return Err(AdminError::new(
            Code::Quorum,
            "the last voter cannot be removed: add and promote another first",
        ));
    }
    if (count - down) * 2 <= count {
        let message = format!(
            "group {group} would lose quorum: {down} of {count} are down; bring nodes back, or replace them, first"
        );
        return Err(AdminError::new(Code::Quorum, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Code, NodeId, Outcome, Peer, Report, check_quorum};
    use crate::types::Member;

    fn report(reachable: &[bool]) -> Report {
        let peer = |(id, is_reachable): (NodeId, &bool)| Peer {
            id,
            member: Member::default(),
            is_voter: true,
            is_reachable: *is_reachable,
            next: 0,
        };
        let nodes = (1..).zip(reachable).map(peer).collect();
        Report { leader: 1, next: 0, nodes, is_joint: false }
    }

    fn without(report: &Report, node: NodeId) -> Outcome<()> {
        check_quorum(report, 0, |peer| peer.id != node)
    }

    #[test]
    fn voters_are_removed_only_while_a_majority_of_the_rest_answers() {
        let four = report(&[true, true, false, false]);
        let refused = without(&four, 2).unwrap_err();
        assert_eq!(refused.code, Code::Quorum);
        assert!(refused.message.contains("would lose quorum: 2 of 3 are down"), "{refused}");
        assert!(without(&four, 3).is_ok(), "a dead one may go: two of three answer");
        assert!(without(&report(&[true, true, true]), 1).is_ok());
        assert!(without(&report(&[true, false]), 1).is_err());
        assert!(without(&report(&[true]), 1).is_err(), "the last one");
    }
}
