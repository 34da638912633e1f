//! `MULTI EXEC DISCARD WATCH UNWATCH`: commands that are queued and carried out in one go.
//!
//! What is queued is kept as it was sent and understood again when it is its turn, as in Redis: a fault in the arguments of one
//! command is its reply and does not keep the others from being carried out.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec, KeySpec, MoreKeys};
use crate::resp::args::Args;
use crate::resp::limit;

pub(super) static MULTI: CommandSpec = CommandSpec {
    summary: "Begins a transaction: what follows is queued.",
    since: "1.2.0",
    run: Some(multi),
    ..transaction("multi", 1)
};

pub(super) static EXEC: CommandSpec = CommandSpec {
    flags: &["noscript", "loading", "stale", "skip_slowlog"],
    categories: &["slow", "transaction"],
    summary: "Carries out the commands of a transaction.",
    since: "1.2.0",
    complexity: "Depends on the commands.",
    run: Some(exec),
    ..transaction("exec", 1)
};

pub(super) static DISCARD: CommandSpec = CommandSpec {
    summary: "Ends a transaction without carrying it out.",
    since: "2.0.0",
    run: Some(discard),
    ..transaction("discard", 1)
};

/// Refused rather than half true: a key may change at any node at any time.
pub(super) static WATCH: CommandSpec = CommandSpec {
    summary: "Refused: no transaction here depends on keys being unchanged.",
    since: "2.2.0",
    key: Some(KeySpec { index: 1, writes: false }),
    more_keys: MoreKeys::Rest,
    arguments: &[Argument::key("key").multiple()],
    run: Some(watch),
    ..transaction("watch", -2)
};

pub(super) static UNWATCH: CommandSpec = CommandSpec {
    at_once: false,
    summary: "Does nothing, as nothing is watched.",
    since: "2.2.0",
    run: Some(|call| call.ok()),
    ..transaction("unwatch", 1)
};

const fn transaction(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["noscript", "loading", "stale", "fast", "allow_busy"],
        categories: &["fast", "transaction"],
        group: "transactions",
        at_once: true,
        ..CommandSpec::new(name, arity)
    }
}

const NESTED: Fault<'static> = Fault::Text("ERR MULTI calls can not be nested");
const EXEC_ALONE: Fault<'static> = Fault::Text("ERR EXEC without MULTI");
const DISCARD_ALONE: Fault<'static> = Fault::Text("ERR DISCARD without MULTI");
const SPOILED: Fault<'static> = Fault::Text("EXECABORT Transaction discarded because of previous errors.");
const WATCH_INSIDE: Fault<'static> = Fault::Text("ERR WATCH inside MULTI is not allowed");
const WATCH_REFUSED: Fault<'static> = Fault::Text(
    "ERR WATCH is not supported: what a transaction depends on cannot be kept from changing here; append with an id or \
     with REQUEST instead",
);
pub(super) const TOO_LONG: Fault<'static> =
    Fault::Text("ERR the transaction has too many commands, or too many bytes");

const SCARCE: Fault<'static> = Fault::Text("BUSY there is no room for a longer transaction now");

/// The commands of a transaction so far.
#[derive(Default, Debug)]
pub struct Queue {
    /// Requests, one behind the other, as they would be on the wire.
    bytes: Vec<u8>,
    commands: usize,
    /// One could not be queued: nothing will be carried out.
    spoiled: bool,
}

impl Queue {
    /// The requests, as they would be on the wire.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Queues a command.
    pub(super) fn push(&mut self, args: Args<'_>, is_scarce: bool) -> Result<(), Fault<'static>> {
        if is_scarce && self.bytes.len() >= limit::QUEUED_BYTES_SCARCE {
            return Err(SCARCE);
        }
        let framed: usize = args.iter().map(|arg| arg.len() + FRAME_BYTES_MAX).sum();
        let fits = self.bytes.len() + framed + FRAME_BYTES_MAX <= limit::QUEUED_BYTES_MAX;
        if !fits || self.commands == limit::QUEUED_COMMANDS_MAX {
            return Err(TOO_LONG);
        }
        self.commands += 1;
        let mut number = itoa::Buffer::new();
        let mut head = |kind: u8, len: usize, bytes: &mut Vec<u8>| {
            bytes.push(kind);
            bytes.extend_from_slice(number.format(len).as_bytes());
            bytes.extend_from_slice(b"\r\n");
        };
        head(b'*', args.len(), &mut self.bytes);
        for arg in args.iter() {
            head(b'$', arg.len(), &mut self.bytes);
            self.bytes.extend_from_slice(arg);
            self.bytes.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Notes that a command could not be queued. What was queued is not needed any more.
    pub(super) fn spoil(&mut self) {
        *self = Queue { spoiled: true, ..Queue::default() };
    }
}

/// Bytes around an argument at most.
const FRAME_BYTES_MAX: usize = limit::LENGTH_DIGITS_MAX + 5;

fn multi<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    if call.session.queue().is_some() {
        return Err(NESTED);
    }
    call.session.begin_queue();
    call.ok()
}

fn exec<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    match call.session.take_queue() {
        None => Err(EXEC_ALONE),
        Some(queue) if queue.spoiled => Err(SPOILED),
        Some(queue) => Ok(Step::Exec(queue)),
    }
}

fn discard<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    match call.session.take_queue() {
        None => Err(DISCARD_ALONE),
        Some(_) => call.ok(),
    }
}

fn watch<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Err(if call.session.queue().is_some() { WATCH_INSIDE } else { WATCH_REFUSED })
}
