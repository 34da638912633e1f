//! How early waiters come and are parked: a little where appointments are kept, a whole poll period where not.
//!
//! An app that polls each period whatever it is told comes only once between "due soon" and "due long ago". Those
//! who joined in the same rush do so at the same moment, too, so there is nobody else to take their permits.
//! What remains is to keep such a poll until its turn, like a long poll. That is not done for apps that
//! keep appointments: their polls are answered at once. Which kind a zone's apps are shows by itself: permits are
//! free, present waiters are due, and nobody is here to enter.
//!
//! In a slow zone one waiter who does not come would leave a permit idle until the next one's own appointment, so
//! everybody comes one interval between permits earlier there.

use crate::limit::{EARLY_MS, HOLD_MS, INTERVAL_MS_MAX, LOOKAHEAD_MS, TICK_MS};
use crate::time::LogTime;
use crate::zone::frontier::Ahead;
use crate::zone::pace::Pace;
use crate::zone::settings::ZoneSettings;
use crate::zone::window::Caps;

/// The share of time in which permits go unclaimed from which appointments count as not kept.
const UNCLAIMED_SHARE_MAX: f64 = 0.12;
/// That share is of about this long, and a few intervals.
const MEMORY_MS: u64 = 600;
const MEMORY_INTERVALS: u64 = 12;
/// Appointments are tried again after this long.
const LONG_MS: u64 = 3_600_000;
/// A turn one interval away is within reach by this much.
const SURE_MS: u64 = 100;
/// A poll parked for a whole period still has this long to be let in.
const SPARE_MS: u64 = 500;

/// Whether a zone's apps keep their appointments, as far as seen.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Hold {
    unclaimed_share: f64,
    observed_at: LogTime,
    long_until: LogTime,
}

/// How far ahead of its own turn a waiter may take a permit that nobody claims.
pub(crate) fn lookahead_ms(caps: Caps) -> u64 {
    LOOKAHEAD_MS.max(interval_ms(caps) + SURE_MS)
}

fn interval_ms(caps: Caps) -> u64 {
    Pace::interval_ms(caps).min(INTERVAL_MS_MAX)
}

impl Hold {
    /// Notes, each tick, whether a permit is free that a present waiter is due for and nobody claims.
    pub(crate) fn observe(&mut self, is_unclaimed: bool, caps: Caps, now: LogTime) {
        if now < self.observed_at {
            return;
        }
        let memory_ms = (MEMORY_MS + MEMORY_INTERVALS * interval_ms(caps)) as f64;
        let past_ms = now.since_ms(self.observed_at).min(2 * TICK_MS) as f64;
        self.observed_at = now;
        let weight = (past_ms / memory_ms).min(UNCLAIMED_SHARE_MAX / 2.0);
        self.unclaimed_share += (f64::from(u8::from(is_unclaimed)) - self.unclaimed_share) * weight;
        if self.unclaimed_share > UNCLAIMED_SHARE_MAX {
            self.long_until = now.plus_ms(LONG_MS);
        }
    }

    /// The rules changed: permits that are free from now on were in nobody's appointment. What is seen
    /// counts again when everybody has been told.
    pub(crate) fn settle(&mut self, horizon_ms: u64, now: LogTime) {
        self.observed_at = now.plus_ms(2 * horizon_ms);
    }

    /// How far ahead of their turn waiters come and are parked.
    pub(crate) fn ahead(&self, settings: &ZoneSettings, caps: Caps, now: LogTime) -> Ahead {
        let interval_ms = interval_ms(caps);
        let short_ms = HOLD_MS - LOOKAHEAD_MS + lookahead_ms(caps) + interval_ms;
        let long_ms = (u64::from(settings.poll_ms) + EARLY_MS).min(settings.park_ms() - SPARE_MS);
        let hold_ms = if now < self.long_until { long_ms.max(short_ms) } else { short_ms };
        Ahead { early_ms: EARLY_MS + interval_ms, hold_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hold, LONG_MS};
    use crate::limit::{EARLY_MS, HOLD_MS};
    use crate::time::LogTime;
    use crate::zone::settings::ZoneSettings;
    use crate::zone::window::Caps;

    fn hold_ms(hold: Hold, limit: u32, now: u64) -> u64 {
        let settings = ZoneSettings::with_limit(limit);
        hold.ahead(&settings, Caps::of(&settings), LogTime(now)).hold_ms
    }

    /// Observes every 50 ms; returns when polls began to be held for long.
    fn long_from(limit: u32, is_unclaimed: impl Fn(u64) -> bool) -> Option<u64> {
        let caps = Caps::of(&ZoneSettings::with_limit(limit));
        let mut hold = Hold::default();
        let short_ms = hold_ms(hold, limit, 0);
        (10_000..100_000).step_by(50).find(|now| {
            hold.observe(is_unclaimed(*now), caps, LogTime(*now));
            hold_ms(hold, limit, *now) > short_ms
        })
    }

    #[test]
    fn permits_that_nobody_claims_make_polls_wait_for_their_turn() {
        let from = long_from(10_000, |_| true).unwrap();
        assert!((10_100..10_300).contains(&from), "{from}");
        let slow = long_from(60, |_| true).unwrap();
        assert!((11_000..12_500).contains(&slow), "one idle second is nothing in a slow zone: {slow}");
        assert!(long_from(10_000, |now| now % 3_000 > 1_000).is_some());
    }

    #[test]
    fn a_permit_idle_now_and_then_changes_nothing() {
        assert_eq!(long_from(10_000, |now| now % 1_000 == 0), None);
        assert_eq!(long_from(60, |now| now % 60_000 < 600), None);
    }

    #[test]
    fn a_change_of_the_rules_is_not_held_against_the_apps() {
        let caps = Caps::of(&ZoneSettings::with_limit(10_000));
        let mut hold = Hold::default();
        hold.settle(3_000, LogTime(10_000));
        (10_000..16_000).step_by(50).for_each(|now| hold.observe(true, caps, LogTime(now)));
        assert_eq!(hold_ms(hold, 10_000, 16_000), HOLD_MS + 6);
    }

    #[test]
    fn appointments_are_tried_again_and_slow_zones_are_given_an_interval_more() {
        let hold = Hold { long_until: LogTime(LONG_MS), ..Hold::default() };
        assert_eq!(hold_ms(hold, 10_000, LONG_MS - 1), 3_000 + EARLY_MS);
        assert_eq!(hold_ms(hold, 10_000, LONG_MS), HOLD_MS + 6);
        assert_eq!(hold_ms(hold, 60, LONG_MS), 2_600);
    }
}
