//! `sluice cluster …`: the cluster of a running node, by its admin port.
//!
//! `plane.rs` asks, `table.rs` draws; `repair.rs` works on the folder of a node that does not run. Exit codes: 0 done, 1 refused, 2 a wrong command line, 3 nobody answers.

mod plane;
mod repair;
mod table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use sluice_net::cluster::{Done, Operation, Part, Status};

use super::print;
use crate::limit;
use plane::Plane;
pub(crate) use plane::PlaneError;

/// Where a node's admin port is, who asks, and how the answer is shown.
#[derive(Args, Debug)]
#[command(after_help = "Exit codes: 0 done, 1 refused, 2 a wrong command line, 3 nobody answers.")]
pub(crate) struct ClusterArgs {
    /// The admin port of any node
    #[arg(id = "plane", long = "admin", global = true, value_name = "URL")]
    #[arg(env = "SLUICE_ADMIN", default_value = "http://127.0.0.1:7381")]
    admin: String,
    /// Token of auth.admin_tokens; better in the environment, where other users of this machine do not see it
    #[arg(long, global = true, env = "SLUICE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: ClusterCommand,
}

const ROTATION: &str = "\
Tokens that the secret before signed stay good until the next rotation: who waits with one that is two rotations old loses the place.\n\
A node that is down is waited for: until it was seen with the new secret, or was removed, peers may prove the one before it, too.\n\
After a leak rotate the keys of passes as well (sluice key rotate) and revoke the first of them, which came from the secret; and start \
each node with another join secret.";

#[derive(Subcommand, Debug)]
enum ClusterCommand {
    /// Take in every node that waits to be added, and give each a vote
    Init {
        /// Wait until so many nodes are there, those that belong already included
        #[arg(long, value_name = "NODES")]
        expect: Option<usize>,
    },
    /// Show nodes, groups, leaders, and how far each has come
    Status,
    /// Add a waiting node, which then answers polls but has no vote
    AddLearner {
        /// Its peer port, HOST:PORT
        peer: String,
        /// Its id; the next free one unless given
        #[arg(long)]
        id: Option<u64>,
    },
    /// Give a learner a vote
    Promote {
        /// Its id
        node: u64,
    },
    /// Take a node out of the cluster; its id is never used again
    Remove {
        /// Its id
        node: u64,
    },
    /// Hand leadership over to a voter
    Transfer {
        /// Its id
        node: u64,
        /// Only of this group
        #[arg(long)]
        group: Option<u16>,
    },
    /// Write a snapshot on the node that is asked
    Snapshot {
        /// Only of this group
        #[arg(long)]
        group: Option<u16>,
    },
    /// Put a waiting node in the place of a dead one
    Replace {
        /// The dead node's id
        node: u64,
        /// The waiting node's peer port, HOST:PORT
        peer: String,
    },
    /// Complete a change that was interrupted half-way
    Finish,
    /// Replace the secret by which nodes know each other and sign tokens
    #[command(after_help = ROTATION)]
    RotateSecret,
    /// Have a stopped node go on, once, without entries that its data folder lost; asks no running node
    AcceptLoss {
        /// The data folder
        data: PathBuf,
    },
    /// Mend the data folder of a node that does not start because no election leads to its vote
    RepairVote {
        /// The node's data folder
        #[arg(long, value_name = "DIR")]
        data: PathBuf,
    },
}

impl ClusterCommand {
    /// What it asks for; `None`: only to look, or nothing that a running node does.
    fn operation(&self) -> Option<Operation> {
        Some(match self {
            ClusterCommand::Status
            | ClusterCommand::AcceptLoss { .. }
            | ClusterCommand::RepairVote { .. } => return None,
            ClusterCommand::Init { .. } => Operation::Init,
            ClusterCommand::AddLearner { peer, id } => {
                Operation::AddLearner { node: *id, peer: peer.clone() }
            }
            ClusterCommand::Promote { node } => Operation::Promote { node: *node },
            ClusterCommand::Remove { node } => Operation::Remove { node: *node },
            ClusterCommand::Transfer { node, group } => Operation::Transfer { group: *group, node: *node },
            ClusterCommand::Snapshot { group } => Operation::Snapshot { group: *group },
            ClusterCommand::Replace { node, peer } => Operation::Replace { node: *node, peer: peer.clone() },
            ClusterCommand::Finish => Operation::Finish,
            ClusterCommand::RotateSecret => Operation::RotateSecret { number: None },
        })
    }
}

/// Does what was asked and prints the answer.
pub(crate) fn run(args: &ClusterArgs) -> Result<(), PlaneError> {
    if let ClusterCommand::AcceptLoss { data } = &args.command {
        return accept_loss(data);
    }
    if let ClusterCommand::RepairVote { data } = &args.command {
        return repair::run(data).map(|done| print::show(&done));
    }
    let plane = Plane::new(&args.admin, args.token.as_deref());
    if let ClusterCommand::Init { expect: Some(nodes) } = args.command {
        gather(&plane, nodes)?;
    }
    let Some(mut operation) = args.command.operation() else {
        let status = complete(plane.status()?, args.token.as_deref());
        print::show(&if args.json { json(&status) } else { table::draw(&status) });
        return Ok(());
    };
    if let Operation::RotateSecret { number } = &mut operation {
        *number = next_secret(&plane.status()?);
    }
    let done: Done = plane.administer(&operation)?;
    print::show(&if args.json { json(&done) } else { format!("{}\n", done.message) });
    Ok(())
}

