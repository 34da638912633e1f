//! Requests between nodes: passed on to the leader by those who do not lead, decided by the one who does.
//!
//! ```text
//!  client ─▶ request ─┬─ leads ───────▶ decide ─▶ reply
//!                     ├─ follows ─────▶ forward ─▶ leader's owner: decide ─▶ Answered ─▶ reply
//!                     └─ is cut off ──▶ polls: what is known here, marked; the rest: NOLEADER
//! ```
//! A forwarded request goes one hop. Its reply waits until this node has applied what the leader had, so that the
//! same client finds here what it was told there.

use super::Owner;
use super::keys::is_question;
use crate::command::Command;
use crate::error::Refusal;
use crate::id::Ticket;
use crate::limit::{
    COMMAND_BYTES_MAX, FORWARD_POLL_MS, FORWARD_WRITE_MS, FORWARDED_MAX, HELD_MS_MAX, NO_LEADER_RETRY_MS,
};
use crate::measure::Measured;
use crate::reply::{Reply, Standing};
use crate::sequencer::{Ask, Expected, REMOTE, Role};
use crate::structure::pin;
use crate::time::{LogTime, MonoMs};
use crate::token::Token;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is told where no leader can be asked.
pub(super) const NO_LEADER: Refusal = Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS };

/// A request on its way to the leader.
#[derive(Clone, Copy, Debug)]
struct Passed {
    /// What the leader may answer. Of a poll this node can say something by itself.
    expected: Expected,
    /// When it was passed on.
    at: LogTime,
    until: LogTime,
}

/// A question to a leader that cannot prove that it leads.
#[derive(Debug)]
pub(super) struct Unproven {
    ask: Ask,
    ticket: Ticket,
    until: MonoMs,
}

/// Requests that were passed on, and replies that wait for this node to catch up.
#[derive(Debug, Default)]
pub(super) struct Forwarded {
    by_ticket: HashMap<Ticket, Passed>,
    deadlines: BTreeSet<(LogTime, Ticket)>,
    /// By the index that they wait for.
    held: BTreeMap<(u64, Ticket), (Reply, LogTime)>,
}

impl Forwarded {
    fn insert(&mut self, ticket: Ticket, passed: Passed) {
        self.deadlines.insert((passed.until, ticket));
        self.by_ticket.insert(ticket, passed);
    }

    fn take(&mut self, ticket: Ticket) -> Option<Passed> {
        let passed = self.by_ticket.remove(&ticket)?;
        self.deadlines.remove(&(passed.until, ticket));
        Some(passed)
    }

    fn take_expired(&mut self, now: LogTime) -> Option<(Ticket, Passed)> {
        let (until, ticket) = self.deadlines.first().copied()?;
        if until > now {
            return None;
        }
        self.take(ticket).map(|passed| (ticket, passed))
    }

    /// The next reply that has waited for long enough.
    fn take_held(&mut self, applied: u64, now: LogTime) -> Option<(Ticket, Reply)> {
        let entry = self.held.first_entry()?;
        if entry.key().0 > applied && entry.get().1 > now {
            return None;
        }
        let ((_, ticket), (reply, _)) = entry.remove_entry();
        Some((ticket, reply))
    }

    /// When something here is due.
    pub(super) fn next_due(&self) -> Option<LogTime> {
        let held = self.held.values().next().map(|(_, until)| *until);
        self.deadlines.first().map(|(until, _)| *until).into_iter().chain(held).min()
    }
}

impl Owner {
    /// A client's request. `None`: the reply comes under `ticket`, after a later [`Owner::turn`].
    pub fn request(&mut self, ask: Ask, ticket: Ticket, now: MonoMs) -> Option<Reply> {
        let proof = if self.can_answer(&ask) { self.prove(now) } else { None };
        if let (Some(proof), Role::Leader | Role::Follower) = (proof, self.role) {
            return self.question(ask, ticket, now, proof);
        }
        match self.role {
            _ if ask == Ask::Hash => self.ask_hash(ticket, now),
            Role::Leader => self.decide(ask, ticket, now),
            Role::Follower => self.pass_on(ask, ticket, now),
            Role::Cut => Some(self.answer_lost(Expected::of(&ask).token(), self.log_time(now))),
        }
    }

    /// Whether this node could answer this without the log or another node, given proof that its state is new enough.
    fn can_answer(&self, ask: &Ask) -> bool {
        // Only the leader counts who is present.
        is_question(ask) && (self.role == Role::Leader || !matches!(ask, Ask::Stats(_)))
    }

