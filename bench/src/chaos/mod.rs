//! A cluster of real processes under load, while nodes are killed, paused, cut off, added and removed.
//!
//! ```text
//! scenario ──▶ cluster (processes, hosts) ◀── crowd (clients of every node) ──▶ history ──▶ oracle ──▶ report
//! ```
//! The crowd joins under request ids, repeats what was not answered, polls, and leaves, each user at a node of its own choice;
//! what it was told is all that the oracle knows. Nothing inside the servers is asked but their state hashes.

mod clock;
pub(crate) mod cluster;
mod crowd;
mod folders;
mod history;
pub(crate) mod host;
mod interrupted;
mod kill;
mod learner;
mod members;
mod oracle;
mod partition;
mod pause;
mod probe;
mod relay;
mod report;
mod services;

use crate::error::Result;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What goes wrong.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    scenario: Scenario,
    /// The server's binary; without it the one beside this program.
    #[arg(long, global = true)]
    server: Option<PathBuf>,
    /// Seed of the crowd and of the choice of nodes.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
    /// Joins a second, over all zones.
    #[arg(long, global = true, default_value_t = 60)]
    joins: u32,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Kills a random node a round, and starts it again.
    Kill {
        /// How often.
        #[arg(long, default_value_t = 100)]
        rounds: u32,
    },
    /// Kills every node at once, and starts them again.
    Power {
        /// How often.
        #[arg(long, default_value_t = 20)]
        rounds: u32,
    },
    /// Cuts nodes off in hosts of their own (network namespaces; needs root): each node alone, unheard by the others,
    /// flapping, and stopped for longer than its lease.
    Partition {
        /// How often each.
        #[arg(long, default_value_t = 2)]
        rounds: u32,
    },
    /// Changes the members under load: three to five, leaders handed over, a dead node replaced, a leader removed, and
    /// back to three.
    Members {
        /// How often.
        #[arg(long, default_value_t = 1)]
        rounds: u32,
        /// Then so many nodes come and go while the node that carries the change out, or the one that comes, is killed.
        #[arg(long, default_value_t = 4)]
        interruptions: u32,
    },
    /// A node joins, by snapshot, a zone that is full of waiters, while polls and joins go on; then so many commands that the
    /// log would not fit if it were not cut.
    Learner {
        /// How many wait.
        #[arg(long, default_value_t = 5_000_000)]
        waiters: u64,
        /// Commands after that.
        #[arg(long, default_value_t = 20_000_000)]
        commands: u64,
    },
    /// Slows every link between nodes down to round trips of 200 ms, and kills a node a round.
    Latency {
        /// How often.
        #[arg(long, default_value_t = 3)]
        rounds: u32,
    },
    /// The client crate while nodes are killed, stopped, cut off and slowed down in turn (network namespaces; needs root).
    Client {
        /// Troubles, each of another kind than the one before.
        #[arg(long, default_value_t = 12)]
        rounds: u32,
    },
    /// Stops a random node a round, for up to four seconds, and asks it as it goes on: nothing is answered from before.
    Pause {
        /// How often.
        #[arg(long, default_value_t = 100)]
        rounds: u32,
    },
    /// Sets the wall clock of every node in turn by -1 h, -1 s, +1 s and +1 h (needs Debian's `faketime`): no key goes too early
    /// or comes back, and who is off leads nothing.
    Clock {
        /// How often all of that.
        #[arg(long, default_value_t = 1)]
        rounds: u32,
    },
    /// Gives nodes data folders that are older, cut, missing or copied, and fills up a leader's disk (that one only as root).
    Folders {
        /// How often one of them, each in turn.
        #[arg(long, default_value_t = 12)]
        rounds: u32,
    },
    /// Stops one node after the other in order, and starts it again, as an upgrade does.
    Rolling {
        /// How often all of them.
        #[arg(long, default_value_t = 2)]
        rounds: u32,
    },
}

/// Runs a scenario; false where a promise was broken.
///
/// # Errors
/// [`crate::error::BenchError`] where the cluster could not be started or driven.
pub fn run(arguments: &Arguments) -> Result<bool> {
    match arguments.scenario {
        Scenario::Kill { rounds } => kill::one_at_a_time(arguments, rounds),
        Scenario::Power { rounds } => kill::all_at_once(arguments, rounds),
        Scenario::Partition { rounds } => partition::run(arguments, rounds),
        Scenario::Members { rounds, interruptions } => {
            let is_kept = members::run(arguments, rounds)?;
            Ok(interrupted::run(arguments, interruptions)? && is_kept)
        }
        Scenario::Learner { waiters, commands } => learner::run(arguments, waiters, commands),
        Scenario::Latency { rounds } => kill::over_slow_links(arguments, rounds),
        Scenario::Client { rounds } => services::run(arguments, rounds),
        Scenario::Pause { rounds } => pause::run(arguments, rounds),
        Scenario::Clock { rounds } => clock::run(arguments, rounds),
        Scenario::Rolling { rounds } => kill::in_order(arguments, rounds),
        Scenario::Folders { rounds } => folders::run(arguments, rounds),
    }
}
