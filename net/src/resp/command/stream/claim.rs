//! `XCLAIM key group consumer min-idle id … [IDLE ms] [TIME ms] [RETRYCOUNT n] [FORCE] [JUSTID] [LASTID id]`,
//! `XAUTOCLAIM key group consumer min-idle start [COUNT n] [JUSTID]`

use super::id;
use crate::resp::args::Args;
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec};
use sluice_engine::stream::op::{AutoClaim, Claim, Delivered, KeyOp};

const KEY: Argument = Argument::key("key");
const GROUP: Argument = Argument::string("group");
const CONSUMER: Argument = Argument::string("consumer");
const MIN_IDLE: Argument = Argument::string("min-idle-time");
const JUSTID: Argument = Argument::word("justid", "JUSTID").optional();

pub(crate) static XCLAIM: CommandSpec = CommandSpec {
    summary: "Gives pending entries to another consumer of the group.",
    since: "5.0.0",
    complexity: "O(log(N)) for each id, with N being the number of pending entries",
    arguments: &[
        KEY,
        GROUP,
        CONSUMER,
        MIN_IDLE,
        Argument::string("id").multiple(),
        Argument::integer("ms").after("IDLE").optional(),
        Argument::unix_time("unix-time-milliseconds").after("TIME").optional(),
        Argument::integer("count").after("RETRYCOUNT").optional(),
        Argument::word("force", "FORCE").optional(),
        JUSTID,
        Argument::string("id").after("LASTID").optional(),
    ],
    run: Some(claim),
    ..claiming("xclaim")
};

pub(crate) static XAUTOCLAIM: CommandSpec = CommandSpec {
    summary: "Gives the pending entries that were left alone for long to another consumer of the group.",
    since: "6.2.0",
    arguments: &[
        KEY,
        GROUP,
        CONSUMER,
        MIN_IDLE,
        Argument::string("start"),
        Argument::integer("count").after("COUNT").optional(),
        JUSTID,
    ],
    run: Some(auto_claim),
    ..claiming("xautoclaim")
};

const fn claiming(name: &'static str) -> CommandSpec {
    CommandSpec {
        flags: &["write", "fast"],
        categories: &["write", "stream", "fast"],
        group: "stream",
        key: Some(KeySpec { index: 1, writes: true }),
        ..CommandSpec::new(name, -6)
    }
}

const MIN_IDLE_CLAIM: Fault<'static> = Fault::Text("ERR Invalid min-idle-time argument for XCLAIM");
const MIN_IDLE_AUTO: Fault<'static> = Fault::Text("ERR Invalid min-idle-time argument for XAUTOCLAIM");
const IDLE: Fault<'static> = Fault::Text("ERR Invalid IDLE option argument for XCLAIM");
const TIME: Fault<'static> = Fault::Text("ERR Invalid TIME option argument for XCLAIM");
const RETRIES: Fault<'static> = Fault::Text("ERR Invalid RETRYCOUNT option argument for XCLAIM");
const COUNT: Fault<'static> = Fault::Text("ERR COUNT must be > 0");
/// What `XAUTOCLAIM` takes on where nobody says how much.
const AUTO_COUNT_DEFAULT: u64 = 100;
/// What a count may be at most, as in Redis.
const AUTO_COUNT_MAX: u64 = i64::MAX as u64 / 16;

fn claim<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    // Ids end where something is none; what follows are options.
    let ids: Vec<_> = call.args.from(5).iter().map_while(|bytes| id::id(bytes).ok()).collect();
    let options_at = 5 + ids.len();
    let mut claim = Claim {
        key: call.text(1),
        group: call.text(2),
        consumer: call.text(3),
        idle_ms: 0,
        ids,
        delivered: Delivered::Now,
        retries: None,
        force: false,
        just_id: false,
        last_id: None,
    };
    let fault = fill(&mut claim, call.arg(4), call.args.from(options_at)).err();
    let op = KeyOp::Claim(claim);
    Ok(match fault {
        None => Step::key(op),
        Some(fault) => Step::faulty(op, &fault),
    })
}

fn fill<'a>(claim: &mut Claim, idle_ms: &'a [u8], options: Args<'a>) -> Result<(), Fault<'a>> {
    claim.idle_ms = u64::try_from(integer(idle_ms).ok_or(MIN_IDLE_CLAIM)?).unwrap_or(0);
    let mut rest = options.iter();
    while let Some(word) = rest.next() {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"FORCE") {
            claim.force = true;
        } else if is(b"JUSTID") {
            claim.just_id = true;
        } else {
            let value = rest.next().ok_or(Fault::ClaimOption(word))?;
            valued(claim, word, value)?;
        }
    }
    Ok(())
}

/// Moments that cannot be count as now.
fn valued<'a>(claim: &mut Claim, word: &'a [u8], value: &'a [u8]) -> Result<(), Fault<'a>> {
    let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
    if is(b"IDLE") {
        let ms = integer(value).ok_or(IDLE)?;
        claim.delivered = u64::try_from(ms).map_or(Delivered::Now, Delivered::Ago);
    } else if is(b"TIME") {
        let ms = integer(value).ok_or(TIME)?;
        claim.delivered = u64::try_from(ms).map_or(Delivered::Now, Delivered::At);
    } else if is(b"RETRYCOUNT") {
        claim.retries = u64::try_from(integer(value).ok_or(RETRIES)?).ok();
    } else if is(b"LASTID") {
        claim.last_id = Some(id::id(value)?);
    } else {
        return Err(Fault::ClaimOption(word));
    }
    Ok(())
}

fn auto_claim<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let idle_ms = integer(call.arg(4)).ok_or(MIN_IDLE_AUTO)?;
    let start = id::start(call.arg(5))?;
    let (mut count, mut just_id, mut at) = (AUTO_COUNT_DEFAULT, false, 6);
    while let Some(word) = call.args.get(at) {
        match call.args.get(at + 1) {
            Some(value) if word.eq_ignore_ascii_case(b"COUNT") => {
                let value = integer(value).and_then(|value| u64::try_from(value).ok());
                count = value.filter(|value| (1..=AUTO_COUNT_MAX).contains(value)).ok_or(COUNT)?;
                at += 2;
            }
            _ if word.eq_ignore_ascii_case(b"JUSTID") => (just_id, at) = (true, at + 1),
            _ => return Err(Fault::Syntax),
        }
    }
    Ok(Step::key(KeyOp::AutoClaim(AutoClaim {
        key: call.text(1),
        group: call.text(2),
        consumer: call.text(3),
        idle_ms: u64::try_from(idle_ms).unwrap_or(0),
        start,
        count,
        just_id,
    })))
}
