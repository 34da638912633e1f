//! `sluice`: the server and its command line.
//!
//! ```text
//! main ─▶ cli (arguments) ─┬─▶ config (file, environment, flags) ─▶ serve: engine + net, until a signal
//!                          └─▶ cli: one request to a running server, printed
//! ```
//! This crate holds no logic of its own: it reads what the operator wants, checks it once, puts the parts together
//! and takes them down again. Reading order: `config/mod.rs`, `cli/args.rs`.

mod cli;
mod config;
mod credentials;
mod limit;
mod log;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command, ConfigCommand, ServeArgs};
use config::{Config, ConfigError, Layer};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) => serve(&args),
        Command::Config(ConfigCommand::Check { file }) => check(&file),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sluice: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &ServeArgs) -> Result<(), ConfigError> {
    // A variable that is not UTF-8 cannot be one of ours.
    let variables = std::env::vars_os()
        .filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
    let (environment, unknown) = Layer::from_environment(variables);
    let config = Config::load(args.config.as_deref(), &[environment, args.layer()])?;
    log::start(config.log);
    for name in unknown {
        tracing::warn!(variable = name, "no setting of this name: ignored");
    }
    Ok(())
}

fn check(file: &std::path::Path) -> Result<(), ConfigError> {
    let config = Config::load(Some(file), &[])?;
    println!("{}: a server would start with this: {} zones", file.display(), config.zones.len());
    Ok(())
}
