//! The commands: one table, one file a command (tiny ones of a family share), and how answers are written.
//!
//! ```text
//! execute  finds, checks and runs a command          answer   writes what the engine answered
//! spec     how a command describes itself             fault    writes why a command was refused
//! ─────────────────────────────────────────────────────────────────────────────────────────────
//! zones       poll join leave zone zone_set stats
//! connection  connection hello client/
//! server      info config command docs help slowlog latency time
//! cluster     cluster raft
//! transaction transaction
//! streams     stream/ keys/, asked as a key_call, which spread sends to several groups; value writes the answer
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
mod follow;
pub(crate) mod glob;
mod hello;
mod help;
mod info;
mod introspect;
mod join;
pub mod key_call;
mod keys;
mod latency;
mod leave;
mod number;
mod pass_key;
mod poll;
mod publish;
mod pubsub;
mod raft;
mod slowlog;
pub mod spread;
mod stats;
mod stream;
mod subscribe;
mod time;
pub mod transaction;
pub(crate) mod value;
mod zone;
mod zone_set;

pub use answer::{encode_answer, encode_refusal};
pub use execute::{Step, execute};
pub use value::encode_value;

use spec::CommandSpec;

/// Every command. A search goes from the top, so the busiest stand first.
pub static COMMANDS: &[&CommandSpec] = &[
    &poll::SPEC,
    &join::SPEC,
    &leave::SPEC,
    &stream::add::XADD,
    &stream::read::XREAD,
    &stream::range::XRANGE,
    &stats::SPEC,
    &zone::SPEC,
    &pass_key::SPEC,
    &pass_key::PASS_SPEC,
    &stream::read::XREADGROUP,
    &stream::pending::XACK,
    &stream::range::XREVRANGE,
    &stream::edit::XLEN,
    &stream::edit::XDEL,
    &stream::trim::XTRIM,
    &stream::edit::XSETID,
    &stream::edit::END,
    &stream::info::XINFO,
    &stream::namespace::SPEC,
    &stream::group::XGROUP,
    &stream::pending::XPENDING,
    &stream::claim::XCLAIM,
    &stream::claim::XAUTOCLAIM,
    &keys::remove::DEL,
    &keys::remove::UNLINK,
    &keys::remove::EXISTS,
    &keys::remove::TOUCH,
    &keys::remove::TYPE,
    &keys::expire::EXPIRE,
    &keys::expire::PEXPIRE,
    &keys::expire::EXPIREAT,
    &keys::expire::PEXPIREAT,
    &keys::expire::TTL,
    &keys::expire::PTTL,
    &keys::expire::EXPIRETIME,
    &keys::expire::PEXPIRETIME,
    &keys::expire::PERSIST,
    &follow::SUB,
    &follow::UNSUB,
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
    &transaction::MULTI,
    &transaction::EXEC,
    &transaction::DISCARD,
    &transaction::WATCH,
    &transaction::UNWATCH,
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
    &keys::scan::SCAN,
    &keys::scan::KEYS,
    &keys::scan::DBSIZE,
    &keys::flush::FLUSHALL,
    &keys::flush::FLUSHDB,
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
