//! Answers to questions about streams: made when the account has room for them, and not before.
//!
//! ```text
//! question ─▶ price ─┬─ too large for any account ─▶ an error that names the bound
//!                    ├─ there is room ─────────────▶ answer, charged for what it takes until it is dropped
//!                    └─ no room, or enough for one turn ─▶ waits here, then is answered or BUSY
//! ```
//! Those that wait are answered in their order; small questions pass them. What is asked of several streams at once, and what a
//! transaction asks, has one price.

use super::{BUSY_RETRY_MS, Fresh, Owner};
use crate::account::{Charge, Part};
use crate::error::Refusal;
use crate::id::Ticket;
use crate::limit::{ANSWER_BYTES_SMALL, ANSWER_RETRY_MS, ANSWER_WAIT_MS, ANSWERED_BYTES_A_TURN};
use crate::reply::Reply;
use crate::sequencer::Ask;
use crate::stream::op::KeyOp;
use crate::stream::value::Value;
use crate::time::MonoMs;
use std::collections::VecDeque;

/// What a client is told for whom there is no room now.
const BUSY: Refusal = Refusal::Busy { retry_ms: BUSY_RETRY_MS };

/// Questions that wait for room.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    waiting: VecDeque<Waiting>,
    /// Bytes of the answers that this turn has made.
    made: u64,
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    ask: Ask,
    until: MonoMs,
}

/// What there is room for.
enum Room {
    Now(Charge),
    Later,
    Never(u64),
}

impl Unanswered {
    /// When room is looked for again.
    pub(super) fn next_due(&self, mono: MonoMs) -> Option<MonoMs> {
        (!self.waiting.is_empty()).then_some(MonoMs(mono.0 + ANSWER_RETRY_MS))
    }
}

impl Owner {
    /// Answers a question from the state as it is here. `None`: the answer comes under the ticket.
    pub(super) fn question(&mut self, ask: Ask, ticket: Ticket, now: MonoMs, proof: Fresh) -> Option<Reply> {
        let waits = self.unanswered.waiting.len();
        match self.room_for(&ask, waits > 0) {
            Room::Now(charge) => Some(self.answer_question(&ask, charge, proof)),
            Room::Never(most) => Some(too_long(&ask, most)),
            Room::Later => {
                let until = MonoMs(now.0 + ANSWER_WAIT_MS);
                self.unanswered.waiting.push_back(Waiting { ticket, ask, until });
                None
            }
        }
    }

    /// Why a change whose answer may be long is not carried out now.
    pub(super) fn refuse_long(&self, ask: &Ask) -> Option<Reply> {
        if !answers_long(ask) {
            return None;
        }
        match self.room_for(ask, false) {
            Room::Now(_) => None,
            Room::Later => Some(Reply::Refused(BUSY)),
            Room::Never(most) => Some(too_long(ask, most)),
        }
    }

    /// Answers those for whom there is room now, or tells them to come back. Called once a turn.
    pub(super) fn answer_waiting(&mut self) {
        self.unanswered.made = 0;
        while let Some(first) = self.unanswered.waiting.pop_front() {
            let Waiting { ticket, ask, until } = first;
            let reply = if let Some(proof) = self.prove(self.mono) {
                match self.room_for(&ask, false) {
                    Room::Now(charge) => Some(self.answer_question(&ask, charge, proof)),
                    Room::Never(most) => Some(too_long(&ask, most)),
                    Room::Later if self.mono >= until => Some(Reply::Refused(BUSY)),
                    Room::Later => {
                        self.unanswered.waiting.push_front(Waiting { ticket, ask, until });
                        break;
                    }
                }
            } else {
                self.request(ask, ticket, self.mono)
            };
            self.replies.extend(reply.map(|reply| (ticket, reply)));
        }
    }

