//! All groups of a node, put together.
//!
//! ```text
//! config    how it is set up                 identity  who it is, written once
//! start     from a folder to running groups  threads   the same, on threads of its own
//! front     answers before the node is one   admin     operations on the cluster
//! status    what is known                    balance   leaders spread over the nodes
//! doorbell  owners are woken once a turn        published messages of clients, for clients of other nodes
//! handover  leadership given away in good order  neighbours, telling  what nodes say of themselves
//! ledger    what was acknowledged, on disk       proof     whether it is still there, and what may be done until it is
//! belong    whether it is a member at all
//! roll      who may ask what of which group      repair    a vote on disk that no election can have led to
//! secrets   which of the cluster's secrets are proven and accepted
//! ```
//! [`Node::start`] gives a [`Port`](crate::group::Port) for each group. The owners of the shards start empty and are driven from
//! the first moment: snapshots and the log reach them as events, also at a start.

mod admin;
mod balance;
mod belong;
mod clocks;
mod config;
mod doorbell;
mod front;
mod handover;
mod housekeeping;
mod identity;
mod ledger;
pub mod limit;
mod neighbours;
mod proof;
mod published;
mod repair;
mod roll;
mod secrets;
mod service;
mod start;
mod status;
mod telling;
mod threads;

pub use crate::queue::{Door, Waker};
pub use admin::Tell;
pub use config::{Draw, Drawn, Drive, NodeConfig, StartError, Timing};
pub use front::Front;
pub use identity::{Identity, IdentityError};
pub use ledger::{LedgerError, accept_loss};
pub use published::Intake;
pub use repair::{Repaired, repair_vote};
pub use threads::{Server, ServerConfig, Started};

use crate::cluster::{AdminRequest, Belonging, ClusterStatus};
use crate::disk::Disk;
use crate::group::{Clock, Lead, Raft, Shared};
use crate::log::Log;
use crate::peer::{Transfers, Transport};
use crate::queue::Queue;
use crate::snapshot::Snapshots;
use crate::types::{Member, NodeId, Types};
use admin::Waiting;
use belong::Belief;
use ledger::Ledger;
use neighbours::Neighbours;
use openraft::alias::MutexOf;
use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use proof::Proof;
use published::Published;
use secrets::Secrets;
use sluice_engine::id::GroupId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A running node. Clones are handles of the same one, usable from any thread.
pub struct Node<R: AsyncRuntime> {
    inner: Arc<Inner<R>>,
}

impl<R: AsyncRuntime> Clone for Node<R> {
    fn clone(&self) -> Self {
        Node { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<R: AsyncRuntime> {
    identity: Identity,
    log: Log<R>,
    /// Snapshots that arrive.
    transfers: Transfers<R>,
    transport: Arc<dyn Transport<R>>,
    clock: Clock,
    /// Silence after which a node counts as out of reach, ms.
    lease_ms: u64,
    /// Nodes that want to be added.
    waiting: Waiting,
    /// How others reach this node.
    member: Member,
    /// What the others say of themselves.
    neighbours: Neighbours,
    /// Whether this node has all that it acknowledged.
    proof: Proof,
    ledger: MutexOf<Types<R>, Ledger>,
    /// Tells this process from others that say they are this node.
    boot: u64,
    /// Statements made since the start.
    statements: AtomicU64,
    /// The operator gave up what was lost.
    accepts_loss: bool,
    /// The cluster was founded in this folder, and no group had voters when this process started.
    is_new: bool,
    /// Members and voters as the last start knew them.
    members_before: BTreeMap<NodeId, Member>,
    voters_before: BTreeSet<NodeId>,
    snapshots: Snapshots,
    /// Where it is written down that this node was removed.
    disk: Arc<dyn Disk>,
    belief: Belief,
    secrets: Secrets<R>,
    /// Changes that this node carries out, or has asked another one for.
    carried: AtomicUsize,
    on_removed: Box<dyn Fn(&str) + Send + Sync>,
    /// Tells changes apart that were begun here, also from those begun by other nodes: it starts at random.
    operations: AtomicU64,
    requests: Arc<AdminQueue>,
    published: Arc<Published>,
    /// Messages of peers that were refused, because no member can have sent them.
    refused: AtomicU64,
    groups: Vec<Group<R>>,
    failure: Mutex<Option<String>>,
    door: Door,
    on_failure: Box<dyn Fn(&str) + Send + Sync>,
}

/// One group of the node.
struct Group<R: AsyncRuntime> {
    shared: Arc<Shared>,
    /// Set once openraft has found what the log holds.
    raft: OnceLock<Raft<R>>,
}

impl<R: AsyncRuntime> Node<R> {
    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// `waker` is called, from any thread, soon after something came for the owner of the group's shard.
    pub fn set_waker(&self, group: GroupId, waker: Waker) {
        if let Some(group) = self.inner.groups.get(usize::from(group.0)) {
            group.shared.lane.set_waker((self.inner.door)(waker));
        }
    }

    /// Whether this node belongs to its cluster, as far as it knows.
    #[must_use]
    pub fn belonging(&self) -> Belonging {
        self.inner.belonging()
    }

    /// Whether this node belongs to every group, and every group's owner has all that was known to be committed when the node started,
    /// or before it became a member,
    /// and the node all that it ever acknowledged.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let leaves = matches!(self.belonging(), Belonging::Leaving | Belonging::Left);
        !leaves
            && !self.inner.proof.is_behind()
            && self.inner.groups.iter().all(|group| group.shared.is_ready())
    }

    /// Whether every group has a leader that can be reached, and it and a majority of the voters have room for entries and all
    /// that they acknowledged, as far as is known here.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.inner.groups.iter().all(|group| self.inner.can_write(group))
    }

    /// Why the node cannot go on; the process has to stop then.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.inner.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The node cannot go on.
    pub(crate) fn fail(&self, reason: &str) {
        self.inner.fail(reason);
    }

    /// Begins an operation on the cluster, wherever it has to be carried out. `tell` is called once, from any thread.
    pub fn administer(&self, request: AdminRequest, tell: Tell) {
        self.inner.requests.push((request, tell));
    }

    /// What this node knows of the cluster now. Never waits.
    #[must_use]
    pub fn status(&self) -> ClusterStatus {
        self.inner.status()
    }

    /// Whether the disk has no room for the log: nothing is taken until it has.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.inner.log.is_full()
    }

