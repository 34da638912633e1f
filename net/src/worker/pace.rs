//! When a turn has taken up enough: by time, because nobody knows what a request costs before it is done.

use crate::limit;
use std::time::Instant;

/// The time of a turn, and how it is spent.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the turn began.
    began: Instant,
    /// What it may take from there.
    allowed_us: u64,
    /// Cheap requests until the clock is looked at again.
    left: u32,
    is_over: bool,
}

impl Pace {
    /// From now on.
    pub(crate) fn new() -> Pace {
        Pace { began: Instant::now(), allowed_us: limit::TURN_US, left: 0, is_over: false }
    }

    /// A turn begins; its first part.
    pub(crate) fn begin(&mut self) {
        self.began = Instant::now();
        self.allow(limit::TURN_FRESH_US);
    }

    /// From here on the turn may take so long since its beginning.
    pub(crate) fn allow(&mut self, us: u64) {
        (self.allowed_us, self.left, self.is_over) = (us, limit::REQUESTS_PER_LOOK, false);
    }

    /// Something cheap was done, such as a poll.
    pub(crate) fn step(&mut self) {
        self.spend(1);
    }

    /// Something was done that takes as long as so many polls.
    pub(crate) fn spend(&mut self, steps: u32) {
        self.left = self.left.saturating_sub(steps);
        if self.left == 0 {
            self.look();
        }
    }

    /// An answer was written: a long one took long.
    pub(crate) fn wrote(&mut self, bytes: usize) {
        self.spend(u32::try_from(bytes / limit::BYTES_PER_STEP).unwrap_or(u32::MAX));
    }

    /// Something was done that may have taken long.
    pub(crate) fn look(&mut self) {
        self.left = limit::REQUESTS_PER_LOOK;
        self.is_over |= self.began.elapsed().as_micros() as u64 >= self.allowed_us;
    }

    /// Whether the time is over, as of the last look.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use crate::limit;

    #[test]
    fn a_turn_is_over_by_the_clock_however_few_requests_it_served() {
        let mut pace = Pace::new();
        pace.allow(u64::MAX);
        (0..1_000).for_each(|_| pace.step());
        assert!(!pace.is_over());
        pace.allow(0);
        (1..limit::REQUESTS_PER_LOOK).for_each(|_| pace.step());
        assert!(!pace.is_over(), "the clock is looked at now and then");
        pace.step();
        assert!(pace.is_over());
        pace.allow(0);
        pace.look();
        assert!(pace.is_over(), "at once after what may have taken long");
        pace.begin();
        assert!(!pace.is_over());
    }
}
