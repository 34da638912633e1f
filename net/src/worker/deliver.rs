//! Published messages reach the connections of this worker.
//!
//! In parts: after each the clock is looked at, and what was pushed is written once it is much, so that one message for very
//! many takes neither a turn nor memory for all of them at once. What is left goes on in the next turn, part by part.

use super::Worker;
use super::desk::Desk;
use super::mailbox::Mailbox;
use super::turn::Turn;
use crate::limit;
use crate::pubsub::Kind;
use crate::pubsub::post::Post;
use crate::session::Talk;
use crate::session::push::Pushed;
use crate::worker::ticket::SessionKey;
use std::sync::Arc;

impl Worker {
    /// Delivers what the connection that was just visited has published.
    pub(super) fn deliver_parcels(&mut self, turn: Turn<'_>) {
        if self.desk.post.is_at_work() {
            self.deliver_messages(None, turn);
        }
    }

    /// Delivers what is left of that, and what other workers and nodes have sent.
    pub(super) fn take_published(&mut self, turn: Turn<'_>) {
        let shared = Arc::clone(&self.desk.shared);
        self.deliver_messages(shared.mailboxes.get(self.desk.me), turn);
    }

    /// Delivers messages as far as this turn may, then clients have theirs; one part in any case.
    fn deliver_messages(&mut self, inbox: Option<&Mailbox>, turn: Turn<'_>) {
        let shared = Arc::clone(&self.desk.shared);
        let mut taken = 0;
        while self.desk.post.advance(inbox, &shared) {
            taken += 1 + self.deliver_part(turn) / limit::RECEIVERS_PER_REQUEST;
            self.write_much(turn);
            self.desk.pace.look();
            if taken >= limit::PUBLISHED_PER_TURN_MAX || self.desk.pace.is_over() {
                // There may be more: the next turn begins at once.
                if let Some(mailbox) = shared.mailboxes.get(self.desk.me) {
                    mailbox.notify();
                }
                break;
            }
        }
        self.desk.post.note_left();
        self.taken += taken;
    }

    /// Lets go of what was pushed where that is much: a turn may bring many messages for many.
    fn write_much(&mut self, turn: Turn<'_>) {
        let is_much = self.desk.post.fresh >= limit::PUSHED_BYTES_PER_WRITE;
        if is_much || self.dirty.len() >= limit::PUSHED_PER_WRITE_MAX {
            self.write_dirty(turn);
        }
    }

    /// Pushes the message that is being delivered to the next ones who listen, but to its publisher; how many were looked at.
    fn deliver_part(&mut self, turn: Turn<'_>) -> usize {
        let Worker { sessions, desk, dirty, .. } = self;
        let room = desk.passing.room();
        let Desk { post, pool, counts, shared, .. } = desk;
        let Post { register, shown, unsent, fresh, delivery, .. } = post;
        let Some(mut left) = delivery.take() else { return 0 };
        let (message, publisher) = (Arc::clone(&left.parcel.message), left.parcel.publisher);
        let (mut looked, mut receivers, mut lost, mut choked) = (0, 0, 0, Vec::new());
        let is_enough = |looked: usize, fresh: usize| {
            looked >= limit::PUSHES_PER_LOOK || fresh >= limit::PUSHED_BYTES_PER_WRITE
        };
        'groups: while left.group <= message.patterns.len() {
            let pattern = left.group.checked_sub(1).and_then(|at| message.patterns.get(at));
            let (kind, name) = match pattern {
                None => (Kind::Channel, &*message.channel),
                Some(pattern) => (Kind::Pattern, &**pattern),
            };
            for key in register.listeners(kind, name, left.after) {
                if is_enough(looked, *fresh) {
                    *delivery = Some(left);
                    break 'groups;
                }
                looked += 1;
                left.after = Some(key);
                let Some(session) = sessions.get_mut(key).filter(|_| Some(key) != publisher) else {
                    continue;
                };
                let Talk::Resp(talk) = &session.talk else { continue };
                let bytes = shown.of(talk.session.proto(), pattern, &message);
                match session.push(bytes, pool, unsent, room, turn.now) {
                    Pushed::Kept => {
                        receivers += 1;
                        *fresh += bytes.len();
                    }
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
            shown.clear();
            (left.group, left.after) = (left.group + 1, None);
            looked += 1;
            if is_enough(looked, *fresh) && left.group <= message.patterns.len() {
                *delivery = Some(left);
                break;
            }
        }
        counts.delivered += receivers;
        shared.channels.note_dropped(lost);
        for key in choked {
            self.close_choked(key);
        }
        looked
    }

    fn close_choked(&mut self, key: SessionKey) {
        if self.sessions.get_mut(key).is_some() {
            tracing::debug!("a subscriber that does not read is closed");
            self.desk.shared.channels.note_closed();
            self.remove(key);
        }
    }
}
