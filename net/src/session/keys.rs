//! Operations on streams and keys: out to the groups that they concern, and back as one reply.
//!
//! What concerns one group is one request. What concerns several is as many, each with a place of its own among the
//! replies, and a last place that writes the reply from all of them.

use super::blocking::{Blocked, Wait, Who};
use super::line::Line;
use super::pending::{Awaited, Cost, Gather};
use super::settled::Settled;
use super::stop::Stop;
use super::telling::Telling;
use crate::limit::OUTPUT_BYTES_SOFT;
use crate::resp::command::encode_refusal;
use crate::resp::command::key_call::{KeyCall, Shape};
use crate::resp::command::spread::{Merge, Spread, spread};
use crate::resp::encode::Proto;
use crate::worker::desk::Desk;
use crate::worker::turn::Turn;
use sluice_engine::account::Charge;
use sluice_engine::error::Refusal;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Ask;
use sluice_engine::stream::value::Value;
use sluice_engine::time::MonoMs;
use std::collections::HashSet;

/// What is kept of an operation until it is answered.
pub(crate) struct AwaitedKey {
    /// What the connection spoke when it came.
    pub(crate) proto: Proto,
    /// The command's name.
    pub(crate) command: &'static str,
    /// What the answer becomes.
    pub(crate) shape: Shape,
    /// Of a read that may wait, what it asked for.
    pub(crate) blocked: Option<Box<Blocked>>,
}

impl AwaitedKey {
    /// What is to be kept of a call.
    pub(crate) fn of(call: &mut KeyCall, proto: Proto, command: &'static str) -> AwaitedKey {
        let blocked = call
            .wait_ms
            .map(|wait_ms| Box::new(Blocked { op: (*call.op).clone(), wait_ms, has_begun: false }));
        let shape = std::mem::replace(&mut call.shape, Shape::Whole);
        AwaitedKey { proto, command, shape, blocked }
    }

    /// Appends the reply.
    pub(crate) fn tell(&self, settled: &Settled, out: &mut Vec<u8>) {
        match settled {
            Settled::Reply(Reply::Key(value, _)) => self.shape.encode(value, self.proto, out),
            other => encode_refusal(refusal_of(other), out),
        }
    }

    /// Appends the reply that this value makes.
    pub(crate) fn tell_value(&self, value: Value, telling: &mut Telling) {
        match self.shape {
            Shape::Whole => telling.push(value, self.proto),
            _ => self.shape.encode(&value, self.proto, telling.out()),
        }
    }

    /// The reply, to be written piece by piece.
    pub(crate) fn telling(&self, settled: Settled) -> Telling {
        let mut telling = Telling::default();
        match settled {
            Settled::Reply(Reply::Key(value, charge)) => {
                self.tell_value(value, &mut telling);
                telling.charged(charge)
            }
            other => {
                encode_refusal(refusal_of(&other), telling.out());
                telling
            }
        }
    }

    /// What it waits for after this answer, which came to the request `who` made at `since`; `None`: it does not wait.
    pub(crate) fn waits_on(&mut self, settled: &Settled, who: Who, since: MonoMs) -> Option<Wait> {
        let (Some(blocked), Settled::Reply(Reply::Key(Value::Nothing(ids), _))) =
            (&mut self.blocked, settled)
        else {
            return None;
        };
        let until = (blocked.wait_ms > 0).then(|| MonoMs(since.0.saturating_add(blocked.wait_ms)));
        // An answer about one stream, after news, says nothing of the others: they are watched as they were.
        let streams = if std::mem::replace(&mut blocked.has_begun, true) {
            Vec::new()
        } else {
            blocked.settle(ids);
            let mut known = HashSet::new();
            let all = blocked.keys().into_iter().zip(ids.iter().copied());
            all.filter(|(key, _)| known.insert(key.clone())).collect()
        };
        Some(Wait { who, streams, group: blocked.group().cloned(), until })
    }
}

/// The answer that the answers to all parts make.
pub(crate) fn merged(merge: &Merge, parts: Vec<Settled>) -> Settled {
    let (mut values, mut charges) = (Vec::with_capacity(parts.len()), Charge::default());
    for part in parts {
        match part {
            Settled::Reply(Reply::Key(value, charge)) => {
                charges.join(charge);
                values.push(value);
            }
            other => return other,
        }
    }
    Settled::Reply(Reply::Key(merge.merge(values), charges))
}

/// Why there is no value. Owners answer operations on keys with values or refusals.
pub(crate) fn refusal_of(settled: &Settled) -> Refusal {
    if let Settled::Reply(Reply::Refused(refusal)) = settled { *refusal } else { Refusal::Gone }
}

/// Sees to it that a call is answered: now at the end of the output, or later in its place. Where it has to wait for the
/// connection's earlier changes nothing is done.
pub(crate) fn ask(
    mut call: KeyCall,
    proto: Proto,
    command: &'static str,
    line: &mut Line,
    desk: &mut Desk,
    turn: Turn<'_>,
) -> Result<(), Stop> {
    let write = call.op.is_change();
    if line.must_wait(write) {
        return Err(Stop::Waiting);
    }
    let mut awaited = AwaitedKey::of(&mut call, proto, command);
    if awaited.blocked.is_some() {
        line.buffers(&mut desk.pool).blocked = true;
    }
    let directory = &desk.shared.directory;
    let groups = directory.groups() as u16;
    match spread(call.op, &mut awaited.shape, groups, |key| directory.group_of(key)) {
        Spread::One(group, op) => {
            let ticket = line.ticket(desk.me);
            let cost = Cost::of(&op);
            match desk.shards.ask_keys(group, Ask::Key(op), ticket, turn.now) {
                Some(settled) if awaited.blocked.is_none() && settled.bytes() <= OUTPUT_BYTES_SOFT => {
                    awaited.tell(&settled, &mut desk.out);
                }
                settled => {
                    let pending = &mut line.buffers(&mut desk.pool).pending;
                    let number = pending.next_number();
                    pending.push_asked(Awaited::Key(awaited), cost, turn.now);
                    settled.map(|settled| pending.settle(number, settled));
                }
            }
        }
        Spread::Many(parts, merge) => {
            for (group, op) in parts {
                line.ask_part(group, Ask::Key(Box::new(op)), write, desk, turn);
            }
            let gather = Gather::Key(Box::new(awaited), merge);
            line.buffers(&mut desk.pool).pending.push_gather(gather, turn.now);
        }
    }
    Ok(())
}
