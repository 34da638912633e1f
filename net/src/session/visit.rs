//! One visit of a connection: read once, answer what is whole; and later in the same turn, write once.
//!
//! The common case copies nothing: bytes are read into the worker's scratch, parsed there, and the
//! answers change hands with a buffer of the pool. The writes of a turn come together at its end: a client
//! that is woken by the first finds the others there, where it would be put to sleep and woken again for each.
//! A visit reads at most [`limit::READ_BYTES`] and answers at most [`limit::REQUESTS_PER_VISIT_MAX`]
//! requests; what remains waits until the others had their turn.

use super::blocking::Who;
use super::buffers::Buffers;
use super::events::Talked;
use super::keys;
use super::pending::{Awaited, Gather, Pending, Ready};
use super::settled::Settled;
use super::stop::{Driven, Stop};
use super::telling::Telling;
use super::{Fate, Phase, Session, Talk, http, resp};
use crate::http::answer;
use crate::limit;
use crate::resp::command::encode_answer;
use crate::worker::desk::Desk;
use crate::worker::turn::Turn;
use sluice_engine::time::MonoMs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

impl Session {
    /// Reads and answers; [`Session::finish`] writes. `scratch` has [`limit::READ_BYTES`].
    pub(crate) fn visit(&mut self, scratch: &mut [u8], desk: &mut Desk, turn: Turn<'_>) -> Fate {
        debug_assert!(desk.out.is_empty(), "the last visit's output was written");
        if let Phase::Lingering(_) = self.phase {
            return self.discard(scratch);
        }
        desk.budget = limit::REQUESTS_PER_VISIT_MAX;
        if let (Talk::Events(_), Phase::Open) = (&self.talk, self.phase) {
            return self.listen(scratch, desk, turn.now);
        }
        if self.phase == Phase::Open && self.advance(scratch, desk, turn).is_err() {
            desk.out.clear();
            return Fate::Over;
        }
        self.urge(desk);
        self.keep_said(desk, turn.now);
        if self.line.unsent_bytes() > limit::OUTPUT_BYTES_SOFT {
            // Before the others are visited, who may say as much.
            self.recount(desk);
        }
        Fate::Visited
    }

    /// Keeps what was said until it is written.
    pub(super) fn keep_said(&mut self, desk: &mut Desk, now: MonoMs) {
        if desk.out.is_empty() {
            return;
        }
        let buffers = self.line.buffers(&mut desk.pool);
        if buffers.unsent() > 0 {
            buffers.output.append(&mut desk.out);
            return;
        }
        buffers.output.clear();
        buffers.sent = 0;
        buffers.progressed = now;
        std::mem::swap(&mut buffers.output, &mut desk.out);
    }

    /// Counts what it holds.
    fn recount(&mut self, desk: &mut Desk) {
        let buffers = self.line.buffers.as_ref().map_or(0, |buffers| buffers.held_bytes());
        let talk = match &self.talk {
            Talk::Resp(talk) => talk.held_bytes(),
            Talk::Http(_) | Talk::Events(_) => 0,
        };
        let before = std::mem::replace(&mut self.counted, buffers + talk);
        desk.passing.recount(before, self.counted);
    }

    /// An answer came from an owner. False where nobody waits for it.
    pub(crate) fn settle(&mut self, number: u16, settled: Settled) -> bool {
        self.line.buffers.as_mut().is_some_and(|buffers| buffers.settle(number, settled))
    }

    /// Writes what can be written, and decides what becomes of the connection.
    pub(crate) fn finish(&mut self, desk: &mut Desk, now: MonoMs) -> Fate {
        self.keep_said(desk, now);
        self.collect(desk, now);
        let idle = self.line.buffers.is_none();
        if desk.closing && idle && !self.unread && self.phase == Phase::Open {
            // Draining, and nothing was said that the client would still have to read.
            return Fate::Over;
        }
        if self.flush(desk, now).is_err() {
            return Fate::Over;
        }
        self.count_pushed(desk);
        self.line.tidy(&mut desk.pool);
        self.recount(desk);
        self.fate(desk, now)
    }

    /// Parses what is kept, then reads once and parses that.
    fn advance(&mut self, scratch: &mut [u8], desk: &mut Desk, turn: Turn<'_>) -> std::io::Result<()> {
        let mut held = self.line.buffers.as_mut().map(|b| std::mem::take(&mut b.input)).unwrap_or_default();
        if held.is_empty() && self.stop != Stop::Close {
            // The last visit ended for another reason just where its input did: there is nothing to go on with.
            self.stop = Stop::Starved { needed: 1 };
        } else if !matches!(self.stop, Stop::Starved { .. }) {
            let driven = self.drive(&held, desk, turn);
            held.drain(..driven.consumed);
            self.stop = driven.stop;
        }
        if self.unread && matches!(self.stop, Stop::Starved { .. }) {
            let read = self.read(scratch, turn.now)?;
            desk.counts.bytes_in += read as u64;
            let fresh = scratch.get(..read).unwrap_or_default();
            let turn = turn.again(&desk.shared.config.clock);
            self.take(fresh, &mut held, desk, turn);
        }
        self.keep(held, desk, turn.now);
        Ok(())
    }

