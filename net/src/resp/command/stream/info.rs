//! `XINFO STREAM key [FULL [COUNT count]]`, `XINFO GROUPS key`, `XINFO CONSUMERS key group`

use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec};
use sluice_engine::stream::op::KeyOp;

pub(crate) static XINFO: CommandSpec = CommandSpec {
    categories: &["slow"],
    summary: "A container for commands that describe streams.",
    since: "5.0.0",
    group: "stream",
    complexity: "Depends on subcommand.",
    subcommands: &[&STREAM, &GROUPS, &CONSUMERS],
    ..CommandSpec::new("xinfo", -2)
};

static STREAM: CommandSpec = CommandSpec {
    summary: "Returns information about a stream.",
    arguments: &[
        Argument::key("key"),
        Argument::block("full", &[Argument::integer("count").after("COUNT").optional()])
            .after("FULL")
            .optional(),
    ],
    run: Some(stream),
    ..view("xinfo|stream", -3)
};
static GROUPS: CommandSpec = CommandSpec {
    summary: "Returns a list of a stream's groups of consumers.",
    arguments: &[Argument::key("key")],
    run: Some(groups),
    ..view("xinfo|groups", 3)
};
static CONSUMERS: CommandSpec = CommandSpec {
    summary: "Returns a list of the consumers of a group.",
    arguments: &[Argument::key("key"), Argument::string("groupname")],
    run: Some(consumers),
    ..view("xinfo|consumers", 4)
};

const fn view(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["readonly"],
        categories: &["read", "stream", "slow"],
        since: "5.0.0",
        group: "stream",
        key: Some(KeySpec { index: 2, writes: false }),
        ..CommandSpec::new(name, arity)
    }
}

/// What `FULL` shows of each list where nobody says how much.
const FULL_COUNT_DEFAULT: u64 = 10;

fn stream<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let key = call.text(2);
    Ok(match full(call) {
        Ok(count) => Step::key(KeyOp::InfoStream(key, count)),
        Err(fault) => Step::faulty(KeyOp::InfoStream(key, None), &fault),
    })
}

fn full<'a>(call: &Call<'a, '_>) -> Result<Option<u64>, Fault<'a>> {
    let is = |index: usize, name: &[u8]| call.arg(index).eq_ignore_ascii_case(name);
    match call.args.len() {
        3 => Ok(None),
        4 if is(3, b"FULL") => Ok(Some(FULL_COUNT_DEFAULT)),
        6 if is(3, b"FULL") && is(4, b"COUNT") => {
            let count = integer(call.arg(5)).ok_or(Fault::NotInteger)?;
            Ok(Some(u64::try_from(count).unwrap_or(FULL_COUNT_DEFAULT)))
        }
        _ => Err(Fault::SubcommandSyntax { container: "xinfo", word: call.arg(1) }),
    }
}

fn groups<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::InfoGroups(call.text(2))))
}

fn consumers<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::InfoConsumers(call.text(2), call.text(3))))
}
