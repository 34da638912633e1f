//! Rounds to one line: medians, ratio, verdict.

use serde::Serialize;

use crate::compare::row::{Row, Target};
use crate::compare::wrk::WrkReport;
use crate::load::LoadReport;

/// What one round of one side gave.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Sample {
    /// Replies each second.
    pub(crate) rate_per_s: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Server CPU time of one request, where it was taken.
    pub(crate) cpu_us: Option<f64>,
    /// Resident memory that each waiter added, where it was taken.
    pub(crate) bytes_per_waiter: Option<f64>,
    /// Bytes that each join added to a log, where they were counted.
    pub(crate) logged_bytes_per_join: Option<f64>,
    /// Why this sample must not be quoted.
    pub(crate) fault: Option<String>,
}

impl Sample {
    pub(crate) fn of_load(report: LoadReport, cpu_seconds: f64) -> Self {
        Self {
            rate_per_s: report.replies_per_s,
            p50_us: report.latency.p50_us,
            p99_us: report.latency.p99_us,
            cpu_us: Some(cpu_seconds * 1e6 / (report.replies_total.max(1)) as f64),
            fault: report.fault(),
            ..Self::default()
        }
    }

    pub(crate) fn of_wrk(report: &WrkReport, cpu_seconds: f64) -> Self {
        Self {
            rate_per_s: report.rate(),
            p50_us: report.p50_us as f64,
            p99_us: report.p99_us as f64,
            cpu_us: Some(cpu_seconds * 1e6 / (report.requests.max(1)) as f64),
            fault: report.fault(),
            ..Self::default()
        }
    }

    pub(crate) fn of_memory(bytes: u64, waiters: u64) -> Self {
        Self { bytes_per_waiter: Some(bytes as f64 / waiters as f64), ..Self::default() }
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Measure {
    RatePerS,
    CpuUsPerRequest,
    P99Us,
    BytesPerWaiter,
    LoggedBytesPerJoin,
}

impl Measure {
    fn of(self, sample: &Sample) -> f64 {
        match self {
            Self::RatePerS => sample.rate_per_s,
            Self::CpuUsPerRequest => sample.cpu_us.unwrap_or(f64::NAN),
            Self::P99Us => sample.p99_us,
            Self::BytesPerWaiter => sample.bytes_per_waiter.unwrap_or(f64::NAN),
            Self::LoggedBytesPerJoin => sample.logged_bytes_per_join.unwrap_or(f64::NAN),
        }
    }

    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::RatePerS => "/s",
            Self::CpuUsPerRequest => "us CPU",
            Self::P99Us => "us P99",
            Self::BytesPerWaiter | Self::LoggedBytesPerJoin => "bytes",
        }
    }
}

/// One line of the table: a row, or a second measure of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    pub(crate) row: Row,
    pub(crate) measure: Measure,
    /// Who the other side is.
    pub(crate) peer: String,
    pub(crate) target: Target,
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    pub(crate) ratio: f64,
    /// Whether the target is met; `None` without one.
    pub(crate) is_met: Option<bool>,
    pub(crate) ours_p50_us: f64,
    pub(crate) ours_p99_us: f64,
    pub(crate) theirs_p50_us: f64,
    pub(crate) theirs_p99_us: f64,
    /// Server CPU time of a request; NaN where none was taken.
    pub(crate) ours_cpu_us: f64,
    pub(crate) theirs_cpu_us: f64,
    /// The first fault of any round; with one the target counts as missed.
    pub(crate) fault: Option<String>,
    /// What exactly each side did, where its name does not say it.
    pub(crate) note: Option<String>,
    pub(crate) ours_rounds: Vec<Sample>,
    pub(crate) theirs_rounds: Vec<Sample>,
}

impl Outcome {
    pub(crate) fn new(row: Row, peer: &str, measure: Measure, target: Target, rounds: &Rounds) -> Self {
        let (ours, theirs) = (&rounds.ours, &rounds.theirs);
        let median_of =
            |samples: &[Sample], pick: &dyn Fn(&Sample) -> f64| median(samples.iter().map(pick).collect());
        let (our, their) = (median_of(ours, &|s| measure.of(s)), median_of(theirs, &|s| measure.of(s)));
        let fault = ours.iter().chain(theirs).find_map(|sample| sample.fault.clone());
        let ratio = our / their;
        Self {
            row,
            measure,
            peer: peer.to_owned(),
            target,
            ours: our,
            theirs: their,
            ratio,
            is_met: target.is_met(our, ratio).map(|met| met && fault.is_none()),
            ours_p50_us: median_of(ours, &|s| s.p50_us),
            ours_p99_us: median_of(ours, &|s| s.p99_us),
            theirs_p50_us: median_of(theirs, &|s| s.p50_us),
            theirs_p99_us: median_of(theirs, &|s| s.p99_us),
            ours_cpu_us: median_of(ours, &|s| s.cpu_us.unwrap_or(f64::NAN)),
            theirs_cpu_us: median_of(theirs, &|s| s.cpu_us.unwrap_or(f64::NAN)),
            fault,
            note: None,
            ours_rounds: ours.clone(),
            theirs_rounds: theirs.clone(),
        }
    }

    /// The same, with words on what each side did.
    pub(crate) fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

/// The samples of both sides, in turn.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rounds {
    pub(crate) ours: Vec<Sample>,
    pub(crate) theirs: Vec<Sample>,
}

/// The middle value, or the mean of the two middle ones; NaN of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 1 => values[middle],
        (_, middle) => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Measure, Outcome, Rounds, Sample, median};
    use crate::compare::row::{Row, Target};

    fn sample(rate_per_s: f64) -> Sample {
        Sample { rate_per_s, ..Sample::default() }
    }

    fn outcome(rounds: &Rounds) -> Outcome {
        Outcome::new(Row::RespPollP16, "redis", Measure::RatePerS, Target::AtLeast(10.0), rounds)
    }

    #[test]
    fn medians_ignore_one_bad_round() {
        assert_eq!(median(vec![3.0, 100.0, 2.0]), 3.0);
        assert_eq!(median(vec![4.0, 2.0]), 3.0);
        assert!(median(Vec::new()).is_nan());
    }

    #[test]
    fn the_ratio_decides() {
        let ours = vec![sample(900.0), sample(1_000.0), sample(20.0)];
        let theirs = vec![sample(90.0), sample(80.0), sample(300.0)];
        let met = outcome(&Rounds { ours, theirs });
        assert_eq!((met.ours, met.theirs, met.ratio, met.is_met), (900.0, 90.0, 10.0, Some(true)));
    }

    #[test]
    fn a_fault_misses_the_target_whatever_the_ratio() {
        let faulty = Sample { fault: Some("3 error replies".to_owned()), ..sample(5_000.0) };
        let missed = outcome(&Rounds { ours: vec![faulty], theirs: vec![sample(1.0)] });
        assert_eq!(missed.is_met, Some(false));
        assert_eq!(missed.fault.as_deref(), Some("3 error replies"));
    }

    #[test]
    fn no_samples_meet_no_target() {
        assert_eq!(outcome(&Rounds::default()).is_met, Some(false));
    }
}
