//! One step of a change, on the leader of one group.

use openraft::ChangeMembers;
use openraft::async_runtime::{AsyncRuntime, Instant, WatchReceiver};
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use serde::{Deserialize, Serialize};
use sluice_engine::command::Command as ShardCommand;
use sluice_engine::id::{GroupId, KeyGen};
use std::collections::BTreeSet;
use std::time::Duration;

use super::super::limit::{RETRY_MS, STEP_MS, TRANSFER_MS};
use super::super::{Group, Inner};
use crate::cluster::{AdminCode, AdminError};
use crate::codec;
use crate::group::{Lead, Raft};
use crate::secret::ClusterSecret;
use crate::types::{Batch, Command, Member, NodeId, Types};

/// What to do, in which group. Each may be done twice without harm.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) group: u16,
    pub(super) act: Act,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Act {
    /// Nothing: only report.
    Look,
    AddLearner(NodeId, Member),
    AddVoter(NodeId),
    Remove(NodeId),
    Transfer(NodeId),
    /// Leave a joint configuration.
    Finish,
    /// Make the token key of a new secret known.
    InstallKey(KeyGen, ClusterSecret),
    /// Mint tokens with it.
    ActivateKey(KeyGen),
}

impl Step {
    pub(super) fn group(&self) -> GroupId {
        GroupId(self.group)
    }
}

/// How a step went.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Stepped {
    Done(Report),
    /// Not by this node, or not now.
    Again,
    Failed(String),
}

/// What the leader of a group knows.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) leader: NodeId,
    /// The next index of its log.
    pub(super) next: u64,
    pub(super) nodes: Vec<Peer>,
    pub(super) is_joint: bool,
}

/// A node, as a leader knows it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Peer {
    pub(super) id: NodeId,
    pub(super) member: Member,
    pub(super) is_voter: bool,
    pub(super) is_reachable: bool,
    /// The next index that it needs.
    pub(super) next: u64,
}

impl Report {
    pub(super) fn peer(&self, id: NodeId) -> Option<&Peer> {
        self.nodes.iter().find(|peer| peer.id == id)
    }
}

/// What openraft made of a change.
enum Change {
    Done,
    Again,
    Failed(String),
}

impl<R: AsyncRuntime> Inner<R> {
    /// Does a step, where this node leads the group.
    pub(super) async fn step(&self, step: Step) -> Stepped {
        let Some(group) = self.groups.get(usize::from(step.group)) else {
            return Stepped::Failed("there is no such group".to_owned());
        };
        let (Some(raft), Lead::Here(session)) = (group.raft.get(), group.shared.roles.lead()) else {
            return Stepped::Again;
        };
        let within = Duration::from_millis(STEP_MS);
        match R::timeout(within, act(self, group, raft, (session, step.act))).await {
            Ok(Change::Done) => group.report(self.lease_ms).map_or(Stepped::Again, Stepped::Done),
            Ok(Change::Again) => Stepped::Again,
            Ok(Change::Failed(why)) => Stepped::Failed(why),
            Err(_) => Stepped::Failed(
                "no majority confirmed it in time; look at the status, then finish".to_owned(),
            ),
        }
    }
}

async fn act<R: AsyncRuntime>(
    inner: &Inner<R>,
    group: &Group<R>,
    raft: &Raft<R>,
    (session, act): (u64, Act),
) -> Change {
    let written = match act {
        Act::Look => return Change::Done,
        Act::AddLearner(node, member) => raft.add_learner(node, member, false).await,
        Act::AddVoter(node) => {
            raft.change_membership(ChangeMembers::AddVoterIds(BTreeSet::from([node])), true).await
        }
        Act::Remove(node) => return remove(inner, group, raft, node).await,
        Act::Transfer(node) => return transfer(group, raft, node).await,
        // Adds nobody: openraft goes from a joint configuration to the uniform one.
        Act::Finish => raft.change_membership(ChangeMembers::AddVoterIds(BTreeSet::new()), true).await,
        Act::InstallKey(generation, secret) => {
            let install = ShardCommand::KeyInstall { generation, secret: secret.token_key() };
            return apply(raft, session, install).await;
        }
        Act::ActivateKey(generation) => {
            return apply(raft, session, ShardCommand::KeyActivate { generation }).await;
        }
    };
    changed::<R>(written)
}

/// Has a group's shard apply a command that no client may ask for. It is nobody's proposal, and takes the stamp of what is there.
async fn apply<R: AsyncRuntime>(raft: &Raft<R>, session: u64, command: ShardCommand) -> Change {
    let commands = codec::encode(&vec![command]);
    let batch = Batch { session, proposal: NOBODYS, stamp: 0, wall: 0, commands };
    let written = raft.client_write(Command::Batch(batch)).await;
    // Of another session it is void.
    let is_void = written.as_ref().is_ok_and(|written| written.log_id.leader_id.term != session);
    if is_void { Change::Again } else { changed::<R>(written) }
}

