//! The readers of a worker: news of streams in, what their connections are told out.

use super::Worker;
use super::desk::Desk;
use super::ticket::SessionKey;
use super::turn::Turn;
use crate::hub::{Hubs, Knows, News, Outlets, Seat, Sent, Tell, Took};
use crate::limit;
use crate::session::Session;
use crate::session::slab::Slab;
use sluice_engine::stream::text::Text;
use sluice_engine::time::MonoMs;

/// Questions and answers between hubs and owners of the same worker in one turn: an answer may lead to the next question.
const EXCHANGES_PER_TURN: usize = 4;

/// The connections of a worker, as its hubs see them.
struct Connections<'w> {
    sessions: &'w mut Slab<Session>,
    dirty: &'w mut Vec<SessionKey>,
    desk: &'w mut Desk,
    now: MonoMs,
}

impl Outlets for Connections<'_> {
    fn tell(&mut self, seat: Seat, key: &Text, tell: Tell<'_>) -> Took {
        let Some(session) = self.sessions.get_mut(seat.session) else { return Took::Gone };
        let took = session.tell(seat, key, tell, self.desk, self.now);
        if took == Took::All && !std::mem::replace(&mut session.dirty, true) {
            self.dirty.push(seat.session);
        }
        took
    }

    fn takes(&mut self, seat: Seat, key: &Text) -> Took {
        match self.sessions.get_mut(seat.session) {
            Some(session) if session.reads(seat, key) => match session.takes_news(&self.desk.passing) {
                true => Took::All,
                false => Took::Full,
            },
            _ => Took::Gone,
        }
    }

    fn is_there(&mut self, seat: Seat, key: &Text) -> bool {
        self.sessions.get_mut(seat.session).is_some_and(|session| session.reads(seat, key))
    }
}

impl Worker {
    /// Answers what workers want of streams, takes the news, and tells readers what they lack: each as long as one turn may.
    pub(super) fn serve_readers(&mut self, turn: Turn<'_>) {
        self.grant_wishes();
        let mut hubs = std::mem::take(&mut self.desk.hubs);
        hubs.set_scarce(self.desk.passing.is_scarce());
        self.desk.pace.allow_more(limit::NEWS_US);
        for _ in 0..EXCHANGES_PER_TURN {
            let any = self.take_news(&mut hubs, turn.now);
            let sent = self.send_wishes(&mut hubs);
            if (!any && !sent) || self.desk.pace.is_over() {
                break;
            }
        }
        self.desk.pace.allow_more(limit::TELLS_US);
        let mut room = limit::TELLS_PER_TURN_MAX;
        while hubs.is_at_work() && room > 0 && !self.desk.pace.is_over() {
            let part = room.min(limit::TELLS_PER_WRITE_MAX);
            room -= part;
            let shared = std::sync::Arc::clone(&self.desk.shared);
            let now = shared.config.clock.now();
            let directory = &shared.directory;
            let knows = |group| Knows {
                leads: directory.leads(group, now),
                is_fresh: directory.prove(group, now).is_some(),
            };
            hubs.turn(part, turn.now, knows, &mut self.connections(turn.now));
            // Written with the hubs in their place: a connection that takes something again says so there.
            self.desk.hubs = hubs;
            self.write_dirty(turn);
            hubs = std::mem::take(&mut self.desk.hubs);
            self.desk.pace.look();
        }
        self.send_wishes(&mut hubs);
        self.desk.hubs = hubs;
    }

    /// Forgets readers whose connections are gone, as far as one turn looks.
    pub(super) fn sweep_hubs(&mut self) {
        let mut hubs = std::mem::take(&mut self.desk.hubs);
        for key in hubs.next_full(limit::HUB_LOOKS_PER_SWEEP) {
            // There may be room again that these were refused for others' sake.
            if self.sessions.get_mut(key).is_none_or(|session| session.takes_news(&self.desk.passing)) {
                hubs.resume(key);
            }
        }
        let waits = std::mem::take(&mut self.desk.waits);
        let room = limit::HUB_LOOKS_PER_SWEEP;
        hubs.sweep(room, &mut self.connections(MonoMs(0)), |who| waits.has(who));
        self.desk.waits = waits;
        self.send_wishes(&mut hubs);
        self.desk.hubs = hubs;
    }

    /// Sends what hubs want of owners.
    pub(super) fn send_hub_wishes(&mut self) {
        let mut hubs = std::mem::take(&mut self.desk.hubs);
        self.send_wishes(&mut hubs);
        self.desk.hubs = hubs;
    }

    fn connections(&mut self, now: MonoMs) -> Connections<'_> {
        Connections { sessions: &mut self.sessions, dirty: &mut self.dirty, desk: &mut self.desk, now }
    }

    /// Does what workers want of streams of this one, as far as this turn may.
    fn grant_wishes(&mut self) {
        let shared = std::sync::Arc::clone(&self.desk.shared);
        let Some(mailbox) = shared.mailboxes.get(self.desk.me) else { return };
        self.desk.pace.allow_more(limit::WISHES_US);
        while let Some((from, sent)) = mailbox.next_wish() {
            let bytes = self.desk.shards.grant(from, sent);
            self.desk.pace.step();
            self.desk.pace.wrote(bytes);
            if self.desk.pace.is_over() {
                // There may be more: the next turn begins at once.
                mailbox.notify();
                break;
            }
        }
    }

    /// Takes what owners here and elsewhere have said, as far as this turn may; true where there was some.
    fn take_news(&mut self, hubs: &mut Hubs, now: MonoMs) -> bool {
        let shared = std::sync::Arc::clone(&self.desk.shared);
        let Some(mailbox) = shared.mailboxes.get(self.desk.me) else { return false };
        let mut any = mailbox.has_lost() | self.desk.shards.news().has_lost();
        if any {
            hubs.lost();
        }
        loop {
            let (own, other) = (self.desk.shards.news().pop(), mailbox.next_news());
            if own.is_none() && other.is_none() {
                return any;
            }
            any = true;
            for news in own.into_iter().chain(other) {
                let bytes = news.bytes();
                self.hear(hubs, news, now);
                self.desk.pace.step();
                self.desk.pace.wrote(bytes);
            }
            if self.desk.pace.is_over() {
                // There may be more: the next turn begins at once.
                mailbox.notify();
                return any;
            }
        }
    }

    fn hear(&mut self, hubs: &mut Hubs, news: News, now: MonoMs) {
        match news {
            News::Tidings(tidings) => hubs.hear(&tidings),
            News::Told(told) => hubs.told(&told, &mut self.connections(now)),
        }
    }

    /// Sends what hubs want of owners, as far as there is room, and time where the owner is here; true where something was sent.
    fn send_wishes(&mut self, hubs: &mut Hubs) -> bool {
        let wishes = hubs.take_wishes();
        let any = !wishes.is_empty();
        let mut left: Vec<Sent> = Vec::new();
        for (at, sent) in wishes.into_iter().enumerate() {
            if !left.is_empty() || (at > 0 && self.desk.pace.is_over()) {
                left.push(sent);
                continue;
            }
            match self.desk.shards.wish(sent) {
                Ok(bytes) => {
                    self.desk.pace.step();
                    self.desk.pace.wrote(bytes);
                }
                Err(sent) => left.push(sent),
            }
        }
        hubs.put_back(left);
        any
    }
}
