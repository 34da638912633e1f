//! `Q.KEY LIST | INSTALL | ACTIVATE id | REVOKE id` and `Q.PASS REVOKE jti`: the keys that sign passes, and passes that are good no
//! longer.
//!
//! Every group signs, so every group is told. A rotation is `INSTALL` and then `ACTIVATE`: no group signs with a key before all
//! publish it. A revoked pass is an entry of a stream, which gateways follow.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::key_call::{KeyCall, Shape};
use super::spec::{Access, Argument, CommandSpec};
use crate::resp::encode::Writer;
use crate::resp::server::{PassKeyRow, Role};
use sluice_engine::pass::{PassKeyId, PassKeyOp};
use sluice_engine::stream::op::KeyOp;
use sluice_engine::stream::text::Text;

const NO_KEY: &str = "ERR no key can be drawn: the system has no randomness now";
const BAD_ID: &str = "ERR not the id of a pass key: 16 hexadecimal digits, as Q.KEY LIST shows them";
const BAD_JTI: &str = "ERR not the jti of a pass: 22 characters of A-Z a-z 0-9 - _";
/// Characters of a pass's id.
const JTI_BYTES: usize = 22;

pub(super) static SPEC: CommandSpec = CommandSpec {
    summary: "A container for commands about the keys that sign passes.",
    group: "zone",
    complexity: "Depends on subcommand.",
    subcommands: &[&LIST, &INSTALL, &ACTIVATE, &REVOKE],
    ..CommandSpec::new("q.key", -2)
};

pub(super) static PASS_SPEC: CommandSpec = CommandSpec {
    summary: "A container for commands about passes.",
    group: "zone",
    complexity: "Depends on subcommand.",
    subcommands: &[&REVOKE_PASS],
    ..CommandSpec::new("q.pass", -2)
};

static LIST: CommandSpec = CommandSpec {
    flags: &["readonly"],
    categories: &["read", "slow"],
    summary: "Returns the keys that sign passes or did, the oldest first.",
    group: "zone",
    complexity: "O(N) with N being the number of keys",
    run: Some(list),
    ..CommandSpec::new("q.key|list", 2)
};

static INSTALL: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "slow", "dangerous"],
    access: Access::From(Role::Operator),
    summary: "Draws a key, publishes it, and returns its id.",
    group: "zone",
    run: Some(install),
    ..CommandSpec::new("q.key|install", 2)
};

static ACTIVATE: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "slow", "dangerous"],
    access: Access::From(Role::Operator),
    summary: "Has an installed key sign from now on.",
    group: "zone",
    arguments: &[Argument::string("id")],
    run: Some(activate),
    ..CommandSpec::new("q.key|activate", 3)
};

static REVOKE: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "slow", "dangerous"],
    access: Access::From(Role::Operator),
    summary: "Forgets a key that does not sign: its passes are good no longer.",
    group: "zone",
    arguments: &[Argument::string("id")],
    run: Some(revoke),
    ..CommandSpec::new("q.key|revoke", 3)
};

static REVOKE_PASS: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "slow", "dangerous"],
    access: Access::From(Role::Operator),
    summary: "Tells those who follow sluice:revoked-passes that a pass is good no longer.",
    group: "zone",
    arguments: &[Argument::string("jti")],
    run: Some(revoke_pass),
    ..CommandSpec::new("q.pass|revoke", 3)
};

fn list<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let keys = call.server.pass_keys();
    let mut reply = call.reply();
    reply.array(keys.len());
    for key in &keys {
        describe(key, &mut reply);
    }
    Ok(Step::Replied)
}

fn describe(key: &PassKeyRow, reply: &mut Writer<'_>) {
    reply.map(4);
    for (name, value) in [("id", &key.id[..]), ("state", key.state), ("public", &key.public)] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"since");
    match key.since_ms {
        Some(since) => reply.count(since),
        None => reply.null(),
    }
}

fn install<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let Some((id, seed)) = call.server.draw_pass_key() else { return Err(Fault::Text(NO_KEY)) };
    let op = KeyOp::PassKey(PassKeyOp::Install(id, seed));
    Ok(Step::Key(KeyCall { shape: Shape::PassKey(id), ..KeyCall::new(op) }))
}

fn activate<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::PassKey(PassKeyOp::Activate(id(call.arg(2))?))))
}

fn revoke<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::PassKey(PassKeyOp::Revoke(id(call.arg(2))?))))
}

fn id(word: &[u8]) -> Result<PassKeyId, Fault<'_>> {
    PassKeyId::parse(word).ok_or(Fault::Text(BAD_ID))
}

fn revoke_pass<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let jti = call.arg(2);
    let is_id =
        jti.len() == JTI_BYTES && jti.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
    if !is_id {
        return Err(Fault::Text(BAD_JTI));
    }
    Ok(Step::key(KeyOp::RevokePass(Text::from(jti))))
}
