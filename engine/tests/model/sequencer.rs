//! Sequencers that misbehave as a real one may, and tell the test everything that passed through them.

use crate::model::reference::evicted;
use sluice_engine::command::Command;
use sluice_engine::error::Refusal;
use sluice_engine::sequencer::{self, Committed, ProposalId, Role, Sequencer};
use sluice_engine::time::{LogTime, WallMs};
use sluice_engine::token::{Place, Token};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// What happened at the sequencer, in order.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A batch was proposed; without an id it was refused.
    Proposed { id: Option<ProposalId>, stamp: LogTime, commands: Vec<Command> },
    /// A batch was handed to the shard.
    Committed(Committed),
}

/// The state behind a [`Flaky`].
pub(crate) struct Link {
    rng: fastrand::Rng,
    /// Of a hundred proposals so many are refused.
    pub(crate) refuse_percent: u8,
    /// Turns between a proposal and its commit.
    pub(crate) delay_turns: u64,
    turn: u64,
    index: u64,
    proposals: u64,
    stamp: LogTime,
    queue: VecDeque<(u64, Committed)>,
    events: Vec<Event>,
}

/// Commits what is proposed, but perhaps late, and perhaps not at all.
#[derive(Clone)]
pub(crate) struct Flaky(Arc<Mutex<Link>>);

impl Flaky {
    pub(crate) fn new(seed: u64, applied: u64) -> Flaky {
        Flaky(Arc::new(Mutex::new(Link {
            rng: fastrand::Rng::with_seed(seed),
            refuse_percent: 0,
            delay_turns: 0,
            turn: 0,
            index: applied,
            proposals: 0,
            stamp: LogTime(0),
            queue: VecDeque::new(),
            events: Vec::new(),
        })))
    }

    pub(crate) fn link(&self) -> MutexGuard<'_, Link> {
        self.0.lock().unwrap()
    }

    /// The owner is about to take a turn.
    pub(crate) fn next_turn(&self) {
        self.link().turn += 1;
    }

    /// Everything since the last call.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.link().events)
    }

    /// Whether the dropping of this place is on its way.
    pub(crate) fn is_evicting(&self, token: &Token) -> bool {
        let Place::Queue(seq) = token.place else { return false };
        let link = self.link();
        let mut commands = link.queue.iter().flat_map(|(_, batch)| &batch.commands);
        commands.any(|command| match command {
            Command::Evict { zone, block, slots } => {
                *zone == token.zone && evicted(*block, slots).any(|evicted| evicted == seq)
            }
            _ => false,
        })
    }

    /// Proposals on their way.
    pub(crate) fn on_the_way(&self) -> usize {
        self.link().queue.len()
    }
}

impl Sequencer for Flaky {
    fn propose(
        &mut self,
        commands: Vec<Command>,
        _: usize,
        stamp: LogTime,
        wall: WallMs,
    ) -> Result<ProposalId, Refusal> {
        let mut link = self.link();
        link.proposals += 1;
        let refused = link.rng.u8(0..100) < link.refuse_percent;
        let id = (!refused).then_some(ProposalId(link.proposals));
        link.events.push(Event::Proposed { id, stamp, commands: commands.clone() });
        let Some(id) = id else { return Err(Refusal::NoLeader { retry_ms: 100 }) };
        link.index += 1;
        link.stamp = link.stamp.max(stamp);
        let batch = Committed { index: link.index, stamp: link.stamp, wall, proposal: Some(id), commands };
        let ready = link.turn + link.delay_turns;
        link.queue.push_back((ready, batch));
        Ok(id)
    }

    fn next(&mut self) -> Option<sequencer::Event> {
        let mut link = self.link();
        if link.queue.front()?.0 > link.turn {
            return None;
        }
        let (_, batch) = link.queue.pop_front()?;
        link.events.push(Event::Committed(batch.clone()));
        Some(sequencer::Event::Committed(batch))
    }

    fn role(&self) -> Role {
        Role::Leader
    }
}

/// A follower's sequencer: hands out what it is fed and refuses every proposal.
#[derive(Clone, Default)]
pub(crate) struct Replay(Arc<Mutex<VecDeque<Committed>>>);

impl Replay {
    pub(crate) fn feed(&self, batch: Committed) {
        self.0.lock().unwrap().push_back(Committed { proposal: None, ..batch });
    }
}

impl Sequencer for Replay {
    fn propose(&mut self, _: Vec<Command>, _: usize, _: LogTime, _: WallMs) -> Result<ProposalId, Refusal> {
        Err(Refusal::NoLeader { retry_ms: 100 })
    }

    fn next(&mut self) -> Option<sequencer::Event> {
        self.0.lock().unwrap().pop_front().map(sequencer::Event::Committed)
    }

    fn role(&self) -> Role {
        Role::Follower
    }
}
