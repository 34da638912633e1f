//! `XRANGE key start end [COUNT count]`, `XREVRANGE key end start [COUNT count]`

use super::id;
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec};
use sluice_engine::stream::op::{KeyOp, Range};

pub(crate) static XRANGE: CommandSpec = CommandSpec {
    summary: "Returns the entries of a stream within a range of ids.",
    arguments: &[Argument::key("key"), Argument::string("start"), Argument::string("end"), COUNT],
    run: Some(forward),
    ..range("xrange")
};

pub(crate) static XREVRANGE: CommandSpec = CommandSpec {
    summary: "Returns the entries of a stream within a range of ids, the newest first.",
    arguments: &[Argument::key("key"), Argument::string("end"), Argument::string("start"), COUNT],
    run: Some(backward),
    ..range("xrevrange")
};

const COUNT: Argument = Argument::integer("count").after("COUNT").optional();

const fn range(name: &'static str) -> CommandSpec {
    CommandSpec {
        flags: &["readonly"],
        categories: &["read", "stream", "slow"],
        since: "5.0.0",
        group: "stream",
        complexity: "O(N) with N being the number of entries returned",
        key: Some(KeySpec { index: 1, writes: false }),
        ..CommandSpec::new(name, -4)
    }
}

fn forward<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    parse(call, call.arg(2), call.arg(3), false)
}

fn backward<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    parse(call, call.arg(3), call.arg(2), true)
}

fn parse<'a>(call: &Call<'a, '_>, start: &[u8], end: &[u8], reverse: bool) -> Result<Step<'a>, Fault<'a>> {
    let (start, end, mut count, mut at) = (id::start(start)?, id::end(end)?, None, 4);
    while let Some(word) = call.args.get(at) {
        let value =
            call.args.get(at + 1).filter(|_| word.eq_ignore_ascii_case(b"COUNT")).ok_or(Fault::Syntax)?;
        let value = integer(value).ok_or(Fault::NotInteger)?;
        count = Some(u64::try_from(value).unwrap_or(0));
        at += 2;
    }
    Ok(Step::key(KeyOp::Range(Range { key: call.text(1), start, end, count, reverse })))
}
