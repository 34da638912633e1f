//! sluice beside its peers, on one machine, under one load.
//!
//! ```text
//! Arguments ─▶ host::find (all programs, or what is missing)
//!           ─▶ stage      (start servers on core 0, fill them)
//!                └─▶ rounds (load from core 1: ours, theirs, ours, …) ─▶ outcome (medians, ratio, verdict)
//!                                                                         └─▶ report (table, JSON)
//! ```
//!
//! `row.rs` holds what is compared and the aims; `stage.rs` what it takes, and `replicated.rs` what it takes of three nodes
//! (`trio.rs`) beside a Redis with a replica (`pair.rs`).

pub(crate) mod host;
mod outcome;
mod pair;
mod replicated;
mod report;
pub(crate) mod rounds;
pub(crate) mod row;
mod sample;
pub(crate) mod server;
mod stage;
mod streams;
mod trio;
mod written;
mod wrk;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};

use crate::compare::host::{Host, Programs};
use crate::compare::report::Report;
use crate::compare::stage::{Scale, Stage};
use crate::error::{BenchError, Result};
use crate::limit::{RATE_MAX_PER_S, ROUNDS_MAX, SECONDS_MAX, TOKENS_MAX};

pub use row::{Row, Target};

/// Starts sluice, Redis with Lua and nginx, loads them in turn, and prints the ratios.
///
/// Exit code 0: all aims met. 1: an aim missed. 2: could not be run.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// Rows to run, all of them by default.
    #[arg(value_enum)]
    pub rows: Vec<Row>,
    /// The same, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Row>,
    /// Waiters in the zone that is compared with Redis and nginx.
    #[arg(long, default_value_t = 1_000_000)]
    pub waiters: u64,
    /// Rounds of each side; medians count.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Seconds of each round.
    #[arg(long, default_value_t = 5)]
    pub seconds: u64,
    /// Requests per second where latencies are compared.
    #[arg(long, default_value_t = 50_000)]
    pub rate: u64,
    /// Joins per second where the latency of a commit is measured.
    #[arg(long, default_value_t = 500)]
    pub join_rate: u64,
    /// The sluice program, by default the one beside this.
    #[arg(long)]
    pub sluice: Option<PathBuf>,
    /// Where to save the results, by default bench/results/compare-TIME.json.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// A short run with small counts; missed aims do not fail it.
    #[arg(long)]
    pub smoke: bool,
    /// The Redis to compare with, and its arguments. Comes last: all that follows belongs to it.
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_names = ["BIN", "ARGS"])]
    pub redis: Vec<String>,
}

/// Runs the comparison, prints the table as it grows, saves the results. True where every aim is met.
///
/// # Errors
/// Missing programs, arguments out of bounds, or a server that cannot be started, filled or loaded.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let rows = arguments.chosen();
    let scale = arguments.scale()?;
    let programs = host::find(&rows, arguments.sluice.as_deref(), &arguments.redis)?;
    let folder = tempfile::tempdir().map_err(BenchError::io("making a folder"))?;
    let stage = Stage { programs: &programs, scale, folder };
    let mut report = Report {
        unix_time_s: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        host: Host::read(),
        versions: versions(&programs),
        is_smoke: arguments.smoke,
        scale,
        outcomes: Vec::new(),
    };
    println!("{}", report::header());
    let mut done = |outcome| {
        println!("{}", report::line(&outcome));
        report.outcomes.push(outcome);
    };
    if rows.contains(&Row::Generator) {
        stage.generator(&mut done)?;
    }
    let beside: Vec<Row> = rows.iter().copied().filter(|row| row.uses_peers()).collect();
    if !beside.is_empty() {
        stage.peers(&beside, &mut done)?;
    }
    if rows.contains(&Row::ManyZones) {
        done(stage.zones(Row::ManyZones, scale.zones, scale.waiters_a_zone)?);
    }
    if rows.contains(&Row::BigZone) {
        done(stage.zones(Row::BigZone, 1, scale.big_waiters)?);
    }
    let streams: Vec<Row> = rows.iter().copied().filter(|row| row.is_of_streams()).collect();
    if !streams.is_empty() {
        stage.streams(&streams, &mut done)?;
    }
    let replicated: Vec<Row> = rows.iter().copied().filter(|row| row.is_replicated()).collect();
    if !replicated.is_empty() {
        stage.replicated(&replicated, &mut done)?;
    }
    let path = arguments.json.clone().unwrap_or_else(|| default_path(report.unix_time_s));
    report.save(&path)?;
    println!("saved in {}", path.display());
    Ok(arguments.smoke || !report.is_missed())
}

