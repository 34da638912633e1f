//! How early polls are parked: a little where appointments are kept, a whole poll period where they are not.
//!
//! An app that polls each period whatever it is told comes only once between "due soon" and "due long ago". Those
//! who joined in the same rush do so at the same moment, too, so there is nobody else to take their permits.
//! What remains is to keep such a poll until its turn, like a long poll. That is not done for apps that
//! keep appointments: their polls are answered at once. Which kind a zone's apps are shows by itself: permits are
//! free, present waiters are due, and nobody is here to enter.

use crate::limit::HOLD_MS;
use crate::time::LogTime;

/// Permits that nobody claims for this long, and two permits' worth, mean that appointments are not kept.
const UNCLAIMED_MS: u64 = 150;
/// Appointments are tried again after this long.
const LONG_MS: u64 = 900_000;

/// Whether a zone's apps keep their appointments, as far as seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Hold {
    unclaimed_from: Option<LogTime>,
    long_until: LogTime,
}

impl Hold {
    /// Notes, each tick, whether a permit is free that a present waiter is due for and nobody claims.
    /// `interval_ms` is the time between two permits.
    pub(crate) fn observe(&mut self, is_unclaimed: bool, interval_ms: u64, now: LogTime) {
        if !is_unclaimed {
            self.unclaimed_from = None;
            return;
        }
        let from = *self.unclaimed_from.get_or_insert(now);
        if now.since_ms(from) >= UNCLAIMED_MS + 2 * interval_ms {
            self.long_until = now.plus_ms(LONG_MS);
        }
    }

    /// How far ahead of their turn polls are parked; `horizon_ms` is how far turns are published.
    pub(crate) fn ms(&self, horizon_ms: u64, now: LogTime) -> u64 {
        if now < self.long_until { horizon_ms } else { HOLD_MS.min(horizon_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hold, LONG_MS};
    use crate::limit::HOLD_MS;
    use crate::time::LogTime;

    #[test]
    fn permits_that_nobody_claims_make_polls_wait_for_their_turn() {
        let mut hold = Hold::default();
        for now in (10_000..10_150).step_by(50) {
            hold.observe(true, 6, LogTime(now));
            assert_eq!(hold.ms(3_400, LogTime(now)), HOLD_MS);
        }
        hold.observe(true, 6, LogTime(10_200));
        assert_eq!(hold.ms(3_400, LogTime(10_200)), 3_400);
        assert_eq!(hold.ms(3_400, LogTime(10_200 + LONG_MS)), HOLD_MS);
    }

    #[test]
    fn a_permit_claimed_in_between_starts_the_count_anew() {
        let mut hold = Hold::default();
        for now in (10_000..20_000).step_by(50) {
            hold.observe(now % 200 != 0, 6, LogTime(now));
        }
        assert_eq!(hold.ms(3_400, LogTime(20_000)), HOLD_MS);
    }
}
