//! `Q.STATS zone`

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec, KeySpec};
use crate::request::Request;

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &["readonly", "fast"],
    categories: &["read", "fast"],
    summary: "Returns the statistics of a zone.",
    group: "zone",
    key: Some(KeySpec { index: 1, writes: false }),
    arguments: &[Argument::key("zone")],
    run: Some(run),
    ..CommandSpec::new("q.stats", 2)
};

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::ask(Request::Stats { zone: call.arg(1) }))
}
