//! Deadlines of connections: silence, slow requests, answers that nobody reads.
//!
//! A hand walks over the slots, a part each tick, so every connection is looked at once in
//! [`limit::SWEEP_MS`] and a turn never looks at all of them. No timer is set or moved per request;
//! the price is that a deadline is met up to half a second late.

use super::Worker;
use super::desk::Desk;
use super::turn::Turn;
use crate::http::fault::Fault;
use crate::limit;
use crate::protocol::Protocol;
use crate::session::stop::Stop;
use crate::session::{Phase, Session, Talk, http};
use sluice_engine::directory::Directory;
use sluice_engine::time::MonoMs;

const TICK_MS: u64 = limit::SWEEP_MS / limit::SWEEP_PARTS;
const RATE_MS: u64 = 1_000;

/// Where the hand is.
#[derive(Default)]
pub(super) struct Sweep {
    next: MonoMs,
    part: u64,
    /// Requests of all workers when the rate was last taken, and when that was.
    rate_from: (u64, MonoMs),
}

impl Sweep {
    /// When the next part is due.
    pub(super) fn next(&self) -> MonoMs {
        self.next
    }
}

/// What a deadline asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Overdue {
    /// Nothing is over.
    No,
    /// Nothing was said for too long.
    Idle,
    /// A request did not end in time.
    Slow,
    /// The other side does not read, or had time enough to.
    Gone,
}

impl Worker {
    /// Looks at the next part of the connections, if it is due.
    pub(super) fn sweep(&mut self, turn: Turn<'_>) {
        if turn.now < self.sweep.next {
            return;
        }
        self.sweep.next = MonoMs(turn.now.0 + TICK_MS);
        self.sweep.part = (self.sweep.part + 1) % limit::SWEEP_PARTS;
        self.take_rate(turn.now);
        Directory::collect(turn.guard);
        if self.sweep.part == 0 {
            self.desk.hubs.begin_sweep();
        }
        self.sweep_hubs();
        let mut slot = self.sweep.part as usize;
        while slot < self.sessions.slots() {
            if let Some(key) = self.sessions.key_at(slot)
                && let Some(session) = self.sessions.get_mut(key)
            {
                match overdue(session, &self.desk, turn.now) {
                    Overdue::No => {}
                    Overdue::Idle | Overdue::Gone => self.remove(key),
                    Overdue::Slow => {
                        session.stop = Stop::Close;
                        session.phase = Phase::Ending;
                        session.give_up(&mut self.desk);
                        let fate = session.finish(&mut self.desk, turn.now);
                        self.apply(key, fate);
                    }
                }
            }
            slot += limit::SWEEP_PARTS as usize;
        }
    }

    fn take_rate(&mut self, now: MonoMs) {
        let (from, at) = self.sweep.rate_from;
        let passed_ms = now.0.saturating_sub(at.0);
        if self.desk.me != 0 || passed_ms < RATE_MS {
            return;
        }
        let stats = &self.desk.shared.stats;
        let raw = stats.raw();
        let requests = raw.resp_requests + raw.http_requests;
        stats.set_rate(requests.saturating_sub(from) * 1_000 / passed_ms);
        self.sweep.rate_from = (requests, now);
    }
}

fn overdue(session: &Session, desk: &Desk, now: MonoMs) -> Overdue {
    let config = &desk.shared.config;
    let since = |then: MonoMs| now.0.saturating_sub(then.0);
    let over = |then: MonoMs, allowed_ms: u64| allowed_ms > 0 && since(then) >= allowed_ms;
    if let Phase::Lingering(until) = session.phase {
        return if now >= until { Overdue::Gone } else { Overdue::No };
    }
    if let Talk::Resp(talk) = &session.talk
        && talk.login.is_overdue(config.login_ms, now)
    {
        return Overdue::Gone;
    }
    if let Some(buffers) = &session.line.buffers {
        if buffers.unsent() > 0 {
            // Where others want the room, who takes nothing of much is not waited for as long.
            let hoards = desk.passing.is_scarce() && session.line.owed_bytes() > limit::OUTPUT_BYTES_SCARCE;
            let stuck = over(buffers.progressed, config.stuck_ms)
                || (hoards && since(buffers.progressed) >= limit::SCARCE_STUCK_MS);
            return if stuck { Overdue::Gone } else { Overdue::No };
        }
        if !buffers.pending.is_empty() {
            return Overdue::No;
        }
        let starved = matches!(session.stop, Stop::Starved { .. });
        if let (true, Some(began)) = (starved, buffers.began) {
            let spent = desk.passing.is_spent() && since(began) >= limit::SPENT_REQUEST_MS;
            return if spent || over(began, config.request_ms) { Overdue::Slow } else { Overdue::No };
        }
    }
    let idle_ms = match &session.talk {
        Talk::Resp(talk) => {
            talk.card.touch(session.active);
            // Who listens has nothing to say: silence is no sign of absence.
            if talk.session.is_subscribed() { 0 } else { config.resp_idle_ms }
        }
        Talk::Http(_) if desk.shared.shares.is_short(Protocol::Http) => {
            if config.http_idle_ms == 0 {
                limit::IDLE_SHORT_MS
            } else {
                config.http_idle_ms.min(limit::IDLE_SHORT_MS)
            }
        }
        Talk::Http(_) => config.http_idle_ms,
        // Its heartbeats find out whether anybody is there.
        Talk::Events(_) => 0,
    };
    if over(session.active, idle_ms) { Overdue::Idle } else { Overdue::No }
}

impl Session {
    /// The request that is arriving is not waited for any longer.
    fn give_up(&mut self, desk: &mut Desk) {
        if let Talk::Http(_) = self.talk {
            let input = self.line.buffers.as_ref().map_or(&[][..], |buffers| &buffers.input);
            http::refuse(Fault::Slow, input, desk);
        }
        if let Some(buffers) = &mut self.line.buffers {
            buffers.input.clear();
            buffers.began = None;
        }
    }
}
