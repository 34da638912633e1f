//! `XREAD [COUNT count] [BLOCK ms] STREAMS key … id …`,
//! `XREADGROUP GROUP group consumer [COUNT count] [BLOCK ms] [NOACK] STREAMS key … id …`

use super::id;
use crate::resp::args::Args;
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::key_call::KeyCall;
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec, MoreKeys};
use sluice_engine::stream::op::{After, KeyOp, Read, ReadGroup};
use sluice_engine::stream::text::Text;

pub(crate) static XREAD: CommandSpec = CommandSpec {
    flags: &["readonly", "blocking", "movablekeys"],
    categories: &["read", "stream", "slow", "blocking"],
    summary: "Returns the entries of several streams behind the ids given, and may wait for some to come.",
    key: Some(KeySpec { index: 1, writes: false }),
    arguments: &[COUNT, BLOCK, STREAMS],
    run: Some(read),
    ..reading("xread", -4)
};

pub(crate) static XREADGROUP: CommandSpec = CommandSpec {
    flags: &["write", "blocking", "movablekeys"],
    categories: &["write", "stream", "slow", "blocking"],
    summary: "Returns entries to a consumer of a group, and may wait for some to come.",
    key: Some(KeySpec { index: 4, writes: true }),
    arguments: &[
        Argument::block("group_consumer", &[Argument::string("group"), Argument::string("consumer")])
            .after("GROUP"),
        COUNT,
        BLOCK,
        Argument::word("noack", "NOACK").optional(),
        STREAMS,
    ],
    run: Some(read_group),
    ..reading("xreadgroup", -7)
};

const COUNT: Argument = Argument::integer("count").after("COUNT").optional();
const BLOCK: Argument = Argument::integer("milliseconds").after("BLOCK").optional();
const STREAMS: Argument =
    Argument::block("streams", &[Argument::key("key").multiple(), Argument::string("id").multiple()])
        .after("STREAMS");

const fn reading(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        since: "5.0.0",
        group: "stream",
        complexity: "O(N) for each stream, with N being the number of its entries returned",
        more_keys: MoreKeys::Streams,
        ..CommandSpec::new(name, arity)
    }
}

const UNBALANCED: Fault<'static> = Fault::Text(
    "ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.",
);
const UNBALANCED_GROUP: Fault<'static> = Fault::Text(
    "ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.",
);
const GROUP_OF_XREAD: Fault<'static> =
    Fault::Text("ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.");
const NOACK_OF_XREAD: Fault<'static> =
    Fault::Text("ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.");
const NO_GROUP: Fault<'static> = Fault::Text("ERR Missing GROUP option for XREADGROUP");
const NEW_OF_XREAD: Fault<'static> = Fault::Text(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);
const LAST_OF_GROUP: Fault<'static> = Fault::Text(
    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
     specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
);
const NO_TIMEOUT: Fault<'static> = Fault::Text("ERR timeout is not an integer or out of range");
const TIMEOUT_NEGATIVE: Fault<'static> = Fault::Text("ERR timeout is negative");

/// What stands in front of the streams.
#[derive(Default)]
struct Options<'a> {
    count: u64,
    wait_ms: Option<u64>,
    group: Option<(&'a [u8], &'a [u8])>,
    no_ack: bool,
    /// Keys, then as many ids.
    streams: Option<Args<'a>>,
}

fn read<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let options = options(call.args, false)?;
    let after = |bytes: &'a [u8]| match bytes {
        b"$" => Ok(After::Last),
        b"+" => Ok(After::LastEntry),
        b">" => Err(NEW_OF_XREAD),
        _ => id::id(bytes).map(After::Id),
    };
    let streams = pairs(&options).map(|(key, bytes)| Ok((Text::from(key), after(bytes)?)));
    let streams = streams.collect::<Result<_, Fault<'a>>>()?;
    let (count, wait_ms) = (options.count, options.wait_ms);
    let op = KeyOp::Read(Read { streams, count, waits: wait_ms.is_some() });
    Ok(Step::Key(KeyCall { wait_ms, ..KeyCall::new(op) }))
}

fn read_group<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let options = options(call.args, true)?;
    let (group, consumer) = options.group.ok_or(NO_GROUP)?;
    let (count, wait_ms) = (options.count, options.wait_ms);
    let mut read = ReadGroup {
        group: group.into(),
        consumer: consumer.into(),
        streams: Vec::new(),
        count,
        no_ack: options.no_ack,
        waits: wait_ms.is_some(),
    };
    for (key, bytes) in pairs(&options) {
        let after = match bytes {
            b"$" => Err(LAST_OF_GROUP),
            b">" => Ok(None),
            _ => id::id(bytes).map(Some),
        };
        read.streams.push((key.into(), *after.as_ref().unwrap_or(&None)));
        if let Err(fault) = after {
            // Groups are looked for one by one, each before the id of its stream is read.
            return Ok(Step::faulty(KeyOp::ReadGroup(read), &fault));
        }
    }
    Ok(Step::Key(KeyCall { wait_ms, ..KeyCall::new(KeyOp::ReadGroup(read)) }))
}

fn options<'a>(args: Args<'a>, of_group: bool) -> Result<Options<'a>, Fault<'a>> {
    let (mut options, mut at) = (Options::default(), 1);
    while let Some(word) = args.get(at) {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        match (args.get(at + 1), args.get(at + 2)) {
            (Some(ms), _) if is(b"BLOCK") => {
                options.wait_ms = Some(timeout(ms)?);
                at += 1;
            }
            (Some(count), _) if is(b"COUNT") => {
                options.count = u64::try_from(integer(count).ok_or(Fault::NotInteger)?).unwrap_or(0);
                at += 1;
            }
            (Some(_), _) if is(b"STREAMS") => {
                options.streams = Some(args.from(at + 1));
                break;
            }
            (Some(group), Some(consumer)) if is(b"GROUP") => {
                if !of_group {
                    return Err(GROUP_OF_XREAD);
                }
                options.group = Some((group, consumer));
                at += 2;
            }
            _ if is(b"NOACK") && !of_group => return Err(NOACK_OF_XREAD),
            _ if is(b"NOACK") => options.no_ack = true,
            _ => return Err(Fault::Syntax),
        }
        at += 1;
    }
    match options.streams {
        None => Err(Fault::Syntax),
        Some(streams) if !streams.len().is_multiple_of(2) => {
            Err(if of_group { UNBALANCED_GROUP } else { UNBALANCED })
        }
        Some(_) => Ok(options),
    }
}

/// Redis takes any number from 0 on.
fn timeout(bytes: &[u8]) -> Result<u64, Fault<'static>> {
    let ms = integer(bytes).ok_or(NO_TIMEOUT)?;
    u64::try_from(ms).map_err(|_| TIMEOUT_NEGATIVE)
}

/// Keys and their ids.
fn pairs<'a>(options: &Options<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    let streams = options.streams.into_iter();
    streams.flat_map(|streams| {
        let half = streams.len() / 2;
        streams.iter().take(half).zip(streams.from(half).iter())
    })
}
