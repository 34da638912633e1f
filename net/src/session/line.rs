//! A connection's requests and replies, whatever the protocol: who waits for whom.
//!
//! Rules: replies leave in the order of their requests; several changes may be under way at once; a
//! read waits for the connection's own earlier changes; a parked poll is answered after its owner's
//! next turn when anything is behind it, so that one visitor never holds up a gateway's others.

use super::buffers::{Buffers, Pool};
use super::pending::{Awaited, Cost, Pending};
use super::told::Told;
use crate::limit;
use crate::request::{Request, RequestKind};
use crate::worker::desk::Desk;
use crate::worker::shards::{Outcome, Shards};
use crate::worker::ticket::{Address, SessionKey};
use crate::worker::turn::Turn;
use sluice_engine::id::{GroupId, Ticket};
use sluice_engine::sequencer::Ask;

/// What a change of a zone carries, about.
const REQUEST_BYTES: usize = 256;

/// What became of a request.
pub(crate) enum Asked {
    /// The answer.
    Told(Told),
    /// It comes later; its place among the replies is kept.
    Later,
    /// The request has to wait for earlier changes; nothing was done.
    Wait,
}

/// The state of a connection that both protocols share.
pub(crate) struct Line {
    pub(crate) key: SessionKey,
    /// Number of the next request that waits, while there are no buffers to count in.
    number: u16,
    pub(crate) buffers: Option<Box<Buffers>>,
}

impl Line {
    pub(crate) fn new(key: SessionKey) -> Line {
        Line { key, number: 0, buffers: None }
    }

    /// The buffers, taken from the pool where there are none.
    pub(crate) fn buffers(&mut self, pool: &mut Pool) -> &mut Buffers {
        let number = self.number;
        self.buffers.get_or_insert_with(|| {
            let mut buffers = pool.take();
            buffers.pending.start_at(number);
            buffers
        })
    }

    /// Gives the buffers back where nothing is in them.
    pub(crate) fn tidy(&mut self, pool: &mut Pool) {
        if let Some(buffers) = self.buffers.take_if(|buffers| buffers.is_idle()) {
            self.number = buffers.pending.next_number();
            pool.give(buffers);
        }
    }

    fn pending(&self) -> Option<&Pending> {
        self.buffers.as_ref().map(|buffers| &buffers.pending)
    }

    /// Whether replies must wait for one before them.
    pub(crate) fn is_behind(&self) -> bool {
        self.pending().is_some_and(|pending| !pending.is_empty())
    }

    /// Whether a read that may wait is not answered yet.
    pub(crate) fn is_blocked(&self) -> bool {
        self.buffers.as_ref().is_some_and(|buffers| buffers.blocked)
    }

    /// Whether a change is under way, for which reads wait.
    pub(crate) fn has_writes(&self) -> bool {
        self.pending().is_some_and(Pending::has_writes)
    }

    /// Whether a question is under way, for which changes wait.
    pub(crate) fn has_questions(&self) -> bool {
        self.pending().is_some_and(Pending::has_questions)
    }

    /// Whether a request has to wait for those before it.
    pub(crate) fn must_wait(&self, write: bool) -> bool {
        if write { self.has_questions() } else { self.has_writes() }
    }

    /// Whether so much is on its way that nothing more may be read, `fresh` bytes of this visit included.
    /// `soft`: how much that is, see [`Passing::soft_bytes`](crate::worker::passing::Passing::soft_bytes).
    pub(crate) fn is_full(&self, fresh: usize, soft: usize) -> bool {
        let Some(buffers) = &self.buffers else { return fresh >= soft };
        let pending = &buffers.pending;
        fresh + buffers.unsent() + pending.coming_bytes() >= soft
            || pending.asked_bytes() >= limit::CHANGES_BYTES_MAX.min(4 * soft)
            || pending.len() >= limit::PIPELINE_DEPTH_MAX
    }

    /// Bytes of replies and news that the client has not taken.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.buffers.as_ref().map_or(0, |buffers| buffers.unsent() + buffers.pending.written_bytes())
    }

    /// Bytes of replies and news that the client has not taken, and of answers behind them.
    pub(crate) fn owed_bytes(&self) -> usize {
        self.buffers.as_ref().map_or(0, |buffers| buffers.unsent() + buffers.pending.coming_bytes())
    }

    /// Asks the engine. `awaited` is kept where the answer comes later.
    pub(crate) fn ask(
        &mut self,
        request: &Request<'_>,
        write: bool,
        awaited: impl FnOnce() -> Awaited,
        desk: &mut Desk,
        turn: Turn<'_>,
    ) -> Asked {
        if self.must_wait(write) || self.makes_zone_of(request, desk) {
            return Asked::Wait;
        }
        match request.kind() {
            RequestKind::Poll => desk.counts.polls += 1,
            RequestKind::Join => desk.counts.joins += 1,
            _ => {}
        }
        let ticket = self.ticket(desk.me);
        match desk.shards.perform(request, ticket, turn) {
            Outcome::Told(told) => Asked::Told(told),
            Outcome::Later { parked } => {
                let buffers = self.buffers(&mut desk.pool);
                let cost = if write { Cost::Change(REQUEST_BYTES) } else { Cost::Small };
                buffers.pending.push_asked(awaited(), cost, turn.now);
                buffers.parked.extend(parked.map(|zone| (zone, ticket)));
                Asked::Later
            }
        }
    }

    /// Whether this is a join of a zone that is not there, and may be one that the connection has just asked for.
    fn makes_zone_of(&self, request: &Request<'_>, desk: &Desk) -> bool {
        let Request::Join { zone, .. } = request else { return false };
        self.has_writes()
            && desk.shared.directory.zone(zone).is_none()
            && self.pending().is_some_and(Pending::makes_zones)
    }

    /// Asks for a part of a reply; its place is kept. The caller has seen to it that reads come behind the changes before them,
    /// and pushes the last place.
    pub(crate) fn ask_part(
        &mut self,
        group: GroupId,
        ask: Ask,
        write: bool,
        desk: &mut Desk,
        turn: Turn<'_>,
    ) {
        let ticket = self.ticket(desk.me);
        let cost = Cost::of_ask(&ask, write);
        let settled = desk.shards.ask_keys(group, ask, ticket, turn.now);
        self.buffers(&mut desk.pool).pending.push_part(settled, cost, turn.now);
    }

    /// Has parked polls answered soon. `all`: also one that nothing is behind yet.
    pub(crate) fn hurry(&mut self, all: bool, shards: &mut Shards) {
        let Some(buffers) = &mut self.buffers else { return };
        let last = buffers.pending.next_number().wrapping_sub(1);
        buffers.parked.retain(|(zone, ticket)| {
            let stays = !all && Address::of(*ticket).request == last;
            if !stays {
                shards.withdraw(*zone, *ticket);
            }
            stays
        });
    }

    /// Moves what this visit wrote from `mark` on behind the replies that must leave first.
    pub(crate) fn hold(&mut self, mark: usize, desk: &mut Desk) {
        let buffers = self.buffers(&mut desk.pool);
        buffers.pending.push_written(desk.out.get(mark..).unwrap_or_default());
        desk.out.truncate(mark);
    }

    /// The ticket of the next request.
    pub(crate) fn ticket(&self, worker: usize) -> Ticket {
        let request = self.pending().map_or(self.number, Pending::next_number);
        Address { worker, session: self.key, request }.ticket()
    }
}
