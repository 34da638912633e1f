//! Spreads admissions from the queue evenly over time.
//!
//! Without it the caps keep the shape of the first rush for ever: what a burst used comes free at once a window
//! later, a tenth of the limit enters in one instant each slice, and whoever misses that instant waits a whole
//! slice while later joiners pass (I2), and the loss repeats in each slice after (I7). Evenly spread, a missed turn
//! costs the time until the next permit, and downstream sees a flow instead of waves.
//!
//! A token bucket (Turner, "New directions in communications", 1986) in whole numbers: a millisecond
//! earns as many units as the tighter cap counts, a permit costs as many as that cap has milliseconds. Its rate is the
//! cap's own, so it withholds nothing that the caps would give in the long run. Soft state of the owner: it
//! decides what is *proposed*; apply keeps the caps alone.

use super::window::{Cap, Caps};
use crate::time::LogTime;

/// Permits unused for this long may be handed out at once.
const BURST_MS: u64 = 500;

/// How many permits the even spacing would have handed out by a moment, less those it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pace {
    /// Earned units, after what was spent.
    units: u64,
    /// Up to when they were earned.
    at: LogTime,
}

impl Pace {
    /// Permits that may be handed out now.
    #[must_use]
    pub fn permits(&self, caps: Caps, now: LogTime) -> u64 {
        let cap = tighter(caps);
        self.earned(cap, now) / cap.span_ms
    }

    /// Hands a permit out, now.
    pub fn spend(&mut self, caps: Caps, now: LogTime) {
        let cap = tighter(caps);
        self.units = self.earned(cap, now).saturating_sub(cap.span_ms);
        self.at = self.at.max(now);
    }

    /// The earliest moment from `from` on at which a permit may be handed out.
    #[must_use]
    pub fn next(&self, caps: Caps, from: LogTime) -> LogTime {
        let cap = tighter(caps);
        let missing = cap.span_ms.saturating_sub(self.earned(cap, from));
        from.max(self.at).plus_ms(missing.div_ceil(cap.count.max(1)))
    }

    /// The time between two permits, rounded up.
    #[must_use]
    pub fn interval_ms(caps: Caps) -> u64 {
        let cap = tighter(caps);
        cap.span_ms.div_ceil(cap.count.max(1))
    }

    fn earned(&self, cap: Cap, now: LogTime) -> u64 {
        let earned = now.since_ms(self.at).saturating_mul(cap.count);
        self.units.saturating_add(earned).min(cap.span_ms + BURST_MS * cap.count)
    }
}

/// The cap that allows fewer a millisecond.
fn tighter(caps: Caps) -> Cap {
    let Caps { window, slice } = caps;
    if window.count * slice.span_ms <= slice.count * window.span_ms { window } else { slice }
}

#[cfg(test)]
mod tests {
    use super::{BURST_MS, Pace};
    use crate::time::LogTime;
    use crate::zone::window::{Cap, Caps};

    fn caps(window: u64, slice: u64) -> Caps {
        Caps { window: Cap { count: window, span_ms: 60_000 }, slice: Cap { count: slice, span_ms: 6_000 } }
    }

    /// The moments at which permits are handed out if each is taken at once.
    fn moments(caps: Caps, from: u64, count: usize) -> Vec<u64> {
        let mut pace = Pace::default();
        let mut at = LogTime(from);
        let mut moments = Vec::new();
        for _ in 0..count {
            at = pace.next(caps, at);
            assert!(pace.permits(caps, at) > 0);
            pace.spend(caps, at);
            moments.push(at.0);
        }
        moments
    }

    #[test]
    fn a_minutes_permits_come_evenly_after_a_short_burst() {
        let moments = moments(caps(6_000, 600), 100_000, 700);
        assert_eq!(moments.iter().filter(|at| **at == 100_000).count() as u64, BURST_MS / 10 + 1);
        assert_eq!(moments[699], 100_000 + (699 * 10 - BURST_MS));
        assert!(moments.windows(2).skip(60).all(|pair| pair[1] - pair[0] == 10));
    }

    #[test]
    fn the_tighter_cap_sets_the_rate_where_a_slice_is_rounded_up() {
        // Two a slice would be twenty a minute.
        let moments = moments(caps(15, 2), 100_000, 31);
        assert_eq!(moments[30] - moments[1], 29 * 4_000);
    }

    #[test]
    fn permits_unused_for_longer_than_the_burst_are_not_kept() {
        let (caps, mut pace) = (caps(6_000, 600), Pace::default());
        pace.spend(caps, LogTime(1_000));
        assert_eq!(pace.permits(caps, LogTime(50_000)), BURST_MS / 10 + 1);
    }
}
