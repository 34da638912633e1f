//! Small talk: `PING ECHO SELECT QUIT RESET READONLY READWRITE`.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::number::integer;
use super::spec::{Access, Argument, CommandSpec};
use crate::pubsub::Wish;

pub(super) static PING: CommandSpec = CommandSpec {
    flags: &["fast"],
    categories: &["fast", "connection"],
    summary: "Returns the server's liveliness response.",
    since: "1.0.0",
    arguments: &[Argument::string("message").optional()],
    for_listeners: true,
    run: Some(ping),
    ..CommandSpec::new("ping", -1)
};

pub(super) static ECHO: CommandSpec = CommandSpec {
    flags: &["loading", "stale", "fast"],
    categories: &["fast", "connection"],
    summary: "Returns the given string.",
    since: "1.0.0",
    arguments: &[Argument::string("message")],
    run: Some(echo),
    ..CommandSpec::new("echo", 2)
};

pub(super) static SELECT: CommandSpec = CommandSpec {
    flags: &["loading", "stale", "fast"],
    categories: &["fast", "connection"],
    summary: "Changes the selected database; there is only 0.",
    since: "1.0.0",
    arguments: &[Argument::integer("index")],
    run: Some(select),
    ..CommandSpec::new("select", 2)
};

pub(super) static QUIT: CommandSpec = CommandSpec {
    flags: &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    categories: &["fast", "connection"],
    access: Access::Anyone,
    summary: "Closes the connection.",
    since: "1.0.0",
    at_once: true,
    for_listeners: true,
    run: Some(quit),
    ..CommandSpec::new("quit", -1)
};

pub(super) static RESET: CommandSpec = CommandSpec {
    flags: &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    categories: &["fast", "connection"],
    access: Access::Anyone,
    summary: "Resets the connection.",
    since: "6.2.0",
    at_once: true,
    for_listeners: true,
    run: Some(reset),
    ..CommandSpec::new("reset", 1)
};

/// Any node answers reads, so a client that only reads needs nothing changed.
pub(super) static READONLY: CommandSpec = CommandSpec {
    flags: &["loading", "stale", "fast"],
    categories: &["fast", "connection"],
    summary: "Announces that the connection only reads.",
    since: "3.0.0",
    group: "cluster",
    run: Some(acknowledge),
    ..CommandSpec::new("readonly", 1)
};

pub(super) static READWRITE: CommandSpec = CommandSpec {
    flags: &["loading", "stale", "fast"],
    categories: &["fast", "connection"],
    summary: "Announces that the connection reads and writes.",
    since: "3.0.0",
    group: "cluster",
    run: Some(acknowledge),
    ..CommandSpec::new("readwrite", 1)
};

fn ping<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let listens = call.session.is_listener();
    match call.args.len() {
        1 | 2 if listens => {
            let message = call.arg(1);
            let mut reply = call.reply();
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(message);
        }
        1 => call.reply().simple("PONG"),
        2 => {
            let message = call.arg(1);
            call.reply().bulk(message);
        }
        _ => return Err(Fault::WrongArity("ping")),
    }
    Ok(Step::Replied)
}

fn echo<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let message = call.arg(1);
    call.reply().bulk(message);
    Ok(Step::Replied)
}

fn select<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    match integer(call.arg(1)).and_then(|index| i32::try_from(index).ok()) {
        Some(0) => call.ok(),
        Some(_) => Err(Fault::DatabaseOutOfRange),
        None => Err(Fault::NotInteger),
    }
}

fn quit<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.reply().ok();
    Ok(Step::Close)
}

fn reset<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let role = call.server.default_role();
    call.session.reset(role);
    call.reply().simple("RESET");
    Ok(Step::Channels(Wish::Forget))
}

fn acknowledge<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.ok()
}
