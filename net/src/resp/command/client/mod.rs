//! `CLIENT …`: what a connection says about itself, and what operators see and do.

pub(super) mod identity;
mod kill;
mod list;

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Access, Argument, CommandSpec};
use crate::resp::server::Role;

pub(super) static SPEC: CommandSpec = CommandSpec {
    summary: "A container for client connection commands.",
    since: "2.4.0",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &identity::SETINFO,
        &identity::SETNAME,
        &identity::GETNAME,
        &identity::ID,
        &list::INFO,
        &list::LIST,
        &kill::SPEC,
        &NO_EVICT,
        &NO_TOUCH,
        &GETREDIR,
    ],
    ..CommandSpec::new("client", -2)
};

const SWITCH: &[Argument] =
    &[Argument::one_of("enabled", &[Argument::word("on", "ON"), Argument::word("off", "OFF")])];

/// Connections are never evicted for memory, so there is nothing to switch.
static NO_EVICT: CommandSpec = CommandSpec {
    access: Access::From(Role::Operator),
    summary: "Sets the client eviction mode of the connection.",
    since: "7.0.0",
    arguments: SWITCH,
    run: Some(switch),
    ..client("client|no-evict", 3)
};

/// Nothing ages by being read, so there is nothing to switch.
static NO_TOUCH: CommandSpec = CommandSpec {
    summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
    since: "7.2.0",
    arguments: SWITCH,
    run: Some(switch),
    ..client("client|no-touch", 3)
};

static GETREDIR: CommandSpec = CommandSpec {
    summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
    since: "6.0.0",
    run: Some(getredir),
    ..client("client|getredir", 2)
};

const fn client(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["noscript", "loading", "stale"],
        categories: &["slow", "connection"],
        group: "connection",
        ..CommandSpec::new(name, arity)
    }
}

fn switch<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let word = call.arg(2);
    match word.eq_ignore_ascii_case(b"ON") || word.eq_ignore_ascii_case(b"OFF") {
        true => call.ok(),
        false => Err(Fault::Syntax),
    }
}

fn getredir<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.reply().integer(-1);
    Ok(Step::Replied)
}
