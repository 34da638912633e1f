//! `TIME`

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::CommandSpec;

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &["loading", "stale", "fast"],
    categories: &["fast"],
    summary: "Returns the server's wall time.",
    since: "2.6.0",
    group: "server",
    run: Some(run),
    ..CommandSpec::new("time", 1)
};

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let wall_us = call.server.wall_us();
    let mut reply = call.reply();
    reply.array(2);
    for part in [wall_us / 1_000_000, wall_us % 1_000_000] {
        reply.bulk(itoa::Buffer::new().format(part).as_bytes());
    }
    Ok(Step::Replied)
}
