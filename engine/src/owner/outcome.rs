//! From what came of a command to what its asker is told, and to the desks.

use super::desk::{Turn, seq_of};
use super::evict::Eviction;
use super::parked::Poll;
use super::{BUSY_RETRY_MS, Owner};
use crate::command::Command;
use crate::error::Refusal;
use crate::id::{Ticket, ZoneId};
use crate::reply::{Departure, Reply, Standing};
use crate::sequencer::Role;
use crate::shard::Outcome;
use crate::structure::pin;
use crate::time::LogTime;
use crate::token::{Place, Token};
use crate::zone::state::{Admission, ZoneState};
use crate::zone::view::{Look, Seen};

/// Who wants to know what comes of a command.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Origin {
    /// A client.
    Client(Ticket),
    /// A poll whose turn had come.
    Turn(Turn),
    /// The owner drops who was silent.
    Evict(Eviction),
    /// Nobody: the owner's own housekeeping.
    Own,
}

impl Origin {
    /// Of a command that the owner decided on.
    pub(super) fn of_own(command: &Command) -> Origin {
        match *command {
            Command::Evict { zone, block, slots } => {
                Origin::Evict(Eviction { ordinal: zone.ordinal, block, slots })
            }
            _ => Origin::Own,
        }
    }
}

impl Owner {
    /// Tells desks and asker what came of one command.
    pub(super) fn settle(&mut self, outcome: Outcome, origin: Option<Origin>) {
        let admission = match &outcome {
            Outcome::Admitted { admission, .. } => *admission,
            _ => Admission::Gone,
        };
        let reply = self.note(outcome);
        match origin {
            Some(Origin::Client(ticket)) => self.replies.push((ticket, reply)),
            Some(Origin::Turn(turn)) => self.settle_turn(turn, admission),
            Some(Origin::Evict(_) | Origin::Own) | None => {}
        }
    }

    /// The batch was not committed.
    pub(super) fn refuse(&mut self, origin: Origin, refusal: Refusal) {
        match origin {
            Origin::Client(ticket) => self.replies.push((ticket, Reply::Refused(refusal))),
            Origin::Turn(turn) => {
                self.landed(turn.token.zone);
                let reply = self.not_yet(turn.token, self.now);
                self.replies.push((turn.ticket, reply));
            }
            // It may be decided all the same: those who wait to hear do so for as long as a proposal is waited for.
            Origin::Evict(_) | Origin::Own => {}
        }
    }

    /// The batch is certain never to be committed.
    pub(super) fn refuse_for_good(&mut self, origin: Origin, refusal: Refusal) {
        match origin {
            Origin::Evict(eviction) => self.evicted(eviction),
            other => self.refuse(other, refusal),
        }
    }

    /// Keeps the desks in step with the state; returns the reply for a client.
    fn note(&mut self, outcome: Outcome) -> Reply {
        let now = self.now;
        match outcome {
            Outcome::ZoneSet { zone, created } => {
                if let (Role::Leader, Some(state)) = (self.role, self.shard.zones.get(&zone.ordinal)) {
                    self.desks.entry(zone.ordinal).or_default().settings_changed(state, now);
                    self.touched.push(zone.ordinal);
                }
                Reply::ZoneSet { created }
            }
            Outcome::ZoneDeleted(zone) => {
                zone.into_iter().for_each(|zone| self.close_desk(zone));
                Reply::ZoneDeleted(zone.is_some())
            }
            Outcome::Joined { zone, place } => self.joined(zone, place),
            Outcome::Left { zone, seq, departure } => {
                let state = self.shard.zones.get(&zone.ordinal);
                let desk = self.desks.get_mut(&zone.ordinal);
                if let (Departure::Left, Some(state), Some(desk)) = (departure, state, desk) {
                    desk.left(seq, state, now);
                    if desk.hasten(now) {
                        self.touched.push(zone.ordinal);
                    }
                }
                Reply::Left(departure)
            }
            Outcome::Admitted { zone, seq, admission } => {
                if let (Admission::Now, Some(desk)) = (admission, self.desks.get_mut(&zone.ordinal)) {
                    desk.admitted(seq);
                }
                Reply::Refused(Refusal::Gone)
            }
            Outcome::Evicted { zone, block, slots, removed } => {
                let count: u32 = removed.iter().map(|word| word.count_ones()).sum();
                let state = self.shard.zones.get(&zone.ordinal);
                if let (Some(state), Some(desk)) = (state, self.desks.get_mut(&zone.ordinal)) {
                    desk.evicted(block, u64::from(count), state, now);
                }
                self.evicted(Eviction { ordinal: zone.ordinal, block, slots });
                Reply::KeyChanged
            }
            Outcome::Swept | Outcome::KeyChanged => Reply::KeyChanged,
            Outcome::Key(value, charge) => Reply::Key(value, charge),
            Outcome::Keys(values, charge) => Reply::Keys(values, charge),
            Outcome::Refused(refusal) => Reply::Refused(refusal),
        }
    }

