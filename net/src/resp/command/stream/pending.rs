//! `XACK key group id …`, `XPENDING key group [[IDLE ms] start end count [consumer]]`

use super::id;
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec};
use sluice_engine::stream::op::{KeyOp, PendingRange};

pub(crate) static XACK: CommandSpec = CommandSpec {
    flags: &["write", "fast"],
    categories: &["write", "stream", "fast"],
    summary: "Acknowledges entries that were delivered to a group, and returns how many were pending.",
    since: "5.0.0",
    group: "stream",
    complexity: "O(log(N)) for each id, with N being the number of pending entries",
    key: Some(KeySpec { index: 1, writes: true }),
    arguments: &[Argument::key("key"), Argument::string("group"), Argument::string("id").multiple()],
    run: Some(ack),
    ..CommandSpec::new("xack", -4)
};

pub(crate) static XPENDING: CommandSpec = CommandSpec {
    flags: &["readonly"],
    categories: &["read", "stream", "slow"],
    summary: "Returns what was delivered to a group and not acknowledged: how much, or which entries.",
    since: "5.0.0",
    group: "stream",
    complexity: "O(N) with N being the number of entries looked at",
    key: Some(KeySpec { index: 1, writes: false }),
    arguments: &[
        Argument::key("key"),
        Argument::string("group"),
        Argument::block(
            "filters",
            &[
                Argument::integer("min-idle-time").after("IDLE").optional(),
                Argument::string("start"),
                Argument::string("end"),
                Argument::integer("count"),
                Argument::string("consumer").optional(),
            ],
        )
        .optional(),
    ],
    run: Some(pending),
    ..CommandSpec::new("xpending", -3)
};

fn ack<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let (key, group) = (call.text(1), call.text(2));
    Ok(match call.args.from(3).iter().map(id::id).collect() {
        Ok(ids) => Step::key(KeyOp::Ack(key, group, ids)),
        Err(fault) => Step::faulty(KeyOp::Ack(key, group, Vec::new()), &fault),
    })
}

fn pending<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let range = match call.args.len() {
        3 => None,
        6..=9 => Some(range(call)?),
        _ => return Err(Fault::Syntax),
    };
    Ok(Step::key(KeyOp::Pending(call.text(1), call.text(2), range)))
}

fn range<'a>(call: &Call<'a, '_>) -> Result<PendingRange, Fault<'a>> {
    let (mut at, mut idle_ms) = (3, 0);
    if call.arg(3).eq_ignore_ascii_case(b"IDLE") {
        idle_ms = integer(call.arg(4)).ok_or(Fault::NotInteger)?;
        if call.args.len() < 8 {
            return Err(Fault::Syntax);
        }
        at = 5;
    }
    let count = integer(call.arg(at + 2)).ok_or(Fault::NotInteger)?;
    Ok(PendingRange {
        idle_ms: u64::try_from(idle_ms).unwrap_or(0),
        start: id::start(call.arg(at))?,
        end: id::end(call.arg(at + 1))?,
        count: u64::try_from(count).unwrap_or(0),
        consumer: call.args.get(at + 3).map(Into::into),
    })
}
