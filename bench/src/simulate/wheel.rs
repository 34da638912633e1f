//! A timing wheel with one bucket a millisecond: every event costs the same, however many there are.
//!
//! Source: Varghese and Lauck, "Hashed and hierarchical timing wheels", SOSP 1987, scheme 4: no event lies
//! further ahead than the wheel is long, so a bucket never mixes rounds.

use crate::limit::SIMULATED_AHEAD_MS_MAX;

/// Users by the moment at which something happens to them.
#[derive(Debug)]
pub(super) struct Wheel {
    buckets: Vec<Vec<u32>>,
    now_ms: u64,
}

impl Wheel {
    /// An empty wheel at moment 0.
    pub(super) fn new() -> Wheel {
        Wheel { buckets: vec![Vec::new(); SIMULATED_AHEAD_MS_MAX as usize], now_ms: 0 }
    }

    /// Adds an event. A moment that has passed counts as the next one.
    pub(super) fn schedule(&mut self, at_ms: u64, user: u32) {
        let ahead_ms = at_ms.saturating_sub(self.now_ms).max(1);
        assert!(ahead_ms < SIMULATED_AHEAD_MS_MAX, "an event lies {ahead_ms} ms ahead of the wheel");
        let at = (self.now_ms + ahead_ms) % SIMULATED_AHEAD_MS_MAX;
        self.buckets[at as usize].push(user);
    }

    /// Moves to a moment and takes its events, in the order in which they were added. `spent` is the list
    /// that an earlier call returned: its memory is used again.
    pub(super) fn advance(&mut self, now_ms: u64, mut spent: Vec<u32>) -> Vec<u32> {
        self.now_ms = now_ms;
        spent.clear();
        std::mem::replace(&mut self.buckets[(now_ms % SIMULATED_AHEAD_MS_MAX) as usize], spent)
    }
}

#[cfg(test)]
mod tests {
    use super::Wheel;
    use crate::limit::SIMULATED_AHEAD_MS_MAX;

    #[test]
    fn events_come_at_their_moment_in_order_across_rounds() {
        let mut wheel = Wheel::new();
        let far = SIMULATED_AHEAD_MS_MAX - 1;
        [(5, 1), (5, 2), (far, 3)].into_iter().for_each(|(at, user)| wheel.schedule(at, user));
        let mut seen = Vec::new();
        let mut spent = Vec::new();
        for now in 1..far + 10 {
            spent = wheel.advance(now, spent);
            seen.extend(spent.iter().map(|user| (now, *user)));
            if now == far {
                wheel.schedule(now, 4);
            }
        }
        assert_eq!(seen, [(5, 1), (5, 2), (far, 3), (far + 1, 4)]);
    }
}
