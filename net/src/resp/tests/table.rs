//! Every entry of the table.

use super::fixture::Fixture;
use crate::resp::command::COMMANDS;
use crate::resp::command::spec::{Access, Argument, ArgumentKind, CommandSpec};
use crate::resp::reply::{Reply, Value, decode};
use crate::resp::server::Role;
use std::collections::HashSet;

fn everything() -> impl Iterator<Item = &'static CommandSpec> {
    COMMANDS.iter().flat_map(|spec| std::iter::once(*spec).chain(spec.subcommands.iter().copied()))
}

/// A request of that many words that begins with the command's name.
fn request(spec: &CommandSpec, words: usize) -> Vec<u8> {
    let mut names: Vec<&str> = spec.name.split('|').collect();
    names.resize(words.max(names.len()), "1");
    let mut request = format!("*{}\r\n", names.len());
    for name in names {
        request.push_str(&format!("${}\r\n{name}\r\n", name.len()));
    }
    request.into_bytes()
}

#[test]
fn the_arity_of_every_command_is_kept() {
    for spec in everything().filter(|spec| spec.run.is_some()) {
        let least = spec.arity.unsigned_abs() as usize;
        let refusal = format!("-ERR wrong number of arguments for '{}' command\r\n", spec.name);
        let own_words = spec.name.split('|').count();
        assert!(least >= own_words, "{}", spec.name);
        if least > own_words {
            assert_eq!(Fixture::open().says(&request(spec, least - 1)), refusal);
        }
        // Redis answers that one in its own way: see `transactions.rs`.
        if spec.arity > 0 && spec.name != "exec" {
            let beyond = request(spec, least + 1);
            assert_eq!(Fixture::open().says(&beyond), refusal);
        }
        let said = Fixture::open().says(&request(spec, least));
        assert_ne!(said, refusal, "{} words are enough for {}", least, spec.name);
        assert!(!said.is_empty(), "{} says nothing", spec.name);
    }
}

#[test]
fn containers_run_nothing_themselves_and_answer_help() {
    for spec in COMMANDS.iter().filter(|spec| !spec.subcommands.is_empty()) {
        let help = Fixture::open().says(format!("{} HELP\r\n", spec.name).as_bytes());
        let title = format!("+{} <subcommand>", spec.name.to_uppercase());
        assert!(help.contains(&title), "{help}");
        if spec.run.is_none() {
            let refusal = format!("-ERR wrong number of arguments for '{}' command\r\n", spec.name);
            assert_eq!(Fixture::open().says(&request(spec, 1)), refusal);
        }
        for sub in spec.subcommands {
            assert_eq!(
                sub.name,
                format!("{}|{}", spec.name, sub.word()),
                "a subcommand carries its container's name"
            );
            assert!(sub.subcommands.is_empty(), "{}: there are two levels only", sub.name);
        }
    }
}

#[test]
fn every_command_describes_itself() {
    let mut names = HashSet::new();
    for spec in everything() {
        assert!(names.insert(spec.name), "{} is in the table twice", spec.name);
        assert_eq!(spec.name, spec.name.to_lowercase());
        assert!(spec.summary.ends_with('.') && spec.summary.len() > 10, "{}: {:?}", spec.name, spec.summary);
        assert!(
            !spec.since.is_empty() && !spec.group.is_empty() && !spec.complexity.is_empty(),
            "{}",
            spec.name
        );
        assert!(spec.run.is_some() || !spec.subcommands.is_empty(), "{} does nothing", spec.name);
        assert!(
            spec.flags.iter().chain(spec.categories).all(|word| !word.contains(['@', ' '])),
            "{}",
            spec.name
        );
        let names_key = any_is_key(spec.arguments);
        assert_eq!(names_key, spec.key.is_some(), "{}", spec.name);
        check_arguments(spec, spec.arguments);
    }
}

fn any_is_key(arguments: &[Argument]) -> bool {
    arguments.iter().any(|argument| argument.kind == ArgumentKind::Key || any_is_key(argument.arguments))
}

fn check_arguments(spec: &CommandSpec, arguments: &[Argument]) {
    for argument in arguments {
        let has_parts = matches!(argument.kind, ArgumentKind::OneOf | ArgumentKind::Block);
        assert_eq!(has_parts, !argument.arguments.is_empty(), "{}: {}", spec.name, argument.name);
        if argument.kind == ArgumentKind::PureToken {
            assert!(argument.token.is_some(), "{}: {}", spec.name, argument.name);
        }
        check_arguments(spec, argument.arguments);
    }
}

#[test]
fn before_login_only_those_are_run_that_say_so() {
    for spec in everything().filter(|spec| spec.run.is_some()) {
        let least = spec.arity.unsigned_abs() as usize;
        let said = Fixture::guarded().says(&request(spec, least));
        let refused = said == "-NOAUTH Authentication required.\r\n";
        assert_eq!(refused, spec.access != Access::Anyone, "{}: {said}", spec.name);
    }
    let free: Vec<&str> =
        everything().filter(|spec| spec.access == Access::Anyone).map(|spec| spec.name).collect();
    assert_eq!(free, ["hello", "auth", "quit", "reset"]);
    let only_admin = everything().filter(|spec| spec.access == Access::From(Role::Admin));
    let only_admin: Vec<&str> = only_admin.map(|spec| spec.name).collect();
    let expected = [
        "client|kill",
        "config|set",
        "config|resetstat",
        "config|rewrite",
        "slowlog|reset",
        "latency|reset",
        "flushall",
        "flushdb",
        "raft",
        "raft|status",
        "raft|add-learner",
        "raft|promote",
        "raft|remove",
        "raft|transfer",
        "raft|snapshot",
        "raft|hash",
    ];
    assert_eq!(only_admin, expected);
}

