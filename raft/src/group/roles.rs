//! This node's part in a group, as its owner is told.
//!
//! Invariant: the owner hears that it leads a session only after everything committed before that session, which is when an
//! entry of the session itself has been handed out. It stops leading at once: what it proposed and nobody confirmed is
//! refused in the same step, so no proposal waits for a leader that is gone.

use sluice_engine::error::Refusal;
use sluice_engine::limit::NO_LEADER_RETRY_MS;
use sluice_engine::sequencer::{Event, NodeId, Role};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::lane::{Delivery, Lane};
use super::proposals::Proposals;

/// What this node knows of who leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lead {
    /// This node, in this session, and a majority answers it.
    Here(u64),
    /// Another node, heard of lately, in this session.
    There(NodeId, u64),
    /// Nobody that can be reached.
    Nobody,
}

struct State {
    lead: Lead,
    /// The session of the last entry handed out.
    applied: u64,
    told: Lead,
    /// The last session of this node that it gave away.
    given: Option<u64>,
}

/// The part that the owner was told, and what it follows from.
pub(crate) struct Roles {
    state: Mutex<State>,
}

impl Roles {
    pub(crate) fn new() -> Roles {
        Roles { state: Mutex::new(State { lead: Lead::Nobody, applied: 0, told: Lead::Nobody, given: None }) }
    }

    /// Who leads, as the owner was told.
    pub(crate) fn told(&self) -> Lead {
        self.lock().told
    }

    /// Who leads, also where the owner has not caught up yet.
    pub(crate) fn lead(&self) -> Lead {
        self.lock().lead
    }

    /// True where that is news.
    pub(crate) fn set_lead(&self, lead: Lead, lane: &Lane, proposals: &Proposals) -> bool {
        let mut state = self.lock();
        state.set_lead(lead, lane, proposals)
    }

    /// This session of this node is given to another: it never leads in it again. True where it did.
    pub(crate) fn give_away(&self, session: u64, lane: &Lane, proposals: &Proposals) -> bool {
        let mut state = self.lock();
        state.given = state.given.max(Some(session));
        let lead = state.lead;
        state.set_lead(lead, lane, proposals)
    }

    /// An entry of this session was handed out.
    pub(crate) fn applied(&self, session: u64, lane: &Lane, proposals: &Proposals) {
        let mut state = self.lock();
        assert!(state.applied <= session, "terms in a log never fall");
        if state.applied < session {
            state.applied = session;
            state.tell(lane, proposals);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn set_lead(&mut self, lead: Lead, lane: &Lane, proposals: &Proposals) -> bool {
        let lead = match lead {
            Lead::Here(session) if Some(session) <= self.given => Lead::Nobody,
            lead => lead,
        };
        let news = self.lead != lead;
        self.lead = lead;
        self.tell(lane, proposals);
        news
    }

    fn due(&self) -> Lead {
        match self.lead {
            Lead::Here(session) if session != self.applied => Lead::Nobody,
            lead => lead,
        }
    }

    fn tell(&mut self, lane: &Lane, proposals: &Proposals) {
        let due = self.due();
        if due == self.told {
            return;
        }
        if matches!(self.told, Lead::Here(_)) {
            for proposal in proposals.close() {
                let refusal = Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS };
                lane.push(Delivery::Event(Event::Refused(proposal, refusal)));
            }
            if matches!(due, Lead::Here(_)) {
                // Another session of this node: the old one ends all the same.
                lane.push(Delivery::Event(Event::Role(Role::Cut)));
            }
        }
        self.told = due;
        match due {
            Lead::Here(session) => {
                proposals.open(session);
                lane.push(Delivery::Leader(session));
            }
            Lead::There(..) => _ = lane.push(Delivery::Event(Event::Role(Role::Follower))),
            Lead::Nobody => _ = lane.push(Delivery::Event(Event::Role(Role::Cut))),
        }
    }
}
