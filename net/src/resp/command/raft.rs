//! `RAFT …`: the cluster, for whoever operates it.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::number::whole;
use super::spec::{Access, Argument, CommandSpec};
use crate::cluster::{Group, Member, Operation, Status};
use crate::request::Request;
use crate::resp::encode::Writer;
use crate::resp::server::Role;
use sluice_engine::id::GroupId;

pub(super) static SPEC: CommandSpec = CommandSpec {
    summary: "A container for commands on the cluster of this node.",
    group: "cluster",
    complexity: "Depends on subcommand.",
    access: Access::From(Role::Admin),
    subcommands: &[&STATUS, &ADD_LEARNER, &PROMOTE, &REMOVE, &TRANSFER, &SNAPSHOT, &HASH],
    ..CommandSpec::new("raft", -2)
};

static STATUS: CommandSpec = CommandSpec {
    summary: "Returns nodes, groups, their leaders and how far each has come.",
    run: Some(status),
    ..operators("raft|status", 2)
};
static ADD_LEARNER: CommandSpec = CommandSpec {
    summary: "Adds a waiting node without a vote; 0 or * takes the next free id.",
    arguments: &[Argument::string("id"), Argument::string("addr")],
    run: Some(add_learner),
    ..operators("raft|add-learner", 4)
};
static PROMOTE: CommandSpec = CommandSpec {
    summary: "Gives a learner a vote.",
    arguments: &[Argument::integer("id")],
    run: Some(promote),
    ..operators("raft|promote", 3)
};
static REMOVE: CommandSpec = CommandSpec {
    summary: "Takes a node out of the cluster.",
    arguments: &[Argument::integer("id")],
    run: Some(remove),
    ..operators("raft|remove", 3)
};
static TRANSFER: CommandSpec = CommandSpec {
    summary: "Hands the leadership of a group over; * means every group.",
    arguments: &[Argument::string("group"), Argument::integer("id")],
    run: Some(transfer),
    ..operators("raft|transfer", 4)
};
static SNAPSHOT: CommandSpec = CommandSpec {
    summary: "Writes a snapshot of a group on this node, or of all.",
    arguments: &[Argument::string("group").optional()],
    run: Some(snapshot),
    ..operators("raft|snapshot", -2)
};

static HASH: CommandSpec = CommandSpec {
    summary: "Returns the index and a hash of a group's state at this node; takes as long as a snapshot.",
    arguments: &[Argument::integer("group")],
    run: Some(hash),
    ..operators("raft|hash", 3)
};

const fn operators(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["admin", "noscript", "stale"],
        categories: &["admin", "slow", "dangerous"],
        access: Access::From(Role::Admin),
        group: "cluster",
        ..CommandSpec::new(name, arity)
    }
}

/// Words that leave the choice to the cluster, or mean all.
const ANY: &[u8] = b"*";

fn node(word: &[u8]) -> Result<u64, Fault<'static>> {
    whole(word).filter(|node| *node > 0).ok_or(Fault::NotInteger)
}

fn group(word: &[u8]) -> Result<Option<u16>, Fault<'static>> {
    if word == ANY {
        return Ok(None);
    }
    let number = whole(word).and_then(|number| u16::try_from(number).ok());
    number.map(Some).ok_or(Fault::NotInteger)
}

fn administer<'a>(operation: Operation) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::ask(Request::Administer(Box::new(operation))))
}

fn add_learner<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let (id, peer) = (call.arg(2), call.arg(3));
    let node = if id == ANY || id == b"0" { None } else { Some(node(id)?) };
    let peer = std::str::from_utf8(peer).map_err(|_| Fault::NotText("addr"))?;
    if peer.is_empty() || peer.len() > ADDRESS_BYTES_MAX {
        return Err(Fault::Length("addr"));
    }
    administer(Operation::AddLearner { node, peer: peer.to_owned() })
}

