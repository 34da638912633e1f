//! The sequencer port: who puts a group's commands in order.
//!
//! A shard's owner proposes batches and learns, in log order, which were committed and with what
//! stamp. [`Local`] commits at once and keeps nothing; a replicated implementation lives elsewhere
//! and is all that changes when a node becomes one of three.

use crate::command::Command;
use crate::error::Refusal;
use crate::time::LogTime;
use std::collections::VecDeque;

/// A batch that was committed: the only thing a shard applies.
#[derive(Clone, PartialEq, Debug)]
pub struct Committed {
    /// Position in the group's log, from 1, dense.
    pub index: u64,
    /// Log time of every command in it; never below that of an earlier batch.
    pub stamp: LogTime,
    /// The proposal this answers, when it was proposed here.
    pub proposal: Option<ProposalId>,
    /// The commands, in order.
    pub commands: Vec<Command>,
}

/// Names a proposal of this process until it is committed or refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ProposalId(pub u64);

/// Orders one group's commands.
pub trait Sequencer: Send {
    /// Proposes a batch with the stamp it should carry if nothing later was committed meanwhile.
    ///
    /// # Errors
    /// [`Refusal::NoLeader`] or [`Refusal::Busy`]; the batch is then certain not to be committed.
    fn propose(&mut self, commands: Vec<Command>, stamp: LogTime) -> Result<ProposalId, Refusal>;

    /// The next committed batch in log order, if there is one.
    fn committed(&mut self) -> Option<Committed>;

    /// Whether everything committed anywhere before this call has been handed out by
    /// [`Sequencer::committed`]; a linearizable read waits for true.
    fn caught_up(&mut self) -> bool;

    /// Whether this node may propose now.
    fn leading(&self) -> bool;
}

/// The unreplicated sequencer: what is proposed is committed, in memory only.
///
/// ```
/// use sluice_engine::sequencer::{Local, Sequencer};
/// use sluice_engine::time::LogTime;
/// let mut local = Local::new(0);
/// let id = local.propose(vec![], LogTime(7)).unwrap();
/// let batch = local.committed().unwrap();
/// assert_eq!((batch.index, batch.stamp, batch.proposal), (1, LogTime(7), Some(id)));
/// ```
#[derive(Debug, Default)]
pub struct Local {
    index: u64,
    proposals: u64,
    stamp: LogTime,
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
    fn propose(&mut self, commands: Vec<Command>, stamp: LogTime) -> Result<ProposalId, Refusal> {
        self.index += 1;
        self.proposals += 1;
        self.stamp = self.stamp.max(stamp);
        let proposal = ProposalId(self.proposals);
        let (index, stamp) = (self.index, self.stamp);
        self.queue.push_back(Committed { index, stamp, proposal: Some(proposal), commands });
        Ok(proposal)
    }

    fn committed(&mut self) -> Option<Committed> {
        self.queue.pop_front()
    }

    fn caught_up(&mut self) -> bool {
        self.queue.is_empty()
    }

    fn leading(&self) -> bool {
        true
    }
}