    /// Answers what is whole in the kept and the fresh bytes; afterwards `held` has what is left.
    fn take(&mut self, fresh: &[u8], held: &mut Vec<u8>, desk: &mut Desk, turn: Turn<'_>) {
        if fresh.is_empty() {
            return;
        }
        if held.is_empty() {
            let driven = self.drive(fresh, desk, turn);
            self.stop = driven.stop;
            let rest = fresh.get(driven.consumed..).unwrap_or_default();
            if !rest.is_empty() {
                let buffers = self.line.buffers(&mut desk.pool);
                std::mem::swap(held, &mut buffers.input);
                held.extend_from_slice(rest);
            }
            return;
        }
        held.extend_from_slice(fresh);
        let enough = |needed| held.len() >= needed;
        if matches!(self.stop, Stop::Starved { needed } if enough(needed)) {
            let driven = self.drive(held, desk, turn);
            held.drain(..driven.consumed);
            self.stop = driven.stop;
        }
    }

    fn drive(&mut self, input: &[u8], desk: &mut Desk, turn: Turn<'_>) -> Driven {
        let (driven, events) = match &mut self.talk {
            Talk::Resp(talk) => (resp::drive(input, talk, &mut self.line, desk, turn), None),
            Talk::Http(talk) => (http::drive(input, talk, &mut self.line, desk, turn), talk.events.take()),
            // It became one in this visit, and asks for nothing more.
            Talk::Events(_) => (Driven { consumed: input.len(), stop: Stop::Starved { needed: 1 } }, None),
        };
        if let Some(events) = events {
            self.become_events(events, desk);
        }
        if driven.consumed > 0 {
            // What is left began no earlier than now.
            if let Some(buffers) = &mut self.line.buffers {
                buffers.began = None;
            }
        }
        driven
    }

    /// Puts left-over input back, and notes the end where nothing more is to be read.
    fn keep(&mut self, held: Vec<u8>, desk: &mut Desk, now: MonoMs) {
        if self.stop == Stop::Close {
            self.phase = Phase::Ending;
        }
        if held.is_empty() && self.line.buffers.is_none() {
            return;
        }
        let buffers = self.line.buffers(&mut desk.pool);
        buffers.input = held;
        if self.phase != Phase::Open {
            buffers.input.clear();
        }
        if buffers.input.is_empty() {
            buffers.began = None;
        } else {
            buffers.began.get_or_insert(now);
        }
    }

