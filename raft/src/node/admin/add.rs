//! A waiting node is given an id, and taken into every group.
//!
//! ```text
//!  log: the id is set aside ──▶ the node writes it down ──▶ log: it has entered ──▶ in every group
//!                                        └── or says so itself, to whom it knows (`belong`)
//! ```
//! Whoever carries this out may be lost after each step: the same request, asked again, goes on from there. The id that was set aside
//! stays that of the process which announced itself with its nonce; another process at the same address gets another.

use openraft::async_runtime::AsyncRuntime;
use std::time::Duration;

use super::super::Inner;
use super::super::limit::{ADMIN_WAIT_MS, ADOPT_MS, CONTACTS_MAX, NEWCOMER_WAIT_MS, RETRY_MS};
use super::change::Outcome;
use super::step::Act;
use super::waiting::Newcomer;
use crate::cluster::{AdminCode as Code, AdminError, Change, Enrolment, Metadata};
use crate::peer::{Adoption, CallError, Contact, Denial, Lane, Refusal, Request, Response};
use crate::types::NodeId;

/// What became of an id that was offered to a waiting node.
enum Offered {
    /// It is the node's.
    Taken(NodeId),
    /// No answer: it may have taken it, and says so then.
    Unknown,
    /// Another process is there than the one that announced itself.
    Other,
}

impl<R: AsyncRuntime> Inner<R> {
    /// Adds the node that waits at `peer` to every group; returns its id. One that was added there before, and does not wait, is
    /// that node, unless it is `old`.
    pub(super) async fn add(
        &self,
        wanted: Option<NodeId>,
        peer: &str,
        votes: bool,
        old: Option<NodeId>,
    ) -> Outcome<NodeId> {
        // Who waits announces itself every second. One that was offered an id may take longer to say that it has it.
        let is_known = self.metadata().at(peer).is_some();
        let mut patience_ms = if is_known { ADMIN_WAIT_MS } else { NEWCOMER_WAIT_MS };
        let began_ms = (self.clock)();
        // What is offered may take its time each time, too.
        while (self.clock)().saturating_sub(began_ms) < patience_ms {
            let waits = self.waiting.at(peer, (self.clock)());
            if waits.is_some() {
                patience_ms = ADMIN_WAIT_MS;
            }
            let taken = match waits {
                Some(newcomer) => self.offer(wanted, &newcomer, votes).await?,
                None => self.metadata().entered_at(peer).filter(|node| Some(*node) != old),
            };
            if let Some(node) = taken {
                if wanted.is_some_and(|wanted| wanted != node) {
                    let message = format!("the node at {peer} is node {node} already: its id cannot change");
                    return Err(AdminError::new(Code::Already, message));
                }
                self.enrol(node).await?;
                return Ok(node);
            }
            R::sleep(Duration::from_millis(RETRY_MS)).await;
        }
        let message =
            format!("no node waits at {peer}: start it with --join and the peer address of a node here");
        Err(AdminError::new(Code::NotWaiting, message))
    }

    /// Offers an id to a node that waits; its id where it has taken one.
    async fn offer(
        &self,
        wanted: Option<NodeId>,
        newcomer: &Newcomer,
        votes: bool,
    ) -> Outcome<Option<NodeId>> {
        let node = self.set_aside(wanted, newcomer, votes).await?;
        let (node, taken) = match self.adopt(node, newcomer).await? {
            Offered::Taken(taken) => (node, taken),
            Offered::Unknown => return Ok(None),
            Offered::Other => {
                self.waiting.forget(&newcomer.member.peer);
                self.record(&Change::Leave(node)).await?;
                return Ok(None);
            }
        };
        self.waiting.forget(&newcomer.member.peer);
        if taken != node {
            // It was another request's, and is that node by now.
            self.record(&Change::Leave(node)).await?;
        }
        let entered = self.record(&Change::Enter { node: taken, member: newcomer.member.clone() }).await?;
        Ok(entered.has_entered(taken).then_some(taken))
    }

    /// The id that is set aside for the node.
    async fn set_aside(&self, wanted: Option<NodeId>, newcomer: &Newcomer, votes: bool) -> Outcome<NodeId> {
        let metadata = self.metadata();
        if let Some(node) = metadata.given(newcomer.nonce) {
            return Ok(node);
        }
        let (node, member, nonce) =
            (wanted.unwrap_or(metadata.next_node), newcomer.member.clone(), newcomer.nonce);
        let metadata = self.record(&Change::Add { node, member, nonce, votes }).await?;
        if metadata.given(nonce) == Some(node) {
            return Ok(node);
        }
        Err(AdminError::new(Code::UsedId, format!("node id {node} was used before: leave it out")))
    }

    async fn adopt(&self, node: NodeId, newcomer: &Newcomer) -> Outcome<Offered> {
        let adoption = Adoption {
            cluster: self.identity.cluster,
            node,
            groups: self.identity.groups,
            nonce: newcomer.nonce,
            secret: self.identity.secret,
            members: self.secrets.held(),
            epoch: self.identity.epoch,
            contacts: self.contacts(),
        };
        let within = Duration::from_millis(ADOPT_MS);
        let call = self.transport.call(0, &newcomer.member, Lane::Bulk, Request::Adopt(adoption), within);
        match call.await {
            Ok(Response::Adopted) => Ok(Offered::Taken(node)),
            // It waits no more: it is a node of this cluster.
            Err(CallError::Denied(Denial::Node { found })) if found > 0 => Ok(Offered::Taken(found)),
            Ok(Response::Refused(Refusal::NotAllowed)) => Ok(Offered::Other),
            // It may well have written it down, and says so.
            Ok(Response::Refused(_))
            | Err(CallError::Lost | CallError::Timeout | CallError::Unreachable(_) | CallError::Busy) => {
                Ok(Offered::Unknown)
            }
            other => {
                let why = other.map_or_else(|error| error.to_string(), |answer| format!("{answer:?}"));
                let message = format!("the node at {} could not be added: {why}", newcomer.member.peer);
                Err(AdminError::new(Code::Failed, message))
            }
        }
    }

    /// Nodes that a new one can turn to: this one, and others of the first group.
    fn contacts(&self) -> Vec<Contact> {
        let me = (self.identity.node, self.member.clone());
        let nodes = std::iter::once(me).chain(self.others());
        nodes.take(CONTACTS_MAX).map(|(node, member)| Contact { node, peer: member.peer }).collect()
    }

    /// Takes a node that has entered into every group that lacks it.
    pub(super) async fn enrol(&self, node: NodeId) -> Outcome<()> {
        for group in self.all() {
            let metadata = self.metadata();
            let Some(enrolled) = metadata.nodes.get(&node) else { return Err(super::change::unknown(node)) };
            if self.at(group, Act::Look).await?.peer(node).is_none() {
                self.at(group, Act::AddLearner(node, enrolled.member.clone())).await?;
            }
        }
        Ok(())
    }
}

impl Metadata {
    /// The id that is set aside for whoever announces itself with this nonce.
    fn given(&self, nonce: u64) -> Option<NodeId> {
        let is_meant = |part: Enrolment| part == Enrolment::Given(nonce);
        self.nodes.iter().find(|(_, enrolled)| is_meant(enrolled.part)).map(|(node, _)| *node)
    }

    /// The newest node that belongs to the cluster and has this peer address.
    fn entered_at(&self, peer: &str) -> Option<NodeId> {
        let at = |(_, enrolled): &(NodeId, &crate::cluster::Enrolled)| enrolled.member.peer == peer;
        self.entered().filter(at).map(|(node, _)| node).last()
    }
}
