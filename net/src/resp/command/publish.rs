//! `PUBLISH channel message`. The reply is the number of receivers at this node; other nodes get the message too.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec};
use crate::limit;
use crate::pubsub::Wish;

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &["pubsub", "loading", "stale", "fast"],
    categories: &["pubsub", "fast"],
    summary: "Posts a message to a channel.",
    since: "2.0.0",
    group: "pubsub",
    complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of \
                 subscribed patterns (by any client).",
    arguments: &[Argument::string("channel"), Argument::string("message")],
    run: Some(run),
    ..CommandSpec::new("publish", 3)
};

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let (channel, payload) = (call.arg(1), call.arg(2));
    if channel.len() > limit::CHANNEL_BYTES_MAX {
        return Err(Fault::Length("channel"));
    }
    Ok(Step::Channels(Wish::Publish { channel, payload }))
}
