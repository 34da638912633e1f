//! Request ids make a repeated join harmless: the repeat is answered with the first one's place.

use crate::cost::JOIN_REQUEST_BYTES;
use crate::id::{RequestHash, ZoneId};
use crate::limit::{REQUEST_TTL_MS, REQUESTS_MAX};
use crate::time::LogTime;
use crate::token::Place;
use crate::zone::users::IdentityMap;
use std::collections::VecDeque;

/// A remembered request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Remembered {
    pub(crate) at: LogTime,
    pub(crate) request: RequestHash,
    pub(crate) zone: ZoneId,
    pub(crate) place: Place,
}

/// The requests of the last two minutes, at most [`REQUESTS_MAX`]; past that the oldest is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    known: IdentityMap<RequestHash, (ZoneId, Place)>,
    order: VecDeque<Remembered>,
}

impl Requests {
    pub(crate) fn place(&self, request: RequestHash, zone: ZoneId) -> Option<Place> {
        self.known.get(&request).filter(|(of, _)| *of == zone).map(|(_, place)| *place)
    }

    pub(crate) fn remember(&mut self, entry: Remembered) {
        self.known.insert(entry.request, (entry.zone, entry.place));
        self.order.push_back(entry);
    }

    /// Removes the first entry that is too old at this stamp, or one too many.
    pub(crate) fn next_expired(&mut self, now: LogTime) -> Option<Remembered> {
        let first = *self.order.front()?;
        if first.at.plus_ms(REQUEST_TTL_MS) > now && self.order.len() <= REQUESTS_MAX {
            return None;
        }
        self.order.pop_front();
        // A replaced entry of the same request stays until its own turn.
        if self.known.get(&first.request) == Some(&(first.zone, first.place)) {
            self.known.remove(&first.request);
        }
        Some(first)
    }

    /// When the oldest entry is too old, and the zone it was made in.
    pub(crate) fn first_due(&self) -> Option<(LogTime, ZoneId)> {
        self.order.front().map(|first| (first.at.plus_ms(REQUEST_TTL_MS), first.zone))
    }

    pub(crate) fn order(&self) -> &VecDeque<Remembered> {
        &self.order
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.order.len() as u64 * JOIN_REQUEST_BYTES
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
}
