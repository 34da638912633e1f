//! `PUBSUB CHANNELS [pattern]`, `PUBSUB NUMSUB [channel …]`, `PUBSUB NUMPAT`: what connections of this node listen to.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::glob::{Pattern, Steps};
use super::spec::{Argument, CommandSpec, Replies};
use crate::resp::encode::Writer;
use crate::resp::limit::PATTERN_STEPS_MAX;

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &[],
    categories: &["slow"],
    summary: "A container for Pub/Sub commands.",
    since: "2.8.0",
    group: "pubsub",
    complexity: "Depends on subcommand.",
    subcommands: &[&CHANNELS, &NUMPAT, &NUMSUB],
    ..CommandSpec::new("pubsub", -2)
};

static CHANNELS: CommandSpec = CommandSpec {
    replies: Replies::Channels,
    summary: "Returns the active channels.",
    complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short \
                 channels and patterns)",
    arguments: &[Argument::string("pattern").optional()],
    run: Some(channels),
    ..pubsub("pubsub|channels", -2)
};

static NUMPAT: CommandSpec = CommandSpec {
    summary: "Returns a count of unique pattern subscriptions.",
    complexity: "O(1)",
    run: Some(numpat),
    ..pubsub("pubsub|numpat", 2)
};

static NUMSUB: CommandSpec = CommandSpec {
    summary: "Returns a count of subscribers to channels.",
    complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    arguments: &[Argument::string("channel").optional().multiple()],
    run: Some(numsub),
    ..pubsub("pubsub|numsub", -2)
};

const fn pubsub(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["pubsub", "loading", "stale"],
        categories: &["pubsub", "slow"],
        since: "2.8.0",
        group: "pubsub",
        ..CommandSpec::new(name, arity)
    }
}

/// Bytes of a list.
const LIST_BYTES_MAX: usize = 4 << 20;
/// What it costs to look at a name, beside the comparison.
const STEPS_A_NAME: u64 = 64;
const TOO_MANY: Fault<'static> =
    Fault::Text("ERR there are too many channels to list, name a pattern that begins as they do");

fn channels<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    if call.args.len() > 3 {
        return Err(Fault::PubsubArity(call.arg(1)));
    }
    let pattern = call.args.get(2).map(Pattern::new).transpose()?;
    let (mut names, mut count, proto) = (Vec::new(), 0, call.session.proto());
    let mut steps = Steps::new(PATTERN_STEPS_MAX);
    let mut is_whole = true;
    call.server.visit_channels(&mut |name| {
        let chosen = pattern.as_ref().map_or(Some(true), |pattern| pattern.matches_within(name, &mut steps));
        if chosen == Some(true) {
            Writer::new(&mut names, proto).bulk(name);
            count += 1;
        }
        is_whole = chosen.is_some() && steps.take(STEPS_A_NAME) && names.len() <= LIST_BYTES_MAX;
        is_whole
    });
    if !is_whole {
        return Err(TOO_MANY);
    }
    call.reply().array(count);
    call.out.extend_from_slice(&names);
    Ok(Step::Replied)
}

fn numpat<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let patterns = call.server.patterns();
    call.reply().count(patterns);
    Ok(Step::Replied)
}

fn numsub<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let (names, server) = (call.args.from(2), call.server);
    let mut reply = call.reply();
    reply.array(names.len() * 2);
    for name in names.iter() {
        reply.bulk(name);
        reply.count(server.subscribers(name));
    }
    Ok(Step::Replied)
}
