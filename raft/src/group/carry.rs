//! Errands between the owners of one group's shards: requests to the leader and their answers, and soft state.
//!
//! A request goes one hop. Those that are decided together go together, so that a busy node pays for a message once: a message
//! takes what has gathered while the few before it were under way. A poll goes alone, for it may be parked at the leader. When
//! their leader is lost the askers are told at once, whatever the connection may still bring.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use openraft::async_runtime::{AsyncRuntime, Select2, WatchReceiver};
use sluice_engine::command::Command;
use sluice_engine::error::Refusal;
use sluice_engine::id::Ticket;
use sluice_engine::limit::NO_LEADER_RETRY_MS;
use sluice_engine::measure::Measured;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::{Ask, Event, Presence, Pulse};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::Raft;
use super::errands::{Answers, Errand};
use super::lane::Delivery;
use super::limit::{BUSY_RETRY_MS, FORWARD_BATCH_MAX, FORWARD_BYTES_MAX, FORWARD_CALLS_MAX, FORWARD_MS};
use super::roles::Lead;
use super::shared::Shared;
use crate::codec::{self, AtMost};
use crate::peer::limit::CAST_BYTES_MAX;
use crate::peer::{CallError, Cast, Lane, Request, Response, Transport};
use crate::types::{Member, NodeId};

const NO_LEADER: Refusal = Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS };
const BUSY: Refusal = Refusal::Busy { retry_ms: BUSY_RETRY_MS };

/// Runs one group's errands until they are stopped.
pub(crate) async fn carry<R: AsyncRuntime>(
    raft: Raft<R>,
    shared: Arc<Shared>,
    transport: Arc<dyn Transport<R>>,
) {
    let errands = Arc::clone(&shared);
    let mut carrier = Carrier {
        raft,
        shared,
        transport,
        gathered: VecDeque::new(),
        messages: 0,
        asked: BTreeMap::new(),
        together: 0,
        calls: FuturesUnordered::new(),
    };
    loop {
        let next = if carrier.calls.is_empty() {
            Select2::First(errands.errands.next().await)
        } else {
            R::select2(errands.errands.next(), carrier.calls.next()).await
        };
        match next {
            Select2::First(Some(errand)) => carrier.run(errand),
            Select2::First(None) => return carrier.give_up(),
            Select2::Second(Some((message, answers))) => carrier.end(message, answers),
            Select2::Second(None) => {}
        }
    }
}

/// Requests of one message on their way.
struct Asked {
    tickets: Vec<Ticket>,
    /// Of the requests.
    bytes: usize,
    /// They were gathered; a message with a single request that must not wait for others was not.
    together: bool,
}

struct Carrier<R: AsyncRuntime> {
    raft: Raft<R>,
    shared: Arc<Shared>,
    transport: Arc<dyn Transport<R>>,
    /// Requests that go with the next message.
    gathered: VecDeque<(Ticket, Measured<Ask>)>,
    messages: u64,
    asked: BTreeMap<u64, Asked>,
    /// How many of these were gathered.
    together: usize,
    calls: FuturesUnordered<BoxFuture<'static, (u64, Answers)>>,
}

impl<R: AsyncRuntime> Carrier<R> {
    fn run(&mut self, errand: Errand) {
        match errand {
            Errand::Forward(asks) => self.forward(asks),
            Errand::LeaderChanged => self.give_up(),
            Errand::Report(presence) => self.report(&presence),
            Errand::Pulse(pulse) => self.pulse(pulse),
        }
    }

    fn forward(&mut self, asks: Vec<(Ticket, Measured<Ask>)>) {
        for (ticket, ask) in asks {
            if goes_together(ask.value()) {
                self.gathered.push_back((ticket, ask));
            } else {
                self.send(vec![(ticket, ask)], false);
            }
        }
        self.send_gathered();
    }

    fn send_gathered(&mut self) {
        while !self.gathered.is_empty() && self.together < FORWARD_CALLS_MAX {
            let count = self.message_len();
            let asks = self.gathered.drain(..count).collect();
            self.send(asks, true);
        }
    }

    /// How many of the gathered requests the next message takes.
    fn message_len(&self) -> usize {
        let mut bytes = 0;
        let fits = |(_, ask): &&(Ticket, Measured<Ask>)| {
            bytes += ask.bytes();
            bytes <= FORWARD_BYTES_MAX
        };
        // One goes in any case: no single request is larger than a message may be, for its owner has refused such.
        self.gathered.iter().take(FORWARD_BATCH_MAX).take_while(fits).count().max(1)
    }

