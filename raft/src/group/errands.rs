//! What an owner wants told to other nodes, and the requests of other nodes that it answers.

use sluice_engine::id::Ticket;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::{Ask, Presence, Pulse, REMOTE};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limit::{ASKED_MAX, CASTS_MAX, FORWARDED_MAX};
use super::queue::Queue;

/// Something to be carried to another node.
pub(crate) enum Errand {
    /// A request, to the leader.
    Forward(Ticket, Ask),
    /// Whoever was asked does not lead any more.
    LeaderChanged,
    /// Who was heard of, to the leader.
    Report(Presence),
    /// News of active zones, to all others.
    Pulse(Pulse),
}

/// An answer, and the index that had been applied.
pub(crate) type Answer = (Reply, u64);

/// The errands of one group.
pub(crate) struct Errands {
    queue: Queue<Errand>,
    /// Requests of this node's clients that are not answered yet. By both sides.
    forwarded: AtomicUsize,
    asked: Mutex<Asked>,
}

#[derive(Default)]
struct Asked {
    last: u64,
    waiting: HashMap<u64, Arc<Queue<Answer>>>,
}

impl Errands {
    pub(crate) fn new() -> Errands {
        Errands { queue: Queue::new(), forwarded: AtomicUsize::new(0), asked: Mutex::default() }
    }

    /// Takes a request for the leader; false where too many are on their way. Each ends in [`Errands::forward_done`].
    pub(crate) fn forward(&self, ticket: Ticket, ask: Ask) -> bool {
        if self.forwarded.fetch_add(1, Ordering::Relaxed) >= FORWARDED_MAX {
            self.forward_done();
            return false;
        }
        self.queue.push(Errand::Forward(ticket, ask));
        true
    }

    pub(crate) fn forward_done(&self) {
        self.forwarded.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes soft state, unless the node is behind with sending it.
    pub(crate) fn cast(&self, errand: Errand) {
        if self.queue.len() < FORWARDED_MAX + CASTS_MAX {
            self.queue.push(errand);
        }
    }

    pub(crate) fn leader_changed(&self) {
        self.queue.push(Errand::LeaderChanged);
    }

    pub(crate) async fn next(&self) -> Option<Errand> {
        self.queue.next().await
    }

    pub(crate) fn stop(&self) {
        self.queue.close();
    }

    /// Gives a ticket to a request of another node; `None` where too many wait.
    pub(crate) fn ask(&self) -> Option<Waiting<'_>> {
        let mut asked = self.lock();
        if asked.waiting.len() >= ASKED_MAX {
            return None;
        }
        asked.last += 1;
        let ticket = REMOTE | asked.last;
        let answer = Arc::new(Queue::new());
        asked.waiting.insert(ticket, Arc::clone(&answer));
        Some(Waiting { errands: self, ticket, answer })
    }

    /// Gives an answer to whoever waits for it.
    pub(crate) fn answer(&self, ticket: Ticket, answer: Answer) {
        if let Some(waiting) = self.lock().waiting.remove(&ticket.0) {
            waiting.push(answer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request of another node that waits for its answer. Dropped, it does not wait any more.
pub(crate) struct Waiting<'a> {
    errands: &'a Errands,
    ticket: u64,
    answer: Arc<Queue<Answer>>,
}

impl Waiting<'_> {
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.ticket)
    }

    pub(crate) async fn answer(&self) -> Option<Answer> {
        self.answer.next().await
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.errands.lock().waiting.remove(&self.ticket);
    }
}