/// Number of the secret that a rotation leads to: named, so that a request that arrives twice rotates once.
fn next_secret(status: &Status) -> Option<u64> {
    let is_new = status.secret.number > 0 && status.secret.waits_for.is_empty() && status.operation.is_none();
    is_new.then_some(status.secret.number + 1)
}

/// Writes down that an operator gives up what a folder lost.
fn accept_loss(data: &Path) -> Result<(), PlaneError> {
    let refused =
        |error: std::io::Error| PlaneError::Folder { path: data.to_owned(), why: error.to_string() };
    if !sluice_raft::node::Identity::is_in(data) {
        return Err(refused(std::io::Error::other("it has no node/identity, so it is no node's folder")));
    }
    sluice_raft::node::accept_loss(data).map_err(refused)?;
    print::show("the next start of this node goes on without what its folder lost\n");
    Ok(())
}

fn json(value: &impl serde::Serialize) -> String {
    // A status and an outcome are maps of texts and numbers, which can always be written.
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

/// Waits until so many nodes are in the cluster or at its door: they announce themselves about once a second.
fn gather(plane: &Plane, nodes: usize) -> Result<(), PlaneError> {
    let deadline = Instant::now() + Duration::from_millis(limit::GATHER_MS_MAX);
    loop {
        let status = plane.status()?;
        // One that was given an id may never come.
        let here = status.nodes.iter().filter(|node| node.part != Part::Joining).count();
        if here >= nodes {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(PlaneError::Missing { here, expected: nodes });
        }
        std::thread::sleep(Duration::from_millis(limit::GATHER_LOOK_MS));
    }
}

/// How far the others have come, and whether they are there, is known to leaders: they are asked, and what does not
/// answer is left as this node sees it.
fn complete(mut status: Status, token: Option<&str>) -> Status {
    let unknown = |status: &Status, node: u64| {
        status.groups.iter().any(|group| group.leader == Some(node) && group.progress.is_empty())
    };
    let others: Vec<_> = status.nodes.iter().filter(|node| node.part == Part::Voter).cloned().collect();
    for node in others.iter().filter(|node| node.id != status.node && !node.is_down()) {
        if !unknown(&status, node.id) {
            continue;
        }
        let Ok(seen) = Plane::new(&node.addresses.admin, token).hastily().status() else { continue };
        if seen.cluster != status.cluster {
            continue;
        }
        for member in status.nodes.iter_mut().filter(|member| member.heard_ms.is_none()) {
            if let Some(there) = seen.member(member.id) {
                (member.reachable, member.heard_ms) = (there.reachable, there.heard_ms);
            }
        }
        for (group, there) in status.groups.iter_mut().zip(seen.groups) {
            if there.leader == Some(node.id) && group.id == there.id {
                group.progress = there.progress;
                group.last_log = group.last_log.max(there.last_log);
                group.joint = there.joint;
            }
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use super::ClusterArgs;
    use clap::Parser;
    use sluice_net::cluster::Operation;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        cluster: ClusterArgs,
    }

    fn operation(line: &str) -> Option<Operation> {
        let parsed = Line::try_parse_from(["cluster"].into_iter().chain(line.split(' ')));
        parsed.unwrap_or_else(|error| panic!("{line}: {error}")).cluster.command.operation()
    }

    #[test]
    fn every_command_is_one_operation() {
        let peer = || "10.0.0.4:7382".to_owned();
        for (line, expected) in [
            ("status --json", None),
            ("init --expect 3", Some(Operation::Init)),
            ("add-learner 10.0.0.4:7382", Some(Operation::AddLearner { node: None, peer: peer() })),
            ("add-learner 10.0.0.4:7382 --id 4", Some(Operation::AddLearner { node: Some(4), peer: peer() })),
            ("promote 4 --admin http://a:1", Some(Operation::Promote { node: 4 })),
            ("remove 4", Some(Operation::Remove { node: 4 })),
            ("transfer 2", Some(Operation::Transfer { group: None, node: 2 })),
            ("transfer 2 --group 0", Some(Operation::Transfer { group: Some(0), node: 2 })),
            ("snapshot", Some(Operation::Snapshot { group: None })),
            ("replace 3 10.0.0.4:7382", Some(Operation::Replace { node: 3, peer: peer() })),
            ("finish", Some(Operation::Finish)),
            ("rotate-secret", Some(Operation::RotateSecret { number: None })),
            ("repair-vote --data node1", None),
        ] {
            assert_eq!(operation(line), expected, "{line}");
        }
    }
}
