//! `CLUSTER …`: the cluster in Redis's shapes. A node that leads a group is the master of its slots there.
//!
//! Every node answers and accepts everything, so nothing here asks a client to go elsewhere, and `INFO` says
//! `redis_mode:standalone`: a client becomes a cluster client only where its user makes it one.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec};
use crate::cluster::{Group, Member, Part, Status};
use crate::resp::encode::Writer;
use sluice_engine::slot::{SLOTS as SLOT_COUNT, slot_of};
use std::fmt::Write as _;

pub(super) static SPEC: CommandSpec = CommandSpec {
    summary: "A container for cluster commands.",
    since: "3.0.0",
    group: "cluster",
    complexity: "Depends on subcommand.",
    subcommands: &[&INFO, &MYID, &NODES, &SHARDS, &SLOTS, &KEYSLOT],
    ..CommandSpec::new("cluster", -2)
};

static INFO: CommandSpec = CommandSpec {
    summary: "Returns information about the state of a node.",
    since: "3.0.0",
    run: Some(info),
    ..view("cluster|info", 2)
};
static MYID: CommandSpec = CommandSpec {
    summary: "Returns the id of a node.",
    since: "3.0.0",
    run: Some(my_id),
    ..view("cluster|myid", 2)
};
static NODES: CommandSpec = CommandSpec {
    summary: "Returns the cluster configuration for a node.",
    since: "3.0.0",
    run: Some(nodes),
    ..view("cluster|nodes", 2)
};
static SHARDS: CommandSpec = CommandSpec {
    summary: "Returns the mapping of cluster slots to shards.",
    since: "7.0.0",
    run: Some(shards),
    ..view("cluster|shards", 2)
};
static SLOTS: CommandSpec = CommandSpec {
    summary: "Returns the mapping of cluster slots to nodes.",
    since: "3.0.0",
    run: Some(slots),
    ..view("cluster|slots", 2)
};
static KEYSLOT: CommandSpec = CommandSpec {
    summary: "Returns the hash slot for a key.",
    since: "3.0.0",
    arguments: &[Argument::string("key")],
    run: Some(key_slot),
    ..view("cluster|keyslot", 3)
};

const fn view(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["loading", "stale"],
        categories: &["slow"],
        group: "cluster",
        complexity: "O(N) where N is the number of nodes and groups",
        ..CommandSpec::new(name, arity)
    }
}

fn key_slot<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let slot = slot_of(call.arg(2));
    call.reply().integer(i64::from(slot));
    Ok(Step::Replied)
}

fn my_id<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let status = call.server.cluster().status();
    call.reply().bulk(status.redis_id(status.node).as_bytes());
    Ok(Step::Replied)
}

fn info<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let status = call.server.cluster().status();
    let led = |group: &&Group| group.leader.is_some();
    let served: u64 = status.groups.iter().filter(led).map(|group| status.slots(group).count()).sum();
    let state = if call.server.cluster().can_write() { "ok" } else { "fail" };
    let masters = members(&status).filter(|member| epoch(member, &status) > 0).count();
    let newest = status.groups.iter().map(|group| group.term).max().unwrap_or(0);
    let mine = status.member(status.node).map_or(0, |member| epoch(member, &status));
    let text = format!(
        "cluster_state:{state}\r\ncluster_slots_assigned:{SLOT_COUNT}\r\ncluster_slots_ok:{served}\r\n\
         cluster_slots_pfail:0\r\ncluster_slots_fail:{}\r\ncluster_known_nodes:{}\r\ncluster_size:{masters}\r\n\
         cluster_current_epoch:{newest}\r\ncluster_my_epoch:{mine}\r\n",
        u64::from(SLOT_COUNT).saturating_sub(served),
        members(&status).count(),
    );
    call.reply().verbatim(*b"txt", text.as_bytes());
    Ok(Step::Replied)
}

/// One line a node: id, address, flags, master, ping, pong, epoch, link, slots.
fn nodes<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let status = call.server.cluster().status();
    let now_ms = call.server.wall_us() / 1_000;
    let mut text = String::new();
    for member in members(&status) {
        node_line(member, &status, now_ms, &mut text);
    }
    call.reply().verbatim(*b"txt", text.as_bytes());
    Ok(Step::Replied)
}

