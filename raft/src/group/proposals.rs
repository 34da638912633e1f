//! Proposals on their way through the log.
//!
//! Each accepted one leaves this place once: [`Proposals::settle`] when its entry is committed, or [`Proposals::refuse`] and
//! [`Proposals::close`] when it is not, or when nobody can say. Whoever takes it out tells the owner.

use super::limit::{BATCH_BYTES_MAX, PROPOSALS_BYTES_MAX, PROPOSALS_MAX};
use super::port::NO_LEADER;
use crate::codec;
use crate::types::Batch;
use sluice_engine::command::Command;
use sluice_engine::error::Refusal;
use sluice_engine::sequencer::ProposalId;
use sluice_engine::time::{LogTime, WallMs};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::queue::Queue;

struct Waiting {
    session: u64,
    bytes: usize,
    /// Kept, so that what was proposed here need not be decoded here.
    commands: Vec<Command>,
}

#[derive(Default)]
struct State {
    /// The session in which proposals are taken.
    session: Option<u64>,
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    bytes: usize,
}

/// Proposals of one group's owner.
pub(crate) struct Proposals {
    state: Mutex<State>,
    queue: Queue<Batch>,
}

impl Proposals {
    pub(crate) fn new() -> Proposals {
        Proposals { state: Mutex::default(), queue: Queue::new() }
    }

    /// Whether another one would be taken now.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.lock();
        state.waiting.len() < PROPOSALS_MAX && state.bytes < PROPOSALS_BYTES_MAX
    }

    /// Takes a proposal, for [`Proposals::wake`]. `bytes` is what its commands take.
    ///
    /// # Errors
    /// [`NO_LEADER`] when the session is over; [`Refusal::TooLarge`] for what would not fit one record of the log.
    pub(crate) fn add(
        &self,
        session: u64,
        commands: Vec<Command>,
        bytes: usize,
        stamp: LogTime,
        wall: WallMs,
    ) -> Result<ProposalId, Refusal> {
        let encoded = codec::encode_into(&commands, codec::LIST_PREFIX_BYTES + bytes);
        if encoded.len() > BATCH_BYTES_MAX {
            return Err(Refusal::TooLarge { bytes: encoded.len() as u64 });
        }
        let mut state = self.lock();
        if state.session != Some(session) {
            return Err(NO_LEADER);
        }
        state.last += 1;
        let proposal = state.last;
        state.bytes += encoded.len();
        state.waiting.insert(proposal, Waiting { session, bytes: encoded.len(), commands });
        self.queue.leave(Batch { session, proposal, stamp: stamp.0, wall: wall.0, commands: encoded });
        Ok(ProposalId(proposal))
    }

    /// Has what was added written into the log.
    pub(crate) fn wake(&self) {
        self.queue.wake();
    }

    /// The next one to write into the log. Those refused meanwhile are left out.
    pub(crate) async fn next(&self) -> Option<Batch> {
        loop {
            let batch = self.queue.next().await?;
            if self.lock().waiting.contains_key(&batch.proposal) {
                return Some(batch);
            }
        }
    }

    /// The commands of a committed batch, where it was proposed here and its owner still waits for it.
    pub(crate) fn settle(&self, batch: &Batch) -> Option<Vec<Command>> {
        let mut state = self.lock();
        if state.waiting.get(&batch.proposal).is_none_or(|waiting| waiting.session != batch.session) {
            return None;
        }
        state.remove(batch.proposal).map(|waiting| waiting.commands)
    }

    /// Gives up on one; false where that was done already.
    pub(crate) fn refuse(&self, proposal: u64) -> bool {
        self.lock().remove(proposal).is_some()
    }

    /// Takes proposals of this session from now on.
    pub(crate) fn open(&self, session: u64) {
        self.lock().session = Some(session);
    }

    /// Takes no more, and gives up on all. Returns them, oldest first.
    pub(crate) fn close(&self) -> Vec<ProposalId> {
        let mut state = self.lock();
        state.session = None;
        state.bytes = 0;
        std::mem::take(&mut state.waiting).into_keys().map(ProposalId).collect()
    }

    /// Ends [`Proposals::next`].
    pub(crate) fn stop(&self) {
        self.queue.close();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, proposal: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&proposal)?;
        self.bytes -= waiting.bytes;
        Some(waiting)
    }
}
