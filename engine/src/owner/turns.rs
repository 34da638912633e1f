//! What zones want of their owner by the clock: ticks of their desks, and the turns of who waits.

use super::Owner;
use super::outcome::{self, Origin};
use super::parked::Poll;
use crate::command::Command;
use crate::error::Refusal;
use crate::limit::TICK_MS;
use crate::reply::Reply;
use crate::time::LogTime;
use crate::token::Token;

/// Zones whose tick one turn takes: with thousands of zones, ticks spread over the turns between.
const TICKS_A_TURN: usize = 32;
/// A tick later than this is our pause, not the waiters' silence.
const LATE_MS: u64 = 1_000;

const _: () = assert!(TICK_MS < LATE_MS);

impl Owner {
    pub(super) fn run_timers(&mut self) {
        let Some((due, _)) = self.timers.first() else { return };
        if self.now.since_ms(*due) > LATE_MS {
            self.floor = self.now;
        }
        if *due <= self.now {
            self.stored_until = self.directory.readers().stored_until(self.mono);
        }
        for _ in 0..TICKS_A_TURN {
            let Some((due, ordinal)) = self.timers.first().copied() else { return };
            if due > self.now {
                return;
            }
            self.tick(ordinal);
        }
    }

    /// Gives a desk the attention that it is due.
    pub(super) fn tick(&mut self, ordinal: u64) {
        self.unschedule(ordinal);
        let hearing = self.hearing();
        let (Some(zone), Some(desk)) = (self.shard.zones.get(&ordinal), self.desks.get_mut(&ordinal)) else {
            return;
        };
        let parked: Vec<Poll> = std::iter::from_fn(|| desk.parked.take_expired(self.now)).collect();
        let undecided = desk.evicting.take_expired(self.now);
        let mut refused = Vec::new();
        if desk.tick_at.is_some_and(|at| at <= self.now) {
            desk.tick(zone.view.id(), zone, hearing, self.now, &mut self.housekeeping);
            for command in self.housekeeping.drain(..) {
                let origin = Origin::of_own(&command);
                refused.extend(self.pending.push(command, origin).err().map(|why| (origin, why)));
            }
            let bytes = zone.bytes();
            self.bytes = self.bytes - desk.bytes + bytes;
            desk.bytes = bytes;
            if !self.is_alone {
                self.news.insert(ordinal);
            }
        }
        self.touched.push(ordinal);
        parked.into_iter().for_each(|poll| self.answer_unparked(poll, self.now));
        self.answer_undecided(undecided);
        // Where too much is pending it is found again: a silent block within a second.
        refused.into_iter().for_each(|(origin, why)| self.refuse_for_good(origin, why));
    }

    /// Proposes the turns of zones that were touched, and schedules what comes next for them.
    pub(super) fn hand_out_turns(&mut self) {
        let (hearing, is_late, mut refused) = (self.hearing(), self.is_late(), Vec::new());
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for ordinal in touched.drain(..) {
            let (Some(zone), Some(desk)) = (self.shard.zones.get(&ordinal), self.desks.get_mut(&ordinal))
            else {
                continue;
            };
            let id = zone.view.id();
            let (pending, parked, refused) = (&mut self.pending, &mut self.parked, &mut refused);
            if !is_late {
                desk.turns(zone, hearing, self.now, |turn| {
                    *parked -= 1;
                    let admit = Command::Admit { zone: id, seq: turn.seq };
                    refused.extend(pending.push(admit, Origin::Turn(turn)).err().map(|why| (turn, why)));
                });
            }
            let wake = desk.wake_at(zone, self.now);
            self.schedule(ordinal, wake);
        }
        self.touched = touched;
        refused.into_iter().for_each(|(turn, why)| self.refuse(Origin::Turn(turn), why));
    }

    pub(super) fn unschedule(&mut self, ordinal: u64) {
        if let Some(at) = self.desks.get_mut(&ordinal).and_then(|desk| desk.scheduled.take()) {
            self.timers.remove(&(at, ordinal));
        }
    }

    pub(super) fn schedule(&mut self, ordinal: u64, wake: Option<LogTime>) {
        self.unschedule(ordinal);
        let Some(desk) = self.desks.get_mut(&ordinal) else { return };
        desk.scheduled = desk.tick_at.into_iter().chain(wake).min();
        if let Some(at) = desk.scheduled {
            self.timers.insert((at, ordinal));
        }
    }

    pub(super) fn not_yet(&self, token: Token, now: LogTime) -> Reply {
        if self.is_evicting(&token) || self.prove(self.mono).is_none() {
            return self.answer_alone(Some(token), now);
        }
        match self.shard.zones.get(&token.zone.ordinal) {
            Some(zone) => outcome::not_yet(zone, token, now),
            None => Reply::Refused(Refusal::Gone),
        }
    }

    /// What a poll is told that is parked no longer. In a zone whose polls may be parked for longer than it allows silences for,
    /// its place may be about to be dropped.
    pub(super) fn unparked(&mut self, poll: Poll, now: LogTime) -> Option<Reply> {
        if self.is_evicting(&poll.token) {
            return self.hold(poll.token, poll.ticket, now);
        }
        Some(self.not_yet(poll.token, now))
    }

    pub(super) fn answer_unparked(&mut self, poll: Poll, now: LogTime) {
        self.parked -= 1;
        let reply = self.unparked(poll, now);
        self.replies.extend(reply.map(|reply| (poll.ticket, reply)));
    }
}
