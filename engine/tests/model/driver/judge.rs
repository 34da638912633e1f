//! What is judged after each turn: every command that was proposed or committed, and every place.

use super::World;
use crate::model::Answer;
use crate::model::i4_once::Once;
use crate::model::reference::{Stand, State, Verdict, Waiter, evicted};
use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::id::{KeyGen, Seq, ZoneId};
use sluice_engine::reply::{Departure, Reply, Standing};
use sluice_engine::sequencer::{Committed, ProposalId};
use sluice_engine::time::{LogTime, MonoMs};
use sluice_engine::token::{Place, Token};
use sluice_engine::zone::settings::ZoneName;
use std::collections::VecDeque;

/// Every token is looked at after so long.
const SURVEY_MS: u64 = 5_000;

impl World {
    /// A batch was proposed: the owner's own commands are judged by what it could know.
    pub(super) fn proposed(&mut self, id: Option<ProposalId>, stamp: u64, commands: &[Command]) {
        let mut tickets = VecDeque::new();
        for command in commands {
            match command {
                Command::Evict { zone, block, slots } => {
                    let Some(zone) = self.reference.by_id(*zone) else { continue };
                    evicted(*block, slots)
                        .for_each(|seq| self.checks.presence.evict_proposed(zone, seq, stamp));
                }
                Command::Join { zone, nobody_ahead: true, .. } => {
                    let known_until = self.last_turn.saturating_sub(100);
                    if let Some(zone) = self.reference.by_id(*zone) {
                        self.checks.presence.nobody_ahead(zone, known_until, stamp);
                    }
                }
                _ => {}
            }
            if is_clients(command) {
                tickets.push_back(self.submitted.pop_front().expect("a client's command was submitted"));
            }
        }
        if id.is_none() || self.flaky.on_the_way() > 0 {
            self.disturb();
        }
        match id {
            Some(id) => drop(self.under_way.insert(id, tickets)),
            None => tickets.iter().for_each(|ticket| {
                let reply = self.replies.get(ticket).cloned();
                assert!(matches!(reply, Some(Reply::Refused(Refusal::NoLeader { .. }))), "{reply:?}");
            }),
        }
    }

    /// A batch was applied: the reference says what must have come of each command.
    pub(super) fn committed(&mut self, batch: Committed) {
        let id = batch.proposal.expect("only own proposals are committed here");
        let mut tickets = self.under_way.remove(&id).expect("it was proposed");
        let mut joins = Vec::new();
        for command in &batch.commands {
            let reply = if is_clients(command) { tickets.pop_front() } else { None };
            let reply = reply.map(|ticket| self.replies[&ticket].clone());
            self.judge(command, reply.clone(), batch.stamp.0);
            if let (Command::Join { zone, .. }, Some(reply)) = (command, reply) {
                joins.push((*zone, reply));
            }
        }
        for (zone, reply) in joins {
            self.check_join(zone, reply);
        }
        self.log.push(batch);
    }

    fn judge(&mut self, command: &Command, reply: Option<Reply>, stamp: u64) {
        self.check_caps(command, reply.clone(), stamp);
        if let Command::Evict { zone, block, slots } = command
            && let Some(zone) = self.reference.by_id(*zone)
        {
            evicted(*block, slots).for_each(|seq| self.checks.presence.evicted(zone, seq, stamp));
        }
        let verdict = self.reference.apply(command, stamp);
        match (verdict, reply) {
            (Verdict::ZoneSet { created }, Some(reply)) => {
                assert_eq!(reply, Reply::ZoneSet { created });
                self.disturb();
            }
            (Verdict::ZoneDeleted(there), Some(reply)) => assert_eq!(reply, Reply::ZoneDeleted(there)),
            (Verdict::Left(removed), Some(reply)) => {
                let left = reply == Reply::Left(Departure::Left);
                assert!(left == removed && matches!(reply, Reply::Left(_)), "{command:?}: {reply:?}");
            }
            (Verdict::Refused(refusal), Some(reply)) => {
                assert_eq!(reply, Reply::Refused(refusal), "{command:?}")
            }
            (Verdict::Joined(place), Some(Reply::Place { token, .. })) => {
                assert_eq!(token.place, place, "{command:?} at {stamp}");
            }
            (Verdict::Admitted(entered), None) => self.check_admission(command, entered, stamp),
            _ => {}
        }
    }

    /// I1 and I2 see what the engine did, before the reference says what it should have done.
    fn check_caps(&mut self, command: &Command, reply: Option<Reply>, stamp: u64) {
        let (id, token) = match (command, reply) {
            (Command::Join { zone, .. }, Some(Reply::Place { token, .. })) => (*zone, token),
            (Command::Admit { zone, seq }, _) => (*zone, queue_token(*zone, *seq)),
            _ => return,
        };
        let Some(zone) = self.reference.by_id(id) else { return };
        let (who, at) = match token.place {
            Place::Direct { stamp, .. } => (None, stamp.0),
            Place::Queue(seq) => match self.look(&zone.name, &token) {
                Ok(Standing::Admitted(at)) if at.0 == stamp => (Some(seq), stamp),
                _ => return,
            },
        };
        let answer = Ok(Standing::Admitted(LogTime(at)));
        self.checks.once.answered(&token, answer, at, Some(zone));
        let queue = zone.waiting().next().is_some();
        if self.checks.caps.admitted(zone, token.place, at, queue) {
            self.checks.order.admitted(zone, who, at);
        }
    }

