//! `Q.POLL zone token`: the command that everybody sends all the time.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec, KeySpec};
use crate::request::Request;

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &["write", "fast"],
    categories: &["write", "fast"],
    summary: "Tells where a token stands, and lets it in when its turn has come.",
    group: "zone",
    complexity: "O(log(N)) with N being the number of waiters",
    key: Some(KeySpec { index: 1, writes: true }),
    arguments: &[Argument::key("zone"), Argument::string("token")],
    run: Some(run),
    ..CommandSpec::new("q.poll", 3)
};

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::ask(Request::Poll { zone: call.arg(1), token: call.arg(2) }))
}