/// The reply of a new connection, as a tree.
fn with_reply(line: &str, look: impl FnOnce(&Value<'_>)) {
    let said = Fixture::open().says(format!("{line}\r\n").as_bytes());
    match decode(said.as_bytes()) {
        Ok(Reply::Value { value, consumed }) => {
            assert_eq!(consumed, said.len(), "{line}: heads announce as much as follows");
            look(&value);
        }
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_table_is_told_whole() {
    with_reply("command", |value| {
        let Value::Array(entries) = value else { panic!("{value:?}") };
        assert_eq!(entries.len(), COMMANDS.len());
        for (entry, spec) in entries.iter().zip(COMMANDS) {
            let Value::Array(fields) = entry else { panic!("{entry:?}") };
            assert_eq!(fields.len(), 10);
            assert_eq!(fields[0].bytes(), Some(spec.name.as_bytes()));
            assert_eq!(fields[1].integer(), Some(i64::from(spec.arity)));
        }
    });
    with_reply("command count", |value| assert_eq!(value.integer(), Some(COMMANDS.len() as i64)));
    with_reply("command list", |value| {
        let Value::Array(names) = value else { panic!("{value:?}") };
        assert_eq!(names.len(), COMMANDS.len());
    });
    with_reply("command docs", |value| {
        for spec in COMMANDS {
            let summary = value.field(spec.name.as_bytes()).and_then(|docs| docs.field(b"summary"));
            assert_eq!(summary.and_then(Value::bytes), Some(spec.summary.as_bytes()), "{}", spec.name);
        }
    });
}

#[test]
fn a_command_is_documented_with_its_arguments() {
    with_reply("command docs Q.JOIN", |value| {
        let docs = value.field(b"q.join").expect("the command is there");
        let Some(Value::Array(arguments)) = docs.field(b"arguments") else { panic!("{docs:?}") };
        let tokens: Vec<_> = arguments.iter().filter_map(|argument| argument.field(b"token")).collect();
        let tokens: Vec<_> = tokens.iter().filter_map(|token| token.bytes()).collect();
        assert_eq!(tokens, [&b"USER"[..], b"IP", b"AGENT", b"REQUEST"]);
        assert_eq!(arguments[0].field(b"type").and_then(Value::bytes), Some(&b"key"[..]));
        assert_eq!(arguments[0].field(b"key_spec_index").and_then(Value::integer), Some(0));
    });
    with_reply("command docs nosuch", |value| assert_eq!(*value, Value::Array(Vec::new())));
    with_reply("command docs client|kill", |value| {
        assert!(value.field(b"client|kill").is_some());
    });
}

#[test]
fn information_about_unknown_commands_is_null() {
    with_reply("command info q.poll nosuch client|nosuch client|list", |value| {
        let Value::Array(entries) = value else { panic!("{value:?}") };
        assert!(matches!(entries[..], [Value::Array(_), Value::Null, Value::Null, Value::Array(_)]));
    });
}

#[test]
fn keys_are_zones_and_streams() {
    let cases = [
        ("q.poll shop t", "*1\r\n$4\r\nshop\r\n"),
        ("q.zone set shop limit 1", "*1\r\n$4\r\nshop\r\n"),
        ("ping x", "-ERR The command has no key arguments\r\n"),
        ("nosuch x", "-ERR Invalid command specified\r\n"),
        ("q.zone nosuch", "-ERR Invalid command specified\r\n"),
        ("xadd s * a b", "*1\r\n$1\r\ns\r\n"),
        ("del a b a", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\na\r\n"),
        ("xread count 1 streams a b 0 0", "*2\r\n$1\r\na\r\n$1\r\nb\r\n"),
        ("xreadgroup group streams c streams a 0", "*1\r\n$1\r\na\r\n"),
        ("xread foo a b 0 0", "-ERR Invalid number of arguments specified for command\r\n"),
        ("q.poll shop", "-ERR Invalid number of arguments specified for command\r\n"),
    ];
    for (words, expected) in cases {
        assert_eq!(
            Fixture::open().says(format!("command getkeys {words}\r\n").as_bytes()),
            expected,
            "{words}"
        );
    }
}

#[test]
fn lists_are_filtered() {
    let server = Fixture::open();
    assert_eq!(
        server.says(b"command list filterby pattern q.zone|*t\r\n"),
        "*3\r\n$10\r\nq.zone|set\r\n$10\r\nq.zone|get\r\n$11\r\nq.zone|list\r\n"
    );
    assert_eq!(server.says(b"command list filterby aclcat nosuch\r\n"), "*0\r\n");
    assert_eq!(server.says(b"command list filterby module x\r\n"), "*0\r\n");
    assert_eq!(server.says(b"command list filterby foo x\r\n"), "-ERR syntax error\r\n");
    assert_eq!(server.says(b"command list filterby pattern\r\n"), "-ERR syntax error\r\n");
}
