//! `COMMAND`, `COMMAND COUNT|INFO|LIST|DOCS|GETKEYS`: the table, told to clients.

use super::docs;
use super::execute::{Call, Step};
use super::fault::Fault;
use super::glob::Pattern;
use super::spec::{Argument, CommandSpec, KeySpec, MoreKeys};
use super::{COMMANDS, find};
use crate::resp::args::Args;
use crate::resp::encode::Writer;

pub(super) static SPEC: CommandSpec = CommandSpec {
    summary: "Returns detailed information about all commands.",
    since: "2.8.13",
    subcommands: &[&COUNT, &INFO, &LIST, &DOCS, &GETKEYS],
    run: Some(all),
    ..command("command", -1)
};

static COUNT: CommandSpec = CommandSpec {
    summary: "Returns a count of commands.",
    complexity: "O(1)",
    since: "2.8.13",
    run: Some(count),
    ..command("command|count", 2)
};

static INFO: CommandSpec = CommandSpec {
    summary: "Returns information about one, multiple or all commands.",
    since: "2.8.13",
    arguments: &[Argument::string("command-name").optional().multiple()],
    run: Some(info),
    ..command("command|info", -2)
};

static LIST: CommandSpec = CommandSpec {
    summary: "Returns a list of command names.",
    since: "7.0.0",
    arguments: &[Argument::one_of(
        "filterby",
        &[
            Argument::string("module-name").after("MODULE"),
            Argument::string("category").after("ACLCAT"),
            Argument::string("pattern").after("PATTERN"),
        ],
    )
    .after("FILTERBY")
    .optional()],
    run: Some(list),
    ..command("command|list", -2)
};

static DOCS: CommandSpec = CommandSpec {
    summary: "Returns documentary information about one, multiple or all commands.",
    since: "7.0.0",
    arguments: &[Argument::string("command-name").optional().multiple()],
    run: Some(docs::run),
    ..command("command|docs", -2)
};

static GETKEYS: CommandSpec = CommandSpec {
    summary: "Extracts the names of zones and streams from an arbitrary command.",
    since: "2.8.13",
    arguments: &[Argument::string("command"), Argument::string("arg").optional().multiple()],
    run: Some(getkeys),
    ..command("command|getkeys", -3)
};

const fn command(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["loading", "stale"],
        categories: &["slow", "connection"],
        group: "server",
        complexity: "O(N) where N is the number of commands",
        ..CommandSpec::new(name, arity)
    }
}

/// The command of a name as clients write it: `client`, or `client|list`.
pub(super) fn lookup(name: &[u8]) -> Option<&'static CommandSpec> {
    match name.iter().position(|byte| *byte == b'|') {
        Some(bar) => find(&name[..bar])?.subcommand(&name[bar + 1..]),
        None => find(name),
    }
}

fn all<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let mut reply = call.reply();
    reply.array(COMMANDS.len());
    for spec in COMMANDS {
        describe(&mut reply, spec);
    }
    Ok(Step::Replied)
}

fn count<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.reply().count(COMMANDS.len() as u64);
    Ok(Step::Replied)
}

fn info<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let names = call.args.from(2);
    if names.is_empty() {
        return all(call);
    }
    let mut reply = call.reply();
    reply.array(names.len());
    for name in names.iter() {
        match lookup(name) {
            Some(spec) => describe(&mut reply, spec),
            None => reply.null(),
        }
    }
    Ok(Step::Replied)
}

/// The ten fields that Redis has for a command.
fn describe(reply: &mut Writer<'_>, spec: &CommandSpec) {
    let (first, last, step) = places(spec);
    reply.array(10);
    reply.bulk(spec.name.as_bytes());
    reply.integer(i64::from(spec.arity));
    statuses(reply, "", spec.flags);
    reply.integer(first);
    reply.integer(last);
    reply.integer(step);
    statuses(reply, "@", spec.categories);
    reply.set(0);
    reply.set(usize::from(spec.key.is_some()));
    if let Some(key) = spec.key {
        key_spec(reply, key, spec.more_keys);
    }
    reply.array(spec.subcommands.len());
    for sub in spec.subcommands {
        describe(reply, sub);
    }
}

/// The first key, the last one and the step between two, where they stand at fixed places; -1 is the last argument.
fn places(spec: &CommandSpec) -> (i64, i64, i64) {
    let first = spec.key.map_or(0, |key| key.index as i64);
    match spec.more_keys {
        MoreKeys::None => (first, first, i64::from(first > 0)),
        MoreKeys::Rest => (first, -1, 1),
        MoreKeys::Streams => (0, 0, 0),
    }
}

fn statuses(reply: &mut Writer<'_>, prefix: &str, words: &[&str]) {
    reply.set(words.len());
    for word in words {
        reply.simple(&format!("{prefix}{word}"));
    }
}