    /// Of a reply from another node, which has an account of its own.
    pub(super) fn charged(&self, reply: Reply) -> Reply {
        let bytes = match &reply {
            Reply::Key(value, _) => 2 * value.bytes() as u64,
            Reply::Keys(values, _) => values.iter().map(|value| 2 * value.bytes() as u64).sum(),
            _ => 0,
        };
        match (self.directory.account().try_charge(Part::Passing, bytes), reply) {
            (Some(charge), Reply::Key(value, _)) => Reply::Key(value, charge.settled(bytes)),
            (Some(charge), Reply::Keys(values, _)) => Reply::Keys(values, charge.settled(bytes)),
            (Some(_), reply) => reply,
            (None, _) => Reply::Refused(BUSY),
        }
    }

    /// `others`: whether some wait already.
    fn room_for(&self, ask: &Ask, others: bool) -> Room {
        let wall = self.shard.wall;
        let price = |op: &KeyOp| 2 * self.shard.keyspace.price(op, wall);
        let bytes = match ask {
            Ask::Key(op) => price(op),
            Ask::Keys(ops) => ops.iter().map(|op| price(op) + 2 * size_of::<Value>() as u64).sum(),
            _ => 0,
        };
        let account = self.directory.account();
        if bytes > account.answer_max() {
            return Room::Never(account.answer_max());
        }
        let is_small = bytes <= ANSWER_BYTES_SMALL;
        if !is_small && (others || self.unanswered.made > ANSWERED_BYTES_A_TURN) {
            return Room::Later;
        }
        account.try_charge(Part::Passing, bytes).map_or(Room::Later, Room::Now)
    }

    /// Answers a question whose price was charged, from a state that was proven to be new enough. Which keys there are goes by the
    /// log's wall time, so all nodes agree at one index, and none comes back that was said to be gone; how long something has
    /// lasted goes by the clock.
    fn answer_question(&mut self, ask: &Ask, charge: Charge, _proof: Fresh) -> Reply {
        let (wall, now) = (self.shard.wall, self.wall_now());
        let keys = &self.shard.keyspace;
        let reply = match ask {
            Ask::Key(op) => {
                let value = keys.answer(op, wall, now);
                let bytes = 2 * value.bytes() as u64;
                Reply::Key(value, charge.settled(bytes))
            }
            Ask::Keys(ops) => {
                let values: Vec<Value> = ops.iter().map(|op| keys.answer(op, wall, now)).collect();
                let bytes = values.iter().map(|value| 2 * (size_of::<Value>() + value.bytes()) as u64).sum();
                Reply::Keys(values, charge.settled(bytes))
            }
            Ask::Settings(name) => {
                let zone = self.shard.zone_id(name).and_then(|zone| self.shard.zones.get(&zone.ordinal));
                let settings =
                    zone.map(|zone| Reply::Settings(name.clone(), Box::new((*zone.settings).clone())));
                settings.unwrap_or(Reply::Refused(Refusal::NoZone))
            }
            Ask::Stats(zone) => self.stats(*zone, self.mono).map_or_else(Reply::Refused, Reply::Stats),
            _ => Reply::Refused(Refusal::Gone),
        };
        if let Reply::Key(_, charge) | Reply::Keys(_, charge) = &reply {
            self.unanswered.made += charge.bytes();
        }
        reply
    }
}

/// Whether the answer to a change may be long, or a transaction asks something as well.
fn answers_long(ask: &Ask) -> bool {
    let is_long = |op: &KeyOp| {
        !op.is_change() || matches!(op, KeyOp::ReadGroup(_) | KeyOp::Claim(_) | KeyOp::AutoClaim(_))
    };
    match ask {
        Ask::Key(op) => is_long(op),
        Ask::Keys(ops) => ops.iter().any(is_long),
        _ => false,
    }
}

/// What is told of an answer that is larger than any may be.
fn too_long(ask: &Ask, most: u64) -> Reply {
    let most = most / 2;
    match ask {
        Ask::Keys(ops) => {
            let text = format!(
                "ERR the replies of this transaction may take more than {most} bytes, nothing was done"
            );
            Reply::Keys(ops.iter().map(|_| Value::error(&text)).collect(), Charge::default())
        }
        _ => Reply::key(Value::error(format!(
            "ERR the reply may take more than {most} bytes, ask for fewer with COUNT"
        ))),
    }
}
