//! Calls of one connection: what is to be sent, and who waits for which reply.
//!
//! ```text
//! caller ── submit ──▶ output + tickets ── take ──▶ pump: socket, tickets in the order of replies
//!    ▲                                                  │
//!    └── check ◀── slot (generation) ◀── complete ──────┘
//! ```
//! A *slot* is a caller that waits; it goes when the caller has its answer or gives up. A *ticket* is a reply that is owed; it
//! goes when the reply comes or the connection is lost. A ticket names its slot with a generation, so a reply that nobody
//! waits for any more finds nobody.
//!
//! Every operation takes constant time but `expire` and `close`, which look at all slots.

use std::mem;
use std::task::{Poll, Waker};

use slab::Slab;
use tokio::time::Instant;

use crate::reply::Place;

/// How the reply to a command is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// As a place.
    Place,
    /// As it came.
    Raw,
    /// A command within a transaction: only an error is of interest.
    Step,
}

/// What a caller is told.
#[derive(Debug)]
pub(crate) enum Answer {
    /// To a join or a poll.
    Place(Place),
    /// The bytes of one whole reply.
    Raw(Vec<u8>),
    /// There was none before the deadline.
    Late,
    /// The connection was lost.
    Lost {
        /// The server may have seen the command.
        sent: bool,
    },
}

/// A caller that waits, as its future knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlotId {
    index: usize,
    generation: u64,
}

/// A reply that is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// Who waits for it; `None`: nobody ever did.
    pub(crate) slot: Option<SlotId>,
    pub(crate) want: Want,
    /// Units of the bound in flight that are free again when it is there.
    pub(crate) units: u32,
}

#[derive(Debug)]
struct Slot {
    generation: u64,
    state: SlotState,
}

#[derive(Debug)]
enum SlotState {
    Waiting { waker: Waker, deadline: Instant },
    Answered(Answer),
}

/// The calls of one connection after another; closed between them.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    output: Vec<u8>,
    /// Of the commands in `output`.
    tickets: Vec<Ticket>,
    slots: Slab<Slot>,
    generations: u64,
    /// The pump, where it waits for something to send.
    pump: Option<Waker>,
    is_open: bool,
    /// The server owes replies and has said nothing for long.
    is_silent: bool,
}

/// What a caller has sent.
pub(crate) struct Submission<'a> {
    /// The commands; all but the last are steps.
    pub(crate) commands: &'a [&'a [&'a [u8]]],
    pub(crate) want: Want,
    pub(crate) units: u32,
    pub(crate) deadline: Instant,
}

impl Queue {
    /// Takes calls from now on.
    pub(crate) fn open(&mut self) {
        debug_assert!(
            self.output.is_empty() && self.tickets.is_empty(),
            "nothing is left of a lost connection"
        );
        (self.is_open, self.is_silent) = (true, false);
    }

    /// Whether calls are taken.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Queues commands for a caller, and tells whom to wake; `None` while no connection is open.
    pub(crate) fn submit(
        &mut self,
        what: &Submission<'_>,
        caller: &Waker,
    ) -> Option<(SlotId, Option<Waker>)> {
        if !self.is_open {
            return None;
        }
        self.generations += 1;
        let generation = self.generations;
        let state = SlotState::Waiting { waker: caller.clone(), deadline: what.deadline };
        let id = SlotId { index: self.slots.insert(Slot { generation, state }), generation };
        let last = what.commands.len() - 1;
        for (place, command) in what.commands.iter().enumerate() {
            crate::encode_command(&mut self.output, command);
            let (want, units) = if place == last { (what.want, what.units) } else { (Want::Step, 0) };
            self.tickets.push(Ticket { slot: Some(id), want, units });
        }
        Some((id, self.pump.take()))
    }

    /// Whether calls are taken and answered, as far as is known.
    pub(crate) fn is_lively(&self) -> bool {
        self.is_open && !self.is_silent
    }

    /// The server is heard again.
    pub(crate) fn hear(&mut self) {
        self.is_silent = false;
    }

    /// Asks the server, which is silent, whether it is there; nobody waits for the reply.
    pub(crate) fn probe(&mut self) {
        self.is_silent = true;
        crate::encode_command(&mut self.output, &[b"PING"]);
        self.tickets.push(Ticket { slot: None, want: Want::Raw, units: 0 });
    }

