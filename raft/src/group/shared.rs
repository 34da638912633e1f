//! What the tasks of a group, its state machine and its owner's port share.

use sluice_engine::id::GroupId;
use sluice_engine::limit::LEASE_MS;
use sluice_engine::node::Detached;
use sluice_engine::sequencer::{Clocks, NodeId};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::errands::Errands;
use super::gate::Gate;
use super::lane::Lane;
use super::proposals::Proposals;
use super::roles::{Lead, Roles};
use crate::cluster::{Change, Metadata, Rotation};
use crate::queue::Queue;

/// Milliseconds since the node started, by its runtime's clock.
pub(crate) type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// No moment.
const NEVER: u64 = u64::MAX;

pub(crate) struct Shared {
    pub(crate) group: GroupId,
    pub(crate) node: NodeId,
    pub(crate) clock: Clock,
    pub(crate) lane: Lane,
    pub(crate) roles: Roles,
    pub(crate) proposals: Proposals,
    pub(crate) errands: Errands,
    /// Where the owner says that it has left something.
    pub(crate) gate: Arc<Gate>,
    /// States that were replaced, on their way to be freed where that may take long.
    pub(crate) bin: Queue<Box<Detached>>,
    /// In the first group: the cluster's metadata, by its state machine.
    metadata: Mutex<Option<Metadata>>,
    /// The other nodes of the group, and how often they changed.
    others: Mutex<Arc<[NodeId]>>,
    changes_of_others: AtomicU64,
    /// What the owner, as the leader, finds of the nodes' wall clocks. By the owner's thread.
    clocks: Mutex<Clocks>,
    /// For how long at least nobody else is elected after a majority answered. By the watching task; 0 until it runs.
    pub(crate) lease_ms: AtomicU64,
    /// When a majority last answered this node as leader; [`NEVER`] while it does not lead. By the watching task.
    acked_ms: AtomicU64,
    /// This node alone is a majority. By the watching task.
    alone: AtomicBool,
    /// The session that the owner leads; [`NEVER`] while it leads none. By the owner's thread.
    owner_leads: AtomicU64,
    /// When the leader was last heard of. By whoever serves its messages.
    heard_ms: AtomicU64,
    /// Entries that the owner has taken. By the owner's thread.
    taken: AtomicU64,
    /// The owner has to catch up to here before this node is ready; [`NEVER`] until that is known. By the starting task, and for a
    /// node that is new in the group by the watching one.
    pub(crate) recover_to: AtomicU64,
    /// The group's log here names this node. By the watching task.
    named: AtomicBool,
    /// The disk has no room for entries. By the watching task.
    pub(crate) full: AtomicBool,
}

impl Shared {
    pub(crate) fn new(group: GroupId, node: NodeId, clock: Clock, gate: Arc<Gate>) -> Shared {
        Shared {
            group,
            node,
            clock,
            lane: Lane::new(),
            roles: Roles::new(),
            proposals: Proposals::new(),
            errands: Errands::new(),
            gate,
            bin: Queue::new(),
            metadata: Mutex::new((group == GroupId(0)).then(Metadata::default)),
            others: Mutex::new(Arc::from([])),
            changes_of_others: AtomicU64::new(0),
            clocks: Mutex::new(Clocks::default()),
            lease_ms: AtomicU64::new(0),
            acked_ms: AtomicU64::new(NEVER),
            alone: AtomicBool::new(false),
            owner_leads: AtomicU64::new(NEVER),
            heard_ms: AtomicU64::new(NEVER),
            taken: AtomicU64::new(0),
            recover_to: AtomicU64::new(NEVER),
            named: AtomicBool::new(false),
            full: AtomicBool::new(false),
        }
    }

    /// The cluster's metadata, as far as it is applied here; `None` but in the first group.
    pub(crate) fn metadata(&self) -> Option<Metadata> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last rotation of the cluster's secret; none but in the first group.
    pub(crate) fn rotation(&self) -> Option<Rotation> {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.rotation
    }

    /// Whether that node was removed from the cluster; false but in the first group.
    pub(crate) fn has_left(&self, node: NodeId) -> bool {
        let metadata = self.metadata.lock().unwrap_or_else(PoisonError::into_inner);
        node > 0 && metadata.as_ref().is_some_and(|metadata| metadata.has_left(node))
    }

