//! For how long a guard lets people in unasked, counted over an hour.
//!
//! Time is paid for in advance, a second at a time, by the first who comes without an answer; whoever comes within that second
//! enters too. Where sluice has not answered since, the time in between is paid for as well: it was an outage. Where that is more
//! than is left, all that is left is paid. However failures and answers follow each other, no hour has more open time than its
//! budget.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// How long a payment counts.
const WINDOW: Duration = Duration::from_secs(3_600);
/// What is paid for at once.
const STEP: Duration = Duration::from_secs(1);

/// The open time of a guard.
pub(super) struct Budget {
    most: Duration,
    /// When what was paid, the oldest first. Each but the last paid for a step at least, so they are few.
    paid: VecDeque<(Instant, Duration)>,
    /// Until when it is open.
    until: Option<Instant>,
    /// Sluice has not answered since the last payment.
    is_failing: bool,
}

/// Whether somebody enters unasked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gate {
    /// Yes. `begins`: nobody did just before.
    Open { begins: bool },
    /// No. `begins`: the one before entered.
    Shut { begins: bool },
}

impl Budget {
    /// So much in any hour.
    pub(super) fn new(most: Duration) -> Budget {
        Budget { most: most.min(WINDOW), paid: VecDeque::new(), until: None, is_failing: false }
    }

    /// Sluice has answered.
    pub(super) fn answered(&mut self) {
        self.is_failing = false;
    }

    /// Sluice does not answer somebody.
    pub(super) fn failed(&mut self, now: Instant) -> Gate {
        if self.until.is_some_and(|until| now < until) {
            self.is_failing = true;
            return Gate::Open { begins: false };
        }
        let was_failing = std::mem::replace(&mut self.is_failing, true);
        let from = self.until.filter(|_| was_failing).unwrap_or(now);
        let left = self.left(now);
        let until = (now + STEP).min(from + left);
        if until <= now {
            // The outage has used up what was left, though nobody came meanwhile.
            if !left.is_zero() {
                self.paid.push_back((now, left));
            }
            return Gate::Shut { begins: self.until.take().is_some() };
        }
        let begins = self.until.is_none() || !was_failing;
        self.paid.push_back((now, until - from));
        self.until = Some(until);
        Gate::Open { begins }
    }

    /// How much is left of this hour's.
    pub(super) fn left(&mut self, now: Instant) -> Duration {
        while self.paid.pop_front_if(|(at, _)| now.duration_since(*at) >= WINDOW).is_some() {}
        let spent: Duration = self.paid.iter().map(|(_, time)| *time).sum();
        self.most.saturating_sub(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Gate, WINDOW};
    use std::time::Duration;
    use tokio::time::Instant;

    fn is_open(gate: Gate) -> bool {
        matches!(gate, Gate::Open { .. })
    }

    #[test]
    fn an_outage_is_paid_for_from_its_first_failure_on() {
        let (mut budget, start) = (Budget::new(Duration::from_secs(30)), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(budget.failed(at(0)), Gate::Open { begins: true });
        assert_eq!(budget.failed(at(20_000)), Gate::Open { begins: false });
        assert_eq!(budget.failed(at(29_999)), Gate::Open { begins: false });
        assert_eq!(budget.failed(at(30_000)), Gate::Shut { begins: true });
        assert_eq!(budget.failed(at(30_001)), Gate::Shut { begins: false });
        budget.answered();
        assert!(!is_open(budget.failed(at(40_000))), "an answer fills nothing up");
    }

    #[test]
    fn answers_between_failures_do_not_make_an_hour_longer() {
        let (mut budget, start) = (Budget::new(Duration::from_secs(10)), Instant::now());
        let mut entered = Vec::new();
        // For two hours every other question is answered, ten a second.
        for tenth in 0..72_000 {
            let now = start + Duration::from_millis(100 * tenth);
            if tenth % 2 == 0 {
                budget.answered();
            } else if is_open(budget.failed(now)) {
                entered.push(now);
            }
        }
        for first in &entered {
            let seconds = entered.iter().filter(|at| **at >= *first && **at < *first + WINDOW).count() / 5;
            assert!(seconds <= 11, "{seconds} s of an hour were open");
        }
        assert!(entered.len() >= 2 * 10 * 5, "each hour has its own: {}", entered.len());
        assert!(budget.paid.len() <= 11, "{} payments", budget.paid.len());
    }

    #[test]
    fn an_outage_in_which_nobody_came_is_over_the_budget_all_the_same() {
        let (mut budget, start) = (Budget::new(Duration::from_secs(30)), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(budget.failed(at(0)), Gate::Open { begins: true });
        assert_eq!(budget.failed(at(100_000)), Gate::Shut { begins: true });
        for ms in [100_100, 101_000, 130_000, 3_000_000] {
            assert_eq!(
                budget.failed(at(ms)),
                Gate::Shut { begins: false },
                "{ms} ms after its first failure"
            );
        }
        assert_eq!(budget.left(at(3_000_000)), Duration::ZERO);
        assert!(is_open(budget.failed(at(100_000) + WINDOW)), "the next hour has its own");
    }

    #[test]
    fn without_a_budget_nobody_enters() {
        assert_eq!(Budget::new(Duration::ZERO).failed(Instant::now()), Gate::Shut { begins: false });
    }
}
