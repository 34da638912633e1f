//! Published messages reach the connections of this worker.

use super::Worker;
use super::desk::Desk;
use super::turn::Turn;
use crate::limit;
use crate::pubsub::Kind;
use crate::pubsub::message::Published;
use crate::pubsub::post::{Parcel, Post};
use crate::session::Talk;
use crate::session::push::Pushed;
use crate::worker::ticket::SessionKey;
use std::sync::Arc;

impl Worker {
    /// Delivers what the connection that was just visited has published.
    pub(super) fn deliver_parcels(&mut self, turn: Turn<'_>) {
        if self.desk.post.parcels.is_empty() {
            return;
        }
        let mut parcels = std::mem::take(&mut self.desk.post.parcels);
        for Parcel { message, publisher } in parcels.drain(..) {
            self.spread(&message, Some(publisher), turn);
            self.write_much(turn);
        }
        self.desk.post.parcels = parcels;
    }

    /// Delivers what other workers and nodes have sent, as far as this turn may: then clients have theirs.
    pub(super) fn take_published(&mut self, turn: Turn<'_>) {
        let shared = Arc::clone(&self.desk.shared);
        let Some(mailbox) = shared.mailboxes.get(self.desk.me) else { return };
        let mut taken = 0;
        while let Some(message) = mailbox.next_published() {
            let receivers = self.spread(&message, None, turn);
            self.write_much(turn);
            taken += 1 + receivers / limit::RECEIVERS_PER_REQUEST;
            self.desk.pace.look();
            if taken >= limit::PUBLISHED_PER_TURN_MAX || self.desk.pace.is_over() {
                // There may be more: the next turn begins at once.
                mailbox.notify();
                break;
            }
        }
        self.taken += taken;
    }

    /// Lets go of what was pushed where that is much: a turn may bring many messages for many.
    fn write_much(&mut self, turn: Turn<'_>) {
        if self.desk.post.unsent > limit::PUSHED_BYTES_PER_WRITE {
            self.write_dirty(turn);
        }
    }

    /// Pushes a message to everyone here who listens, but to `publisher`; how many those are.
    fn spread(&mut self, message: &Published, publisher: Option<SessionKey>, turn: Turn<'_>) -> usize {
        let Worker { sessions, desk, dirty, .. } = self;
        let room = desk.passing.room();
        let Desk { post, pool, counts, shared, .. } = desk;
        let Post { register, shown, unsent, .. } = post;
        let (mut receivers, mut lost) = (0, 0);
        let mut choked = Vec::new();
        for pattern in std::iter::once(None).chain(message.patterns.iter().map(Some)) {
            shown.clear();
            let (kind, name) = match pattern {
                None => (Kind::Channel, &*message.channel),
                Some(pattern) => (Kind::Pattern, &**pattern),
            };
            for key in register.listeners(kind, name, None).filter(|key| Some(*key) != publisher) {
                let Some(session) = sessions.get_mut(key) else { continue };
                let Talk::Resp(talk) = &session.talk else { continue };
                let bytes = shown.of(talk.session.proto(), pattern, message);
                match session.push(bytes, pool, unsent, room, turn.now) {
                    Pushed::Kept => receivers += 1,
                    Pushed::Late => continue,
                    Pushed::Lost => {
                        lost += 1;
                        continue;
                    }
                    Pushed::TooMuch => choked.push(key),
                }
                if !std::mem::replace(&mut session.dirty, true) {
                    dirty.push(key);
                }
            }
        }
        counts.delivered += receivers as u64;
        shared.channels.note_dropped(lost);
        for key in choked {
            self.close_choked(key);
        }
        receivers
    }

    fn close_choked(&mut self, key: SessionKey) {
        if self.sessions.get_mut(key).is_some() {
            tracing::debug!("a subscriber that does not read is closed");
            self.desk.shared.channels.note_closed();
            self.remove(key);
        }
    }
}