    fn check_admission(&mut self, command: &Command, entered: bool, stamp: u64) {
        let Command::Admit { zone, seq } = command else { return };
        let token = queue_token(*zone, *seq);
        let by_now = self.checks.once.is_admitted(&token);
        // A zone that was deleted in the same turn cannot be asked any more.
        if self.directory.zone(self.name_of(*zone).as_str().as_bytes()) == Some(*zone) {
            assert!(by_now || !entered, "{seq:?} was not let in at {stamp}, with a permit free");
        }
    }

    fn name_of(&self, zone: ZoneId) -> ZoneName {
        self.reference.by_id(zone).map_or_else(|| self.names[0].clone(), |zone| zone.name.clone())
    }

    /// A join also counts as a poll, when it is answered.
    fn check_join(&mut self, zone: ZoneId, reply: Reply) {
        let log_now = self.log_now();
        if let (Reply::Place { token, standing }, Some(zone)) = (reply, self.reference.by_id(zone)) {
            let expected = self.reference.stand(&zone.name, &token, log_now);
            agree(&token, Ok(standing), expected, self.now);
            self.note_poll(&token, log_now);
        }
    }

    pub(super) fn after_turn(&mut self) {
        let log_now = self.log_now();
        self.last_turn = self.now;
        for zone in &self.reference.zones {
            self.checks.presence.turn_done(zone, log_now);
            self.checks.order.turn_done(zone, log_now);
            let stats = self.owner.stats(zone.id, MonoMs(self.now)).unwrap();
            Once::permits(zone.id, self.checks.caps.count(zone.id), stats.admitted_total);
            let waiting = zone.waiting().count() as u64;
            assert_eq!(stats.waiting, waiting, "waiting");
            assert_eq!(
                stats.admitted_60s,
                zone.admitted_in(log_now, zone.settings.window_ms),
                "in the window"
            );
            assert_eq!(stats.admitted_6s, zone.admitted_in(log_now, zone.settings.slice_ms), "in the slice");
            assert_eq!(stats.joined_total, zone.joined, "joined");
            assert_eq!(stats.abandoned_total, zone.abandoned, "abandoned");
            assert_eq!(stats.left_total, zone.left, "left");
            assert_eq!(stats.limit, u64::from(zone.settings.limit), "limit");
            assert!(stats.present <= waiting, "more present than waiting");
        }
        if self.now >= self.surveyed_at + SURVEY_MS {
            self.survey();
        }
    }

    /// Looks at every place that was ever given out, without counting as a poll.
    pub(crate) fn survey(&mut self) {
        self.surveyed_at = self.now;
        let log_now = self.log_now();
        let mut answers = Vec::new();
        for zone in &self.reference.zones {
            for seq in 0..zone.waiters.len() as u64 {
                let token = queue_token(zone.id, Seq(seq));
                let answer = self.look(&zone.name, &token);
                agree(&token, answer, self.reference.stand(&zone.name, &token, log_now), self.now);
                answers.push((token, answer));
            }
            let wrong = self.names.iter().find(|name| **name != zone.name).unwrap();
            let token = queue_token(zone.id, Seq(0));
            let refusal = self.reference.stand(wrong, &token, log_now).map(|_| ());
            assert_eq!(self.look(wrong, &token).map(|_| ()), refusal, "asked under another zone's name");
        }
        answers.into_iter().for_each(|(token, answer)| self.check_answer(&token, answer));
    }

    /// Counts the waiters by what became of them, to show that a run meant something.
    pub(crate) fn tally(&self) -> [usize; 3] {
        let count = |wanted: fn(&Waiter) -> bool| {
            self.reference.zones.iter().flat_map(|zone| &zone.waiters).filter(|waiter| wanted(waiter)).count()
        };
        [
            count(|waiter| waiter.waits()),
            count(|waiter| matches!(waiter.state, State::Admitted(_))),
            count(|waiter| waiter.state == State::Gone),
        ]
    }

    fn look(&self, name: &ZoneName, token: &Token) -> Answer {
        let text = self.directory.text(token).expect("a token of this group has a text");
        let guard = Directory::pin();
        self.directory.peek(&guard, name.as_str().as_bytes(), text.as_bytes(), MonoMs(self.now))
    }
}

/// The engine's answer is the reference's, to the position and to the stamp.
pub(super) fn agree(token: &Token, answer: Answer, expected: Result<Stand, Refusal>, now: u64) {
    let told = answer.map(|standing| match standing {
        Standing::Waiting(waiting) => Stand::Waits(waiting.position - 1),
        Standing::Admitted(at) => Stand::Admitted(at.0),
    });
    assert_eq!(told, expected, "{token:?} at {now}");
}

fn queue_token(zone: ZoneId, seq: Seq) -> Token {
    Token { zone, key: KeyGen(1), place: Place::Queue(seq) }
}

/// Commands that somebody asked for; the others are the owner's own.
fn is_clients(command: &Command) -> bool {
    !matches!(command, Command::Admit { .. } | Command::Evict { .. } | Command::Sweep { .. })
}
