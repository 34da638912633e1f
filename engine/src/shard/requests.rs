//! Request ids make a repeated join harmless: the repeat is answered with the first one's place.

use crate::cost::JOIN_REQUEST_BYTES;
use crate::id::{RequestHash, ZoneId};
use crate::limit::{REQUEST_TTL_MS, REQUESTS_MAX};
use crate::parted_map::PartedMap;
use crate::time::LogTime;
use crate::token::Place;
use std::collections::VecDeque;

/// A remembered request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Remembered {
    pub(crate) at: LogTime,
    pub(crate) request: RequestHash,
    pub(crate) zone: ZoneId,
    pub(crate) place: Place,
}

/// Those who choose ids: 0 are callers that are known, 1 strangers. What each has is forgotten in the order in which it came.
pub(crate) const CHOOSERS: usize = 2;

/// Who chose this id.
pub(crate) fn chooser(request: RequestHash) -> usize {
    usize::from(request.is_strangers())
}

/// The requests of the last two minutes, at most [`REQUESTS_MAX`]; past that the oldest of a stranger is forgotten, and where
/// strangers have none left, the oldest.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    known: PartedMap<RequestHash, (ZoneId, Place)>,
    orders: [VecDeque<Remembered>; CHOOSERS],
}

impl Requests {
    pub(crate) fn place(&self, request: RequestHash, zone: ZoneId) -> Option<Place> {
        self.known.get(request).filter(|(of, _)| *of == zone).map(|(_, place)| *place)
    }

    pub(crate) fn remember(&mut self, entry: Remembered) {
        self.known.insert(entry.request, (entry.zone, entry.place));
        self.orders[chooser(entry.request)].push_back(entry);
    }

    /// Removes the first entry that is too old at this stamp, or one too many.
    pub(crate) fn next_expired(&mut self, now: LogTime) -> Option<Remembered> {
        self.next_expired_of(now, REQUESTS_MAX)
    }

    fn next_expired_of(&mut self, now: LogTime, most: usize) -> Option<Remembered> {
        let is_old = |order: &VecDeque<Remembered>| {
            order.front().is_some_and(|first| first.at.plus_ms(REQUEST_TTL_MS) <= now)
        };
        // Strangers' are the last, so they go first.
        let filled = || self.orders.iter().rposition(|order| !order.is_empty());
        let of = match self.orders.iter().position(is_old) {
            None if self.len() > most => filled()?,
            of => of?,
        };
        let first = self.orders[of].pop_front()?;
        // A replaced entry of the same request stays until its own turn.
        if self.known.get(first.request) == Some(&(first.zone, first.place)) {
            self.known.remove(first.request);
        }
        Some(first)
    }

    /// When the oldest entry is too old, and the zone it was made in.
    pub(crate) fn first_due(&self) -> Option<(LogTime, ZoneId)> {
        let firsts = self.orders.iter().filter_map(VecDeque::front);
        firsts.map(|first| (first.at.plus_ms(REQUEST_TTL_MS), first.zone)).min_by_key(|(due, _)| *due)
    }

    /// Those of each who chooses ids, by its number, the oldest first.
    pub(crate) fn orders(&self) -> &[VecDeque<Remembered>; CHOOSERS] {
        &self.orders
    }

    fn len(&self) -> usize {
        self.orders.iter().map(VecDeque::len).sum()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.len() as u64 * JOIN_REQUEST_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::{Remembered, Requests};
    use crate::id::{GroupId, RequestHash, Seq, ZoneId};
    use crate::limit::REQUEST_TTL_MS;
    use crate::time::LogTime;
    use crate::token::Place;

    #[test]
    fn a_request_is_known_for_two_minutes_and_in_its_own_zone() {
        let zone = ZoneId { group: GroupId(0), ordinal: 1 };
        let other = ZoneId { group: GroupId(0), ordinal: 2 };
        let mut requests = Requests::default();
        let place = Place::Queue(Seq(3));
        requests.remember(Remembered { at: LogTime(50), request: RequestHash(9), zone, place });
        assert_eq!(requests.place(RequestHash(9), zone), Some(place));
        assert_eq!(requests.place(RequestHash(9), other), None);
        assert!(requests.next_expired(LogTime(49 + REQUEST_TTL_MS)).is_none());
        assert!(requests.next_expired(LogTime(50 + REQUEST_TTL_MS)).is_some());
        assert_eq!(requests.place(RequestHash(9), zone), None);
    }

    #[test]
    fn strangers_push_out_no_request_of_those_who_are_known() {
        let zone = ZoneId { group: GroupId(0), ordinal: 1 };
        let mut requests = Requests::default();
        let mut remember = |number: u128, is_stranger: bool| {
            let request = RequestHash(number).chosen_by_stranger(is_stranger);
            let place = Place::Queue(Seq(number as u64));
            requests.remember(Remembered { at: LogTime(number as u64), request, zone, place });
            requests.next_expired_of(LogTime(0), 3).map(|gone| gone.request)
        };
        let hash = |number, is_stranger| Some(RequestHash(number).chosen_by_stranger(is_stranger));
        assert_eq!([remember(1, false), remember(2, true), remember(3, true)], [None; 3]);
        assert_eq!(remember(4, true), hash(2, true), "a stranger takes the place of one");
        assert_eq!(remember(5, false), hash(3, true), "and so does who is known");
        assert_eq!(remember(6, false), hash(4, true));
        assert_eq!(remember(7, false), hash(1, false), "where strangers have nothing");
        assert_eq!(remember(8, true), hash(8, true), "who is known keeps what there is");
    }
}
