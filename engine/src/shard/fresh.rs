//! Proof that what is here is new enough to be answered from.
//!
//! A process may be stopped at any moment and go on much later, and so may a machine. What it knew then is old, and neither it nor
//! its clock readings from before say so. A read is therefore answered only with a [`Fresh`], which is made here alone: by a
//! clock that was read after the request was, or by the sequencer's lease, which reads the clock when it is asked.

use super::view::ShardView;
use crate::limit::LEASE_MS;
use crate::sequencer::Sequencer;
use crate::time::MonoMs;
use std::sync::atomic::Ordering;

/// At a moment after the request came, this node's state of the group was the newest, or at most
/// [`FRESH_MS`](crate::limit::FRESH_MS) old.
#[derive(Clone, Copy, Debug)]
pub struct Fresh(());

impl ShardView {
    /// The proof, if there is one at `now`, which is a reading of the clock from after the request came.
    pub(crate) fn prove(&self, now: MonoMs) -> Option<Fresh> {
        // Acquire: who sees how long the state is new enough sees the state, and the clock that goes with it.
        (now.0 < self.fresh_until_ms.load(Ordering::Acquire)).then_some(Fresh(()))
    }
}

impl Fresh {
    /// The leader's proof at this moment: a majority answered lately, so nobody else leads. Answers from before this process
    /// went on, `resumed_ms` ago, count for nothing: the clock that they are measured by may have stood still with the machine.
    pub(crate) fn by_lease(sequencer: &dyn Sequencer, resumed_ms: u64) -> Option<Fresh> {
        let age_ms = sequencer.lease_age_ms()?;
        (age_ms < LEASE_MS && age_ms <= resumed_ms).then_some(Fresh(()))
    }
}