    fn joined(&mut self, zone: ZoneId, place: Place) -> Reply {
        let token = Token { zone, key: self.shard.secrets.keys.active(), place };
        let Some(state) = self.shard.zones.get(&zone.ordinal) else {
            return Reply::Refused(Refusal::NoZone);
        };
        // Who leads no longer has no desks.
        let Some(desk) = self.desks.get_mut(&zone.ordinal) else { return self.standing(token) };
        if let Place::Queue(seq) = place
            && state.is_live(seq)
            && desk.joined(seq, state, self.now)
        {
            desk.tick_at = Some(self.now);
            self.tick(zone.ordinal);
        } else if desk.entered(state, self.now) | desk.hasten(self.now) {
            self.touched.push(zone.ordinal);
        }
        self.standing(token)
    }

    /// Where a token stands, which also counts as a poll.
    fn standing(&self, token: Token) -> Reply {
        if self.is_evicting(&token) {
            // A place that was known already, and may be gone in a moment.
            return Reply::Refused(Refusal::Busy { retry_ms: BUSY_RETRY_MS });
        }
        let Some(state) = self.shard.zones.get(&token.zone.ordinal) else {
            return Reply::Refused(Refusal::Gone);
        };
        match state.view.see(token.place, Look::Taken, self.now, &pin()) {
            Ok(Seen::Standing(standing)) => Reply::Place { token, standing },
            Ok(Seen::Turn) => not_yet(state, token, self.now),
            Err(refusal) => Reply::Refused(refusal),
        }
    }

    fn settle_turn(&mut self, turn: Turn, admission: Admission) {
        self.landed(turn.token.zone);
        match admission {
            Admission::Now => self.tell(turn, Standing::Admitted(self.shard.stamp)),
            Admission::Before(at) => self.tell(turn, Standing::Admitted(at)),
            Admission::Gone => self.replies.push((turn.ticket, Reply::Refused(Refusal::Gone))),
            Admission::NotYet => self.park_again(turn),
        }
    }

    fn tell(&mut self, turn: Turn, standing: Standing) {
        self.replies.push((turn.ticket, Reply::Place { token: turn.token, standing }));
    }

    /// The permit was gone when the batch was applied: the poll waits on for what is left of its time.
    fn park_again(&mut self, turn: Turn) {
        let ordinal = turn.token.zone.ordinal;
        let (Some(seq), Some(desk)) = (seq_of(&turn.token), self.desks.get_mut(&ordinal)) else { return };
        let poll = Poll { ticket: turn.ticket, token: turn.token, until: turn.until };
        let replaced = desk.parked.insert(seq, poll);
        self.parked += 1;
        if let Some(other) = replaced {
            self.answer_unparked(other, self.now);
        }
    }

    /// A proposed admission is decided.
    fn landed(&mut self, zone: ZoneId) {
        if let Some(desk) = self.desks.get_mut(&zone.ordinal) {
            assert!(desk.in_flight > 0, "more admissions were decided than proposed");
            desk.in_flight -= 1;
            self.touched.push(zone.ordinal);
        }
    }

    fn close_desk(&mut self, zone: ZoneId) {
        self.unschedule(zone.ordinal);
        let Some(mut desk) = self.desks.remove(&zone.ordinal) else { return };
        self.bytes -= desk.bytes;
        while let Some(poll) = desk.parked.first().and_then(|seq| desk.parked.take(seq)) {
            self.parked -= 1;
            self.replies.push((poll.ticket, Reply::Refused(Refusal::Gone)));
        }
        let undecided: Vec<_> = desk.evicting.take_all().collect();
        self.parked -= undecided.len();
        self.replies.extend(undecided.iter().map(|held| (held.ticket, Reply::Refused(Refusal::Gone))));
    }
}

/// What a poll is told that waited in vain for its turn. Its place may have been let in meanwhile by another poll.
pub(super) fn not_yet(zone: &ZoneState, token: Token, now: LogTime) -> Reply {
    let guard = pin();
    zone.view.keep(token.place, now, &guard);
    let standing = match zone.view.see(token.place, Look::Peek, now, &guard) {
        Ok(Seen::Standing(standing)) => Ok(standing),
        Ok(Seen::Turn) => {
            let waiting = seq_of(&token).and_then(|seq| zone.view.waiting(seq, now, &guard));
            waiting.map(Standing::Waiting).ok_or(Refusal::Gone)
        }
        Err(refusal) => Err(refusal),
    };
    match standing {
        Ok(standing) => Reply::Place { token, standing },
        Err(refusal) => Reply::Refused(refusal),
    }
}
