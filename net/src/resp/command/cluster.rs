//! `CLUSTER …`: this node stands alone, and says so as a Redis without cluster support does.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec};

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
    ..disabled("cluster|info", 2)
};
static MYID: CommandSpec =
    CommandSpec { summary: "Returns the id of a node.", since: "3.0.0", ..disabled("cluster|myid", 2) };
static NODES: CommandSpec = CommandSpec {
    summary: "Returns the cluster configuration for a node.",
    since: "3.0.0",
    ..disabled("cluster|nodes", 2)
};
static SHARDS: CommandSpec = CommandSpec {
    summary: "Returns the mapping of cluster slots to shards.",
    since: "7.0.0",
    ..disabled("cluster|shards", 2)
};
static SLOTS: CommandSpec = CommandSpec {
    summary: "Returns the mapping of cluster slots to nodes.",
    since: "3.0.0",
    ..disabled("cluster|slots", 2)
};
static KEYSLOT: CommandSpec = CommandSpec {
    summary: "Returns the hash slot for a key.",
    since: "3.0.0",
    arguments: &[Argument::string("key")],
    ..disabled("cluster|keyslot", 3)
};

const fn disabled(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["stale"],
        categories: &["slow"],
        group: "cluster",
        run: Some(refuse),
        ..CommandSpec::new(name, arity)
    }
}

fn refuse<'a>(_: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Err(Fault::ClusterDisabled)
}