    /// Keeps what the leader cannot answer while it does not know that it leads still: it is asked again each turn, and
    /// passed on as soon as another node leads.
    fn wait_for_proof(&mut self, ask: Ask, ticket: Ticket, now: MonoMs) -> Option<Reply> {
        // What comes from another node has gone its one hop.
        if ticket.0 & REMOTE != 0 || self.unproven.len() >= FORWARDED_MAX {
            return Some(Reply::Refused(NO_LEADER));
        }
        self.unproven.push_back(Unproven { ask, ticket, until: MonoMs(now.0 + HELD_MS_MAX) });
        None
    }

    /// Asks again what waits for proof.
    pub(super) fn ask_unproven(&mut self) {
        for Unproven { ask, ticket, until } in std::mem::take(&mut self.unproven) {
            let waits = self.role == Role::Leader && self.prove(self.mono).is_none();
            if waits && self.mono < until {
                self.unproven.push_back(Unproven { ask, ticket, until });
                continue;
            }
            let reply =
                if waits { Some(Reply::Refused(NO_LEADER)) } else { self.request(ask, ticket, self.mono) };
            self.replies.extend(reply.map(|reply| (ticket, reply)));
        }
    }

    /// When one of those that wait for proof gives up.
    pub(super) fn unproven_due(&self) -> Option<MonoMs> {
        self.unproven.front().map(|unproven| unproven.until)
    }

    /// Takes a poll back that is parked here or at the leader, as [`Owner::unpark`] says.
    pub(super) fn take_back(&mut self, ticket: Ticket, now: LogTime) -> Option<Reply> {
        let passed = self.forwarded.take(ticket)?;
        Some(self.answer_lost(passed.expected.token(), now))
    }

    /// Another node's client asks. Only what a client may ask for is done for it.
    pub(super) fn asked(&mut self, ticket: Ticket, ask: Ask) {
        self.serves_others = true;
        let is_proper = match &ask {
            Ask::Change(command) => is_clients(command),
            Ask::Hash => false,
            _ => true,
        };
        let reply = match (self.role, is_proper) {
            // It came since this turn's clock was read, so that clock proves nothing about it.
            (Role::Leader, true) if is_question(&ask) => match self.lease(self.mono) {
                Some(proof) => self.question(ask, ticket, self.mono, proof),
                None => Some(Reply::Refused(NO_LEADER)),
            },
            (Role::Leader, true) => self.decide(ask, ticket, self.mono),
            (Role::Leader, false) => Some(Reply::Refused(Refusal::Gone)),
            _ => Some(Reply::Refused(NO_LEADER)),
        };
        if let Some(reply) = reply {
            self.replies.push((ticket, reply));
        }
    }

    /// The leader's reply to what was passed on.
    pub(super) fn answered(&mut self, ticket: Ticket, reply: Reply, applied: u64) {
        let Some(passed) = self.forwarded.take(ticket) else { return };
        let fits = passed.expected.fits(&reply, self.shard.group);
        if !fits {
            self.shard.view.count_unfit();
        }
        // Whoever answers something else is not believed, and what it did is not known.
        let reply = if fits { reply } else { Reply::Refused(NO_LEADER) };
        let reply = self.charged(reply);
        let is_lost = matches!(reply, Reply::Refused(Refusal::NoLeader { .. } | Refusal::Busy { .. }));
        match passed.expected.token() {
            Some(token) if is_lost => {
                let reply = self.answer_lost(Some(token), self.now);
                self.replies.push((ticket, reply));
            }
            Some(token) if !self.agrees(token, &reply, passed.at) => {
                self.replies.push((ticket, Reply::Refused(Refusal::Gone)));
            }
            _ if applied <= self.shard.index => self.replies.push((ticket, reply)),
            _ => {
                let until = self.now.plus_ms(HELD_MS_MAX);
                self.forwarded.held.insert((applied, ticket), (reply, until));
            }
        }
    }

    /// Gives the replies whose time has come.
    pub(super) fn settle_forwarded(&mut self) {
        while let Some((ticket, reply)) = self.forwarded.take_held(self.shard.index, self.now) {
            self.replies.push((ticket, reply));
        }
        while let Some((ticket, passed)) = self.forwarded.take_expired(self.now) {
            let reply = self.answer_lost(passed.expected.token(), self.now);
            self.replies.push((ticket, reply));
        }
    }

