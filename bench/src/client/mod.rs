//! The client crate under many tasks: one connection of ours that polls, and one of redis-rs that gets, in the same run.
//!
//! ```text
//! round 1 … rounds:   ours   alone ▪ at the rate ▪ as fast as it can     theirs   the same
//! ```
//! *Alone* is one task in a closed loop: what a call takes when nobody else calls. *At the rate* is all tasks at a fixed rate
//! together. The time of a call is from the moment that its task began it. All tasks run on one thread, so that `taskset` can pin
//! them, and the servers are somebody else's to start: `taskset -c 0 sluice serve --workers 1`, `taskset -c 0 redis-server`.

mod caller;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::error::{BenchError, Result};
use crate::limit::CLIENT_TASKS_MAX;
use caller::{Caller, Timed};

/// Polls through the client crate, and gets through redis-rs, from many tasks over one connection each.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// RESP of sluice.
    #[arg(long, default_value = "127.0.0.1:7379")]
    pub sluice: SocketAddr,
    /// RESP of Redis.
    #[arg(long, default_value = "127.0.0.1:6379")]
    pub redis: SocketAddr,
    /// How many tasks call.
    #[arg(long, default_value_t = 1_000)]
    pub tasks: usize,
    /// Calls a second of all tasks together, where they do not call as fast as they can.
    #[arg(long, default_value_t = 300_000)]
    pub rate: u64,
    /// Length of each measurement.
    #[arg(long, default_value_t = 3)]
    pub seconds: u64,
    /// Rounds; the median of each figure counts.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Prints the report as one line of JSON.
    #[arg(long)]
    pub json: bool,
}

/// What one side did; medians of the rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Side {
    /// P99 of a call when nobody else calls, microseconds.
    pub alone_p99_us: f64,
    /// Calls a second where a rate was asked for.
    pub paced_per_s: f64,
    /// P99 of a call at that rate, microseconds.
    pub paced_p99_us: f64,
    /// Calls a second, as fast as it can.
    pub most_per_s: f64,
    /// P99 of a call then, microseconds.
    pub most_p99_us: f64,
}

/// What both did.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Report {
    /// Polls through the client crate.
    pub ours: Side,
    /// Gets through redis-rs.
    pub theirs: Side,
}

impl Report {
    /// One line of JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers always serialise")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{:<24}{:>14}{:>16}", "", "sluice-client", "redis-rs GET")?;
        let mut row = |name: &str, figure: fn(&Side) -> f64| {
            writeln!(out, "{name:<24}{:>14.0}{:>16.0}", figure(&self.ours), figure(&self.theirs))
        };
        row("alone, P99 us", |side| side.alone_p99_us)?;
        row("at the rate, calls/s", |side| side.paced_per_s)?;
        row("at the rate, P99 us", |side| side.paced_p99_us)?;
        row("at most, calls/s", |side| side.most_per_s)?;
        row("at most, P99 us", |side| side.most_p99_us)
    }
}

/// Runs it.
///
/// # Errors
/// A server that is not there or refuses, or arguments out of bounds.
pub fn run(arguments: &Arguments) -> Result<Report> {
    if !(1..=CLIENT_TASKS_MAX).contains(&arguments.tasks) || arguments.rounds == 0 || arguments.seconds == 0 {
        let text =
            format!("--tasks must lie between 1 and {CLIENT_TASKS_MAX}, --rounds and --seconds be 1 or more");
        return Err(BenchError::Argument(text));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(BenchError::io("starting a runtime"))?;
    let tasks = tokio::task::LocalSet::new();
    runtime.block_on(tasks.run_until(async {
        let ours = caller::sluice(arguments.sluice, arguments.tasks).await?;
        let theirs = caller::redis(arguments.redis, arguments.tasks).await?;
        let (mut our_rounds, mut their_rounds) = (Vec::new(), Vec::new());
        for _ in 0..arguments.rounds {
            our_rounds.push(measure(arguments, &ours).await?);
            their_rounds.push(measure(arguments, &theirs).await?);
        }
        Ok(Report { ours: median(&our_rounds), theirs: median(&their_rounds) })
    }))
}

async fn measure<C: Caller>(arguments: &Arguments, callers: &[C]) -> Result<Side> {
    let time = Duration::from_secs(arguments.seconds);
    let alone = caller::drive(&callers[..1], None, time).await?;
    let paced = caller::drive(callers, Some(arguments.rate), time).await?;
    let most = caller::drive(callers, None, time).await?;
    let Timed { per_s: paced_per_s, p99_us: paced_p99_us } = paced;
    let Timed { per_s: most_per_s, p99_us: most_p99_us } = most;
    Ok(Side { alone_p99_us: alone.p99_us, paced_per_s, paced_p99_us, most_per_s, most_p99_us })
}

fn median(rounds: &[Side]) -> Side {
    let of = |figure: fn(&Side) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    Side {
        alone_p99_us: of(|side| side.alone_p99_us),
        paced_per_s: of(|side| side.paced_per_s),
        paced_p99_us: of(|side| side.paced_p99_us),
        most_per_s: of(|side| side.most_per_s),
        most_p99_us: of(|side| side.most_p99_us),
    }
}

#[cfg(test)]
mod tests {
    use super::{Side, median};

    #[test]
    fn the_median_is_taken_figure_by_figure() {
        let side = |base: f64| Side {
            alone_p99_us: base,
            paced_per_s: 10.0 - base,
            paced_p99_us: base,
            most_per_s: base * base,
            most_p99_us: base,
        };
        let median = median(&[side(3.0), side(1.0), side(2.0)]);
        assert_eq!((median.alone_p99_us, median.paced_per_s, median.most_per_s), (2.0, 8.0, 4.0));
    }
}
