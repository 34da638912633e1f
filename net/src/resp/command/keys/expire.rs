//! `EXPIRE PEXPIRE EXPIREAT PEXPIREAT` and `TTL PTTL EXPIRETIME PEXPIRETIME PERSIST`: when a key goes.

use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec};
use sluice_engine::stream::op::{Clock, Expire, ExpireWhen, KeyOp, Unit};

pub(crate) static EXPIRE: CommandSpec = CommandSpec {
    summary: "Has a key go in so many seconds.",
    arguments: &[Argument::key("key"), Argument::integer("seconds"), CONDITION],
    run: Some(|call| expire(call, "expire", Unit::Seconds, Clock::Relative)),
    ..expiring("expire", "1.0.0")
};
pub(crate) static PEXPIRE: CommandSpec = CommandSpec {
    summary: "Has a key go in so many milliseconds.",
    arguments: &[Argument::key("key"), Argument::integer("milliseconds"), CONDITION],
    run: Some(|call| expire(call, "pexpire", Unit::Ms, Clock::Relative)),
    ..expiring("pexpire", "2.6.0")
};
pub(crate) static EXPIREAT: CommandSpec = CommandSpec {
    summary: "Has a key go at a time in seconds since 1970.",
    arguments: &[Argument::key("key"), Argument::unix_time("unix-time-seconds"), CONDITION],
    run: Some(|call| expire(call, "expireat", Unit::Seconds, Clock::Absolute)),
    ..expiring("expireat", "1.2.0")
};
pub(crate) static PEXPIREAT: CommandSpec = CommandSpec {
    summary: "Has a key go at a time in milliseconds since 1970.",
    arguments: &[Argument::key("key"), Argument::unix_time("unix-time-milliseconds"), CONDITION],
    run: Some(|call| expire(call, "pexpireat", Unit::Ms, Clock::Absolute)),
    ..expiring("pexpireat", "2.6.0")
};
pub(crate) static TTL: CommandSpec = CommandSpec {
    summary: "Returns in how many seconds a key goes.",
    run: Some(|call| Ok(Step::key(KeyOp::Ttl(call.text(1), Unit::Seconds, Clock::Relative)))),
    ..asking("ttl", "1.0.0")
};
pub(crate) static PTTL: CommandSpec = CommandSpec {
    summary: "Returns in how many milliseconds a key goes.",
    run: Some(|call| Ok(Step::key(KeyOp::Ttl(call.text(1), Unit::Ms, Clock::Relative)))),
    ..asking("pttl", "2.6.0")
};
pub(crate) static EXPIRETIME: CommandSpec = CommandSpec {
    summary: "Returns when a key goes, in seconds since 1970.",
    run: Some(|call| Ok(Step::key(KeyOp::Ttl(call.text(1), Unit::Seconds, Clock::Absolute)))),
    ..asking("expiretime", "7.0.0")
};
pub(crate) static PEXPIRETIME: CommandSpec = CommandSpec {
    summary: "Returns when a key goes, in milliseconds since 1970.",
    run: Some(|call| Ok(Step::key(KeyOp::Ttl(call.text(1), Unit::Ms, Clock::Absolute)))),
    ..asking("pexpiretime", "7.0.0")
};
pub(crate) static PERSIST: CommandSpec = CommandSpec {
    flags: &["write", "fast"],
    categories: &["keyspace", "write", "fast"],
    summary: "Has a key stay after all.",
    key: Some(KeySpec { index: 1, writes: true }),
    run: Some(|call| Ok(Step::key(KeyOp::Persist(call.text(1))))),
    ..asking("persist", "2.2.0")
};

const CONDITION: Argument = Argument::one_of(
    "condition",
    &[
        Argument::word("nx", "NX"),
        Argument::word("xx", "XX"),
        Argument::word("gt", "GT"),
        Argument::word("lt", "LT"),
    ],
)
.optional();

const KEY: &[Argument] = &[Argument::key("key")];

const fn expiring(name: &'static str, since: &'static str) -> CommandSpec {
    CommandSpec {
        flags: &["write", "fast"],
        categories: &["keyspace", "write", "fast"],
        since,
        group: "generic",
        key: Some(KeySpec { index: 1, writes: true }),
        ..CommandSpec::new(name, -3)
    }
}

const fn asking(name: &'static str, since: &'static str) -> CommandSpec {
    CommandSpec {
        flags: &["readonly", "fast"],
        categories: &["keyspace", "read", "fast"],
        since,
        group: "generic",
        key: Some(KeySpec { index: 1, writes: false }),
        arguments: KEY,
        ..CommandSpec::new(name, 2)
    }
}

const NOT_WITH_NX: Fault<'static> =
    Fault::Text("ERR NX and XX, GT or LT options at the same time are not compatible");
const NOT_BOTH: Fault<'static> = Fault::Text("ERR GT and LT options at the same time are not compatible");
const MS_A_SECOND: i64 = 1_000;

fn expire<'a>(
    call: &Call<'a, '_>,
    name: &'static str,
    unit: Unit,
    clock: Clock,
) -> Result<Step<'a>, Fault<'a>> {
    let when = conditions(call)?;
    let time = integer(call.arg(2)).ok_or(Fault::NotInteger)?;
    let ms = match unit {
        Unit::Seconds => time.checked_mul(MS_A_SECOND),
        Unit::Ms => Some(time),
    };
    let now_ms = i64::try_from(call.server.wall_us() / 1_000).unwrap_or(i64::MAX);
    let base = if clock == Clock::Relative { now_ms } else { 0 };
    ms.and_then(|ms| ms.checked_add(base)).ok_or(Fault::ExpireTime(name))?;
    Ok(Step::key(KeyOp::Expire(Expire { key: call.text(1), time, unit, clock, when })))
}

fn conditions<'a>(call: &Call<'a, '_>) -> Result<ExpireWhen, Fault<'a>> {
    let mut when = ExpireWhen::default();
    for word in call.args.from(3).iter() {
        let known = [
            (b"NX", &mut when.none),
            (b"XX", &mut when.some),
            (b"GT", &mut when.later),
            (b"LT", &mut when.earlier),
        ];
        let named = known.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(*name));
        *named.ok_or(Fault::ExpireOption(word))?.1 = true;
    }
    if when.none && (when.some || when.later || when.earlier) {
        return Err(NOT_WITH_NX);
    }
    if when.later && when.earlier { Err(NOT_BOTH) } else { Ok(when) }
}
