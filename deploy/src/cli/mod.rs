//! The command line: what may be asked for, and how it is asked of a running server.

mod args;

pub(crate) use args::{Cli, Command, ConfigCommand, ServeArgs};
