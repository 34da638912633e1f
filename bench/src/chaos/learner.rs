//! A node joins a zone that is full of waiters, by snapshot, while its users go on; and a log that is cut again and again.
//!
//! Both nodes have one core, and the load has the other. What users notice is told by the polls' P99, beside that of the same
//! processes before; what workers notice by the CPU time of their longest turn.

use super::Arguments;
use super::cluster::{Cluster, pause, server_binary};
use super::host::Host;
use super::kill::PORTS;
use crate::compare::host::{Programs, find, resident_bytes, resident_bytes_max};
use crate::compare::rounds::load;
use crate::compare::row::Row;
use crate::compare::server::SERVER_CORE;
use crate::error::{BenchError, Result};
use crate::fill;
use crate::load::{self, LoadReport, Operation};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const ZONE: &str = "crowded";
/// Polls and joins a second while the node joins, and tokens that are polled.
const POLLS_PER_S: u64 = 5_000;
const JOINS_PER_S: u64 = 500;
const POLLED: u64 = 200_000;
/// Length of a measurement; the node joins within it.
const SECONDS: u64 = 15;
/// What may be, beside the same before: memory, and the P99 of polls.
const MEMORY_MAX: f64 = 2.0;
const P99_MAX: f64 = 5.0;
/// With fewer waiters, a node has joined before a percentile says anything.
const TIMED_FROM: u64 = 1_000_000;
/// CPU time of one turn of a worker, in seconds.
const TURN_S_MAX: f64 = 0.005;
/// What a log may take: the segments that are kept, what comes while a snapshot is written and old ones go, and the one in
/// reserve.
const LOG_BYTES_MAX: u64 = 6 * (64 << 20);
/// How often the log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(120);

/// A node alone, and the place of the one that joins it.
struct Stage {
    programs: Programs,
    cluster: Cluster,
    /// Whether figures of time count.
    is_timed: bool,
    wrong: Vec<String>,
}

/// True where everything stayed within its bounds.
pub(super) fn run(arguments: &Arguments, waiters: u64, commands: u64) -> Result<bool> {
    let server = server_binary(arguments.server.as_ref())?;
    let programs = find(&[Row::ManyZones], Some(&server), &[])?;
    let cluster = Cluster::start(server, vec![Host::Core(SERVER_CORE); 2], 1, PORTS)?;
    let mut stage = Stage { programs, cluster, is_timed: waiters >= TIMED_FROM, wrong: Vec::new() };
    stage.join(waiters)?;
    stage.flood(commands)?;
    println!("learner: {} bounds missed", stage.wrong.len());
    stage.wrong.iter().for_each(|what| println!("    {what}"));
    Ok(stage.wrong.is_empty())
}

impl Stage {
    fn join(&mut self, waiters: u64) -> Result<()> {
        let folder = tempfile::tempdir().map_err(BenchError::io("making a folder"))?;
        let file = folder.path().join("tokens");
        let address = self.cluster.nodes[0].resp;
        let tokens = fill::run(&fill::Arguments {
            address,
            zone: ZONE.to_owned(),
            zones: 1,
            waiters,
            keep: POLLED,
            tokens: file.clone(),
        })?;
        tokens.save(&file)?;
        let state_bytes = resident_bytes(self.cluster.process(0)?)?;
        println!("{waiters} waiters, {} MiB resident", state_bytes >> 20);
        let polls = load::Arguments {
            tokens: Some(file),
            rate: Some(POLLS_PER_S),
            seconds: SECONDS,
            ..load::Arguments::new(Operation::Poll, address)
        };
        let joins = load::Arguments {
            rate: Some(JOINS_PER_S),
            seconds: SECONDS,
            zone: ZONE.to_owned(),
            ..load::Arguments::new(Operation::Join, address)
        };
        let programs = &self.programs;
        let (quiet, _) = both(programs, &polls, &joins)?;
        let before = self.long_turns()?;
        let cluster = &mut self.cluster;
        let (busy, joined) = thread::scope(|scope| {
            let loaded = scope.spawn(|| both(programs, &polls, &joins));
            enter(cluster)?;
            loaded.join().map_err(|_| BenchError::Server("the load has panicked".to_owned()))?
        })?;
        self.judge_polls(&quiet, &busy, &joined);
        self.judge_turns(before)?;
        self.judge_memory(state_bytes)?;
        self.judge_states()
    }

    fn judge_polls(&mut self, quiet: &LoadReport, busy: &LoadReport, joined: &LoadReport) {
        let [before, meanwhile] = [quiet, busy].map(|report| report.latency.p99_us);
        println!("polls' P99 {before:.0} us before, {meanwhile:.0} us while the node joins");
        self.expect(!self.is_timed || meanwhile <= before * P99_MAX, "the P99 of polls");
        for (name, report) in [("polls", busy), ("joins", joined)] {
            println!("{name}: {} answered, {} errors", report.replies_total, report.errors);
            self.expect(report.errors + report.unanswered == 0, name);
        }
    }

