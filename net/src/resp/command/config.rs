//! `CONFIG GET|SET|RESETSTAT|REWRITE`: what is configured can be read; it is changed in the file.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::glob::Pattern;
use super::spec::{Access, Argument, CommandSpec};
use crate::resp::encode::Writer;
use crate::resp::limit;
use crate::resp::server::{Role, ServerInfo};

pub(super) static SPEC: CommandSpec = CommandSpec {
    summary: "A container for server configuration commands.",
    since: "2.0.0",
    group: "server",
    complexity: "Depends on subcommand.",
    subcommands: &[&GET, &SET, &RESETSTAT, &REWRITE],
    ..CommandSpec::new("config", -2)
};

static GET: CommandSpec = CommandSpec {
    access: Access::From(Role::Operator),
    summary: "Returns the effective values of configuration parameters.",
    complexity: "O(N) when N is the number of configuration parameters provided",
    arguments: &[Argument::string("parameter").multiple()],
    run: Some(get),
    ..config("config|get", -3)
};

static SET: CommandSpec = CommandSpec {
    summary: "Refused: parameters are set in the configuration file.",
    arguments: &[
        Argument::block("data", &[Argument::string("parameter"), Argument::string("value")]).multiple()
    ],
    run: Some(set),
    ..config("config|set", -4)
};

static RESETSTAT: CommandSpec = CommandSpec {
    summary: "Resets the server's statistics.",
    run: Some(resetstat),
    ..config("config|resetstat", 2)
};

static REWRITE: CommandSpec = CommandSpec {
    summary: "Refused: the configuration file is written by its owner.",
    since: "2.8.0",
    run: Some(rewrite),
    ..config("config|rewrite", 2)
};

const fn config(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["admin", "noscript", "loading", "stale"],
        categories: &["admin", "slow", "dangerous"],
        access: Access::From(Role::Admin),
        since: "2.0.0",
        group: "server",
        ..CommandSpec::new(name, arity)
    }
}

/// What load generators and clients ask before they trust a server, and what is true of it here: nothing is saved by Redis's means.
const FIXED: &[(&str, &str)] =
    &[("save", ""), ("appendonly", "no"), ("databases", "1"), ("maxmemory-policy", "noeviction")];

/// Calls `visit` with every parameter and its value.
fn visit(server: &dyn ServerInfo, visit: &mut dyn FnMut(&str, &str)) {
    for (name, value) in FIXED {
        visit(name, value);
    }
    visit("proto-max-bulk-len", itoa::Buffer::new().format(limit::BULK_BYTES_MAX));
    server.visit_config(visit);
}

fn get<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let patterns: Result<Vec<Pattern>, _> = call.args.from(2).iter().map(Pattern::ignoring_case).collect();
    let patterns = patterns?;
    let (mut pairs, mut found) = (Vec::new(), 0);
    let mut reply = Writer::new(&mut pairs, call.session.proto());
    visit(call.server, &mut |name, value| {
        if patterns.iter().any(|pattern| pattern.matches(name.as_bytes())) {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
            found += 1;
        }
    });
    call.reply().map(found);
    call.out.extend_from_slice(&pairs);
    Ok(Step::Replied)
}

fn set<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    if !call.args.len().is_multiple_of(2) {
        return Err(Fault::WrongArity("config|set"));
    }
    let name = call.arg(2);
    let mut known = false;
    visit(call.server, &mut |parameter, _| known |= parameter.as_bytes().eq_ignore_ascii_case(name));
    Err(if known { Fault::ConfigFixed(name) } else { Fault::ConfigUnknown(name) })
}

fn resetstat<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.server.reset_counters();
    call.ok()
}

fn rewrite<'a>(_: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Err(Fault::ConfigNoFile)
}
