//! When requests are due, and since when a reply was awaited.
//!
//! *Coordinated omission* is the error of a generator that waits for a slow server and then measures from the
//! late sending: the requests that should have been sent meanwhile are missing from its percentiles. At a
//! fixed rate the arrivals here are an arithmetic progression, fixed before the run: arrival `n` is due at
//! `n / rate` seconds and belongs to connection `n mod connections`. As replies keep their order on a
//! connection, reply `k` of connection `c` answers arrival `c + k * connections`, whose latency counts from the
//! moment it was due however late it was sent. A backlog therefore needs no memory.

/// How a run is paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pacing {
    /// Each connection sends its next pipeline as soon as the last is answered: the most a server can do.
    Closed,
    /// Arrivals at a fixed rate, whatever the server does.
    Fixed(Arrivals),
}

/// The arrivals of a fixed rate, spread over connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrivals {
    pub(crate) rate_per_s: u64,
    pub(crate) connections: u64,
}

impl Arrivals {
    /// When arrival `number` is due, in ns since the start.
    pub(crate) fn due_ns(&self, number: u64) -> u64 {
        // Split so that neither product overflows at the highest rate and the longest run.
        let (seconds, rest) = (number / self.rate_per_s, number % self.rate_per_s);
        seconds * 1_000_000_000 + rest * 1_000_000_000 / self.rate_per_s
    }

    /// How many arrivals are due at `now_ns`.
    pub(crate) fn due_by(&self, now_ns: u64) -> u64 {
        let (seconds, rest) = (now_ns / 1_000_000_000, now_ns % 1_000_000_000);
        // `due_ns` rounds down, so the arrival after the exact quotient may be due as well.
        let mut count = seconds * self.rate_per_s + rest * self.rate_per_s / 1_000_000_000;
        while self.due_ns(count) <= now_ns {
            count += 1;
        }
        count
    }

    /// Since when reply `order` of `connection` was awaited, in ns since the start.
    pub(crate) fn reply_due_ns(&self, connection: u64, order: u64) -> u64 {
        self.due_ns(connection + order * self.connections)
    }
}

#[cfg(test)]
mod tests {
    use super::Arrivals;
    use crate::limit::{RATE_MAX_PER_S, SECONDS_MAX};

    #[test]
    fn arrivals_are_evenly_spaced_and_shared_in_turn() {
        let arrivals = Arrivals { rate_per_s: 1_000, connections: 3 };
        assert_eq!(
            (arrivals.due_ns(0), arrivals.due_ns(1), arrivals.due_ns(2_500)),
            (0, 1_000_000, 2_500_000_000)
        );
        assert_eq!((arrivals.due_by(0), arrivals.due_by(999_999), arrivals.due_by(1_000_000)), (1, 1, 2));
        assert_eq!(arrivals.reply_due_ns(2, 4), arrivals.due_ns(14));
    }

    #[test]
    fn due_by_and_due_ns_agree_at_rates_that_do_not_divide_a_second() {
        for rate_per_s in [1, 3, 7, 333_333, RATE_MAX_PER_S] {
            let arrivals = Arrivals { rate_per_s, connections: 1 };
            for number in (0..100).chain([rate_per_s * SECONDS_MAX]) {
                let due = arrivals.due_ns(number);
                assert!(
                    arrivals.due_by(due) > number,
                    "arrival {number} at {rate_per_s}/s is due when it is due"
                );
                assert!(due == 0 || arrivals.due_by(due - 1) <= number, "and not before");
            }
        }
    }
}
