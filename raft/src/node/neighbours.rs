//! What the other nodes last said of themselves: each asks every other one, again and again.
//!
//! A statement says what its node has promised, so that the others know it when the node's own disk does not any more, and what the
//! node knows that the receiver has promised. Invariants: only members are remembered, so strangers fill nothing; what a
//! node has promised is forgotten only when it keeps it, or when its operator gives it up.

use openraft::async_runtime::AsyncRuntime;
use serde::{Deserialize, Serialize};
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::limit::TOLD_VALID_MS;
use super::{Group, Inner};
use crate::group::Lead;
use crate::log::{LogId, Promised};
use crate::secret::PROOF_BYTES;
use crate::types::{Member, NodeId};
use openraft::async_runtime::WatchReceiver;

/// How a node is, in its own words.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Statement {
    /// Drawn when its process started: a node that runs twice says two.
    pub(super) boot: u64,
    /// Counts its statements since then.
    pub(super) number: u64,
    /// Its disk has no room for the log: it may vote, and should not lead.
    pub(super) is_full: bool,
    /// It has less than it promised, and has not caught up.
    pub(super) is_behind: bool,
    /// Its operator gave up what it lost.
    pub(super) accepts_loss: bool,
    /// What it has promised, by group.
    pub(super) promised: Vec<Promised>,
    /// What it knows that the receiver has promised, by group.
    pub(super) yours: Vec<Promised>,
    /// For each group that it leads, the session and the last entry of its log.
    pub(super) leads: Vec<Option<(u64, Option<LogId>)>>,
    /// Another process than the receiver is this node, and answers at its address.
    pub(super) is_twin: bool,
    /// The newest secret of the cluster that it holds, durable.
    pub(super) holds: Holding,
}

/// Says that a node holds a secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Holding {
    /// Number of the secret.
    pub(super) number: u64,
    /// What only a holder can say ([`ClusterSecret::held_by`](crate::secret::ClusterSecret::held_by)).
    pub(super) proof: [u8; PROOF_BYTES],
}

/// What is known of a node.
#[derive(Clone, Default)]
struct Known {
    /// When it last said something; `None`: not since this node started.
    at_ms: Option<u64>,
    boot: u64,
    number: u64,
    is_full: bool,
    is_behind: bool,
    promised: Vec<Promised>,
    /// Number of the newest secret that it is known to hold: one that it holds it keeps.
    holds: u64,
}

impl Known {
    fn take(&mut self, said: &Statement, now_ms: u64) {
        let is_same = self.at_ms.is_some() && self.boot == said.boot;
        if is_same && said.number <= self.number {
            return;
        }
        // A term that a damaged vote left behind is nobody's promise.
        for (known, has) in self.promised.iter_mut().zip(&said.promised) {
            *known = known.believable(has);
        }
        let keeps = |(has, known): (&Promised, &Promised)| has.keeps(known);
        let keeps_all = said.promised.iter().zip(&self.promised).all(keeps);
        // A process that runs on may truncate what it acknowledged, when a leader says so.
        if keeps_all || said.accepts_loss || (is_same && !self.is_behind && !said.is_behind) {
            self.promised.clone_from(&said.promised);
            self.is_behind = said.is_behind;
        } else {
            self.is_behind = true;
        }
        (self.at_ms, self.boot, self.number) = (Some(now_ms), said.boot, said.number);
        self.is_full = said.is_full;
    }

    fn is_fresh(&self, now_ms: u64) -> bool {
        self.at_ms.is_some_and(|at_ms| now_ms.saturating_sub(at_ms) < TOLD_VALID_MS)
    }
}

/// The other nodes' statements.
pub(super) struct Neighbours {
    known: Mutex<BTreeMap<NodeId, Known>>,
}

