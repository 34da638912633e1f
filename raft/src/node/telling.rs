//! Statements on their way: every node tells every other one about twice a second, and is answered with the other's.

use bytes::Bytes;
use futures_util::future::join_all;
use openraft::async_runtime::AsyncRuntime;
use sluice_engine::id::GroupId;
use std::collections::BTreeSet;
use std::sync::Weak;
use std::time::Duration;

use super::Inner;
use super::ledger::Page;
use super::limit::{TELL_MS, TELL_WITHIN_MS};
use super::neighbours::Statement;
use crate::codec;
use crate::log::Promised;
use crate::peer::{Lane, Refusal, Request, Response};
use crate::types::{Member, NodeId};
use openraft::async_runtime::{Mutex as _, WatchReceiver};

/// Tells the other nodes how this one is, and asks them, as long as it is there.
pub(super) async fn tell_neighbours<R: AsyncRuntime>(inner: Weak<Inner<R>>) {
    loop {
        {
            let Some(inner) = inner.upgrade() else { return };
            let others = inner.known_nodes();
            inner.neighbours.keep_only(&others);
            inner.proof.keep_only(&others);
            join_all(others.iter().map(|(to, member)| inner.exchange(*to, member))).await;
            // Those that do not answer are asked before they get a vote.
            inner.proof.complete();
            inner.look_for_lost();
        }
        R::sleep(Duration::from_millis(TELL_MS)).await;
    }
}

/// Writes down what is promised, as long as the node is there.
pub(super) async fn keep_ledger<R: AsyncRuntime>(inner: Weak<Inner<R>>) {
    loop {
        R::sleep(Duration::from_millis(super::limit::LEDGER_MS)).await;
        let Some(inner) = inner.upgrade() else { return };
        inner.write_ledger().await;
    }
}

impl<R: AsyncRuntime> Inner<R> {
    /// Takes another node's statement, and answers with this one's.
    pub(super) async fn told(&self, from: NodeId, bytes: &[u8]) -> Result<Bytes, Refusal> {
        let said = self.read(bytes)?;
        let is_twin = match self.known_nodes().get(&from) {
            Some(member) => self.is_twin(from, member, said.boot).await,
            // It came while this node was away: it may need this node's vote before the log tells of it.
            None => false,
        };
        if !is_twin {
            self.take(from, &said);
        }
        // Made now: it may have given up what it was known to have promised.
        Ok(codec::encode(&Statement { is_twin, ..self.statement(from) }))
    }

    fn read(&self, bytes: &[u8]) -> Result<Statement, Refusal> {
        let said: Statement = codec::decode(bytes).map_err(|error| Refusal::Other(error.to_string()))?;
        let groups = self.groups.len();
        match [said.promised.len(), said.yours.len(), said.leads.len()] == [groups; 3] {
            true => Ok(said),
            false => Err(Refusal::Other(format!("a statement has a part for each of {groups} groups"))),
        }
    }

    async fn exchange(&self, to: NodeId, member: &Member) {
        if let Some(said) = self.ask(to, member).await {
            if said.is_twin {
                return self.fail(&format!(
                    "node {} runs already, at {}: node {to} hears of two. A data folder that was copied is no other node: stop this \
                     process, remove its folder, and add it as a node of its own",
                    self.identity.node, self.member.peer
                ));
            }
            self.take(to, &said);
        }
    }

    async fn ask(&self, to: NodeId, member: &Member) -> Option<Statement> {
        let request = Request::Tell(codec::encode(&self.statement(to)));
        let within = Duration::from_millis(TELL_WITHIN_MS);
        match self.transport.call(to, member, Lane::Vote, request, within).await {
            Ok(Response::Told(bytes)) => self.read(&bytes).ok(),
            _ => None,
        }
    }

    /// Whether the process that says it is that node is not the one that answers at its address, while that one was heard of.
    async fn is_twin(&self, node: NodeId, member: &Member, boot: u64) -> bool {
        let Some(other) = self.neighbours.other_boot(node, boot, (self.clock)()) else { return false };
        self.ask(node, member).await.is_some_and(|said| said.boot == other)
    }

    fn take(&self, from: NodeId, said: &Statement) {
        self.neighbours.take(from, said, (self.clock)());
        if self.secrets.is_held(from, &said.holds) {
            self.neighbours.holds(from, said.holds.number);
        }
        let has = self.has();
        // What was given up is not asked back, whoever has not heard of that yet.
        let yours = match self.accepts_loss {
            true => has.clone(),
            false => said.yours.iter().zip(&has).map(|(known, has)| known.believable(has)).collect(),
        };
        for group in self.proof.compare(from, &yours, &has) {
            tracing::error!(
                group = group.0,
                "log/ and node/ of the data folder are older than what node {from} knows that this node acknowledged: it neither \
                 votes nor leads until a leader has given that back; put the newest folder back where no leader is left"
            );
        }
        for ((group, leads), has) in (0..).map(GroupId).zip(&said.leads).zip(&has) {
            let Some((term, last)) = *leads else { continue };
            let leads = Promised { last, term, excused: None };
            if leads.believable(has) == leads && self.proof.may_follow(group, term) {
                self.proof.leader_has(group, last);
            }
        }
    }

    /// Whether what was lost has come back.
    fn look_for_lost(&self) {
        if !self.proof.is_behind() {
            return;
        }
        for (group, has) in (0..).map(GroupId).zip(self.has()) {
            if self.proof.has(group, has) {
                tracing::warn!(group = group.0, "has all again that it acknowledged: it votes");
            }
        }
    }

    /// Writes down what is promised now, where that is news.
    pub(super) async fn write_ledger(&self) {
        let page = self.page();
        let mut ledger = self.ledger.lock().await;
        match ledger.keep(page).await {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                tracing::warn!(
                    "the disk has no room for the ledger: what is acknowledged from here on only the others know"
                );
            }
            Err(error) => {
                drop(ledger);
                self.fail(&format!(
                    "cannot write node/ledger: {error}; check the disk, then start this node again"
                ));
            }
        }
    }

    fn page(&self) -> Page {
        let needs = |group: u16| self.proof.needs(GroupId(group)).unwrap_or_default();
        let has = self.has();
        let promised = (0..).zip(&has).map(|(group, has): (u16, &Promised)| has.or(needs(group))).collect();
        let mut members = self.known_nodes();
        members.insert(self.identity.node, self.member.clone());
        let mut voters = BTreeSet::new();
        for raft in self.groups.iter().filter_map(|group| group.raft.get()) {
            let metrics = raft.server_metrics();
            voters.extend(metrics.borrow_watched().membership_config.membership().voter_ids());
        }
        if voters.is_empty() {
            voters.clone_from(&self.voters_before);
        }
        let is_new = self.is_new && voters.is_empty();
        let (mark, others) = (self.log.durable().mark, self.neighbours.promised());
        Page { number: 0, mark, promised, members, voters, others, is_new }
    }
}
