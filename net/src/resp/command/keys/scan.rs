//! `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`, `KEYS pattern`, `DBSIZE`

use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::glob::Pattern;
use crate::resp::command::key_call::{KeyCall, ScanStep, Shape};
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec};
use crate::resp::limit::SCAN_PLACES_MAX;
use sluice_engine::stream::op::{KeyOp, Scan};

pub(crate) static SCAN: CommandSpec = CommandSpec {
    flags: &["readonly"],
    categories: &["keyspace", "read", "slow"],
    summary: "Returns some keys, and where to go on.",
    since: "2.8.0",
    group: "generic",
    complexity: "O(1) a call, O(N) for all with N being the number of keys",
    arguments: &[
        Argument::integer("cursor"),
        Argument::pattern("pattern").after("MATCH").optional(),
        Argument::integer("count").after("COUNT").optional(),
        Argument::string("type").after("TYPE").optional(),
    ],
    run: Some(scan),
    ..CommandSpec::new("scan", -2)
};

pub(crate) static KEYS: CommandSpec = CommandSpec {
    flags: &["readonly"],
    categories: &["keyspace", "read", "slow", "dangerous"],
    summary: "Returns the keys that match a pattern, where there are not too many keys.",
    since: "1.0.0",
    group: "generic",
    complexity: "O(N) with N being the number of keys",
    arguments: &[Argument::pattern("pattern")],
    run: Some(keys),
    ..CommandSpec::new("keys", 2)
};

pub(crate) static DBSIZE: CommandSpec = CommandSpec {
    flags: &["readonly", "fast"],
    categories: &["keyspace", "read", "fast"],
    summary: "Returns the number of streams.",
    since: "1.0.0",
    group: "server",
    run: Some(size),
    ..CommandSpec::new("dbsize", 1)
};

const CURSOR: Fault<'static> = Fault::Text("ERR invalid cursor");
/// Places that a step looks at where nobody says how many.
const COUNT_DEFAULT: u64 = 10;

fn scan<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let from = cursor(call.arg(1)).ok_or(CURSOR)?;
    let (mut step, mut count, mut at) = (ScanStep::default(), COUNT_DEFAULT, 2);
    while let Some(word) = call.args.get(at) {
        let value = call.args.get(at + 1).ok_or(Fault::Syntax)?;
        if word.eq_ignore_ascii_case(b"COUNT") {
            let value = integer(value).ok_or(Fault::NotInteger)?;
            count = u64::try_from(value).ok().filter(|count| *count > 0).ok_or(Fault::Syntax)?;
            count = count.min(SCAN_PLACES_MAX);
        } else if word.eq_ignore_ascii_case(b"MATCH") {
            Pattern::check(value)?;
            step.pattern = Some(value.into());
        } else if word.eq_ignore_ascii_case(b"TYPE") {
            step.none = !value.eq_ignore_ascii_case(b"stream");
        } else {
            return Err(Fault::Syntax);
        }
        at += 2;
    }
    let op = KeyOp::Scan(Scan { from, count });
    Ok(Step::Key(KeyCall { shape: Shape::Scan(Box::new(step)), ..KeyCall::new(op) }))
}

/// Digits; a minus counts back from 2^64, as in Redis.
fn cursor(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let cursor: u64 = std::str::from_utf8(digits).ok().filter(|_| are_digits)?.parse().ok()?;
    Some(if digits.len() < bytes.len() { cursor.wrapping_neg() } else { cursor })
}

fn keys<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Pattern::check(call.arg(1))?;
    let op = KeyOp::Scan(Scan { from: 0, count: u64::MAX });
    Ok(Step::Key(KeyCall { shape: Shape::Keys(call.arg(1).into()), ..KeyCall::new(op) }))
}

fn size<'a>(_: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::Size))
}
