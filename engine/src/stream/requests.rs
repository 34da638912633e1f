//! Request ids make a repeated append harmless: the repeat is answered with where the first one's entry is.

use super::value::Added;
use crate::cost::ADD_REQUEST_BYTES;
use crate::id::RequestHash;
use crate::limit::{ADD_REQUESTS_MAX, REQUEST_TTL_MS};
use crate::parted_map::PartedMap;
use crate::time::LogTime;
use siphasher::sip::SipHasher24;
use std::collections::VecDeque;
use std::hash::Hasher;

/// A remembered append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RememberedAdd {
    pub(crate) at: LogTime,
    pub(crate) request: RequestHash,
    /// Hash of the stream's key: the same request for another stream is another one.
    pub(crate) key: u64,
    pub(crate) added: Added,
}

/// The appends of the last two minutes that carried a request id; past [`ADD_REQUESTS_MAX`] the oldest is forgotten.
#[derive(Debug, Default)]
pub(crate) struct AddRequests {
    known: PartedMap<RequestHash, (u64, Added)>,
    order: VecDeque<RememberedAdd>,
}

impl AddRequests {
    pub(crate) fn added(&self, request: RequestHash, key: u64) -> Option<Added> {
        self.known.get(request).filter(|(of, _)| *of == key).map(|(_, added)| *added)
    }

    pub(crate) fn remember(&mut self, entry: RememberedAdd) {
        self.known.insert(entry.request, (entry.key, entry.added));
        self.order.push_back(entry);
    }

    /// Removes the first entry that is too old at this stamp, or one too many.
    pub(crate) fn next_expired(&mut self, now: LogTime) -> Option<RememberedAdd> {
        let first = *self.order.front()?;
        if first.at.plus_ms(REQUEST_TTL_MS) > now && self.order.len() <= ADD_REQUESTS_MAX {
            return None;
        }
        self.order.pop_front();
        // A replaced entry of the same request stays until its own turn.
        if self.known.get(first.request) == Some(&(first.key, first.added)) {
            self.known.remove(first.request);
        }
        Some(first)
    }

    /// When the oldest entry is too old.
    pub(crate) fn first_due(&self) -> Option<LogTime> {
        self.order.front().map(|first| first.at.plus_ms(REQUEST_TTL_MS))
    }

    pub(crate) fn order(&self) -> &VecDeque<RememberedAdd> {
        &self.order
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.order.len() as u64 * ADD_REQUEST_BYTES
    }
}

/// Hash of a key, as requests remember it.
pub(crate) fn request_key(key: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_key(b"sluice requests.");
    hasher.write(key);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::{AddRequests, RememberedAdd};
    use crate::id::RequestHash;
    use crate::limit::REQUEST_TTL_MS;
    use crate::stream::id::StreamId;
    use crate::stream::value::Added;
    use crate::time::LogTime;

    #[test]
    fn a_request_is_known_for_two_minutes_and_for_its_own_stream() {
        let mut requests = AddRequests::default();
        let added = Added { id: StreamId { ms: 1, seq: 0 }, epoch: 1, dense: 1 };
        requests.remember(RememberedAdd { at: LogTime(50), request: RequestHash(9), key: 4, added });
        assert_eq!(requests.added(RequestHash(9), 4), Some(added));
        assert_eq!(requests.added(RequestHash(9), 5), None);
        assert!(requests.next_expired(LogTime(49 + REQUEST_TTL_MS)).is_none());
        assert!(requests.next_expired(LogTime(50 + REQUEST_TTL_MS)).is_some());
        assert_eq!(requests.added(RequestHash(9), 4), None);
    }
}
