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
    /// Something that takes long was done in this turn.
    was_long: bool,
    /// The turn before had no time for everything that takes long.
    is_crowded: bool,
}

impl Pace {
    /// From now on.
    pub(crate) fn new() -> Pace {
        Pace {
            began: Instant::now(),
            allowed_us: limit::TURN_FRESH_US,
            left: 0,
            is_over: false,
            was_long: false,
            is_crowded: false,
        }
    }

    /// A turn begins; its first part.
    pub(crate) fn begin(&mut self) {
        self.began = Instant::now();
        self.is_crowded = !self.admits_long();
        self.was_long = false;
        self.allow(limit::TURN_FRESH_US);
    }

    /// From here on the turn may take so long since its beginning.
    pub(crate) fn allow(&mut self, us: u64) {
        (self.allowed_us, self.left, self.is_over) = (us, limit::REQUESTS_PER_LOOK, false);
    }

    /// From here on the turn may take so long since now, whatever it took before.
    pub(crate) fn allow_more(&mut self, us: u64) {
        self.allow(self.spent_us().saturating_add(us));
    }

    fn spent_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// Whether something may be done that takes as long as a turn: the first of a turn in any case, others while there is time.
    pub(crate) fn admits_long(&self) -> bool {
        !(self.was_long && self.is_over)
    }

    /// Whether some may have waited for that in the turn before.
    pub(crate) fn is_crowded(&self) -> bool {
        self.is_crowded
    }

    /// Something was done; whether it was of that kind.
    pub(crate) fn did(&mut self, long: bool) {
        if long {
            self.was_long = true;
            self.look();
        }
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
        self.is_over |= self.spent_us() >= self.allowed_us;
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

    #[test]
    fn what_takes_long_is_done_once_a_turn_and_more_often_only_while_there_is_time() {
        let mut pace = Pace::new();
        pace.allow(0);
        pace.look();
        assert!(pace.is_over() && pace.admits_long(), "the first in any case, or nobody would get on");
        pace.did(true);
        assert!(!pace.admits_long());
        pace.allow_more(u64::MAX);
        assert!(pace.admits_long(), "there is time again");
        pace.did(true);
        assert!(pace.admits_long());
        pace.allow(0);
        pace.look();
        assert!(!pace.admits_long());
        pace.begin();
        assert!(pace.admits_long() && pace.is_crowded(), "another turn");
    }
}
