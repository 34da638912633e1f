//! Polls that came a little early, held until a permit frees.
//!
//! In join order, so that permits go to the first of those who are here. A place is parked at most
//! once: a second poll of the same token takes over, and the first is answered.

use crate::id::{Seq, Ticket};
use crate::time::LogTime;
use crate::token::Token;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A parked poll.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Poll {
    pub(crate) ticket: Ticket,
    pub(crate) token: Token,
    /// Answered "not yet" at this moment.
    pub(crate) until: LogTime,
}

/// The parked polls of a zone.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    by_seq: BTreeMap<u64, Poll>,
    by_ticket: HashMap<u64, u64>,
    by_until: BTreeSet<(LogTime, u64)>,
}

impl Parked {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_seq.is_empty()
    }

    /// Parks a poll; returns the one of the same place that it replaces.
    pub(crate) fn insert(&mut self, seq: Seq, poll: Poll) -> Option<Poll> {
        let replaced = self.take(seq);
        self.by_ticket.insert(poll.ticket.0, seq.0);
        self.by_until.insert((poll.until, seq.0));
        self.by_seq.insert(seq.0, poll);
        replaced
    }

    /// The first place in join order.
    pub(crate) fn first(&self) -> Option<Seq> {
        self.by_seq.first_key_value().map(|(seq, _)| Seq(*seq))
    }

    pub(crate) fn take(&mut self, seq: Seq) -> Option<Poll> {
        let poll = self.by_seq.remove(&seq.0)?;
        self.by_ticket.remove(&poll.ticket.0);
        self.by_until.remove(&(poll.until, seq.0));
        Some(poll)
    }

    pub(crate) fn take_ticket(&mut self, ticket: Ticket) -> Option<Poll> {
        let seq = self.by_ticket.get(&ticket.0).copied()?;
        self.take(Seq(seq))
    }

    /// A poll that has been held long enough.
    pub(crate) fn take_expired(&mut self, now: LogTime) -> Option<Poll> {
        let (until, seq) = self.by_until.first().copied()?;
        if until > now {
            return None;
        }
        self.take(Seq(seq))
    }

    pub(crate) fn next_expiry(&self) -> Option<LogTime> {
        self.by_until.first().map(|(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::{Parked, Poll};
    use crate::id::{GroupId, KeyGen, Seq, Ticket, ZoneId};
    use crate::time::LogTime;
    use crate::token::{Place, Token};

    fn poll(ticket: u64, until: u64) -> Poll {
        let zone = ZoneId { group: GroupId(0), ordinal: 1 };
        let token = Token { zone, key: KeyGen(0), place: Place::Queue(Seq(0)) };
        Poll { ticket: Ticket(ticket), token, until: LogTime(until) }
    }

    #[test]
    fn a_second_poll_of_a_place_takes_over_and_leaves_nothing_behind() {
        let mut parked = Parked::default();
        assert_eq!(parked.insert(Seq(7), poll(1, 100)), None);
        assert_eq!(parked.insert(Seq(7), poll(2, 200)).map(|poll| poll.ticket), Some(Ticket(1)));
        assert_eq!(parked.take_ticket(Ticket(1)), None);
        assert_eq!(parked.take_expired(LogTime(199)), None);
        assert_eq!(parked.take_expired(LogTime(200)).map(|poll| poll.ticket), Some(Ticket(2)));
        assert!(parked.is_empty() && parked.by_ticket.is_empty() && parked.by_until.is_empty());
    }

    #[test]
    fn the_first_is_the_first_in_join_order_not_of_arrival() {
        let mut parked = Parked::default();
        parked.insert(Seq(9), poll(1, 100));
        parked.insert(Seq(3), poll(2, 100));
        assert_eq!(parked.first(), Some(Seq(3)));
    }
}
