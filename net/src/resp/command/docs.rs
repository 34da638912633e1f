//! `COMMAND DOCS [command …]`: what `redis-cli` makes its hints from.

use super::COMMANDS;
use super::execute::{Call, Step};
use super::fault::Fault;
use super::introspect::lookup;
use super::spec::{Argument, ArgumentKind, CommandSpec};
use crate::resp::encode::Writer;

pub(super) fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let names = call.args.from(2);
    let chosen: Vec<&CommandSpec> =
        if names.is_empty() { COMMANDS.to_vec() } else { names.iter().filter_map(lookup).collect() };
    let mut reply = call.reply();
    described(&mut reply, &chosen);
    Ok(Step::Replied)
}

fn described(reply: &mut Writer<'_>, specs: &[&CommandSpec]) {
    reply.map(specs.len());
    for spec in specs {
        reply.bulk(spec.name.as_bytes());
        describe(reply, spec);
    }
}

fn describe(reply: &mut Writer<'_>, spec: &CommandSpec) {
    let texts = [
        ("summary", spec.summary),
        ("since", spec.since),
        ("group", spec.group),
        ("complexity", spec.complexity),
    ];
    let (arguments, subcommands) = (!spec.arguments.is_empty(), !spec.subcommands.is_empty());
    reply.map(texts.len() + usize::from(arguments) + usize::from(subcommands));
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    if arguments {
        reply.bulk(b"arguments");
        list(reply, spec.arguments);
    }
    if subcommands {
        reply.bulk(b"subcommands");
        described(reply, spec.subcommands);
    }
}

fn list(reply: &mut Writer<'_>, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        describe_argument(reply, argument);
    }
}

fn describe_argument(reply: &mut Writer<'_>, argument: &Argument) {
    let flags: Vec<&str> = [
        ("optional", argument.optional),
        ("multiple", argument.multiple),
        ("multiple_token", argument.multiple_token),
    ]
    .into_iter()
    .filter_map(|(name, set)| set.then_some(name))
    .collect();
    let is_key = argument.kind == ArgumentKind::Key;
    let has_parts = !argument.arguments.is_empty();
    let shown = !has_parts && argument.kind != ArgumentKind::PureToken;
    let optional_fields = [is_key, argument.token.is_some(), shown, !flags.is_empty(), has_parts];
    reply.map(2 + optional_fields.iter().filter(|field| **field).count());
    field(reply, "name", argument.name);
    field(reply, "type", argument.kind.word());
    if shown {
        field(reply, "display_text", argument.name);
    }
    if is_key {
        reply.bulk(b"key_spec_index");
        reply.integer(0);
    }
    if let Some(token) = argument.token {
        field(reply, "token", token);
    }
    if !flags.is_empty() {
        reply.bulk(b"flags");
        reply.set(flags.len());
        for flag in flags {
            reply.simple(flag);
        }
    }
    if has_parts {
        reply.bulk(b"arguments");
        list(reply, argument.arguments);
    }
}

fn field(reply: &mut Writer<'_>, name: &str, text: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(text.as_bytes());
}
