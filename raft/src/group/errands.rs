//! What an owner wants told to other nodes, and the requests of other nodes that it answers.

use sluice_engine::error::Refusal;
use sluice_engine::id::Ticket;
use sluice_engine::measure::Measured;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::{Ask, Presence, Pulse, REMOTE};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::limit::{
    ASKED_MAX, CASTS_MAX, FORWARD_BATCH_BITS, FORWARD_BATCH_MAX, FORWARDED_BYTES_MAX, FORWARDED_MAX,
};
use crate::queue::Queue;

/// Something to be carried to another node.
pub(crate) enum Errand {
    /// Requests of one turn, to the leader.
    Forward(Vec<(Ticket, Measured<Ask>)>),
    /// Whoever was asked does not lead any more.
    LeaderChanged,
    /// Who was heard of, to the leader.
    Report(Presence),
    /// News of active zones, to all others.
    Pulse(Pulse),
}

/// The replies to the requests of one message, in their order, and the index that had been applied when the last was
/// given; or why there are none.
pub(crate) type Answers = Result<(Vec<Reply>, u64), Refusal>;

/// Where the answers to a message arrive.
type Answering = Queue<(Vec<Reply>, u64)>;

/// The errands of one group.
pub(crate) struct Errands {
    queue: Queue<Errand>,
    /// Requests of this node's clients that are not answered yet, and their bytes. By both sides.
    forwarded: AtomicUsize,
    forwarded_bytes: AtomicUsize,
    asked: Mutex<Asked>,
}

/// Other nodes' requests that wait for an answer.
#[derive(Default)]
struct Asked {
    messages: u64,
    requests: usize,
    waiting: HashMap<u64, Message>,
    /// Whoever has its answers and sleeps on.
    answered: Vec<Arc<Answering>>,
}

/// The requests of one message.
struct Message {
    replies: Vec<Option<Reply>>,
    unanswered: usize,
    answers: Arc<Answering>,
}

impl Errands {
    pub(crate) fn new() -> Errands {
        Errands {
            queue: Queue::new(),
            forwarded: AtomicUsize::new(0),
            forwarded_bytes: AtomicUsize::new(0),
            asked: Mutex::default(),
        }
    }

    /// Makes room for a request of so many bytes to the leader; false where too many are on their way. Each ends in
    /// [`Errands::forward_done`].
    pub(crate) fn may_forward(&self, bytes: usize) -> bool {
        let others = self.forwarded.fetch_add(1, Ordering::Relaxed);
        let all = self.forwarded_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let has_room = others < FORWARDED_MAX && all <= FORWARDED_BYTES_MAX;
        if !has_room {
            self.forward_done(1, bytes);
        }
        has_room
    }

    /// Takes requests for the leader, for each of which there [was room](Errands::may_forward).
    pub(crate) fn forward(&self, asks: Vec<(Ticket, Measured<Ask>)>) {
        self.queue.leave(Errand::Forward(asks));
    }

    pub(crate) fn forward_done(&self, count: usize, bytes: usize) {
        self.forwarded.fetch_sub(count, Ordering::Relaxed);
        self.forwarded_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes soft state, unless the node is behind with sending it.
    pub(crate) fn cast(&self, errand: Errand) {
        if self.queue.len() < FORWARDED_MAX + CASTS_MAX {
            self.queue.leave(errand);
        }
    }

    pub(crate) fn leader_changed(&self) {
        self.queue.push(Errand::LeaderChanged);
    }

    /// Has the errands that the owner left run, and its answers given.
    pub(crate) fn wake(&self) {
        self.queue.wake();
        let answered = std::mem::take(&mut self.lock().answered);
        answered.iter().for_each(|answers| answers.wake());
    }

    pub(crate) async fn next(&self) -> Option<Errand> {
        self.queue.next().await
    }

    pub(crate) fn stop(&self) {
        self.queue.close();
    }

    /// Gives tickets to `count` requests of another node, 1 to [`FORWARD_BATCH_MAX`]; `None` where too many wait.
    pub(crate) fn ask(&self, count: usize) -> Option<Waiting<'_>> {
        assert!((1..=FORWARD_BATCH_MAX).contains(&count), "a message has {count} requests");
        let mut asked = self.lock();
        if asked.requests + count > ASKED_MAX {
            return None;
        }
        asked.messages += 1;
        asked.requests += count;
        let (message, answers) = (asked.messages, Arc::new(Queue::new()));
        let waiting =
            Message { replies: vec![None; count], unanswered: count, answers: Arc::clone(&answers) };
        asked.waiting.insert(message, waiting);
        Some(Waiting { errands: self, message, answers })
    }

    /// Gives answers to whoever waits for them, at the next [`Errands::wake`].
    pub(crate) fn answer(&self, answers: impl IntoIterator<Item = (Ticket, Reply)>, applied: u64) {
        let mut asked = self.lock();
        for (ticket, reply) in answers {
            asked.answer(ticket, reply, applied);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn answer(&mut self, ticket: Ticket, reply: Reply, applied: u64) {
        let number = (ticket.0 & !REMOTE) >> FORWARD_BATCH_BITS;
        let at = ticket.0 as usize % FORWARD_BATCH_MAX;
        let Some(message) = self.waiting.get_mut(&number) else { return };
        let Some(slot @ None) = message.replies.get_mut(at) else { return };
        *slot = Some(reply);
        message.unanswered -= 1;
        if message.unanswered == 0
            && let Some(message) = self.remove(number)
        {
            message.answers.leave((message.replies.into_iter().flatten().collect(), applied));
            self.answered.push(message.answers);
        }
    }

    fn remove(&mut self, number: u64) -> Option<Message> {
        let message = self.waiting.remove(&number)?;
        self.requests -= message.replies.len();
        Some(message)
    }
}

/// A message of another node that waits for its answers. Dropped, it does not wait any more.
pub(crate) struct Waiting<'a> {
    errands: &'a Errands,
    message: u64,
    answers: Arc<Answering>,
}

impl Waiting<'_> {
    /// The tickets of its requests, in their order.
    pub(crate) fn tickets(&self) -> impl Iterator<Item = Ticket> + use<> {
        let first = REMOTE | self.message << FORWARD_BATCH_BITS;
        (0..FORWARD_BATCH_MAX as u64).map(move |at| Ticket(first | at))
    }

    pub(crate) async fn answers(&self) -> Option<(Vec<Reply>, u64)> {
        self.answers.next().await
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.errands.lock().remove(self.message);
    }
}
