//! A crowd in virtual time, through the real engine and through the rule it replaces.
//!
//! ```text
//!  scenario ──draws──▶ crowd ──join, poll, turn──▶ room: sluice_room (the engine) | original_room (the scripts)
//!                        │ wheel: what comes when
//!                        ▼
//!                      record ──▶ oracle (caps, use, overtaking, errors; told: estimates) ──▶ figures ──▶ table
//! ```
//! Everything follows from the seed: the same command gives the same figures on any machine. The oracles
//! know nothing of how a room decides; their own tests break each rule once.

mod crowd;
mod figures;
mod oracle;
mod original_room;
mod room;
mod scenario;
mod sluice_room;
mod told;
mod wheel;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Args, ValueEnum};
use serde_json::json;

pub use figures::{Errors, Figures};
pub use scenario::{LimitAt, Scenario, Span};

use crate::error::{BenchError, Result};
use oracle::Limits;
use original_room::OriginalRoom;
use sluice_room::SluiceRoom;

/// Simulates a crowd in virtual time and checks what the rules promise.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The crowd and the zone.
    #[command(flatten)]
    pub scenario: Scenario,
    /// Whether the original rule is simulated as well.
    #[arg(long, default_value = "beside", default_missing_value = "beside", num_args = 0..=1)]
    pub original: Original,
    /// Writes the figures to a file.
    #[arg(long)]
    pub json: Option<PathBuf>,
}

/// Which rules a simulation runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Original {
    /// Ours, and the original one with the same crowd.
    Beside,
    /// Ours alone.
    Skip,
}

/// Runs the simulation and prints its table. True where every target was met.
///
/// # Errors
/// Numbers that make no sense; a JSON file that cannot be written.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let scenario = &arguments.scenario;
    scenario.check()?;
    let (users, limit) = (scenario.users(), scenario.limit());
    let started = Instant::now();
    let ours = through_sluice(scenario)?;
    let ours_s = started.elapsed().as_secs_f64();
    let original = (arguments.original == Original::Beside).then(|| {
        let mut room = OriginalRoom::new(users, limit, scenario.poll_ms);
        figures(scenario, &mut room)
    });
    println!("{users} users, limit {limit} a minute, seed {}; simulated in {ours_s:.1} s", scenario.seed);
    let changed = !scenario.changes().is_empty();
    let lines = ours.lines(scenario.poll_ms, scenario.ignore_appointments, changed);
    print_table(&lines, &ours, original.as_ref());
    let met = lines.iter().all(|line| line.is_met != Some(false));
    if let Some(path) = &arguments.json {
        let report = json!({
            "users": users, "limit": limit, "seed": scenario.seed, "poll_ms": scenario.poll_ms,
            "ignore_appointments": scenario.ignore_appointments, "met": met,
            "simulated_in_s": ours_s, "sluice": ours, "original": original,
        });
        fs::write(path, format!("{report:#}\n"))
            .map_err(BenchError::io(format!("writing {}", path.display())))?;
    }
    Ok(met)
}

fn through_sluice(scenario: &Scenario) -> Result<Figures> {
    let mut room = SluiceRoom::open(scenario.users(), scenario.limit(), scenario.poll_ms)?;
    Ok(figures(scenario, &mut room))
}

fn figures(scenario: &Scenario, room: &mut impl room::Room) -> Figures {
    let limits = Limits::new(scenario.limit(), &scenario.changes());
    Figures::of(&crowd::run(scenario, scenario.users(), room), &limits, scenario.poll_ms)
}

fn print_table(lines: &[figures::Line], ours: &Figures, original: Option<&Figures>) {
    println!("{:<36}{:>14}{:>14}{:>14}", "", "target", "sluice", "original");
    for line in lines {
        let original = original.map_or_else(|| "-".to_owned(), line.value);
        let verdict = if line.is_met == Some(false) { "  MISSED" } else { "" };
        println!("{:<36}{:>14}{:>14}{:>14}{verdict}", line.name, line.target, (line.value)(ours), original);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Scenario, through_sluice};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        scenario: Scenario,
    }

    fn scenario(line: &str) -> Scenario {
        Line::parse_from(std::iter::once("simulate").chain(line.split(' '))).scenario
    }

    #[test]
    fn a_small_crowd_meets_every_target_and_the_seed_decides_everything() {
        for line in
            ["--users 4000 --limit 160 --rest-s 750", "--users 4000 --limit 160 --ignore-appointments"]
        {
            let scenario = scenario(line);
            let figures = through_sluice(&scenario).unwrap();
            for line in figures.lines(scenario.poll_ms, scenario.ignore_appointments, true) {
                assert_ne!(line.is_met, Some(false), "{}: {}", line.name, (line.value)(&figures));
            }
            let again = through_sluice(&scenario).unwrap();
            assert_eq!(format!("{figures:?}"), format!("{again:?}"));
        }
    }
}
