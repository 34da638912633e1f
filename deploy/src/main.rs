//! `sluice`: the server and its command line.
//!
//! ```text
//! main ─▶ cli (arguments) ─┬─▶ config (file, environment, flags) ─▶ serve: engine + net, until a signal
//!                          └─▶ cli: one request to a running server, printed
//! ```
//! This crate holds no logic of its own: it reads what the operator wants, checks it once, puts the parts together
//! and takes them down again. Reading order: `config/mod.rs`, `cli/args.rs`.

mod admin;
mod cli;
mod config;
mod credentials;
mod limit;
mod log;
mod serve;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command, ConfigCommand, PlaneError, ServeArgs, StreamError, WireError, ZoneError};
use config::{Config, ConfigError, Layer, available_bytes};
use serve::StartError;

/// Memory in huge pages, as `.cargo/config.toml` builds it: polls of a large zone are bound by address translation.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Why the command did not succeed; each prints as one line.
enum Failure {
    Config(ConfigError),
    Serve(StartError),
    Zone(ZoneError),
    Stream(StreamError),
    Wire(WireError),
    Cluster(PlaneError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(error) => error.fmt(f),
            Failure::Serve(error) => error.fmt(f),
            Failure::Zone(error) => error.fmt(f),
            Failure::Stream(error) => error.fmt(f),
            Failure::Wire(error) => error.fmt(f),
            Failure::Cluster(error) => error.fmt(f),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve(&args),
        Command::Zone(args) => cli::run_zone(&args).map_err(Failure::Zone),
        Command::Stream(args) => cli::run_stream(&args).map_err(Failure::Stream),
        Command::Key(args) => cli::run_key(&args).map_err(Failure::Wire),
        Command::Pass(args) => cli::run_pass(&args).map_err(Failure::Wire),
        Command::Cluster(args) => cli::run_cluster(&args).map_err(Failure::Cluster),
        Command::Config(ConfigCommand::Check { file }) => check(&file),
    };
    match outcome {
        Ok(()) => {
            log::flush();
            ExitCode::SUCCESS
        }
        Err(failure) => {
            log::end_with(&format_args!("sluice: {failure}"));
            match failure {
                Failure::Cluster(error) => ExitCode::from(error.exit_code()),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn serve(args: &ServeArgs) -> Result<(), Failure> {
    // A variable that is not UTF-8 cannot be one of ours.
    let utf8 =
        |(name, text): (OsString, OsString)| Some((name.into_string().ok()?, text.into_string().ok()?));
    let (environment, unknown) = Layer::from_environment(std::env::vars_os().filter_map(utf8));
    let layers = [environment, args.layer()];
    let config = Config::load(args.config.as_deref(), &layers).map_err(Failure::Config)?;
    log::start(config.log);
    for name in unknown {
        tracing::warn!(variable = name, "no setting of this name: ignored");
    }
    serve::run(&config).map_err(Failure::Serve)
}

fn check(file: &Path) -> Result<(), Failure> {
    let config = Config::load(Some(file), &[]).map_err(Failure::Config)?;
    let zones = config.zones.len();
    let at = file.display();
    if let Some(excess) = config.memory_max.excess(available_bytes(Path::new("/"))) {
        eprintln!("sluice: {at}: warning: {excess}");
    }
    cli::show(&format!("{at}: a server would start with this: {zones} zones\n"));
    Ok(())
}