    /// Whether there is something to send; if not, the pump is woken when there is.
    pub(crate) fn has_output(&mut self, pump: &Waker) -> bool {
        if self.output.is_empty() {
            self.pump = Some(pump.clone());
            return false;
        }
        true
    }

    /// Hands everything that is to be sent over: into an empty buffer, and behind the tickets of what was sent.
    pub(crate) fn take(&mut self, output: &mut Vec<u8>, tickets: &mut impl Extend<Ticket>) {
        debug_assert!(output.is_empty(), "what was taken is sent first");
        mem::swap(output, &mut self.output);
        tickets.extend(self.tickets.drain(..));
    }

    /// Gives a caller its answer; whom to wake, if it still waits.
    pub(crate) fn complete(&mut self, id: SlotId, answer: Answer) -> Option<Waker> {
        let slot = self.slots.get_mut(id.index).filter(|slot| slot.generation == id.generation)?;
        match mem::replace(&mut slot.state, SlotState::Answered(answer)) {
            SlotState::Waiting { waker, .. } => Some(waker),
            // The first answer counts: a step that was refused, or the deadline.
            first @ SlotState::Answered(_) => {
                slot.state = first;
                None
            }
        }
    }

    /// The answer, once it is there; its slot is free then.
    pub(crate) fn check(&mut self, id: SlotId, caller: &Waker) -> Poll<Answer> {
        let Some(slot) = self.slots.get_mut(id.index).filter(|slot| slot.generation == id.generation) else {
            debug_assert!(false, "a slot is its caller's until it has the answer");
            return Poll::Ready(Answer::Lost { sent: true });
        };
        if let SlotState::Waiting { waker, .. } = &mut slot.state {
            waker.clone_from(caller);
            return Poll::Pending;
        }
        match self.slots.remove(id.index).state {
            SlotState::Answered(answer) => Poll::Ready(answer),
            SlotState::Waiting { .. } => Poll::Pending,
        }
    }

    /// A caller gave up.
    pub(crate) fn forget(&mut self, id: SlotId) {
        if self.slots.get(id.index).is_some_and(|slot| slot.generation == id.generation) {
            self.slots.remove(id.index);
        }
    }

    /// Tells those whose time is over, and collects whom to wake.
    pub(crate) fn expire(&mut self, now: Instant, wake: &mut Vec<Waker>) {
        for (_, slot) in &mut self.slots {
            if let SlotState::Waiting { waker, deadline } = &slot.state
                && *deadline <= now
            {
                wake.push(waker.clone());
                slot.state = SlotState::Answered(Answer::Late);
            }
        }
    }

    /// The connection is lost: tells everybody who waits. `sent` are the tickets of what was taken. The units that are free
    /// again.
    pub(crate) fn close(&mut self, sent: impl Iterator<Item = Ticket>, wake: &mut Vec<Waker>) -> Freed {
        self.is_open = false;
        self.output = Vec::new();
        self.pump = None;
        let mut freed = Freed::default();
        let unsent = mem::take(&mut self.tickets);
        // A transaction is taken as a whole, so its tickets agree.
        let owed = sent.map(|ticket| (ticket, true)).chain(unsent.into_iter().map(|ticket| (ticket, false)));
        for (ticket, sent) in owed {
            freed.add(&ticket);
            wake.extend(ticket.slot.and_then(|id| self.complete(id, Answer::Lost { sent })));
        }
        freed
    }

    /// Callers that wait or have not taken their answer.
    #[cfg(test)]
    pub(crate) fn callers(&self) -> usize {
        self.slots.len()
    }
}

/// What is free again of the bound in flight.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freed {
    /// Calls that are over.
    pub(crate) calls: u64,
    /// Units that they took.
    pub(crate) units: usize,
}

impl Freed {
    /// The reply of a ticket came, or never will.
    pub(crate) fn add(&mut self, ticket: &Ticket) {
        self.calls += u64::from(ticket.slot.is_some() && ticket.want != Want::Step);
        self.units += ticket.units as usize;
    }
}
