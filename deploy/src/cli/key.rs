//! `sluice key …` and `sluice pass …`: the keys that sign passes of a running server, and passes that are good no longer, over RESP.

use clap::{Args, Subcommand};

use super::print;
use super::reach::Reach;
use super::wire::{Connection, WireError};

/// What is asked about keys, and of which server.
#[derive(Args, Debug)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand, Debug)]
enum KeyCommand {
    /// List the keys that sign passes or did, the oldest first
    List,
    /// Draw a key, publish it in every group, and have it sign; shows its id. Passes of the one before stay good
    Rotate,
    /// Forget a key that signs no more: its passes are good no longer, and who polls gets a new one
    Revoke {
        /// Its id, as `list` shows it
        id: String,
    },
}

/// What is asked about passes, and of which server.
#[derive(Args, Debug)]
pub(crate) struct PassArgs {
    #[command(flatten)]
    reach: Reach,
    #[command(subcommand)]
    command: PassCommand,
}

#[derive(Subcommand, Debug)]
enum PassCommand {
    /// Tell gateways that a pass is good no longer
    Revoke {
        /// The `jti` in the pass
        #[arg(allow_hyphen_values = true)] // one in 64 begins with a hyphen
        jti: String,
    },
}

/// Does what was asked of keys and prints the answer.
pub(crate) fn run_key(args: &KeyArgs) -> Result<(), WireError> {
    let mut connection = args.reach.open()?;
    match &args.command {
        KeyCommand::List => say(&mut connection, &args.reach, &["Q.KEY", "LIST"]),
        KeyCommand::Revoke { id } => say(&mut connection, &args.reach, &["Q.KEY", "REVOKE", id]),
        KeyCommand::Rotate => {
            let id = connection.ask(&["Q.KEY", "INSTALL"], |reply| {
                String::from_utf8_lossy(reply.bytes().unwrap_or_default()).into_owned()
            })?;
            // It is published everywhere: now it may sign.
            connection.ask(&["Q.KEY", "ACTIVATE", &id], |_| ())?;
            print::show(&if args.reach.json { format!("{id:?}\n") } else { format!("{id}\n") });
            Ok(())
        }
    }
}

/// Does what was asked of passes and prints the answer.
pub(crate) fn run_pass(args: &PassArgs) -> Result<(), WireError> {
    let PassCommand::Revoke { jti } = &args.command;
    say(&mut args.reach.open()?, &args.reach, &["Q.PASS", "REVOKE", jti])
}

fn say(connection: &mut Connection, reach: &Reach, words: &[&str]) -> Result<(), WireError> {
    connection.ask(words, |reply| {
        let json = || format!("{}\n", print::json(reply));
        print::show(&if reach.json { json() } else { print::lines(reply) });
    })
}
