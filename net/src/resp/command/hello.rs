//! `HELLO [protover [AUTH user password] [SETNAME name]]` and `AUTH [user] password`.

use super::client::identity;
use super::execute::{Call, Step};
use super::fault::Fault;
use super::number::integer;
use super::spec::{Access, Argument, CommandSpec};
use crate::resp::encode::Proto;
use crate::resp::server::{REDIS_VERSION, Role};

pub(super) static HELLO: CommandSpec = CommandSpec {
    flags: &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    categories: &["fast", "connection"],
    access: Access::Anyone,
    summary: "Handshakes with the server.",
    since: "6.0.0",
    arguments: &[Argument::block("arguments", HELLO_ARGUMENTS).optional()],
    run: Some(hello),
    ..CommandSpec::new("hello", -1)
};

const HELLO_ARGUMENTS: &[Argument] = &[
    Argument::integer("protover"),
    Argument::block("auth", &[Argument::string("username"), Argument::string("password")])
        .after("AUTH")
        .optional(),
    Argument::string("clientname").after("SETNAME").optional(),
];

pub(super) static AUTH: CommandSpec = CommandSpec {
    flags: &["noscript", "loading", "stale", "fast", "no_auth", "allow_busy"],
    categories: &["fast", "connection"],
    access: Access::Anyone,
    summary: "Authenticates the connection.",
    since: "1.0.0",
    arguments: &[Argument::string("username").optional(), Argument::string("password")],
    run: Some(auth),
    ..CommandSpec::new("auth", -2)
};

/// What `HELLO` may carry.
#[derive(Default)]
struct Options<'a> {
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

fn hello<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let proto = match call.args.get(1).map(integer) {
        None => call.session.proto(),
        Some(Some(2)) => Proto::Resp2,
        Some(Some(3)) => Proto::Resp3,
        Some(Some(_)) => return Err(Fault::NoProto),
        Some(None) => return Err(Fault::ProtoNotInteger),
    };
    let options = hello_options(call)?;
    // Everything is checked before anything is changed.
    let login = match options.credentials {
        Some((user, password)) => Some((user, role_of(call, user, password)?)),
        None if call.session.role().is_none() => return Err(Fault::HelloNotLoggedIn),
        None => None,
    };
    if let Some((user, role)) = login {
        call.session.log_in(user, role);
    }
    if let Some(name) = options.name {
        call.session.set_name(name);
    }
    call.session.set_proto(proto);
    greet(call);
    Ok(Step::Replied)
}

fn hello_options<'a>(call: &Call<'a, '_>) -> Result<Options<'a>, Fault<'a>> {
    let mut options = Options::default();
    let mut index = 2;
    while let Some(word) = call.args.get(index) {
        match (call.args.get(index + 1), call.args.get(index + 2)) {
            (Some(user), Some(password)) if word.eq_ignore_ascii_case(b"AUTH") => {
                options.credentials = Some((user, password));
                index += 3;
            }
            (Some(name), _) if word.eq_ignore_ascii_case(b"SETNAME") => {
                options.name = Some(identity::checked_name(name)?);
                index += 2;
            }
            _ => return Err(Fault::HelloOption(word)),
        }
    }
    Ok(options)
}

/// Clients look at `server` to tell what they may expect, and what they may expect is Redis.
fn greet(call: &mut Call<'_, '_>) {
    let (id, proto) = (call.session.id(), call.session.proto());
    let mut reply = call.reply();
    reply.map(7);
    for (key, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"proto");
    reply.integer(proto.number());
    reply.bulk(b"id");
    reply.count(id);
    for (key, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(key.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
}

fn auth<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let (user, password) = match call.args.len() {
        2 if call.server.default_role().is_some() => return Err(Fault::NoPasswordSet),
        2 => (&b"default"[..], call.arg(1)),
        3 => (call.arg(1), call.arg(2)),
        _ => return Err(Fault::Syntax),
    };
    let role = role_of(call, user, password)?;
    call.session.log_in(user, role);
    call.ok()
}

/// On a server that asks nobody for a password, `default` has any, as with Redis.
fn role_of<'a>(call: &Call<'a, '_>, user: &[u8], password: &[u8]) -> Result<Role, Fault<'a>> {
    match call.server.default_role() {
        Some(role) if user == b"default" => Ok(role),
        _ => call.server.authenticate(user, password).ok_or(Fault::WrongPassword),
    }
}