/// Owners count their proposals from 1.
const NOBODYS: u64 = 0;

type Written<R> =
    Result<openraft::raft::ClientWriteResponse<Types<R>>, RaftError<Types<R>, ClientWriteError<Types<R>>>>;

fn changed<R: AsyncRuntime>(written: Written<R>) -> Change {
    match written {
        Ok(_) => Change::Done,
        Err(RaftError::APIError(
            ClientWriteError::ForwardToLeader(_)
            | ClientWriteError::LogEntryDiscarded(_)
            | ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)),
        )) => Change::Again,
        Err(error) => Change::Failed(error.to_string()),
    }
}

/// A leader first gives its place away, and the next one removes it.
async fn remove<R: AsyncRuntime>(inner: &Inner<R>, group: &Group<R>, raft: &Raft<R>, node: NodeId) -> Change {
    if node == inner.identity.node {
        return match heir_in_time(inner, group).await {
            Some(to) => match transfer(group, raft, to).await {
                Change::Done => Change::Again,
                other => other,
            },
            None if group.successor(|_| true).is_none() => {
                Change::Failed("the last voter cannot be removed".to_owned())
            }
            None => Change::Failed(
                "no other voter answers that has room and all that it promised: look at the status"
                    .to_owned(),
            ),
        };
    }
    let voters = BTreeSet::from([node]);
    let removed =
        changed::<R>(raft.change_membership(ChangeMembers::RemoveVoters(voters.clone()), false).await);
    match removed {
        Change::Done => changed::<R>(raft.change_membership(ChangeMembers::RemoveNodes(voters), false).await),
        other => other,
    }
}

/// Who can take over; one that leads only since a moment ago does not know yet who answers.
async fn heir_in_time<R: AsyncRuntime>(inner: &Inner<R>, group: &Group<R>) -> Option<NodeId> {
    for _ in 0..TRANSFER_MS / RETRY_MS {
        if let Some(to) = inner.heir(group) {
            return Some(to);
        }
        R::sleep(Duration::from_millis(RETRY_MS)).await;
    }
    None
}

async fn transfer<R: AsyncRuntime>(group: &Group<R>, raft: &Raft<R>, to: NodeId) -> Change {
    if raft.server_metrics().borrow_watched().current_leader == Some(to) {
        return Change::Done;
    }
    // To one that cannot take over it is never given.
    if group.successor(|node| node == to).is_none() || !group.give_to(to).await {
        return Change::Again;
    }
    for _ in 0..TRANSFER_MS / RETRY_MS {
        R::sleep(Duration::from_millis(RETRY_MS)).await;
        if raft.server_metrics().borrow_watched().current_leader == Some(to) {
            return Change::Done;
        }
    }
    Change::Failed(format!("node {to} did not take over; look whether it is reachable and has caught up"))
}

impl<R: AsyncRuntime> Group<R> {
    /// Waits for a snapshot on this node that holds what is applied now.
    pub(super) async fn snapshot(&self) -> Result<(), AdminError> {
        let failed = |message: &str| Err(AdminError::new(AdminCode::Failed, message.to_owned()));
        let Some(raft) = self.raft.get() else { return failed("the node has not recovered yet; try again") };
        let Some(wanted) = raft.data_metrics().borrow_watched().last_applied else { return Ok(()) };
        for _ in 0..STEP_MS / RETRY_MS {
            if raft.data_metrics().borrow_watched().snapshot >= Some(wanted) {
                return Ok(());
            }
            if raft.trigger().snapshot().await.is_err() {
                return failed("the group has stopped");
            }
            R::sleep(Duration::from_millis(RETRY_MS)).await;
        }
        failed("the snapshot takes long, or there is no room for it on the disk; look at the status")
    }

    /// What this node knows of the group as its leader; `None` where it does not lead.
    fn report(&self, lease_ms: u64) -> Option<Report> {
        let metrics = self.raft.get()?.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.as_ref()?;
        let heartbeat = metrics.heartbeat.as_ref()?;
        let membership = metrics.membership_config.membership();
        let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
        let next = metrics.last_log_index.map_or(0, |index| index + 1);
        let nodes = membership.nodes().map(|(id, member)| {
            let heard = heartbeat.get(id).copied().flatten().map(|at| at.elapsed().as_millis() as u64);
            let matched = replication.get(id).copied().flatten().map_or(0, |log_id| log_id.index + 1);
            let is_me = *id == metrics.id;
            Peer {
                id: *id,
                member: member.clone(),
                is_voter: voters.contains(id),
                is_reachable: is_me || heard.is_some_and(|age| age < lease_ms),
                next: if is_me { next } else { matched },
            }
        });
        let nodes = nodes.collect();
        Some(Report { leader: metrics.id, next, nodes, is_joint: membership.get_joint_config().len() > 1 })
    }
}