impl Neighbours {
    /// With what was known of others before this start.
    pub(super) fn new(promised: &BTreeMap<NodeId, Vec<Promised>>) -> Neighbours {
        let known = |promised: &Vec<Promised>| Known { promised: promised.clone(), ..Known::default() };
        let known = promised.iter().map(|(node, promised)| (*node, known(promised)));
        Neighbours { known: Mutex::new(known.collect()) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, from: NodeId, said: &Statement, now_ms: u64) {
        self.lock().entry(from).or_default().take(said, now_ms);
    }

    pub(super) fn keep_only(&self, members: &BTreeMap<NodeId, Member>) {
        self.lock().retain(|node, _| members.contains_key(node));
    }

    /// What every other node has promised.
    pub(super) fn promised(&self) -> BTreeMap<NodeId, Vec<Promised>> {
        self.lock().iter().map(|(node, known)| (*node, known.promised.clone())).collect()
    }

    /// What a node has promised in a group.
    pub(super) fn promise(&self, node: NodeId, group: GroupId) -> Promised {
        let known = self.lock();
        let promised = known.get(&node).and_then(|known| known.promised.get(usize::from(group.0)));
        promised.copied().unwrap_or_default()
    }

    /// The other process as which the node was heard of lately.
    pub(super) fn other_boot(&self, node: NodeId, boot: u64, now_ms: u64) -> Option<u64> {
        let known = self.lock();
        known.get(&node).filter(|known| known.is_fresh(now_ms) && known.boot != boot).map(|known| known.boot)
    }

    /// Whether the node said of late that its disk is full.
    pub(super) fn is_full(&self, node: NodeId, now_ms: u64) -> bool {
        self.lock().get(&node).is_some_and(|known| known.is_fresh(now_ms) && known.is_full)
    }

    /// It is proven that the node holds the secret of this number.
    pub(super) fn holds(&self, node: NodeId, number: u64) {
        let mut known = self.lock();
        let known = known.entry(node).or_default();
        known.holds = known.holds.max(number);
    }

    /// Whether the node is known to hold the secret of this number.
    pub(super) fn is_holder(&self, node: NodeId, number: u64) -> bool {
        self.lock().get(&node).is_some_and(|known| known.holds >= number)
    }

    /// Whether the node has less than it promised.
    pub(super) fn is_behind(&self, node: NodeId) -> bool {
        self.lock().get(&node).is_some_and(|known| known.is_behind)
    }
}

impl<R: AsyncRuntime> Inner<R> {
    /// Every other node of any group, and how it is reached. Where the log that says so is lost, as the ledger has it.
    pub(super) fn known_nodes(&self) -> BTreeMap<NodeId, Member> {
        let mut others = BTreeMap::new();
        for raft in self.groups.iter().filter_map(|group| group.raft.get()) {
            let metrics = raft.server_metrics();
            let metrics = metrics.borrow_watched();
            let nodes = metrics.membership_config.membership().nodes();
            others.extend(nodes.map(|(id, member)| (*id, member.clone())));
        }
        if others.is_empty() {
            others.clone_from(&self.members_before);
        }
        others.remove(&self.identity.node);
        others
    }

    /// Whether the disk of a node, this one or another, has room, as far as is known: one that said nothing of late counts as one
    /// that has.
    pub(super) fn has_room(&self, node: NodeId) -> bool {
        match node == self.identity.node {
            true => !self.log.is_full(),
            false => !self.neighbours.is_full(node, (self.clock)()),
        }
    }

    /// Whether a node, this one or another, has less than it promised.
    pub(super) fn is_behind(&self, node: NodeId) -> bool {
        match node == self.identity.node {
            true => self.proof.is_behind(),
            false => self.neighbours.is_behind(node),
        }
    }

    /// What this node has in each group, durable.
    pub(super) fn has(&self) -> Vec<Promised> {
        let durable = self.log.durable().groups;
        let has = |group| {
            let logged = durable.get(&group).copied().unwrap_or_default();
            let snapshot = self.snapshots.newest(group).and_then(|file| file.meta.last_log_id);
            Promised { last: logged.last.max(snapshot), ..logged }
        };
        (0..self.identity.groups).map(GroupId).map(has).collect()
    }

