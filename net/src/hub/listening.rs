//! Which streams owners are asked to tell of: new ones, and after a loss all of them, so many at a time.
//!
//! A loss starts a *wave*, and looks at no stream: a hub that was not asked for in this wave counts as
//! unheard, and a lap over all hubs comes to it, a part in each turn. Where another loss comes meanwhile
//! the lap goes on where it is, and then once around from the first: losses that follow each other leave
//! nobody out.

use super::{Hubs, Question, Sent, Wish};
use crate::limit::{LISTEN_LOOKS_MAX, LISTENS_MAX};
use sluice_engine::stream::text::Text;
use std::ops::Bound;

/// Laps over all streams.
#[derive(Default)]
pub(super) struct Laps {
    /// The stream that was come to last; `None`: the first is next.
    after: Option<Text>,
    /// How often the end is still to be reached.
    left: u8,
}

#[cfg(test)]
impl Laps {
    pub(super) fn is_under_way(&self) -> bool {
        self.left > 0
    }
}

impl Hubs {
    /// Something that an owner sent was lost: everything is asked again.
    pub(crate) fn lost(&mut self) {
        self.wave = self.wave.wrapping_add(1);
        self.listening = 0;
        self.laps.left = if self.laps.after.is_none() { 1 } else { 2 };
        self.wishes.retain(|sent| matches!(sent.wish, Wish::Unlisten(_)));
        for (seat, key) in std::mem::take(&mut self.asked) {
            self.end_question(seat.session);
            if let Some(hub) = self.by_key.get_mut(&key) {
                hub.forget_question(seat);
                self.list(&key);
            }
        }
    }

    /// Whether wishes wait to be sent, or to be made.
    pub(crate) fn has_wishes(&self) -> bool {
        let is_unheard = !self.unheard.is_empty() || self.laps.left > 0;
        !self.wishes.is_empty() || (is_unheard && self.listening < LISTENS_MAX)
    }

    /// Wishes to be sent, in order.
    pub(crate) fn take_wishes(&mut self) -> Vec<Sent> {
        for _ in 0..LISTEN_LOOKS_MAX {
            // One of each kind, so that neither waits for all of the other.
            let any = self.listen_to_next() | self.listen_to_new();
            if !any {
                break;
            }
        }
        std::mem::take(&mut self.wishes)
    }

    /// Asks for the next stream of the lap unless enough wishes are under way; false where there is none.
    fn listen_to_next(&mut self) -> bool {
        if self.listening >= LISTENS_MAX || self.laps.left == 0 {
            return false;
        }
        let from = self.laps.after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let next = self.by_key.range::<Text, _>((from, Bound::Unbounded)).next().map(|(key, _)| key.clone());
        match &next {
            Some(key) => self.listen(key),
            None => self.laps.left -= 1,
        }
        self.laps.after = next;
        true
    }

    /// The same for one that has just come.
    fn listen_to_new(&mut self) -> bool {
        if self.listening >= LISTENS_MAX {
            return false;
        }
        let Some(key) = self.unheard.pop_front() else { return false };
        self.listen(&key);
        true
    }

    /// Asks for a stream unless that was done since the last loss.
    fn listen(&mut self, key: &Text) {
        let Some(hub) = self.by_key.get_mut(key) else { return };
        if hub.heard.replace(self.wave) != Some(self.wave) {
            self.listening += 1;
            let question = Question { seat: None, wave: self.wave };
            self.wishes.push(Sent { group: hub.group, wish: Wish::Listen(key.clone()), question });
        }
    }
}