    pub(crate) fn set_metadata(&self, metadata: Metadata) {
        *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) = Some(metadata);
    }

    pub(crate) fn change_metadata(&self, change: Change) {
        if let Some(metadata) = &mut *self.metadata.lock().unwrap_or_else(PoisonError::into_inner) {
            metadata.apply(change);
        }
    }

    pub(crate) fn others(&self) -> Arc<[NodeId]> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often the other nodes changed: asked at every turn of an owner, where their list would be too dear.
    pub(crate) fn changes_of_others(&self) -> u64 {
        self.changes_of_others.load(Ordering::Acquire)
    }

    pub(crate) fn set_others(&self, others: Vec<NodeId>) {
        let mut known = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if **known != *others {
            *known = Arc::from(others);
            self.changes_of_others.fetch_add(1, Ordering::Release);
        }
    }

    /// What was found of the nodes' wall clocks when this node last led.
    pub(crate) fn clocks(&self) -> Clocks {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_clocks(&self, clocks: Clocks) {
        *self.clocks.lock().unwrap_or_else(PoisonError::into_inner) = clocks;
    }

    pub(crate) fn set_lead(&self, lead: Lead) -> bool {
        self.roles.set_lead(lead, &self.lane, &self.proposals)
    }

    /// This session of this node is given to another. From now on it proves nothing and takes nothing.
    pub(crate) fn give_away(&self, session: u64) {
        if self.roles.give_away(session, &self.lane, &self.proposals) {
            self.errands.leader_changed();
        }
    }

    /// The session in which the owner may have answered as the leader, as far as it has not heard otherwise.
    pub(crate) fn owner_leads(&self) -> Option<u64> {
        let session = self.owner_leads.load(Ordering::Acquire);
        (session != NEVER).then_some(session)
    }

    pub(crate) fn set_owner_leads(&self, session: Option<u64>) {
        // Release: what the owner proved in a session is taken back where it is seen to lead it no more.
        self.owner_leads.store(session.unwrap_or(NEVER), Ordering::Release);
    }

    /// A majority answered the leader here at `at_ms`.
    pub(crate) fn set_acked(&self, at_ms: Option<u64>, alone: bool) {
        self.acked_ms.store(at_ms.unwrap_or(NEVER), Ordering::Release);
        self.alone.store(alone, Ordering::Release);
    }

    /// Since when a majority has been silent, where this node leads.
    pub(crate) fn lease_age_ms(&self) -> Option<u64> {
        let Lead::Here(_) = self.roles.told() else { return None };
        if self.alone.load(Ordering::Acquire) {
            return Some(0);
        }
        let acked = self.acked_ms.load(Ordering::Acquire);
        let age_ms = (acked != NEVER).then(|| (self.clock)().saturating_sub(acked))?;
        // Where elections are set to be faster than the engine's lease allows for, it counts as so much older.
        let short_ms = LEASE_MS.saturating_sub(self.lease_ms.load(Ordering::Acquire));
        Some(age_ms.saturating_add(short_ms))
    }

    /// The leader was heard of just now.
    pub(crate) fn heard(&self) {
        self.heard_ms.store((self.clock)(), Ordering::Release);
    }

    pub(crate) fn heard_age_ms(&self) -> Option<u64> {
        let heard = self.heard_ms.load(Ordering::Acquire);
        (heard != NEVER).then(|| (self.clock)().saturating_sub(heard))
    }

    pub(crate) fn set_taken(&self, index: u64) {
        self.taken.fetch_max(index, Ordering::Release);
    }

    /// Index of the last entry that the owner has taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }

    /// What the log says of this node: the index of the entry that names it as a member, or of a later one.
    pub(crate) fn set_named(&self, by: Option<u64>) {
        if let Some(index) = by {
            // New in the group: it is ready when it has what was there before it.
            let _ = self.recover_to.compare_exchange(NEVER, index + 1, Ordering::AcqRel, Ordering::Relaxed);
        }
        self.named.store(by.is_some(), Ordering::Release);
    }

    /// Whether this node is a member of the group and its owner has all that was known to be committed when it started, or before it
    /// became one.
    pub(crate) fn is_ready(&self) -> bool {
        self.named.load(Ordering::Acquire) && self.taken() >= self.recover_to.load(Ordering::Acquire)
    }
}
