//! `Q.ZONE SET|GET|LIST|DEL`: what operators do with zones. `SET` has a file of its own.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Access, Argument, CommandSpec, KeySpec, Replies};
use super::zone_set;
use crate::request::Request;
use crate::resp::server::Role;

pub(super) static SPEC: CommandSpec = CommandSpec {
    summary: "A container for zone commands.",
    group: "zone",
    complexity: "Depends on subcommand.",
    subcommands: &[&zone_set::SPEC, &GET, &LIST, &DEL],
    ..CommandSpec::new("q.zone", -2)
};

static GET: CommandSpec = CommandSpec {
    flags: &["readonly", "fast"],
    categories: &["read", "fast"],
    summary: "Returns the settings of a zone.",
    group: "zone",
    key: Some(KeySpec { index: 2, writes: false }),
    arguments: &[Argument::key("zone")],
    run: Some(get),
    ..CommandSpec::new("q.zone|get", 3)
};

static LIST: CommandSpec = CommandSpec {
    replies: Replies::Zones,
    flags: &["readonly"],
    categories: &["read", "slow"],
    summary: "Returns the names of all zones, sorted.",
    group: "zone",
    complexity: "O(N*log(N)) with N being the number of zones",
    run: Some(list),
    ..CommandSpec::new("q.zone|list", 2)
};

static DEL: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "slow", "dangerous"],
    access: Access::From(Role::Operator),
    summary: "Removes a zone and everybody in it.",
    group: "zone",
    complexity: "O(N) with N being the number of waiters",
    key: Some(KeySpec { index: 2, writes: true }),
    arguments: &[Argument::key("zone")],
    run: Some(del),
    ..CommandSpec::new("q.zone|del", 3)
};

fn get<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::ask(Request::ZoneGet { zone: call.arg(2) }))
}

fn list<'a>(_: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::ask(Request::ZoneList))
}

fn del<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::ask(Request::ZoneDel { zone: call.arg(2) }))
}
