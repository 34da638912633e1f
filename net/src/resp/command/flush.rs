//! `FLUSHALL FLUSHDB DBSIZE`: about streams only; zones are settings and people, and stay.
//!
//! There are no streams in this version, so there is nothing to remove and nothing to count.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Access, Argument, CommandSpec};
use crate::resp::server::Role;

const HOW: &[Argument] =
    &[Argument::one_of("flush-type", &[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")])
        .optional()];

pub(super) static FLUSHALL: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "slow", "dangerous"],
    access: Access::From(Role::Admin),
    summary: "Removes all streams; zones stay.",
    since: "1.0.0",
    group: "server",
    arguments: HOW,
    run: Some(flush),
    ..CommandSpec::new("flushall", -1)
};

pub(super) static FLUSHDB: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "slow", "dangerous"],
    access: Access::From(Role::Admin),
    summary: "Removes all streams; zones stay.",
    since: "1.0.0",
    group: "server",
    arguments: HOW,
    run: Some(flush),
    ..CommandSpec::new("flushdb", -1)
};

pub(super) static DBSIZE: CommandSpec = CommandSpec {
    flags: &["readonly", "fast"],
    categories: &["read", "fast"],
    summary: "Returns the number of streams.",
    since: "1.0.0",
    group: "server",
    run: Some(dbsize),
    ..CommandSpec::new("dbsize", 1)
};

fn flush<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let known = |word: &[u8]| word.eq_ignore_ascii_case(b"ASYNC") || word.eq_ignore_ascii_case(b"SYNC");
    match (call.args.len(), call.args.get(1)) {
        (1, _) => call.ok(),
        (2, Some(word)) if known(word) => call.ok(),
        _ => Err(Fault::Syntax),
    }
}

fn dbsize<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.reply().integer(0);
    Ok(Step::Replied)
}
