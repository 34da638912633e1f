//! From what is pending to what was committed: batches on their way, and everything that the sequencer tells.

use super::Owner;
use super::outcome::Origin;
use super::pending::Batch;
use super::remote::NO_LEADER;
use crate::command::Command;
use crate::error::Refusal;
use crate::limit::{GATHER_MS, PROPOSAL_LATE_MS, PROPOSAL_MS_MAX, WALK_AN_OPERATION};
use crate::sequencer::{Ask, Committed, Event, ProposalId, Role};
use crate::time::MonoMs;

/// A batch on its way, and who waits for it.
pub(super) struct Proposal {
    id: ProposalId,
    pub(super) at: MonoMs,
    pub(super) origins: Vec<Origin>,
}

impl Owner {
    /// Proposes what is pending, as far as there is room; true where something was.
    pub(super) fn propose(&mut self) -> bool {
        let mut any = false;
        while self.gathers_until().is_none_or(|until| until <= self.mono)
            && !self.pending.is_empty()
            && self.sequencer.has_room()
        {
            any = true;
            let Batch { commands, bytes, origins } = self.pending.take_batch();
            match self.sequencer.propose(commands, bytes, self.now, self.wall_now()) {
                Ok(id) => self.proposed.push_back(Proposal { id, at: self.mono, origins }),
                Err(refusal) => {
                    origins.into_iter().for_each(|origin| self.refuse_for_good(origin, refusal));
                }
            }
        }
        any
    }

    /// Until when what is pending waits for more, where a batch is under way to other nodes: it costs each of them about the
    /// same however much is in it. A full one does not wait, nor does what the owner itself decided: that is right only now.
    fn gathers_until(&self) -> Option<MonoMs> {
        let last = self.proposed.back()?;
        let waits = !self.is_alone && !self.pending.is_batch_full() && self.pending.is_clients();
        waits.then_some(MonoMs(last.at.0 + GATHER_MS))
    }

    /// When what is pending can be proposed, should nothing happen before.
    pub(super) fn propose_due(&self) -> Option<MonoMs> {
        let until = self.gathers_until()?;
        (!self.pending.is_empty() && self.sequencer.has_room()).then_some(until)
    }

    /// Takes what the sequencer has, as far as this turn may; true where something was.
    pub(super) fn take_events(&mut self) -> bool {
        let mut any = false;
        while self.room > 0
            && let Some(event) = self.sequencer.next()
        {
            any = true;
            match event {
                Event::Committed(batch) => self.apply(batch),
                Event::Refused(id, refusal) => self.refuse_proposal(id, refusal),
                Event::Role(role) => self.change_role(role),
                Event::Asked(ticket, ask) => {
                    let walk = match &ask {
                        Ask::Key(op) => self.walk_of(std::slice::from_ref(op)),
                        Ask::Keys(ops) => self.walk_of(ops),
                        _ => 0,
                    };
                    self.spend(1, walk);
                    self.asked(ticket, ask);
                }
                Event::Answered(ticket, reply, applied) => self.answered(ticket, reply, applied),
                Event::Presence(from, presence) => self.take_presence(from, presence),
                Event::Pulse(pulse) => self.take_pulse(pulse),
                Event::Unfit => self.shard.view.count_unfit(),
                Event::Cut => self.begin_cut(),
                Event::Install(detached) => self.install(detached),
            }
        }
        any
    }

    fn apply(&mut self, batch: Committed) {
        let operations: usize = batch.commands.iter().map(Command::operations).sum();
        let walk = batch.commands.iter().map(|command| self.walk(command)).fold(0, u64::saturating_add);
        self.spend(operations, walk);
        let own = batch.proposal.and_then(|id| self.take_proposal(id));
        let before = self.shard.stamp;
        let mut outcomes = std::mem::take(&mut self.outcomes);
        self.shard.apply(batch, &mut outcomes);
        if self.shard.stamp > before {
            self.stamped = (self.shard.stamp, self.mono);
        }
        if self.role != Role::Leader && self.shard.stamp > before {
            self.rebase(self.shard.stamp);
        }
        self.now = self.now.max(self.shard.stamp);
        let origins = own.into_iter().flatten().map(Some).chain(std::iter::repeat(None));
        outcomes.drain(..).zip(origins).for_each(|(outcome, origin)| self.settle(outcome, origin));
        self.outcomes = outcomes;
    }

    /// Takes from this turn's room: for operations, and for what they look through.
    fn spend(&mut self, operations: usize, walk: u64) {
        let walked = usize::try_from(walk / WALK_AN_OPERATION).unwrap_or(usize::MAX);
        self.room = self.room.saturating_sub(operations).saturating_sub(walked);
    }

    fn take_proposal(&mut self, id: ProposalId) -> Option<Vec<Origin>> {
        let at = self.proposed.binary_search_by_key(&id, |proposal| proposal.id).ok()?;
        self.proposed.remove(at).map(|proposal| proposal.origins)
    }

    fn refuse_proposal(&mut self, id: ProposalId, refusal: Refusal) {
        let origins = self.take_proposal(id).unwrap_or_default();
        origins.into_iter().for_each(|origin| self.refuse(origin, refusal));
    }

    /// Nobody waits for ever on a batch that a lost majority holds up. It may still be committed: who repeats a
    /// request under its request id is safe.
    pub(super) fn expire_proposals(&mut self) {
        while let Some(proposal) = self.proposed.front()
            && self.mono.0.saturating_sub(proposal.at.0) >= PROPOSAL_MS_MAX
        {
            self.refuse_proposal(proposal.id, NO_LEADER);
        }
    }

    /// Whether what was proposed is late: admissions proposed now would be seen long after their stamps.
    pub(super) fn is_late(&self) -> bool {
        let oldest = self.proposed.front();
        oldest.is_some_and(|proposal| self.mono.0.saturating_sub(proposal.at.0) > PROPOSAL_LATE_MS)
    }
}
