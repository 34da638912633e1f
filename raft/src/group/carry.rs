//! Errands between the owners of one group's shards: requests to the leader and their answers, and soft state.
//!
//! A request goes one hop. When its leader is lost its asker is told at once, whatever the connection may still bring.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use openraft::async_runtime::{AsyncRuntime, Select2, WatchReceiver};
use sluice_engine::error::Refusal;
use sluice_engine::id::Ticket;
use sluice_engine::limit::NO_LEADER_RETRY_MS;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::{Ask, Event, Presence, Pulse};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::Raft;
use super::errands::{Answer, Errand};
use super::lane::Delivery;
use super::limit::{BUSY_RETRY_MS, FORWARD_MS};
use super::roles::Lead;
use super::shared::Shared;
use crate::codec;
use crate::peer::limit::CAST_BYTES_MAX;
use crate::peer::{CallError, Cast, Lane, Request, Response, Transport};
use crate::types::{Member, NodeId};

const NO_LEADER: Answer = (Reply::Refused(Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS }), 0);
const BUSY: Answer = (Reply::Refused(Refusal::Busy { retry_ms: BUSY_RETRY_MS }), 0);

/// Runs one group's errands until they are stopped.
pub(crate) async fn carry<R: AsyncRuntime>(
    raft: Raft<R>,
    shared: Arc<Shared>,
    transport: Arc<dyn Transport<R>>,
) {
    let mut carrier =
        Carrier { raft, shared, transport, asked: BTreeSet::new(), calls: FuturesUnordered::new() };
    let shared = Arc::clone(&carrier.shared);
    loop {
        let next = if carrier.calls.is_empty() {
            Select2::First(shared.errands.next().await)
        } else {
            R::select2(shared.errands.next(), carrier.calls.next()).await
        };
        match next {
            Select2::First(Some(errand)) => carrier.run(errand),
            Select2::First(None) => return carrier.give_up(),
            Select2::Second(Some((ticket, answer))) => carrier.answer(ticket, answer),
            Select2::Second(None) => {}
        }
    }
}

struct Carrier<R: AsyncRuntime> {
    raft: Raft<R>,
    shared: Arc<Shared>,
    transport: Arc<dyn Transport<R>>,
    /// Requests on their way.
    asked: BTreeSet<Ticket>,
    calls: FuturesUnordered<BoxFuture<'static, (Ticket, Answer)>>,
}

impl<R: AsyncRuntime> Carrier<R> {
    fn run(&mut self, errand: Errand) {
        match errand {
            Errand::Forward(ticket, ask) => {
                self.asked.insert(ticket);
                match self.leader() {
                    Some((leader, member, _)) => self.call(ticket, &ask, leader, &member),
                    None => self.answer(ticket, NO_LEADER),
                }
            }
            Errand::LeaderChanged => self.give_up(),
            Errand::Report(presence) => self.report(&presence),
            Errand::Pulse(pulse) => self.pulse(pulse),
        }
    }

    /// The leader, where that is another node, how it is reached, and its session.
    fn leader(&self) -> Option<(NodeId, Member, u64)> {
        let Lead::There(leader, session) = self.shared.roles.lead() else { return None };
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let member = metrics.membership_config.membership().get_node(&leader)?.clone();
        Some((leader, member, session))
    }

    fn call(&mut self, ticket: Ticket, ask: &Ask, leader: NodeId, member: &Member) {
        let request = Request::Forward { group: self.shared.group, bytes: codec::encode(ask) };
        let within = Duration::from_millis(FORWARD_MS);
        let call = self.transport.call(leader, member, Lane::Bulk, request, within);
        self.calls.push(Box::pin(async move {
            let answer = match call.await {
                Ok(Response::Forward(bytes)) => codec::decode(&bytes).unwrap_or(NO_LEADER),
                Err(CallError::Busy) => BUSY,
                _ => NO_LEADER,
            };
            (ticket, answer)
        }));
    }

    fn answer(&mut self, ticket: Ticket, (reply, applied): Answer) {
        if self.asked.remove(&ticket) {
            self.shared.errands.forward_done();
            self.shared.lane.push(Delivery::Event(Event::Answered(ticket, reply, applied)));
        }
    }

    /// Nothing that is on its way will be answered by a leader.
    fn give_up(&mut self) {
        self.calls = FuturesUnordered::new();
        let asked: Vec<Ticket> = self.asked.iter().copied().collect();
        asked.into_iter().for_each(|ticket| self.answer(ticket, NO_LEADER));
    }

    fn report(&self, presence: &Presence) {
        if let Some((leader, member, session)) = self.leader() {
            let bytes = codec::encode(&(session, presence));
            self.transport.cast(leader, &member, Cast::Presence { group: self.shared.group, bytes });
        }
    }

    fn pulse(&self, pulse: Pulse) {
        let Lead::Here(session) = self.shared.roles.told() else { return };
        let others: Vec<(NodeId, Member)> = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            let nodes = metrics.membership_config.membership().nodes();
            nodes
                .filter(|(id, _)| **id != self.shared.node)
                .map(|(id, member)| (*id, member.clone()))
                .collect()
        };
        for bytes in parts(session, pulse) {
            for (id, member) in &others {
                let cast = Cast::Pulse { group: self.shared.group, bytes: bytes.clone() };
                self.transport.cast(*id, member, cast);
            }
        }
    }
}

/// A pulse in as many messages as it needs: each says what was applied, and tells of some of the zones.
fn parts(session: u64, mut pulse: Pulse) -> Vec<Bytes> {
    let bytes = codec::encode(&(session, &pulse));
    if bytes.len() <= CAST_BYTES_MAX || pulse.zones.len() < 2 {
        return vec![bytes];
    }
    let zones = pulse.zones.split_off(pulse.zones.len() / 2);
    let rest = Pulse { zones, echoes: pulse.echoes.clone(), ..pulse };
    let mut messages = parts(session, pulse);
    messages.extend(parts(session, rest));
    messages
}

/// Has the owner here answer the request of another node's client.
pub(crate) async fn serve_ask(shared: Arc<Shared>, bytes: &[u8]) -> Bytes {
    codec::encode(&ask(&shared, bytes).await)
}

async fn ask(shared: &Shared, bytes: &[u8]) -> Answer {
    let Lead::Here(_) = shared.roles.told() else { return NO_LEADER };
    let Ok(ask) = codec::decode::<Ask>(bytes) else { return NO_LEADER };
    let Some(waiting) = shared.errands.ask() else { return BUSY };
    shared.lane.push(Delivery::Event(Event::Asked(waiting.ticket(), ask)));
    waiting.answer().await.unwrap_or(NO_LEADER)
}

/// Hands soft state to the owner, if it is of this session.
pub(crate) fn take_cast(shared: &Shared, from: NodeId, cast: &Cast) {
    let event = match cast {
        Cast::Presence { bytes, .. } => {
            let Ok((session, presence)) = codec::decode::<(u64, Presence)>(bytes) else { return };
            (shared.roles.told() == Lead::Here(session)).then_some(Event::Presence(from, presence))
        }
        Cast::Pulse { bytes, .. } => {
            let Ok((session, pulse)) = codec::decode::<(u64, Pulse)>(bytes) else { return };
            (shared.roles.told() == Lead::There(from, session)).then_some(Event::Pulse(pulse))
        }
    };
    if let Some(event) = event {
        shared.lane.push(Delivery::Soft(event));
    }
}
