//! The command line: what may be asked for, and how it is asked of a running server.
//!
//! `args.rs` is the whole of what can be typed; `zone.rs`, `stream.rs` and `key.rs` turn an operator's command into one request, `wire.rs`
//! carries it, `print.rs` shows the reply. `cluster/` does the same over HTTP.

mod args;
mod cluster;
mod key;
mod print;
mod reach;
mod stream;
mod wire;
mod zone;

pub(crate) use args::{Cli, Command, ConfigCommand, ServeArgs};
pub(crate) use cluster::{PlaneError, run as run_cluster};
pub(crate) use key::{run_key, run_pass};
pub(crate) use print::show;
pub(crate) use stream::{StreamError, run as run_stream};
pub(crate) use wire::WireError;
pub(crate) use zone::{ZoneError, run as run_zone};
