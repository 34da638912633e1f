//! The command line: each subcommand has its arguments and its work in a module of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sluice_bench::error::Result;
use sluice_bench::sink::Sink;
use sluice_bench::{chaos, client, compare, fanout, fill, gateway, hoard, load, micro, simulate};

// The server's own allocator, so that `micro` measures what the server does.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures sluice and its peers.
#[derive(Debug, Parser)]
#[command(name = "sluice-bench", version)]
struct CommandLine {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Loads one server with one kind of request; exit code 1 where it answered with errors or not at all.
    Load(load::Arguments),
    /// Makes zones, fills them with waiters, and writes their tokens to a file.
    Fill(fill::Arguments),
    /// Appends to one stream that many readers follow; exit code 1 where one of them missed something.
    Fanout(fanout::Arguments),
    /// Follows thousands of streams over one connection; exit code 1 where an entry was lost or told twice.
    Gateway(gateway::Arguments),
    /// Asks for much and reads nothing; exit code 1 where another client notices.
    Hoard(hoard::Arguments),
    /// Calls from many tasks over one connection of the client crate, beside redis-rs.
    Client(client::Arguments),
    /// Compares sluice with Redis and nginx.
    Compare(compare::Arguments),
    /// Runs a cluster while its nodes fail, and judges what its clients were told; exit code 1 where a promise was broken.
    Chaos(chaos::Arguments),
    /// Measures the engine in process, on one core.
    Micro(micro::Arguments),
    /// Simulates a crowd in virtual time; exit code 1 where a promise of the rules was broken.
    Simulate(simulate::Arguments),
    /// Serves canned replies to any RESP command, to find the load generator's own ceiling.
    Sink {
        /// Where to listen.
        #[arg(long, default_value = "127.0.0.1:7399")]
        address: SocketAddr,
    },
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().task {
        Task::Load(arguments) => run_load(&arguments),
        Task::Fill(arguments) => run_fill(&arguments),
        Task::Fanout(arguments) => run_fanout(&arguments),
        Task::Gateway(arguments) => run_gateway(&arguments),
        Task::Hoard(arguments) => run_hoard(&arguments),
        Task::Client(arguments) => run_client(&arguments),
        Task::Compare(arguments) => compare::run(&arguments).map(|met| ExitCode::from(u8::from(!met))),
        Task::Chaos(arguments) => chaos::run(&arguments).map(|kept| ExitCode::from(u8::from(!kept))),
        Task::Micro(arguments) => micro::run(&arguments).map(|kept| ExitCode::from(u8::from(!kept))),
        Task::Simulate(arguments) => simulate::run(&arguments).map(|met| ExitCode::from(u8::from(!met))),
        Task::Sink { address } => Sink::bind(address).and_then(Sink::run).map(|never| match never {}),
    };
    done.unwrap_or_else(|error| {
        eprintln!("sluice-bench: {error}");
        ExitCode::from(2)
    })
}

/// A rate with errors in it must not be quoted, so scripts see it as a failure.
fn run_load(arguments: &load::Arguments) -> Result<ExitCode> {
    let report = load::run(arguments)?;
    if arguments.json {
        println!("{}", report.to_json());
    } else {
        println!("{report}");
    }
    Ok(if report.fault().is_some() { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

fn run_client(arguments: &client::Arguments) -> Result<ExitCode> {
    let report = client::run(arguments)?;
    println!("{}", if arguments.json { report.to_json() } else { report.to_string() });
    Ok(ExitCode::SUCCESS)
}

fn run_fanout(arguments: &fanout::Arguments) -> Result<ExitCode> {
    let report = fanout::run(arguments)?;
    if arguments.json {
        println!("{}", report.to_json());
    } else {
        println!("{report}");
    }
    Ok(ExitCode::from(u8::from(report.missing > 0)))
}

fn run_gateway(arguments: &gateway::Arguments) -> Result<ExitCode> {
    let report = gateway::run(arguments)?;
    println!("{report}");
    Ok(ExitCode::from(u8::from(!report.is_whole())))
}

fn run_hoard(arguments: &hoard::Arguments) -> Result<ExitCode> {
    let report = hoard::run(arguments)?;
    println!("{report}");
    Ok(ExitCode::from(u8::from(!report.is_met())))
}

fn run_fill(arguments: &fill::Arguments) -> Result<ExitCode> {
    let tokens = fill::run(arguments)?;
    tokens.save(&arguments.tokens)?;
    println!("{} tokens in {}", tokens.len(), arguments.tokens.display());
    Ok(ExitCode::SUCCESS)
}