/// Writing to a string cannot fail, so results are let go.
fn node_line(member: &Member, status: &Status, now_ms: u64, text: &mut String) {
    let (host, port) = endpoint(&member.addresses.resp);
    let (_, bus_port) = endpoint(&member.addresses.peer);
    let me = member.id == status.node;
    let epoch = epoch(member, status);
    let role = if epoch > 0 { "master" } else { "slave" };
    let failing = if member.is_down() { ",fail?" } else { "" };
    // Who leads nothing follows several; Redis has room for one.
    let follows = status.groups.first().and_then(|group| group.leader).filter(|_| epoch == 0);
    let master = follows.map_or_else(|| "-".to_owned(), |leader| status.redis_id(leader));
    let heard = member.heard_ms.filter(|_| !me).map_or(0, |ms| now_ms.saturating_sub(ms));
    let link = if member.is_down() { "disconnected" } else { "connected" };
    let _ = write!(
        text,
        "{} {host}:{port}@{bus_port} {}{role}{failing} {master} 0 {heard} {epoch} {link}",
        status.redis_id(member.id),
        if me { "myself," } else { "" },
    );
    for group in status.groups.iter().filter(|group| group.leader == Some(member.id)) {
        let slots = status.slots(group);
        let _ = write!(text, " {}-{}", slots.first, slots.last);
    }
    text.push('\n');
}

/// Groups without a leader are left out: nobody serves their slots now.
fn slots<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let status = call.server.cluster().status();
    let served: Vec<&Group> = status.groups.iter().filter(|group| leader(group, &status).is_some()).collect();
    let mut reply = call.reply();
    reply.array(served.len());
    for group in served {
        let (slots, holders) = (status.slots(group), holders(group, &status));
        reply.array(2 + holders.len());
        reply.integer(i64::from(slots.first));
        reply.integer(i64::from(slots.last));
        for member in holders {
            let (host, port) = endpoint(&member.addresses.resp);
            reply.array(4);
            reply.bulk(host.as_bytes());
            reply.integer(i64::from(port));
            reply.bulk(status.redis_id(member.id).as_bytes());
            reply.map(0);
        }
    }
    Ok(Step::Replied)
}

fn shards<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let status = call.server.cluster().status();
    let mut reply = call.reply();
    reply.array(status.groups.len());
    for group in &status.groups {
        let (slots, holders) = (status.slots(group), holders(group, &status));
        reply.map(2);
        reply.bulk(b"slots");
        reply.array(2);
        reply.integer(i64::from(slots.first));
        reply.integer(i64::from(slots.last));
        reply.bulk(b"nodes");
        reply.array(holders.len());
        for member in holders {
            shard_node(&mut reply, member, group, &status);
        }
    }
    Ok(Step::Replied)
}

fn shard_node(reply: &mut Writer<'_>, member: &Member, group: &Group, status: &Status) {
    let (host, port) = endpoint(&member.addresses.resp);
    let id = status.redis_id(member.id);
    let role = if group.leader == Some(member.id) { "master" } else { "replica" };
    let health = if member.is_down() { "fail" } else { "online" };
    let known = group.progress.iter().find(|progress| progress.node == member.id);
    let offset = match known.and_then(|progress| progress.matched) {
        Some(matched) => matched,
        None if member.id == status.node => group.last_log,
        None => 0,
    };
    reply.map(7);
    reply.bulk(b"id");
    reply.bulk(id.as_bytes());
    reply.bulk(b"port");
    reply.integer(i64::from(port));
    for (name, value) in [("ip", host), ("endpoint", host), ("role", role)] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"replication-offset");
    reply.count(offset);
    reply.bulk(b"health");
    reply.bulk(health.as_bytes());
}

/// Nodes that belong to the cluster.
fn members(status: &Status) -> impl Iterator<Item = &Member> {
    status.nodes.iter().filter(|member| !matches!(member.part, Part::Waiting | Part::Joining))
}

fn leader<'s>(group: &Group, status: &'s Status) -> Option<&'s Member> {
    status.member(group.leader?)
}

/// Every node holds every group; its leader comes first.
fn holders<'s>(group: &Group, status: &'s Status) -> Vec<&'s Member> {
    let others = members(status).filter(|member| group.leader != Some(member.id));
    leader(group, status).into_iter().chain(others).collect()
}

/// The newest term in which a node leads, at least 1; 0 where it leads nothing.
fn epoch(member: &Member, status: &Status) -> u64 {
    let led = status.groups.iter().filter(|group| group.leader == Some(member.id));
    led.map(|group| group.term.max(1)).max().unwrap_or(0)
}

/// Host and port of `host:port`; brackets of IPv6 are not shown, as in Redis.
pub(super) fn endpoint(address: &str) -> (&str, u16) {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    (host.trim_start_matches('[').trim_end_matches(']'), port.parse().unwrap_or(0))
}
