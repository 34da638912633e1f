//! The commands: one table, one file a command (tiny ones of a family share), and how answers are written.
//!
//! ```text
//! execute  finds, checks and runs a command          answer   writes what the engine answered
//! spec     how a command describes itself             fault    writes why a command was refused
//! ─────────────────────────────────────────────────────────────────────────────────────────────
//! zones       poll join leave zone zone_set stats
//! connection  connection hello client/
//! server      info config command docs help slowlog latency flush time
//! cluster     cluster raft
//! ```
//! To add one: write its file with a `SPEC`, and name it in [`COMMANDS`].

pub mod answer;
pub mod execute;
pub mod fault;
pub mod spec;

mod client;
mod cluster;
mod config;
mod connection;
mod docs;
mod flush;
pub(crate) mod glob;
mod hello;
mod help;
mod info;
mod introspect;
mod join;
mod latency;
mod leave;
mod number;
mod poll;
mod publish;
mod pubsub;
mod raft;
mod slowlog;
mod stats;
mod subscribe;
mod time;
mod zone;
mod zone_set;

pub use answer::encode_answer;
pub use execute::{Step, execute};

use spec::CommandSpec;

/// Every command. A search goes from the top, so the busiest stand first.
pub static COMMANDS: &[&CommandSpec] = &[
    &poll::SPEC,
    &join::SPEC,
    &leave::SPEC,
    &stats::SPEC,
    &zone::SPEC,
    &connection::PING,
    &connection::ECHO,
    &hello::HELLO,
    &hello::AUTH,
    &connection::SELECT,
    &client::SPEC,
    &connection::QUIT,
    &connection::RESET,
    &connection::READONLY,
    &connection::READWRITE,
    &info::SPEC,
    &introspect::SPEC,
    &config::SPEC,
    &publish::SPEC,
    &subscribe::SUBSCRIBE,
    &subscribe::UNSUBSCRIBE,
    &subscribe::PSUBSCRIBE,
    &subscribe::PUNSUBSCRIBE,
    &pubsub::SPEC,
    &time::SPEC,
    &slowlog::SPEC,
    &latency::SPEC,
    &flush::FLUSHALL,
    &flush::FLUSHDB,
    &flush::DBSIZE,
    &cluster::SPEC,
    &raft::SPEC,
];

/// The command of that name, in any case.
///
/// ```
/// use sluice_net::resp::command::find;
/// assert_eq!(find(b"q.poll").map(|spec| spec.arity), Some(3));
/// assert!(find(b"GET").is_none());
/// ```
#[must_use]
pub fn find(name: &[u8]) -> Option<&'static CommandSpec> {
    COMMANDS.iter().copied().find(|spec| spec.name.as_bytes().eq_ignore_ascii_case(name))
}
