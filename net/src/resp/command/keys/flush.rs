//! `FLUSHALL FLUSHDB [ASYNC|SYNC]`: about streams only; zones are settings and people, and stay.

use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::spec::{Access, Argument, CommandSpec};
use crate::resp::server::Role;
use sluice_engine::stream::op::KeyOp;

const HOW: &[Argument] =
    &[Argument::one_of("flush-type", &[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")])
        .optional()];

pub(crate) static FLUSHALL: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["keyspace", "write", "slow", "dangerous"],
    access: Access::From(Role::Admin),
    summary: "Removes all streams; zones stay.",
    since: "1.0.0",
    group: "server",
    complexity: "O(N) with N being the number of streams",
    arguments: HOW,
    run: Some(flush),
    ..CommandSpec::new("flushall", -1)
};

pub(crate) static FLUSHDB: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["keyspace", "write", "slow", "dangerous"],
    access: Access::From(Role::Admin),
    summary: "Removes all streams; zones stay.",
    since: "1.0.0",
    group: "server",
    complexity: "O(N) with N being the number of streams",
    arguments: HOW,
    run: Some(flush),
    ..CommandSpec::new("flushdb", -1)
};

fn flush<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let known = |word: &[u8]| word.eq_ignore_ascii_case(b"ASYNC") || word.eq_ignore_ascii_case(b"SYNC");
    match (call.args.len(), call.args.get(1)) {
        (1, _) => Ok(Step::key(KeyOp::Clear)),
        (2, Some(word)) if known(word) => Ok(Step::key(KeyOp::Clear)),
        _ => Err(Fault::Syntax),
    }
}