    /// Syncs of the log since the start, and bytes written to it.
    #[must_use]
    pub fn log_figures(&self) -> (u64, u64) {
        (self.inner.log.syncs(), self.inner.log.written_bytes())
    }

    /// By how much, in ms, this node's wall clock is ahead of others' (below 0: behind), where it leads and does not agree with most.
    #[must_use]
    pub fn clock_ahead_ms(&self) -> i64 {
        self.inner.clock_ahead_ms()
    }

    /// Nodes whose wall clocks this one, as a leader, finds elsewhere than most.
    #[must_use]
    pub fn nodes_off(&self) -> Vec<u64> {
        self.inner.nodes_off().into_iter().collect()
    }

    /// Messages of peers that were refused since the start: of no member, or with what cannot be true.
    #[must_use]
    pub fn refused_messages(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    /// Gives every group that this node leads to another voter, and waits a moment for them to take over.
    pub async fn hand_over(&self) {
        self.inner.hand_over().await;
    }

    /// Hands its groups over to other nodes where that is possible, then stops all groups, then the log. Nothing is committed any
    /// more when this returns.
    pub async fn shutdown(&self) {
        self.inner.hand_over().await;
        self.inner.log.wait_no_more();
        for raft in self.inner.groups.iter().filter_map(|group| group.raft.get()) {
            // A group that has failed has stopped already.
            let _ = raft.shutdown().await;
        }
        self.inner.write_ledger().await;
        self.inner.requests.close();
        self.inner.published.close();
        self.inner.log.close();
    }
}

/// Operations asked for at this node.
type AdminQueue = Queue<(AdminRequest, Tell)>;

impl<R: AsyncRuntime> Inner<R> {
    fn belonging(&self) -> Belonging {
        self.belief.get()
    }

    fn can_write(&self, group: &Group<R>) -> bool {
        let leader = match group.shared.roles.told() {
            Lead::Here(_) => self.identity.node,
            Lead::There(leader, _) => leader,
            Lead::Nobody => return false,
        };
        let Some(raft) = group.raft.get() else { return false };
        let metrics = raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let configs = metrics.membership_config.membership().get_joint_config();
        let is_majority = |voters: &BTreeSet<NodeId>| {
            let counts = |voter: &&NodeId| self.has_room(**voter) && !self.is_behind(**voter);
            voters.iter().filter(counts).count() > voters.len() / 2
        };
        self.has_room(leader) && configs.iter().all(is_majority)
    }

    fn fail(&self, reason: &str) {
        let first = {
            let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
            let first = failure.is_none();
            failure.get_or_insert_with(|| reason.to_owned());
            first
        };
        if first {
            (self.on_failure)(reason);
        }
    }
}
