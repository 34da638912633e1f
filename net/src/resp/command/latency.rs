//! `LATENCY …`: nothing is sampled under Redis's event names, so every list is empty.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Access, Argument, CommandSpec};
use crate::resp::server::Role;

pub(super) static SPEC: CommandSpec = CommandSpec {
    summary: "A container for latency diagnostics commands.",
    since: "2.8.13",
    group: "server",
    complexity: "Depends on subcommand.",
    subcommands: &[&LATEST, &HISTORY, &RESET, &HISTOGRAM, &DOCTOR],
    ..CommandSpec::new("latency", -2)
};

static LATEST: CommandSpec = CommandSpec {
    summary: "Returns the latest latency samples for all events.",
    run: Some(no_list),
    ..latency("latency|latest", 2)
};
static HISTORY: CommandSpec = CommandSpec {
    summary: "Returns timestamp-latency samples for an event.",
    arguments: &[Argument::string("event")],
    run: Some(no_list),
    ..latency("latency|history", 3)
};
static RESET: CommandSpec = CommandSpec {
    access: Access::From(Role::Admin),
    summary: "Resets the latency data for one or more events.",
    arguments: &[Argument::string("event").optional().multiple()],
    run: Some(reset),
    ..latency("latency|reset", -2)
};
static HISTOGRAM: CommandSpec = CommandSpec {
    summary: "Returns the latency distribution of commands.",
    since: "7.0.0",
    arguments: &[Argument::string("command").optional().multiple()],
    run: Some(no_map),
    ..latency("latency|histogram", -2)
};
static DOCTOR: CommandSpec = CommandSpec {
    summary: "Returns a human-readable latency analysis report.",
    run: Some(doctor),
    ..latency("latency|doctor", 2)
};

const fn latency(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["admin", "noscript", "loading", "stale"],
        categories: &["admin", "slow", "dangerous"],
        access: Access::From(Role::Operator),
        since: "2.8.13",
        group: "server",
        ..CommandSpec::new(name, arity)
    }
}

fn no_list<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.reply().array(0);
    Ok(Step::Replied)
}

fn no_map<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.reply().map(0);
    Ok(Step::Replied)
}

fn reset<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.reply().integer(0);
    Ok(Step::Replied)
}

fn doctor<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let text = b"Latency events are not sampled here. See SLOWLOG GET, and the metrics of this server.\n";
    call.reply().verbatim(*b"txt", text);
    Ok(Step::Replied)
}
