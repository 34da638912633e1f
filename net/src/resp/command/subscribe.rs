//! `SUBSCRIBE`, `UNSUBSCRIBE`, `PSUBSCRIBE`, `PUNSUBSCRIBE`: a confirmation for each name, not one reply.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec};
use crate::limit;
use crate::pubsub::{Kind, Wish};

pub(super) static SUBSCRIBE: CommandSpec = CommandSpec {
    summary: "Listens for messages published to channels.",
    complexity: "O(N) where N is the number of channels to subscribe to.",
    arguments: &[Argument::string("channel").multiple()],
    run: Some(subscribe),
    ..pubsub("subscribe", -2)
};

pub(super) static UNSUBSCRIBE: CommandSpec = CommandSpec {
    summary: "Stops listening to messages posted to channels.",
    complexity: "O(N) where N is the number of channels to unsubscribe.",
    arguments: &[Argument::string("channel").optional().multiple()],
    run: Some(unsubscribe),
    ..pubsub("unsubscribe", -1)
};

pub(super) static PSUBSCRIBE: CommandSpec = CommandSpec {
    summary: "Listens for messages published to channels that match one or more patterns.",
    complexity: "O(N) where N is the number of patterns to subscribe to.",
    arguments: &[Argument::string("pattern").multiple()],
    run: Some(psubscribe),
    ..pubsub("psubscribe", -2)
};

pub(super) static PUNSUBSCRIBE: CommandSpec = CommandSpec {
    summary: "Stops listening to messages published to channels that match one or more patterns.",
    complexity: "O(N) where N is the number of patterns to unsubscribe.",
    arguments: &[Argument::string("pattern").optional().multiple()],
    run: Some(punsubscribe),
    ..pubsub("punsubscribe", -1)
};

const fn pubsub(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["pubsub", "noscript", "loading", "stale"],
        categories: &["pubsub", "slow"],
        for_listeners: true,
        since: "2.0.0",
        group: "pubsub",
        ..CommandSpec::new(name, arity)
    }
}

fn subscribe<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    listen(call, Kind::Channel, "channel")
}

fn psubscribe<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    listen(call, Kind::Pattern, "pattern")
}

fn listen<'a>(call: &Call<'a, '_>, kind: Kind, what: &'static str) -> Result<Step<'a>, Fault<'a>> {
    let names = call.args.from(1);
    if names.iter().any(|name| name.len() > limit::CHANNEL_BYTES_MAX) {
        return Err(if kind == Kind::Pattern { Fault::PatternLength } else { Fault::Length(what) });
    }
    Ok(Step::Channels(Wish::Subscribe(kind, names)))
}

fn unsubscribe<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::Channels(Wish::Unsubscribe(Kind::Channel, call.args.from(1))))
}

fn punsubscribe<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::Channels(Wish::Unsubscribe(Kind::Pattern, call.args.from(1))))
}
