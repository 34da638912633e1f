//! Places whose dropping is on its way to the log, and the polls of them that wait to hear of it.
//!
//! Who is told that it waits, waits. From the moment that the dropping of a place is asked for until it is decided, nobody is
//! told anything else about the place: a poll that comes meanwhile is held, and answered GONE, or as any other where
//! the proposal was turned down. Polls reach the owner in time to be held: one that comes near the deadline or after it is
//! answered by no other thread ([`ZoneView::see`](crate::zone::view::ZoneView)), and on another node is passed on.

use super::desk::seq_of;
use super::{BUSY_RETRY_MS, Owner};
use crate::error::Refusal;
use crate::id::{Seq, Ticket};
use crate::limit::{BLOCK_SLOTS, PARKED_MAX, PROPOSAL_MS_MAX};
use crate::reply::Reply;
use crate::sequencer::Ask;
use crate::time::LogTime;
use crate::token::Token;
use std::collections::BTreeMap;

/// Slots of one block whose dropping was asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Eviction {
    pub(crate) ordinal: u64,
    pub(crate) block: u64,
    pub(crate) slots: [u64; 8],
}

/// A poll that waits for a decision.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Held {
    pub(crate) ticket: Ticket,
    pub(crate) token: Token,
    until: LogTime,
}

/// The undecided of one zone. A zone without any allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Evicting {
    /// By block, one bit a place.
    blocks: BTreeMap<u64, [u64; 8]>,
    /// By place, in the order in which they came.
    held: BTreeMap<u64, Vec<Held>>,
}

impl Evicting {
    /// The dropping of these is asked for.
    pub(crate) fn begin(&mut self, block: u64, slots: [u64; 8]) {
        let undecided = self.blocks.entry(block).or_default();
        undecided.iter_mut().zip(slots).for_each(|(word, more)| *word |= more);
    }

    /// Whether the dropping of this place is undecided.
    pub(crate) fn has(&self, seq: Seq) -> bool {
        let slot = seq.0 % BLOCK_SLOTS;
        self.blocks
            .get(&(seq.0 / BLOCK_SLOTS))
            .is_some_and(|slots| slots[(slot / 64) as usize] >> (slot % 64) & 1 == 1)
    }

    /// Holds a poll of an undecided place.
    pub(crate) fn hold(&mut self, seq: Seq, ticket: Ticket, token: Token, now: LogTime) {
        let until = now.plus_ms(PROPOSAL_MS_MAX);
        self.held.entry(seq.0).or_default().push(Held { ticket, token, until });
    }

    /// These were decided, or will not be: the polls that waited for it.
    pub(crate) fn end(&mut self, block: u64, slots: [u64; 8]) -> Vec<Held> {
        let Some(undecided) = self.blocks.get_mut(&block) else { return Vec::new() };
        undecided.iter_mut().zip(slots).for_each(|(word, decided)| *word &= !decided);
        if *undecided == [0; 8] {
            self.blocks.remove(&block);
        }
        let (first, end) = (block * BLOCK_SLOTS, (block + 1) * BLOCK_SLOTS);
        let waiting: Vec<u64> = self.held.range(first..end).map(|(seq, _)| *seq).collect();
        let decided = waiting.into_iter().filter(|seq| !self.has(Seq(*seq))).collect::<Vec<_>>();
        decided.iter().filter_map(|seq| self.held.remove(seq)).flatten().collect()
    }

    /// Polls that have waited for long enough: nobody can say whether what they wait for will be decided.
    pub(crate) fn take_expired(&mut self, now: LogTime) -> Vec<Held> {
        let mut expired = Vec::new();
        self.held.retain(|_, held| {
            expired.extend(held.extract_if(.., |held| held.until <= now));
            !held.is_empty()
        });
        expired
    }

    /// All polls that wait.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Held> + use<> {
        std::mem::take(&mut self.held).into_values().flatten()
    }
}

impl Owner {
    /// Whether the dropping of this place is undecided.
    pub(super) fn is_evicting(&self, token: &Token) -> bool {
        let desk = self.desks.get(&token.zone.ordinal);
        desk.zip(seq_of(token)).is_some_and(|(desk, seq)| desk.evicting.has(seq))
    }

    /// Holds a poll of an undecided place.
    pub(super) fn hold(&mut self, token: Token, ticket: Ticket, now: LogTime) -> Option<Reply> {
        let desk = self.desks.get_mut(&token.zone.ordinal).zip(seq_of(&token));
        match desk {
            Some((desk, seq)) if self.parked < PARKED_MAX => {
                desk.evicting.hold(seq, ticket, token, now);
                self.parked += 1;
                None
            }
            _ => Some(Reply::Refused(Refusal::Busy { retry_ms: BUSY_RETRY_MS })),
        }
    }

    /// The dropping of these places was decided, or certainly will not be: who waited for it asks again.
    pub(super) fn evicted(&mut self, eviction: Eviction) {
        let Some(desk) = self.desks.get_mut(&eviction.ordinal) else { return };
        for Held { ticket, token, .. } in desk.evicting.end(eviction.block, eviction.slots) {
            self.parked -= 1;
            let reply = self.request(Ask::Turn(token), ticket, self.mono);
            self.replies.extend(reply.map(|reply| (ticket, reply)));
        }
    }

    /// Nobody can say any more whether these places will be dropped.
    pub(super) fn answer_undecided(&mut self, held: impl IntoIterator<Item = Held>) {
        for Held { ticket, token, .. } in held {
            self.parked -= 1;
            self.replies.push((ticket, self.answer_alone(Some(token), self.now)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Evicting;
    use crate::id::{GroupId, KeyGen, Seq, Ticket, ZoneId};
    use crate::limit::PROPOSAL_MS_MAX;
    use crate::time::LogTime;
    use crate::token::{Place, Token};

    fn slots(places: &[usize]) -> [u64; 8] {
        let mut slots = [0; 8];
        places.iter().for_each(|place| slots[place / 64] |= 1 << (place % 64));
        slots
    }

    fn hold(evicting: &mut Evicting, seq: u64, now: u64) {
        let zone = ZoneId { group: GroupId(0), ordinal: 1 };
        let token = Token { zone, key: KeyGen(0), place: Place::Queue(Seq(seq)) };
        evicting.hold(Seq(seq), Ticket(seq), token, LogTime(now));
    }

    #[test]
    fn a_poll_is_held_until_its_own_place_is_decided() {
        let mut evicting = Evicting::default();
        evicting.begin(1, slots(&[0, 70]));
        assert!(evicting.has(Seq(512)) && evicting.has(Seq(582)) && !evicting.has(Seq(70)));
        hold(&mut evicting, 512, 0);
        hold(&mut evicting, 582, 0);
        let answered = |held: Vec<super::Held>| held.iter().map(|held| held.ticket.0).collect::<Vec<_>>();
        assert_eq!(answered(evicting.end(1, slots(&[70]))), [582]);
        assert!(evicting.has(Seq(512)));
        assert!(answered(evicting.take_expired(LogTime(PROPOSAL_MS_MAX - 1))).is_empty());
        assert_eq!(answered(evicting.take_expired(LogTime(PROPOSAL_MS_MAX))), [512]);
        assert_eq!(answered(evicting.end(1, slots(&[0]))), []);
        assert!(evicting.blocks.is_empty() && evicting.held.is_empty());
    }
}