/// Bytes of `host:port`: a DNS name of the longest kind, and its port.
const ADDRESS_BYTES_MAX: usize = 260;

fn promote<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    administer(Operation::Promote { node: node(call.arg(2))? })
}

fn remove<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    administer(Operation::Remove { node: node(call.arg(2))? })
}

fn transfer<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    administer(Operation::Transfer { group: group(call.arg(2))?, node: node(call.arg(3))? })
}

fn hash<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let group = whole(call.arg(2)).and_then(|number| u16::try_from(number).ok()).ok_or(Fault::NotInteger)?;
    let groups = call.server.facts().groups;
    if u64::from(group) >= groups {
        return Err(Fault::NotInteger);
    }
    Ok(Step::ask(Request::Hash(GroupId(group))))
}

fn snapshot<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let group = match call.args.get(2) {
        Some(_) if call.args.len() > 3 => return Err(Fault::WrongArity(SNAPSHOT.name)),
        Some(word) => group(word)?,
        None => None,
    };
    administer(Operation::Snapshot { group })
}

fn status<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let status = call.server.cluster().status();
    let mut reply = call.reply();
    reply.map(6);
    reply.bulk(b"cluster");
    reply.bulk(status.cluster.as_bytes());
    figure(&mut reply, "format", u64::from(status.format));
    figure(&mut reply, "node", status.node);
    reply.bulk(b"nodes");
    reply.array(status.nodes.len());
    for member in &status.nodes {
        describe_node(&mut reply, member, &status);
    }
    reply.bulk(b"groups");
    reply.array(status.groups.len());
    for group in &status.groups {
        describe_group(&mut reply, group);
    }
    reply.bulk(b"operation");
    match &status.operation {
        Some(operation) => reply.bulk(operation.as_bytes()),
        None => reply.null(),
    }
    Ok(Step::Replied)
}

fn describe_node(reply: &mut Writer<'_>, member: &Member, status: &Status) {
    let led = status.groups.iter().filter(|group| group.leader == Some(member.id)).count();
    reply.map(11);
    figure(reply, "id", member.id);
    text(reply, "role", member.part.word());
    optional(reply, "reachable", member.reachable.map(u64::from));
    optional(reply, "heard_ms", member.heard_ms);
    figure(reply, "leads", led as u64);
    text(reply, "resp", &member.addresses.resp);
    text(reply, "http", &member.addresses.http);
    text(reply, "admin", &member.addresses.admin);
    text(reply, "peer", &member.addresses.peer);
    figure(reply, "disk_full", u64::from(member.disk_full));
    figure(reply, "behind", u64::from(member.behind));
}

fn describe_group(reply: &mut Writer<'_>, group: &Group) {
    reply.map(10);
    figure(reply, "id", u64::from(group.id));
    optional(reply, "leader", group.leader);
    figure(reply, "term", group.term);
    figure(reply, "last_log", group.last_log);
    figure(reply, "committed", group.committed);
    figure(reply, "applied", group.applied);
    optional(reply, "snapshot", group.snapshot);
    figure(reply, "log_bytes", group.log_bytes);
    reply.bulk(b"progress");
    reply.map(group.progress.len());
    for progress in &group.progress {
        optional(reply, &progress.node.to_string(), progress.matched);
    }
    reply.bulk(b"joint");
    reply.array(group.joint.len());
    for side in &group.joint {
        reply.array(side.len());
        side.iter().for_each(|node| reply.count(*node));
    }
}

fn figure(reply: &mut Writer<'_>, name: &str, value: u64) {
    reply.bulk(name.as_bytes());
    reply.count(value);
}

fn optional(reply: &mut Writer<'_>, name: &str, value: Option<u64>) {
    reply.bulk(name.as_bytes());
    match value {
        Some(value) => reply.count(value),
        None => reply.null(),
    }
}

fn text(reply: &mut Writer<'_>, name: &str, value: &str) {
    reply.bulk(name.as_bytes());
    reply.bulk(value.as_bytes());
}
