//! The table for people and the file for machines.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::compare::host::Host;
use crate::compare::outcome::Outcome;
use crate::compare::row::Target;
use crate::compare::stage::Scale;
use crate::error::{BenchError, Result};

/// Everything a comparison found, and on what.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) unix_time_s: u64,
    pub(crate) host: Host,
    /// What each program says its version is.
    pub(crate) versions: Vec<(String, String)>,
    pub(crate) is_smoke: bool,
    pub(crate) scale: Scale,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Report {
    /// Writes the file, and the folders above it.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let failed = || BenchError::io(format!("writing {}", path.display()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed())?;
        }
        let text = serde_json::to_string_pretty(self).expect("numbers and text always serialise");
        fs::write(path, text + "\n").map_err(failed())
    }

    /// Whether some target is missed.
    pub(crate) fn is_missed(&self) -> bool {
        self.outcomes.iter().any(|outcome| outcome.is_met == Some(false))
    }
}

/// The line above all outcomes.
pub(crate) fn header() -> String {
    format!(
        "{:<16} {:<26} {:>12} {:>12} {:<6} {:>7} {:>7} {:<4}  {:>13} {:>13} {:>11}",
        "row", "against", "ours", "theirs", "", "ratio", "target", "", "P50/P99 us", "theirs", "CPU us"
    )
}

/// One line of the table, and more where it takes words, or something went wrong.
pub(crate) fn line(outcome: &Outcome) -> String {
    let target = match outcome.target {
        Target::AtLeast(least) => format!(">={least}"),
        Target::AtMost(most) => format!("<={most}"),
        Target::OursAtMost(most) => format!("our<={most}"),
        Target::None => "-".to_owned(),
    };
    let verdict = match outcome.is_met {
        Some(true) => "pass",
        Some(false) => "MISS",
        None => "",
    };
    let latency = |p50: f64, p99: f64| format!("{p50:.0}/{p99:.0}");
    let mut line = format!(
        "{:<16} {:<26} {:>12} {:>12} {:<6} {:>7.2} {target:>7} {verdict:<4}  {:>13} {:>13} {:>11}",
        outcome.row.name(),
        outcome.peer,
        number(outcome.ours),
        number(outcome.theirs),
        outcome.measure.unit(),
        outcome.ratio,
        latency(outcome.ours_p50_us, outcome.ours_p99_us),
        latency(outcome.theirs_p50_us, outcome.theirs_p99_us),
        cpu(outcome.ours_cpu_us, outcome.theirs_cpu_us),
    );
    for words in outcome.note.iter().chain(&outcome.fault) {
        write!(line, "\n  {words}").expect("writing to a string");
    }
    line
}

/// Server CPU time of a request, ours and theirs.
fn cpu(ours: f64, theirs: f64) -> String {
    if ours.is_nan() { String::new() } else { format!("{ours:.2}/{theirs:.2}") }
}

/// Small numbers with decimals, large ones with separators.
fn number(value: f64) -> String {
    if !value.is_finite() || value < 1_000.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0.5, 999.0, 1_000.0, 71_234.6, 1_200_000.0].map(number),
            ["0.50", "999.00", "1,000", "71,235", "1,200,000"]
        );
        assert_eq!(number(f64::NAN), "NaN");
    }
}
