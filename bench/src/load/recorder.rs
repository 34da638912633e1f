//! Latencies and counts of one run.

use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::limit::{LATENCY_NS_MAX, LATENCY_NS_MIN};
use crate::load::operation::Operation;

/// Digits of a latency that the histogram keeps: an error below 0.1 %.
const DIGITS: u8 = 3;

/// Latencies in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the requests took no longer.
    pub p50_us: f64,
    /// 90 % took no longer.
    pub p90_us: f64,
    /// 99 % took no longer.
    pub p99_us: f64,
    /// 99.9 % took no longer.
    pub p999_us: f64,
    /// The slowest.
    pub max_us: f64,
    /// The mean.
    pub mean_us: f64,
}

/// What one load run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// What was asked.
    pub operation: Operation,
    /// Connections.
    pub connections: u32,
    /// Requests in flight on each.
    pub pipeline: u32,
    /// The fixed arrival rate, where there was one.
    pub rate_per_s: Option<u64>,
    /// Length of the measured part.
    pub seconds: f64,
    /// Requests answered within the measured part.
    pub replies: u64,
    /// The same, each second.
    pub replies_per_s: f64,
    /// Requests answered in the whole run, warm-up and drain included.
    pub replies_total: u64,
    /// Mean size of an answer on the wire.
    pub reply_bytes: f64,
    /// Error replies, of the whole run.
    pub errors: u64,
    /// The text of the first.
    pub first_error: Option<String>,
    /// Requests that stayed unanswered until the run gave up; their age counts as their latency.
    pub unanswered: u64,
    /// Latencies of the measured part.
    pub latency: Latency,
}

impl LoadReport {
    /// One line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and text always serialise")
    }

    /// Why the rate must not be quoted, where that is so.
    pub fn fault(&self) -> Option<String> {
        let first = self.first_error.as_deref().unwrap_or_default();
        match (self.errors, self.unanswered) {
            (0, 0) => None,
            (0, unanswered) => Some(format!("{unanswered} requests stayed unanswered")),
            (errors, _) => Some(format!("{errors} error replies, the first: {first}")),
        }
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, pipeline, replies, seconds, latency, .. } = self;
        write!(out, "{:?}, {connections} connections, pipeline {pipeline}", self.operation)?;
        if let Some(rate) = self.rate_per_s {
            write!(out, ", {rate}/s asked")?;
        }
        writeln!(
            out,
            "\n  {:.0} replies/s ({replies} in {seconds:.2} s, {:.0} bytes each)",
            self.replies_per_s, self.reply_bytes
        )?;
        write!(
            out,
            "  us: P50 {:.0}  P90 {:.0}  P99 {:.0}  P99.9 {:.0}  max {:.0}  mean {:.0}",
            latency.p50_us, latency.p90_us, latency.p99_us, latency.p999_us, latency.max_us, latency.mean_us
        )?;
        match self.fault() {
            Some(fault) => write!(out, "\n  {fault}"),
            None => Ok(()),
        }
    }
}

/// Collects latencies; those of the warm-up are left out.
#[derive(Debug)]
pub(crate) struct Recorder {
    histogram: Histogram<u64>,
    warmup_ns: u64,
}

impl Recorder {
    /// Requests awaited since before `warmup_ns` are not recorded.
    pub(crate) fn new(warmup_ns: u64) -> Self {
        let histogram = Histogram::new_with_bounds(LATENCY_NS_MIN, LATENCY_NS_MAX, DIGITS);
        Self { histogram: histogram.expect("the bounds are constants that satisfy the histogram"), warmup_ns }
    }

    /// `count` replies that came at `now_ns` and were awaited since `since_ns`.
    pub(crate) fn record(&mut self, since_ns: u64, now_ns: u64, count: u64) {
        if since_ns >= self.warmup_ns {
            self.histogram.saturating_record_n(now_ns.saturating_sub(since_ns), count);
        }
    }

    pub(crate) fn latency(&self) -> Latency {
        let at = |quantile: f64| self.histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Latency {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.histogram.max() as f64 / 1_000.0,
            mean_us: self.histogram.mean() / 1_000.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Recorder;
    use crate::load::pacing::Arrivals;

    fn near(found_us: f64, expected_us: f64) {
        assert!((found_us - expected_us).abs() <= expected_us * 0.002, "{found_us} instead of {expected_us}");
    }

    #[test]
    fn percentiles_are_those_of_what_was_recorded() {
        let mut recorder = Recorder::new(0);
        for us in 1..=1_000 {
            recorder.record(0, us * 1_000, 1);
        }
        let latency = recorder.latency();
        near(latency.p50_us, 500.0);
        near(latency.p90_us, 900.0);
        near(latency.p99_us, 990.0);
        near(latency.max_us, 1_000.0);
        near(latency.mean_us, 500.5);
    }

    /// A server that serves at once but stands still for one second of ten. A generator that measures from the
    /// late sending would see one slow request a connection and a P99 of microseconds.
    #[test]
    fn a_stall_shows_in_the_percentiles_of_a_fixed_rate() {
        let arrivals = Arrivals { rate_per_s: 1_000, connections: 4 };
        let (stall_from_ns, stall_to_ns) = (3_000_000_000, 4_000_000_000);
        let mut recorder = Recorder::new(0);
        for number in 0..10_000 {
            let due_ns = arrivals.reply_due_ns(number % 4, number / 4);
            let stalled = (stall_from_ns..stall_to_ns).contains(&due_ns);
            recorder.record(due_ns, if stalled { stall_to_ns } else { due_ns + 50_000 }, 1);
        }
        let latency = recorder.latency();
        near(latency.p50_us, 50.0);
        near(latency.p99_us, 900_000.0);
        near(latency.max_us, 1_000_000.0);
    }

    #[test]
    fn the_warm_up_is_left_out() {
        let mut recorder = Recorder::new(1_000_000);
        recorder.record(999_999, 900_000_000, 5);
        recorder.record(1_000_000, 1_010_000, 1);
        near(recorder.latency().max_us, 10.0);
    }
}