    /// Bytes that the socket had; 0 where it had none now, or has none ever again.
    pub(super) fn read(&mut self, scratch: &mut [u8], now: MonoMs) -> std::io::Result<usize> {
        match (&self.socket).read(scratch) {
            Ok(0) => {
                self.unread = false;
                self.ended = true;
                Ok(0)
            }
            Ok(read) => {
                self.active = now;
                // Less than asked for is all there was, and whatever comes next is reported again: but not
                // an end that was reported already.
                self.unread = read == scratch.len() || self.finished;
                Ok(read)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.unread = false;
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Has parked polls answered where something waits behind them, and whatever waits where the client sends nothing more:
    /// it may be gone, and a group would give it entries.
    fn urge(&mut self, desk: &mut Desk) {
        let Some(buffers) = &self.line.buffers else { return };
        if self.ended || self.finished {
            buffers.waiting(self.line.key).inspect(|who| desk.waits.expire(*who));
        }
        if !buffers.parked.is_empty() {
            let all = !buffers.input.is_empty() || self.unread || self.ended;
            self.line.hurry(all, &mut desk.shards);
        }
    }

    /// Encodes the answers whose turn among the replies has come.
    fn collect(&mut self, desk: &mut Desk, now: MonoMs) {
        let Some(buffers) = &mut self.line.buffers else { return };
        buffers.progressed = if buffers.unsent() == 0 { now } else { buffers.progressed };
        let mut output = std::mem::take(&mut buffers.output);
        while output.len() - buffers.sent < limit::OUTPUT_BYTES_SOFT
            && may_encode(buffers, desk)
            && let Some(ready) = buffers.pending.next_ready()
        {
            match ready {
                Ready::Written(len) => buffers.pending.take_written(len, &mut output),
                Ready::Part(settled) => buffers.pending.keep_part(settled.with_pass(desk)),
                Ready::Telling(telling) => tell(telling, &mut buffers.pending, &mut output, desk),
                Ready::Settled { awaited: Awaited::Event, settled, .. } => {
                    let Talk::Events(talk) = &mut self.talk else { continue };
                    let clear = output.len() == buffers.sent;
                    if talk.settle(&settled, clear, &mut output, desk, now) == Talked::Out {
                        self.phase = Phase::Ending;
                    } else {
                        talk.arm(self.line.key, &mut desk.wheel);
                    }
                }
                Ready::Settled { awaited: Awaited::Key(mut key), settled, since }
                    if key.blocked.is_some() =>
                {
                    let request = buffers.pending.number_taken();
                    let who = Who { session: self.line.key, request };
                    match key.waits_on(&settled, who, since) {
                        Some(mut wait) => {
                            if self.ended || self.finished || desk.closing {
                                wait.until = Some(now);
                            }
                            buffers.pending.reopen(Awaited::Key(key), since);
                            desk.waits.begin(wait);
                            break;
                        }
                        None => {
                            desk.waits.end(who);
                            buffers.blocked = false;
                            tell(Box::new(key.telling(settled)), &mut buffers.pending, &mut output, desk);
                        }
                    }
                }
                Ready::Gathered { gather: Gather::Key(key, merge), parts, since }
                    if key.blocked.is_some() =>
                {
                    // From here on it is one question.
                    let settled = keys::merged(&merge, parts);
                    let number = buffers.pending.reopen(Awaited::Key(*key), since);
                    buffers.pending.settle(number, settled);
                }
                Ready::Settled { awaited, settled, since } => {
                    let name = slow_name_of(&awaited);
                    write(awaited, settled, &mut buffers.pending, &mut output, desk);
                    note_slow(&self.talk, name, now.0.saturating_sub(since.0), desk);
                }
                Ready::Gathered { gather, parts, since } => {
                    let (telling, name) = gathered(gather, parts, desk);
                    tell(Box::new(telling), &mut buffers.pending, &mut output, desk);
                    note_slow(&self.talk, Some(name), now.0.saturating_sub(since.0), desk);
                }
            }
        }
        buffers.output = output;
        if buffers.pending.is_empty() {
            buffers.parked.clear();
        }
    }

    /// Writes; what the socket does not take is kept.
    fn flush(&mut self, desk: &mut Desk, now: MonoMs) -> std::io::Result<()> {
        let Some(mut buffers) = self.line.buffers.take_if(|buffers| buffers.unsent() > 0) else {
            return Ok(());
        };
        let written = self.write(buffers.output.get(buffers.sent..).unwrap_or_default());
        if let Ok(written @ 1..) = written {
            desk.counts.bytes_out += written as u64;
            buffers.sent += written;
            buffers.progressed = now;
            self.active = now;
        }
        if buffers.unsent() == 0 {
            buffers.output.clear();
            buffers.sent = 0;
            buffers.output.shrink_to(limit::BUFFER_KEEP_BYTES);
        } else if buffers.sent > limit::OUTPUT_BYTES_SOFT.max(buffers.unsent()) {
            // No more often than what is moved was sent.
            buffers.output.drain(..buffers.sent);
            buffers.sent = 0;
            buffers.output.shrink_to_fit();
        }
        self.line.buffers = Some(buffers);
        written.map(|_| ())
    }

    fn write(&self, bytes: &[u8]) -> std::io::Result<usize> {
        match (&self.socket).write(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(0),
            result => result,
        }
    }

    fn fate(&mut self, desk: &Desk, now: MonoMs) -> Fate {
        let closing = desk.closing;
        if self.line.buffers.as_ref().is_some_and(|buffers| buffers.goes_on()) {
            // This turn has signed enough, or what was ready was too much to be encoded at once.
            return Fate::Again;
        }
        let (answered, sent) = match &self.line.buffers {
            None => (true, true),
            Some(buffers) => (buffers.pending.is_empty(), buffers.unsent() == 0),
        };
        let starved = matches!(self.stop, Stop::Starved { .. });
        if (self.ended || (closing && !self.unread)) && starved && self.phase == Phase::Open {
            // Half-closed, or draining: what was asked is answered, then it is over.
            self.phase = Phase::Ending;
        }
        if self.phase == Phase::Ending {
            return if answered && sent { self.part(now) } else { Fate::Rests };
        }
        let goes_on = match self.stop {
            Stop::Starved { .. } => self.unread,
            Stop::Budget => true,
            Stop::Waiting => !self.line.has_writes() && !self.line.has_questions(),
            Stop::Blocked => !self.line.is_blocked(),
            Stop::Behind => !self.line.is_behind(),
            Stop::Full => sent && !self.line.is_full(0, desk.passing.soft_bytes()),
            Stop::Close => false,
        };
        if goes_on { Fate::Again } else { Fate::Rests }
    }

    /// Says goodbye: at once where the client did so first, else after it had time to read the last answer.
    fn part(&mut self, now: MonoMs) -> Fate {
        if self.ended || self.socket.shutdown(Shutdown::Write).is_err() {
            return Fate::Over;
        }
        self.phase = Phase::Lingering(MonoMs(now.0 + limit::LINGER_MS));
        if self.unread { Fate::Again } else { Fate::Rests }
    }

    /// Reads and drops what comes after the end.
    fn discard(&mut self, scratch: &mut [u8]) -> Fate {
        let active = self.active;
        match self.read(scratch, active) {
            Ok(_) if self.ended => Fate::Over,
            Ok(_) if self.unread => Fate::Again,
            Ok(_) => Fate::Rests,
            Err(_) => Fate::Over,
        }
    }
}

/// Whether this turn may encode the reply at the front.
fn may_encode(buffers: &Buffers, desk: &Desk) -> bool {
    let pending = &buffers.pending;
    let needs_more = desk.signer.is_spent() && pending.needs_pass();
    !needs_more && (desk.pace.admits_long() || !pending.takes_long())
}

/// A long answer is written into room of its length: a buffer that doubles would take more while it grows, and afterwards.
fn make_room(output: &mut Vec<u8>, charged: usize) {
    if charged > limit::OUTPUT_BYTES_SOFT {
        output.reserve_exact(charged / 2);
    }
}

/// Notes an answer that took long.
fn note_slow(talk: &Talk, name: Option<&'static str>, took_ms: u64, desk: &Desk) {
    if let (Talk::Resp(talk), Some(name)) = (talk, name) {
        talk.note_slow(name, took_ms, &desk.shared);
    }
}

/// What an answer that took long is called in the slow log.
fn slow_name_of(awaited: &Awaited) -> Option<&'static str> {
    match awaited {
        Awaited::Resp(kind, _) => resp::slow_name(*kind),
        // To wait is what it asked for.
        Awaited::Key(key) => Some(key.command).filter(|_| key.blocked.is_none()),
        Awaited::Part | Awaited::Event | Awaited::Http(_) => None,
    }
}

/// A reply that is made of several answers, and the command's name.
fn gathered(gather: Gather, parts: Vec<Settled>, desk: &mut Desk) -> (Telling, &'static str) {
    match gather {
        Gather::Key(awaited, merge) => {
            let telling = awaited.telling(keys::merged(&merge, parts));
            desk.pace.did(awaited.shape.compares());
            (telling, awaited.command)
        }
        Gather::Exec(plan) => {
            let compares = plan.compares;
            let telling = plan.telling(parts, &desk.shared.directory, &mut desk.signer);
            desk.pace.did(compares);
            (telling, "exec")
        }
    }
}

/// Writes a reply; of a long one as much as this turn may.
fn write(awaited: Awaited, settled: Settled, pending: &mut Pending, output: &mut Vec<u8>, desk: &mut Desk) {
    match awaited {
        Awaited::Key(key) if settled.bytes() > limit::OUTPUT_BYTES_SOFT => {
            desk.pace.did(key.shape.compares());
            tell(Box::new(key.telling(settled)), pending, output, desk);
        }
        awaited => {
            make_room(output, settled.bytes());
            encode(&awaited, &settled, output, desk);
        }
    }
}

/// Writes as much of a long reply as this turn may; the rest when that was taken.
fn tell(mut telling: Box<Telling>, pending: &mut Pending, output: &mut Vec<u8>, desk: &mut Desk) {
    let before = output.len();
    let is_all = telling.write(limit::OUTPUT_BYTES_SOFT, output);
    desk.pace.did(output.len() - before > limit::TELLING_BYTES_SHORT);
    if !is_all {
        pending.put_back(telling);
    }
}

fn encode(awaited: &Awaited, settled: &Settled, output: &mut Vec<u8>, desk: &mut Desk) {
    let directory = &desk.shared.directory;
    match awaited {
        Awaited::Resp(kind, proto) => {
            let signer = &mut desk.signer;
            settled.show(b"", directory, signer, |answer| encode_answer(answer, *kind, *proto, output));
        }
        Awaited::Key(key) => {
            key.tell(settled, output);
            desk.pace.did(key.shape.compares());
        }
        // Parts are written by their last place.
        Awaited::Part => {}
        Awaited::Event => debug_assert!(false, "a stream says its own answers"),
        Awaited::Http(recall) => {
            let mut to = crate::http::respond::Responder {
                out: output,
                body: &mut desk.body,
                date: &desk.date,
                origins: &desk.shared.config.cors_origins,
            };
            settled.show(recall.zone(), directory, &mut desk.signer, |answer| {
                answer::write(recall.purpose, recall.shape, answer, recall.zone(), directory, &mut to)
            });
        }
    }
}
