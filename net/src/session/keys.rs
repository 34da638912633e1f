//! Operations on streams and keys: out to the groups that they concern, and back as one reply.
//!
//! What concerns one group is one request. What concerns several is as many, each with a place of its own among the
//! replies, and a last place that writes the reply from all of them.

use super::blocking::{Blocked, found_nothing};
use super::line::Line;
use super::pending::{Awaited, Gather};
use super::settled::Settled;
use super::stop::Stop;
use crate::resp::command::encode_refusal;
use crate::resp::command::key_call::{KeyCall, Shape};
use crate::resp::command::spread::{Merge, Spread, spread};
use crate::resp::encode::Proto;
use crate::worker::desk::Desk;
use crate::worker::turn::Turn;
use sluice_engine::error::Refusal;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Ask;
use sluice_engine::stream::value::Value;

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
        let blocked = call.wait_ms.map(|wait_ms| Box::new(Blocked { op: (*call.op).clone(), wait_ms }));
        let shape = std::mem::replace(&mut call.shape, Shape::Whole);
        AwaitedKey { proto, command, shape, blocked }
    }

    /// Appends the reply.
    pub(crate) fn tell(&self, settled: &Settled, out: &mut Vec<u8>) {
        match settled {
            Settled::Reply(Reply::Key(value)) => self.tell_value(value, out),
            other => encode_refusal(refusal_of(other), out),
        }
    }

    /// Appends the reply that the answers to all parts make.
    pub(crate) fn tell_merged(&self, merge: &Merge, parts: Vec<Settled>, out: &mut Vec<u8>) {
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            match part {
                Settled::Reply(Reply::Key(value)) => values.push(value),
                other => return encode_refusal(refusal_of(&other), out),
            }
        }
        self.tell_value(&merge.merge(values), out);
    }

    /// Appends the reply that this value is.
    pub(crate) fn tell_value(&self, value: &Value, out: &mut Vec<u8>) {
        match (value, &self.blocked) {
            (Value::Nothing(ids), Some(blocked)) => found_nothing(blocked, ids, self.proto, out),
            _ => self.shape.encode(value, self.proto, out),
        }
    }
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
    if !write && line.has_writes() {
        return Err(Stop::Waiting);
    }
    let mut awaited = AwaitedKey::of(&mut call, proto, command);
    let directory = &desk.shared.directory;
    let groups = directory.groups() as u16;
    match spread(call.op, &mut awaited.shape, groups, |key| directory.group_of(key)) {
        Spread::One(group, op) => {
            let ticket = line.ticket(desk.me);
            match desk.shards.ask_keys(group, Ask::Key(op), ticket, turn.now) {
                Some(settled) => awaited.tell(&settled, &mut desk.out),
                None => {
                    let pending = &mut line.buffers(&mut desk.pool).pending;
                    pending.push_asked(Awaited::Key(awaited), write, turn.now);
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