    /// What this node says to another one now.
    pub(super) fn statement(&self, to: NodeId) -> Statement {
        let leads = self.groups.iter().map(Group::session).collect();
        let known = |group: &Group<R>| {
            let told = self.neighbours.promise(to, group.shared.group);
            told.or(Promised { last: group.matched(to), ..Promised::default() })
        };
        Statement {
            boot: self.boot,
            number: self.statements.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1,
            is_full: self.log.is_full(),
            is_behind: self.proof.is_behind(),
            accepts_loss: self.accepts_loss,
            promised: self.has(),
            yours: self.groups.iter().map(known).collect(),
            leads,
            is_twin: false,
            holds: self.holding(),
        }
    }
}

impl<R: AsyncRuntime> Group<R> {
    /// The session and the last entry, where this node leads.
    fn session(&self) -> Option<(u64, Option<LogId>)> {
        let Lead::Here(session) = self.shared.roles.lead() else { return None };
        let metrics = self.raft.get()?.data_metrics();
        let last = metrics.borrow_watched().last_log;
        Some((session, last))
    }

    /// The last entry that a node acknowledged to this leader.
    fn matched(&self, node: NodeId) -> Option<LogId> {
        let metrics = self.raft.get()?.data_metrics();
        let metrics = metrics.borrow_watched();
        metrics.replication.as_ref()?.get(&node).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::{Holding, Neighbours, Statement};
    use crate::log::{LogId, Promised};
    use sluice_engine::id::GroupId;
    use std::collections::BTreeMap;

    fn said(boot: u64, number: u64, index: u64) -> Statement {
        let last = Some(LogId { leader_id: 1.into(), index });
        let promised = vec![Promised { last, term: 1, excused: None }];
        Statement {
            boot,
            number,
            is_full: false,
            is_behind: false,
            accepts_loss: false,
            promised,
            yours: Vec::new(),
            leads: Vec::new(),
            is_twin: false,
            holds: Holding { number: 1, proof: [0; 32] },
        }
    }

    fn promised(neighbours: &Neighbours) -> Option<u64> {
        neighbours.promise(2, GroupId(0)).last.map(|last| last.index)
    }

    #[test]
    fn what_a_node_promised_outlives_its_disk() {
        let neighbours = Neighbours::new(&BTreeMap::new());
        neighbours.take(2, &said(7, 1, 90), 0);
        neighbours.take(2, &said(7, 2, 80), 1);
        assert_eq!(promised(&neighbours), Some(80), "a process may truncate");
        neighbours.take(2, &said(7, 1, 100), 2);
        assert_eq!(promised(&neighbours), Some(80), "that was said earlier");
        neighbours.take(2, &said(8, 1, 10), 3);
        assert!(neighbours.is_behind(2) && promised(&neighbours) == Some(80), "another one lost it");
        neighbours.take(2, &said(8, 2, 20), 4);
        assert!(neighbours.is_behind(2) && promised(&neighbours) == Some(80));
        neighbours.take(2, &said(8, 3, 81), 5);
        assert!(!neighbours.is_behind(2) && promised(&neighbours) == Some(81));
        let given_up = Statement { accepts_loss: true, ..said(9, 1, 3) };
        neighbours.take(2, &given_up, 6);
        assert!(!neighbours.is_behind(2) && promised(&neighbours) == Some(3));
    }

    #[test]
    fn what_a_node_truncated_before_it_ended_is_no_loss_and_an_absurd_term_none_that_is_asked_back() {
        let neighbours = Neighbours::new(&BTreeMap::new());
        neighbours.take(2, &said(7, 1, 100), 0);
        let mut truncated = said(8, 1, 90);
        truncated.promised[0].excused = truncated.promised[0].last.map(|last| LogId { index: 100, ..last });
        neighbours.take(2, &truncated, 1);
        assert!(!neighbours.is_behind(2) && promised(&neighbours) == Some(90));
        let mut absurd = said(9, 1, 91);
        absurd.promised[0].term = u64::MAX;
        neighbours.take(2, &absurd, 2);
        neighbours.take(2, &said(10, 1, 92), 3);
        assert!(!neighbours.is_behind(2), "the vote was repaired");
        assert_eq!(neighbours.promise(2, GroupId(0)).term, 1);
    }
}
