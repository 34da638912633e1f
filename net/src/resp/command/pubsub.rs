//! `PUBSUB CHANNELS [pattern]`, `PUBSUB NUMSUB [channel …]`, `PUBSUB NUMPAT`: what connections of this node listen to.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::glob::matches_exactly;
use super::spec::{Argument, CommandSpec, Replies};
use crate::resp::encode::Writer;

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

/// Bytes of a list; channels beyond it are left out, so that a reply stays bounded.
const LIST_BYTES_MAX: usize = 16 << 20;

fn channels<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    if call.args.len() > 3 {
        return Err(Fault::PubsubArity(call.arg(1)));
    }
    let pattern = call.args.get(2);
    let (mut names, mut count, proto) = (Vec::new(), 0, call.session.proto());
    call.server.visit_channels(&mut |name| {
        let chosen = pattern.is_none_or(|pattern| matches_exactly(pattern, name));
        if chosen && names.len() < LIST_BYTES_MAX {
            Writer::new(&mut names, proto).bulk(name);
            count += 1;
        }
    });
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