fn key_spec(reply: &mut Writer<'_>, key: KeySpec, more: MoreKeys) {
    reply.map(3);
    reply.bulk(b"flags");
    statuses(reply, "", if key.writes { &["RW", "access", "update"] } else { &["RO", "access"] });
    reply.bulk(b"begin_search");
    if more == MoreKeys::Streams {
        let found =
            [(&b"keyword"[..], Figure::Word("STREAMS")), (b"startfrom", Figure::Number(key.index as i64))];
        search(reply, b"keyword", &found);
    } else {
        search(reply, b"index", &[(b"index", Figure::Number(key.index as i64))]);
    }
    let (last, limit) = match more {
        MoreKeys::None => (0, 0),
        MoreKeys::Rest => (-1, 0),
        // Half of what follows the word are keys.
        MoreKeys::Streams => (-1, 2),
    };
    let figures = [
        (&b"lastkey"[..], Figure::Number(last)),
        (b"keystep", Figure::Number(1)),
        (b"limit", Figure::Number(limit)),
    ];
    reply.bulk(b"find_keys");
    search(reply, b"range", &figures);
}

/// A value in the description of where keys are.
enum Figure {
    Number(i64),
    Word(&'static str),
}

fn search(reply: &mut Writer<'_>, kind: &[u8], figures: &[(&[u8], Figure)]) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind);
    reply.bulk(b"spec");
    reply.map(figures.len());
    for (name, figure) in figures {
        reply.bulk(name);
        match figure {
            Figure::Number(number) => reply.integer(*number),
            Figure::Word(word) => reply.bulk(word.as_bytes()),
        }
    }
}

fn list<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let filter = match (call.args.len(), call.args.get(2)) {
        (2, _) => None,
        (5, Some(word)) if word.eq_ignore_ascii_case(b"FILTERBY") => Some((call.arg(3), call.arg(4))),
        _ => return Err(Fault::Syntax),
    };
    let chosen: Vec<&str> = match filter {
        None => top_level().map(|spec| spec.name).collect(),
        Some((by, _)) if by.eq_ignore_ascii_case(b"MODULE") => Vec::new(),
        Some((by, category)) if by.eq_ignore_ascii_case(b"ACLCAT") => {
            let has = |spec: &&CommandSpec| {
                spec.categories.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(category))
            };
            everything().filter(has).map(|spec| spec.name).collect()
        }
        Some((by, pattern)) if by.eq_ignore_ascii_case(b"PATTERN") => {
            let pattern = Pattern::ignoring_case(pattern)?;
            everything().map(|spec| spec.name).filter(|name| pattern.matches(name.as_bytes())).collect()
        }
        Some(_) => return Err(Fault::Syntax),
    };
    let mut reply = call.reply();
    reply.array(chosen.len());
    for name in chosen {
        reply.bulk(name.as_bytes());
    }
    Ok(Step::Replied)
}

fn top_level() -> impl Iterator<Item = &'static CommandSpec> {
    COMMANDS.iter().copied()
}

fn everything() -> impl Iterator<Item = &'static CommandSpec> {
    top_level().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands.iter().copied()))
}

fn getkeys<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let words = call.args.from(2);
    let name = words.get(0).unwrap_or_default();
    let spec = find(name).ok_or(Fault::InvalidCommand)?;
    let spec = match words.get(1) {
        Some(word) if !spec.subcommands.is_empty() => spec.subcommand(word).ok_or(Fault::InvalidCommand)?,
        _ => spec,
    };
    let key = spec.key.ok_or(Fault::NoKeys)?;
    let keys =
        keys_of(spec, key, words).filter(|_| spec.takes(words.len())).ok_or(Fault::InvalidArguments)?;
    let mut reply = call.reply();
    reply.array(keys.len());
    keys.iter().for_each(|key| reply.bulk(key));
    Ok(Step::Replied)
}

/// The keys of a request; `None` where they are not where they should be.
fn keys_of<'a>(spec: &CommandSpec, key: KeySpec, words: Args<'a>) -> Option<Vec<&'a [u8]>> {
    let keys: Vec<_> = match spec.more_keys {
        MoreKeys::None => words.get(key.index).into_iter().collect(),
        MoreKeys::Rest => words.from(key.index).iter().collect(),
        MoreKeys::Streams => {
            let is_streams =
                |at: &usize| words.get(*at).is_some_and(|word| word.eq_ignore_ascii_case(b"STREAMS"));
            let streams = words.from((key.index..words.len()).find(is_streams)? + 1);
            streams.iter().take(streams.len() / 2).collect()
        }
    };
    Some(keys).filter(|keys| !keys.is_empty())
}
