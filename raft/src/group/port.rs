//! The owner's side of a group: the engine's sequencer port, on the owner's thread.

use sluice_engine::command::Command;
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, Ticket};
use sluice_engine::limit::NO_LEADER_RETRY_MS;
use sluice_engine::measure::Measured;
use sluice_engine::node::Detached;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::{Ask, Clocks, Event, NodeId, Presence, ProposalId, Pulse, Role, Sequencer};
use sluice_engine::time::{LogTime, WallMs};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::errands::Errand;
use super::lane::Delivery;
use super::limit::BUSY_RETRY_MS;
use super::roles::Lead;
use super::shared::Shared;
use super::slices::Slices;

/// One group's log, as the owner of its shard sees it. Made by [`Node`](crate::node::Node), one a group.
pub struct Port {
    shared: Arc<Shared>,
    deliveries: VecDeque<Delivery>,
    /// The session in which the owner leads, as far as it was told.
    session: Option<u64>,
    others: Arc<[NodeId]>,
    changes_of_others: u64,
    slices: Option<Arc<Slices>>,
    /// What came in one delivery.
    unpacked: VecDeque<Event>,
    /// Requests of this turn for the leader.
    passing: Vec<(Ticket, Measured<Ask>)>,
    /// Replies of this turn for other nodes, and the index applied here.
    answers: Vec<(Ticket, Reply)>,
    applied: u64,
    /// Something was left for the node's thread since the last flush.
    is_left: bool,
}

pub(super) const NO_LEADER: Refusal = Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS };
const BUSY: Refusal = Refusal::Busy { retry_ms: BUSY_RETRY_MS };

impl Port {
    pub(crate) fn new(shared: Arc<Shared>) -> Port {
        let changes_of_others = shared.changes_of_others();
        let others = shared.others();
        Port {
            shared,
            deliveries: VecDeque::new(),
            session: None,
            others,
            changes_of_others,
            slices: None,
            unpacked: VecDeque::new(),
            passing: Vec::new(),
            answers: Vec::new(),
            applied: 0,
            is_left: false,
        }
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.shared.group
    }

    /// `None`: a delivery of nothing.
    fn hand_out(&mut self, delivery: Delivery) -> Option<Event> {
        Some(match delivery {
            Delivery::Asked(asks) => {
                self.unpacked.extend(asks.into_iter().map(|(ticket, ask)| Event::Asked(ticket, ask)));
                return self.unpacked.pop_front();
            }
            Delivery::Answered(replies, applied) => {
                let events =
                    replies.into_iter().map(|(ticket, reply)| Event::Answered(ticket, reply, applied));
                self.unpacked.extend(events);
                return self.unpacked.pop_front();
            }
            Delivery::Committed(committed, _) => {
                self.shared.set_taken(committed.index);
                Event::Committed(committed)
            }
            Delivery::Leader(session) => {
                // What an earlier session found says nothing about this one's.
                self.shared.set_clocks(Clocks::default());
                self.session = Some(session);
                // Before the owner can prove anything by it.
                self.shared.set_owner_leads(Some(session));
                Event::Role(Role::Leader)
            }
            Delivery::Cut(slices) => {
                self.slices = Some(slices);
                Event::Cut
            }
            Delivery::Install(state) => {
                self.shared.set_taken(state.index());
                Event::Install(state)
            }
            Delivery::Soft(event) => event,
            Delivery::Event(event) => {
                if let Event::Role(_) = event {
                    self.session = None;
                }
                event
            }
        })
    }
}

impl Sequencer for Port {
    fn propose(
        &mut self,
        commands: Vec<Command>,
        bytes: usize,
        stamp: LogTime,
        wall: WallMs,
    ) -> Result<ProposalId, Refusal> {
        let session = self.session.ok_or(NO_LEADER)?;
        if self.shared.full.load(Ordering::Relaxed) || !self.shared.proposals.has_room() {
            return Err(BUSY);
        }
        self.is_left = true;
        self.shared.proposals.add(session, commands, bytes, stamp, wall)
    }

    fn has_room(&self) -> bool {
        self.shared.proposals.has_room()
    }

    fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.unpacked.pop_front() {
            return Some(event);
        }
        if self.deliveries.is_empty() {
            self.shared.lane.take(&mut self.deliveries);
            let changes = self.shared.changes_of_others();
            if changes != self.changes_of_others {
                (self.others, self.changes_of_others) = (self.shared.others(), changes);
            }
        }
        let delivery = self.deliveries.pop_front()?;
        self.hand_out(delivery)
    }

    fn role(&self) -> Role {
        // Whoever leads is told in an event, after what was committed before.
        Role::Cut
    }

    fn me(&self) -> NodeId {
        self.shared.node
    }

    fn others(&self) -> &[NodeId] {
        &self.others
    }

    fn lease_age_ms(&self) -> Option<u64> {
        self.shared.lease_age_ms()
    }

    fn forward(&mut self, ticket: Ticket, ask: Measured<Ask>) -> Result<(), Refusal> {
        match self.shared.roles.lead() {
            Lead::There(..) if self.shared.errands.may_forward(ask.bytes()) => {
                self.passing.push((ticket, ask));
                self.is_left = true;
                Ok(())
            }
            Lead::There(..) => Err(BUSY),
            _ => Err(NO_LEADER),
        }
    }

    fn answer(&mut self, ticket: Ticket, reply: Reply, applied: u64) {
        self.answers.push((ticket, reply));
        self.applied = applied;
    }

    fn flush(&mut self) {
        if self.session.is_none() && self.shared.owner_leads().is_some() {
            // The turn in which the owner heard of it is over.
            self.shared.set_owner_leads(None);
        }
        if !self.passing.is_empty() {
            self.shared.errands.forward(std::mem::take(&mut self.passing));
        }
        if !self.answers.is_empty() {
            self.shared.errands.answer(self.answers.drain(..), self.applied);
            self.is_left = true;
        }
        if std::mem::take(&mut self.is_left) {
            self.shared.gate.leave();
        }
    }

    fn wake(&mut self) {
        self.shared.gate.ring();
    }

    fn report(&mut self, presence: Presence) {
        self.is_left = true;
        self.shared.errands.cast(Errand::Report(presence));
    }

    fn pulse(&mut self, pulse: Pulse) {
        self.is_left = true;
        self.shared.errands.cast(Errand::Pulse(pulse));
    }

    fn judge_clocks(&mut self, clocks: Clocks) {
        self.shared.set_clocks(clocks);
    }

    fn slice(&mut self, bytes: Option<Vec<u8>>) {
        let Some(slices) = &self.slices else { return };
        let last = bytes.is_none();
        slices.push(bytes);
        if last {
            self.slices = None;
        }
    }

    fn abandon_slices(&mut self) {
        if let Some(slices) = self.slices.take() {
            slices.abandon();
        }
    }

    fn wants_slice(&self) -> bool {
        self.slices.as_ref().is_some_and(|slices| slices.has_room())
    }

    fn dispose(&mut self, old: Box<Detached>) {
        self.shared.bin.push(old);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.abandon_slices();
    }
}