    /// Whether the leader's answer to a poll that was passed on at `at` still holds here. Who waits there was heard of in time,
    /// and so is from then on here.
    fn agrees(&self, token: Token, reply: &Reply, at: LogTime) -> bool {
        let Reply::Place { standing: Standing::Waiting(_), .. } = reply else { return true };
        let Some(zone) = self.shard.zones.get(&token.zone.ordinal) else { return true };
        zone.view.hear_again(token.place, at, &pin())
    }

    /// Sends the replies for other nodes there; those for this node's clients stay.
    pub(super) fn send_answers(&mut self) {
        if !self.serves_others {
            return;
        }
        // Also where the last of them was removed meanwhile: such a reply is nobody's here.
        let applied = self.shard.index;
        let sequencer = &mut self.sequencer;
        for (ticket, reply) in self.replies.extract_if(.., |(ticket, _)| ticket.0 & REMOTE != 0) {
            sequencer.answer(ticket, reply, applied);
        }
    }

    fn decide(&mut self, ask: Ask, ticket: Ticket, now: MonoMs) -> Option<Reply> {
        if is_question(&ask) {
            return self.wait_for_proof(ask, ticket, now);
        }
        let submitted = match ask {
            Ask::Join { zone, user, request, is_trusted } => {
                self.join_as(is_trusted, zone, (user, request), ticket)
            }
            Ask::JoinNamed { name, user, request, is_trusted } => match self.shard.zone_id(&name) {
                Some(zone) => self.join_as(is_trusted, zone, (user, request), ticket),
                None if self.lease(now).is_none() => Err(NO_LEADER),
                None => Err(Refusal::NoZone),
            },
            Ask::Change(command) => self.submit(*command, ticket),
            Ask::Key(op) => return self.decide_key(op, ticket),
            Ask::Keys(ops) => return self.decide_keys(ops, ticket),
            Ask::Hash | Ask::Stats(_) | Ask::Settings(_) => return None,
            Ask::Turn(token) if self.lease(now).is_none() => {
                // Stopped for a while, it may have been followed by another leader and not know it.
                let now = self.log_time(now);
                self.hear_as_leader(token, now);
                return Some(self.answer_alone(Some(token), now));
            }
            Ask::Turn(token) => return self.ask(token, ticket, now),
        };
        submitted.err().map(Reply::Refused)
    }

    fn pass_on(&mut self, ask: Ask, ticket: Ticket, now: MonoMs) -> Option<Reply> {
        let now = self.log_time(now);
        let expected = Expected::of(&ask);
        let token = expected.token();
        if let Some(token) = token {
            // Heard of here, whatever becomes of the way to the leader.
            self.hear(token, now);
        }
        if self.forwarded.by_ticket.len() >= FORWARDED_MAX {
            return Some(match token {
                Some(token) => self.answer_lost(Some(token), now),
                None => Reply::Refused(Refusal::Busy { retry_ms: super::BUSY_RETRY_MS }),
            });
        }
        let wait_ms = if token.is_some() { FORWARD_POLL_MS } else { FORWARD_WRITE_MS };
        let ask = Measured::of(ask);
        if ask.bytes() > COMMAND_BYTES_MAX {
            // The leader would refuse it, if it came through.
            return Some(Reply::Refused(Refusal::TooLarge { bytes: ask.bytes() as u64 }));
        }
        match self.sequencer.forward(ticket, ask) {
            Ok(()) => {
                self.forwarded.insert(ticket, Passed { expected, at: now, until: now.plus_ms(wait_ms) });
                None
            }
            Err(_) if token.is_some() => Some(self.answer_lost(token, now)),
            Err(refusal) => Some(Reply::Refused(refusal)),
        }
    }

    /// The same where the way to the leader was lost: whoever leads next is told of the poll.
    fn answer_lost(&mut self, token: Option<Token>, now: LogTime) -> Reply {
        if let Some(token) = token {
            self.hear_alone(token, now);
        }
        self.answer_alone(token, now)
    }

    /// What this node can say by itself: to a poll what it last knew, to everything else that there is no leader.
    pub(super) fn answer_alone(&self, token: Option<Token>, now: LogTime) -> Reply {
        match token.map(|token| (token, self.shard.view.last_known(token, self.mono, now))) {
            Some((token, Ok(standing))) => Reply::Place { token, standing },
            Some((_, Err(refusal))) => Reply::Refused(refusal),
            None => Reply::Refused(NO_LEADER),
        }
    }
}

/// Whether a client may ask for this; all else is an owner's.
fn is_clients(command: &Command) -> bool {
    matches!(command, Command::ZoneSet { .. } | Command::ZoneDelete { .. } | Command::Leave { .. })
}