    fn send(&mut self, asks: Vec<(Ticket, Measured<Ask>)>, together: bool) {
        let bytes = asks.iter().map(|(_, ask)| ask.bytes()).sum();
        let (tickets, asks): (Vec<_>, Vec<_>) =
            asks.into_iter().map(|(ticket, ask)| (ticket, ask.into_value())).unzip();
        let asked = Asked { tickets, bytes, together };
        let Some((leader, member, _)) = self.leader() else { return self.answer(asked, Err(NO_LEADER)) };
        self.messages += 1;
        let message = self.messages;
        let request = Request::Forward {
            group: self.shared.group,
            bytes: codec::encode_into(&asks, codec::LIST_PREFIX_BYTES + bytes),
        };
        let within = Duration::from_millis(FORWARD_MS);
        let call = self.transport.call(leader, &member, Lane::Bulk, request, within);
        self.together += usize::from(together);
        self.asked.insert(message, asked);
        self.calls.push(Box::pin(async move {
            let answers = match call.await {
                Ok(Response::Forward(bytes)) => read_answers(&bytes),
                Err(CallError::Busy) => Err(BUSY),
                _ => Err(NO_LEADER),
            };
            (message, answers)
        }));
    }

    /// The leader, where that is another node, how it is reached, and its session.
    fn leader(&self) -> Option<(NodeId, Member, u64)> {
        let Lead::There(leader, session) = self.shared.roles.lead() else { return None };
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let member = metrics.membership_config.membership().get_node(&leader)?.clone();
        Some((leader, member, session))
    }

    fn end(&mut self, message: u64, answers: Answers) {
        let Some(asked) = self.asked.remove(&message) else { return };
        self.together -= usize::from(asked.together);
        self.answer(asked, answers);
        self.send_gathered();
    }

    /// A peer that answers fewer requests than it was asked is not believed.
    fn answer(&self, asked: Asked, answers: Answers) {
        let Asked { tickets, bytes, .. } = asked;
        let count = tickets.len();
        self.shared.errands.forward_done(count, bytes);
        let (replies, applied) = match answers {
            Ok((replies, applied)) if replies.len() == count => (replies, applied),
            Ok(_) => (vec![Reply::Refused(NO_LEADER); count], 0),
            Err(refusal) => (vec![Reply::Refused(refusal); count], 0),
        };
        let replies = tickets.into_iter().zip(replies).collect();
        self.shared.lane.push(Delivery::Answered(replies, applied));
    }

    /// Nothing that is on its way will be answered by a leader.
    fn give_up(&mut self) {
        self.calls = FuturesUnordered::new();
        self.together = 0;
        for (_, asked) in std::mem::take(&mut self.asked) {
            self.answer(asked, Err(NO_LEADER));
        }
        // These were not sent: another leader may still be asked.
        self.send_gathered();
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

/// Whether a request is decided with its batch, and small: anything else would hold up those that go with it.
fn goes_together(ask: &Ask) -> bool {
    match ask {
        Ask::Join { .. } | Ask::JoinNamed { .. } | Ask::Key(_) | Ask::Keys(_) => true,
        Ask::Stats(_) | Ask::Settings(_) => true,
        Ask::Change(command) => matches!(**command, Command::Leave { .. }),
        Ask::Turn(_) | Ask::Hash => false,
    }
}

/// Has the owner here answer the requests of another node's clients.
pub(crate) async fn serve_asks(shared: Arc<Shared>, bytes: &[u8]) -> Bytes {
    codec::encode(&ask(&shared, bytes).await)
}

async fn ask(shared: &Shared, bytes: &[u8]) -> Answers {
    let Lead::Here(_) = shared.roles.told() else { return Err(NO_LEADER) };
    let asks = codec::decode::<AtMost<Ask, FORWARD_BATCH_MAX>>(bytes).map(|asks| asks.0).unwrap_or_default();
    if asks.is_empty() || asks.len() > FORWARD_BATCH_MAX {
        shared.lane.push(Delivery::Soft(Event::Unfit));
        return Err(NO_LEADER);
    }
    let waiting = shared.errands.ask(asks.len()).ok_or(BUSY)?;
    shared.lane.push(Delivery::Asked(waiting.tickets().zip(asks).collect()));
    waiting.answers().await.ok_or(NO_LEADER)
}

/// What the leader answers; no more than it can have been asked.
fn read_answers(bytes: &[u8]) -> Answers {
    type Read = Result<(AtMost<Reply, FORWARD_BATCH_MAX>, u64), Refusal>;
    let read = codec::decode::<Read>(bytes).unwrap_or(Err(NO_LEADER));
    read.map(|(replies, applied)| (replies.0, applied))
}

/// Hands soft state to the owner, if it is of this session.
pub(crate) fn take_cast(shared: &Shared, from: NodeId, cast: &Cast) {
    let event = match cast {
        Cast::Presence { bytes, .. } => match codec::decode::<(u64, Presence)>(bytes) {
            Ok((session, presence)) => {
                (shared.roles.told() == Lead::Here(session)).then_some(Event::Presence(from, presence))
            }
            Err(_) => Some(Event::Unfit),
        },
        Cast::Pulse { bytes, .. } => match codec::decode::<(u64, Pulse)>(bytes) {
            Ok((session, pulse)) => {
                (shared.roles.told() == Lead::There(from, session)).then_some(Event::Pulse(pulse))
            }
            Err(_) => Some(Event::Unfit),
        },
        // No state of a group.
        Cast::Publish { .. } => None,
    };
    if let Some(event) = event {
        shared.lane.push(Delivery::Soft(event));
    }
}