impl Arguments {
    /// In the order of [`Row`], each once.
    fn chosen(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = self.rows.iter().chain(&self.only).copied().collect();
        if rows.is_empty() {
            rows = Row::value_variants().to_vec();
        }
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    fn scale(&self) -> Result<Scale> {
        let bounds = [
            ("--waiters", self.waiters, TOKENS_MAX as u64),
            ("--rounds", u64::from(self.rounds), u64::from(ROUNDS_MAX)),
            ("--seconds", self.seconds, SECONDS_MAX),
            ("--rate", self.rate, RATE_MAX_PER_S),
            ("--join-rate", self.join_rate, RATE_MAX_PER_S),
        ];
        for (name, value, most) in bounds {
            if !(1..=most).contains(&value) {
                return Err(BenchError::Argument(format!("{name} {value} must lie between 1 and {most}")));
            }
        }
        Ok(if self.smoke { SMOKE } else { self.full_scale() })
    }

    fn full_scale(&self) -> Scale {
        Scale {
            waiters: self.waiters,
            rounds: self.rounds,
            seconds: self.seconds,
            zones: 2_000,
            waiters_a_zone: 500,
            big_waiters: 10_000_000,
            rate_per_s: self.rate,
            joins_per_s: self.join_rate,
            joins_logged: 200_000,
            streams: 10_000,
            readers: 15_000,
        }
    }
}

/// Enough to see every part work.
const SMOKE: Scale = Scale {
    waiters: 2_000,
    rounds: 1,
    seconds: 1,
    zones: 20,
    waiters_a_zone: 50,
    big_waiters: 20_000,
    rate_per_s: 2_000,
    joins_per_s: 200,
    joins_logged: 2_000,
    streams: 100,
    readers: 500,
};

fn versions(programs: &Programs) -> Vec<(String, String)> {
    let redis = programs.redis.first().map(PathBuf::from).unwrap_or_default();
    let asked: [(&str, &Path, &str); 4] = [
        ("sluice", &programs.sluice, "--version"),
        ("redis", &redis, "--version"),
        ("nginx", &programs.nginx, "-v"),
        ("wrk", &programs.wrk, "-v"),
    ];
    asked.map(|(name, program, flag)| (name.to_owned(), host::version(program, flag))).to_vec()
}

fn default_path(unix_time_s: u64) -> PathBuf {
    PathBuf::from(format!("bench/results/compare-{unix_time_s}.json"))
}

#[cfg(test)]
mod tests {
    use super::{Arguments, Row};
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn parse(words: &[&str]) -> Arguments {
        let words = std::iter::once("compare").chain(words.iter().copied());
        CommandLine::try_parse_from(words).expect("parses").arguments
    }

    #[test]
    fn everything_behind_redis_belongs_to_it() {
        let arguments = parse(&["join-p16", "--rounds", "5", "--redis", "valkey", "--io-threads", "2"]);
        assert_eq!(arguments.redis, ["valkey", "--io-threads", "2"]);
        assert_eq!((arguments.rounds, arguments.chosen()), (5, vec![Row::JoinP16]));
    }

    #[test]
    fn rows_come_in_their_own_order_and_once() {
        let arguments = parse(&["join-p16", "--only", "resp-poll-p16,join-p16"]);
        assert_eq!(arguments.chosen(), [Row::RespPollP16, Row::JoinP16]);
        assert_eq!(parse(&[]).chosen().len(), 17);
    }

    #[test]
    fn a_scale_out_of_bounds_is_named() {
        let error = parse(&["--rounds", "0"]).scale().expect_err("no rounds").to_string();
        assert!(error.starts_with("--rounds 0"), "{error}");
        let error = parse(&["--waiters", "99999999"]).scale().expect_err("too many").to_string();
        assert!(error.starts_with("--waiters"), "{error}");
    }
}