    fn long_turns(&self) -> Result<f64> {
        self.cluster.figure(0, "sluice_worker_long_turns_total")
    }

    fn judge_turns(&mut self, before: f64) -> Result<()> {
        let long = self.long_turns()? - before;
        let joined = self.cluster.figure(1, "sluice_worker_turn_cpu_seconds_max")?;
        println!(
            "turns of over 5 ms of CPU time at the leader: {long}; the longest at the learner {:.1} ms",
            joined * 1e3
        );
        self.expect(!self.is_timed || long == 0.0, "turns at the leader");
        self.expect(!self.is_timed || joined <= TURN_S_MAX, "turns at the learner");
        Ok(())
    }

    fn judge_memory(&mut self, state_bytes: u64) -> Result<()> {
        for node in 0..2 {
            let most = resident_bytes_max(self.cluster.process(node)?)?;
            println!("node {node}: at most {} MiB resident", most >> 20);
            self.expect(most as f64 <= state_bytes as f64 * MEMORY_MAX, "memory");
        }
        Ok(())
    }

    /// The node that joined has what the other has.
    fn judge_states(&mut self) -> Result<()> {
        let group = sluice_engine::slot::group_of(ZONE.as_bytes(), 6).0;
        let started = Instant::now();
        loop {
            let [ours, theirs] = [self.cluster.state_hash(0, group)?, self.cluster.state_hash(1, group)?];
            if ours.0 == theirs.0 {
                self.expect(ours == theirs, "equal states");
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                return Err(BenchError::Server("the node that joined does not catch up".to_owned()));
            }
            pause(LOOK_EVERY);
        }
    }

    fn flood(&mut self, commands: u64) -> Result<()> {
        let joins = load::Arguments {
            requests: Some(commands),
            pipeline: 64,
            zone: ZONE.to_owned(),
            ..load::Arguments::new(Operation::UserJoin, self.cluster.nodes[0].resp)
        };
        let programs = &self.programs;
        let logs: Vec<_> = (0..2).map(|node| self.cluster.data(node).join("log")).collect();
        let written_before = self.cluster.figure(0, "sluice_log_written_bytes_total")?;
        let (report, most) = thread::scope(|scope| {
            let loaded = scope.spawn(|| load(programs, &joins));
            let mut most = 0;
            while !loaded.is_finished() {
                for log in &logs {
                    most = most.max(folder_bytes(log)?);
                }
                pause(LOOK_EVERY);
            }
            let report = loaded.join().map_err(|_| BenchError::Server("the load has panicked".to_owned()))?;
            Ok::<_, BenchError>((report?, most))
        })?;
        let written = self.cluster.figure(0, "sluice_log_written_bytes_total")? - written_before;
        let (replies, errors) = (report.replies_total, report.errors);
        println!("{replies} commands, {errors} errors: {:.0} MiB logged", written / f64::from(1 << 20));
        println!("log on disk: at most {} MiB", most >> 20);
        self.expect(errors + report.unanswered == 0, "commands");
        self.expect(most <= LOG_BYTES_MAX, "the log on disk");
        Ok(())
    }

    fn expect(&mut self, is_kept: bool, what: &str) {
        if !is_kept {
            self.wrong.push(what.to_owned());
        }
    }
}

/// Polls and joins at once.
fn both(
    programs: &Programs,
    polls: &load::Arguments,
    joins: &load::Arguments,
) -> Result<(LoadReport, LoadReport)> {
    thread::scope(|scope| {
        let joining = scope.spawn(|| load(programs, joins));
        let polled = load(programs, polls)?;
        let joined = joining.join().map_err(|_| BenchError::Server("the load has panicked".to_owned()))?;
        Ok((polled, joined?))
    })
}

/// The second node joins; the log alone would not do, for it was cut.
fn enter(cluster: &mut Cluster) -> Result<()> {
    pause(Duration::from_secs(2));
    cluster.insist(0, &["snapshot"])?;
    cluster.start_waiting(1)?;
    let peer = cluster.nodes[1].peer.to_string();
    cluster.insist(0, &["add-learner", &peer])?;
    cluster.wait_ready(1)
}

/// What the files of a folder take on the disk; those that go meanwhile are left out.
fn folder_bytes(folder: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(folder).map_err(BenchError::io(format!("reading {}", folder.display())))?;
    let sizes = entries.flatten().filter_map(|entry| entry.metadata().ok());
    Ok(sizes.map(|file| file.blocks() * 512).sum())
}
