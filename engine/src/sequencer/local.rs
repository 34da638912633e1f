//! The unreplicated sequencer.

use super::{Committed, Event, ProposalId, Role, Sequencer};
use crate::command::Command;
use crate::error::Refusal;
use crate::time::{LogTime, WallMs};
use std::collections::VecDeque;

/// The unreplicated sequencer: what is proposed is committed, in memory only.
///
/// ```
/// use sluice_engine::sequencer::{Event, Local, Sequencer};
/// use sluice_engine::time::{LogTime, WallMs};
/// let mut local = Local::new(0);
/// let id = local.propose(vec![], 0, LogTime(7), WallMs(0)).unwrap();
/// let Some(Event::Committed(batch)) = local.next() else { panic!("not committed") };
/// assert_eq!((batch.index, batch.stamp, batch.proposal), (1, LogTime(7), Some(id)));
/// ```
#[derive(Debug, Default)]
pub struct Local {
    index: u64,
    proposals: u64,
    stamp: LogTime,
    wall: WallMs,
    queue: VecDeque<Committed>,
}

impl Local {
    /// A sequencer whose next batch has index `applied + 1`.
    #[must_use]
    pub fn new(applied: u64) -> Local {
        Local { index: applied, ..Local::default() }
    }
}

impl Sequencer for Local {
    fn propose(
        &mut self,
        commands: Vec<Command>,
        _: usize,
        stamp: LogTime,
        wall: WallMs,
    ) -> Result<ProposalId, Refusal> {
        self.index += 1;
        self.proposals += 1;
        self.stamp = self.stamp.max(stamp);
        self.wall = self.wall.max(wall);
        let proposal = ProposalId(self.proposals);
        let (index, stamp, wall) = (self.index, self.stamp, self.wall);
        self.queue.push_back(Committed { index, stamp, wall, proposal: Some(proposal), commands });
        Ok(proposal)
    }

    fn next(&mut self) -> Option<Event> {
        self.queue.pop_front().map(Event::Committed)
    }

    fn role(&self) -> Role {
        Role::Leader
    }
}
