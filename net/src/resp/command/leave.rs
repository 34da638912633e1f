//! `Q.LEAVE zone token`

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec, KeySpec};
use crate::request::Request;

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &["write", "fast"],
    categories: &["write", "fast"],
    summary: "Gives a place up.",
    group: "zone",
    complexity: "O(log(N)) with N being the number of waiters",
    key: Some(KeySpec { index: 1, writes: true }),
    arguments: &[Argument::key("zone"), Argument::string("token")],
    run: Some(run),
    ..CommandSpec::new("q.leave", 3)
};

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::ask(Request::Leave { zone: call.arg(1), token: call.arg(2) }))
}
