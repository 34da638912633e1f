//! Replies in the order of their requests, though they come in any order.
//!
//! ```text
//! front ─▶ asked (waits) │ written 23 bytes │ asked (settled) │ asked (waits) ◀─ new requests
//! ```
//! Only what cannot be answered at once takes a place here, and whatever was answered behind it. A reply that is made of several
//! answers has a place for each and a last one, right behind them, that nobody answers:
//!
//! ```text
//! front ─▶ part (settled) │ part (waits) │ gather │ asked (waits) ◀─
//! ```
//! Invariants: the request at index i has number `front + i`, modulo 2^16. Parts are taken from the front as they come, and
//! kept until their last place is there: so answers kept are always those of the first gather.

use super::exec::Plan;
use super::keys::AwaitedKey;
use super::settled::Settled;
use super::telling::Telling;
use crate::http::recall::Recall;
use crate::limit::{BUFFER_KEEP_BYTES, CHANGE_COPIES, OUTPUT_BYTES_SOFT, QUESTION_BYTES};
use crate::request::RequestKind;
use crate::resp::command::spread::Merge;
use crate::resp::encode::Proto;
use sluice_engine::measure::bytes_of;
use sluice_engine::reply::{Reply, Standing};
use sluice_engine::sequencer::Ask;
use sluice_engine::stream::op::KeyOp;
use sluice_engine::time::MonoMs;
use std::collections::VecDeque;

/// Places that are kept for reuse.
const PLACES_KEPT: usize = 64;

/// What is kept of a request until it is answered.
pub(crate) enum Awaited {
    /// Of a RESP command, and what its connection spoke when it came.
    Resp(RequestKind, Proto),
    /// Of an operation on keys.
    Key(AwaitedKey),
    /// Of a part of a reply; what it becomes is known in the last place.
    Part,
    /// Of an HTTP request.
    Http(Box<Recall>),
    /// Of an event stream, which asked for itself.
    Event,
}

/// What is kept in the last place of a reply that is made of several answers.
pub(crate) enum Gather {
    /// One operation on keys of several groups.
    Key(Box<AwaitedKey>, Merge),
    /// A transaction.
    Exec(Box<Plan>),
}

impl Gather {
    /// What it holds of the reply already.
    fn held_bytes(&self) -> usize {
        match self {
            Gather::Key(..) => 0,
            Gather::Exec(plan) => plan.held_bytes(),
        }
    }
}

/// What a request costs until it is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cost {
    /// Little: its answer is short.
    Small,
    /// Its answer may be long; it carries so many bytes.
    Question(usize),
    /// It changes something, and carries so many bytes.
    Change(usize),
}

impl Cost {
    /// Of an operation on keys.
    pub(crate) fn of(op: &KeyOp) -> Cost {
        match op {
            op if op.is_change() => Cost::Change(bytes_of(op)),
            op if op.is_answered_shortly() => Cost::Small,
            op => Cost::Question(bytes_of(op)),
        }
    }

    /// Of what an owner is asked.
    pub(crate) fn of_ask(ask: &Ask, write: bool) -> Cost {
        match ask {
            Ask::Key(op) => Cost::of(op),
            _ if write => Cost::Change(bytes_of(ask)),
            _ => Cost::Question(bytes_of(ask)),
        }
    }
}

enum Place {
    /// The answer is with an owner, or came and waits for its turn.
    Asked { awaited: Awaited, cost: Cost, since: MonoMs, settled: Option<Settled> },
    /// The reply that the parts in front of it make; so many bytes of it are there already.
    Gather { gather: Gather, bytes: usize, since: MonoMs },
    /// The rest of a long reply.
    Telling(Box<Telling>),
    /// Encoded already: so many bytes of `written`.
    Written(usize),
}

/// The next reply to send.
pub(crate) enum Ready {
    /// An answer to encode.
    Settled { awaited: Awaited, settled: Settled, since: MonoMs },
    /// The answer to a part, for [`Pending::keep_part`]: with its pass made, where it tells of an admission.
    Part(Settled),
    /// Answers to be made into one reply, in the order of the parts.
    Gathered { gather: Gather, parts: Vec<Settled>, since: MonoMs },
    /// The rest of a long reply, for [`Pending::put_back`] until all of it is written.
    Telling(Box<Telling>),
    /// So many bytes at the front of the written ones; see [`Pending::take_written`].
    Written(usize),
}

/// The requests of one connection that are not answered on the wire yet.
#[derive(Default)]
pub(crate) struct Pending {
    places: VecDeque<Place>,
    /// Number of the request at the front.
    front: u16,
    /// Bytes of the written places, in order, from `taken` on.
    written: Vec<u8>,
    taken: usize,
    /// Of a long reply whose rest is at the front: bytes that were put behind it, and what it holds beside what is charged for.
    behind: usize,
    telling_bytes: usize,
    /// Unanswered requests that change something, and the bytes that they carry.
    writes: usize,
    writes_bytes: usize,
    /// Unanswered ones whose answer may be long, and the bytes that they carry.
    questions: usize,
    questions_bytes: usize,
    /// Bytes of answers that are there.
    answers_bytes: usize,
    /// Of these, those of `parts`.
    parts_bytes: usize,
    /// Answers to parts whose last place has not come to the front yet.
    parts: Vec<Settled>,
    /// Bytes of replies that wait for the rest of their answers.
    gathers_bytes: usize,
}

impl Pending {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether everything is answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.parts.is_empty()
    }

    /// Whether a change is still under way, for which reads have to wait.
    pub(crate) fn has_writes(&self) -> bool {
        self.writes > 0
    }

    /// Whether the settings of a zone are under way, or parts of a transaction or a call, which may be that.
    pub(crate) fn makes_zones(&self) -> bool {
        let makes = |awaited: &Awaited| {
            matches!(awaited, Awaited::Resp(RequestKind::ZoneSet, _) | Awaited::Part | Awaited::Http(_))
        };
        let is_under_way =
            |place: &Place| matches!(place, Place::Asked { awaited, settled: None, .. } if makes(awaited));
        self.places.iter().any(is_under_way)
    }

    /// Whether a question is under way, for which changes wait: it may be answered late.
    pub(crate) fn has_questions(&self) -> bool {
        self.questions > 0
    }

    /// Bytes that requests under way carry.
    pub(crate) fn asked_bytes(&self) -> usize {
        self.writes_bytes + self.questions_bytes
    }

    /// Bytes of answers that are there, or will be, and of what is written behind them.
    pub(crate) fn coming_bytes(&self) -> usize {
        let there = self.answers_bytes + self.gathers_bytes + self.telling_bytes;
        there + self.questions * QUESTION_BYTES + self.written_bytes()
    }

    /// What it takes in memory beside the answers, which are charged for.
    pub(crate) fn held_bytes(&self) -> usize {
        let places = self.places.capacity() * size_of::<Place>();
        let written = self.written.capacity() + self.telling_bytes;
        written + places + self.asked_bytes() * CHANGE_COPIES + self.gathers_bytes
    }

    /// Keeps no more than what an ordinary use takes.
    pub(crate) fn shrink(&mut self) {
        self.written.shrink_to(BUFFER_KEEP_BYTES);
        self.places.shrink_to(PLACES_KEPT);
        self.parts.shrink_to(PLACES_KEPT);
    }

    /// Whether the reply at the front is there.
    pub(crate) fn is_ready(&self) -> bool {
        !matches!(self.places.front(), None | Some(Place::Asked { settled: None, .. }))
    }

    /// Bytes that wait for replies before them.
    pub(crate) fn written_bytes(&self) -> usize {
        self.written.len() - self.taken + self.behind
    }

    /// The number of the first request that is not answered.
    pub(crate) fn front(&self) -> u16 {
        self.front
    }

    /// The number that the next request gets.
    pub(crate) fn next_number(&self) -> u16 {
        self.front.wrapping_add(self.places.len() as u16)
    }

    /// Continues the numbering of an earlier use of the connection.
    pub(crate) fn start_at(&mut self, number: u16) {
        debug_assert!(self.is_empty(), "numbers restart only between requests");
        self.front = number;
    }

    /// A request whose answer comes later.
    pub(crate) fn push_asked(&mut self, awaited: Awaited, cost: Cost, since: MonoMs) {
        self.begin(cost);
        self.places.push_back(Place::Asked { awaited, cost, since, settled: None });
    }

    /// A part of a reply, and its answer where that is there already.
    pub(crate) fn push_part(&mut self, settled: Option<Settled>, cost: Cost, since: MonoMs) {
        match &settled {
            Some(settled) => self.answers_bytes += settled.bytes(),
            None => self.begin(cost),
        }
        self.places.push_back(Place::Asked { awaited: Awaited::Part, cost, since, settled });
    }

    fn begin(&mut self, cost: Cost) {
        match cost {
            Cost::Small => {}
            Cost::Question(bytes) => {
                self.questions += 1;
                self.questions_bytes += bytes;
            }
            Cost::Change(bytes) => {
                self.writes += 1;
                self.writes_bytes += bytes;
            }
        }
    }

    fn end(&mut self, cost: Cost) {
        match cost {
            Cost::Small => {}
            Cost::Question(bytes) => {
                self.questions -= 1;
                self.questions_bytes -= bytes;
            }
            Cost::Change(bytes) => {
                self.writes -= 1;
                self.writes_bytes -= bytes;
            }
        }
    }

    /// The last place of a reply whose parts were the last to be pushed.
    pub(crate) fn push_gather(&mut self, gather: Gather, since: MonoMs) {
        let bytes = gather.held_bytes();
        self.gathers_bytes += bytes;
        self.places.push_back(Place::Gather { gather, bytes, since });
    }

    /// Puts the reply that was just taken back: it waits on, under the number that it had.
    pub(crate) fn reopen(&mut self, awaited: Awaited, since: MonoMs) -> u16 {
        self.front = self.front.wrapping_sub(1);
        self.places.push_front(Place::Asked { awaited, cost: Cost::Small, since, settled: None });
        self.front
    }

    /// Puts what is left of the reply that was just taken back: nothing overtakes it.
    pub(crate) fn put_back(&mut self, telling: Box<Telling>) {
        self.front = self.front.wrapping_sub(1);
        self.answers_bytes += telling.bytes();
        (self.behind, self.telling_bytes) = (telling.behind_bytes(), telling.held_bytes());
        self.places.push_front(Place::Telling(telling));
    }

    /// The number of the reply that was taken last.
    pub(crate) fn number_taken(&self) -> u16 {
        self.front.wrapping_sub(1)
    }

    /// What is kept of the request of this number, while it waits.
    pub(crate) fn awaited(&self, number: u16) -> Option<&Awaited> {
        match self.places.get(usize::from(number.wrapping_sub(self.front))) {
            Some(Place::Asked { awaited, settled: None, .. }) => Some(awaited),
            _ => None,
        }
    }

    /// A reply that is ready but not first.
    pub(crate) fn push_written(&mut self, bytes: &[u8]) {
        self.written.extend_from_slice(bytes);
        self.places.push_back(Place::Written(bytes.len()));
    }

    /// More bytes behind the replies that are ready but not first: for what answers no request.
    fn extend_written(&mut self, bytes: &[u8]) {
        match self.places.back_mut() {
            Some(Place::Written(len)) => {
                *len += bytes.len();
                self.written.extend_from_slice(bytes);
            }
            _ => self.push_written(bytes),
        }
    }

    /// Keeps what answers no request behind the replies that are written, or are being written. False: there is none, and it may go
    /// to the output at once, ahead of replies that are not there yet.
    pub(crate) fn keep_behind(&mut self, bytes: &[u8]) -> bool {
        if self.written.len() > self.taken {
            self.extend_written(bytes);
            return true;
        }
        let Some(Place::Telling(telling)) = self.places.front_mut() else { return false };
        telling.push_behind(bytes);
        (self.behind, self.telling_bytes) = (telling.behind_bytes(), telling.held_bytes());
        true
    }

    /// An answer came. False where nobody waits for it any more.
    pub(crate) fn settle(&mut self, number: u16, answer: Settled) -> bool {
        let index = usize::from(number.wrapping_sub(self.front));
        match self.places.get_mut(index) {
            Some(Place::Asked { cost, settled: settled @ None, .. }) => {
                let cost = *cost;
                self.answers_bytes += answer.bytes();
                *settled = Some(answer);
                self.end(cost);
                true
            }
            _ => false,
        }
    }

    /// Whether the reply at the front is there, and is long, or made by comparing keys with a pattern.
    pub(crate) fn takes_long(&self) -> bool {
        match self.places.front() {
            Some(Place::Asked { settled: Some(settled), awaited: Awaited::Key(key), .. }) => {
                key.shape.compares() || settled.bytes() > OUTPUT_BYTES_SOFT
            }
            Some(Place::Gather { gather: Gather::Key(key, _), .. }) => key.shape.compares(),
            Some(Place::Gather { gather: Gather::Exec(plan), .. }) => plan.compares,
            Some(Place::Telling(_)) => true,
            _ => false,
        }
    }

    /// Whether the reply at the front is there, and tells of an admission, so that a pass has to be made for it.
    pub(crate) fn needs_pass(&self) -> bool {
        let Some(Place::Asked { settled: Some(Settled::Reply(reply)), .. }) = self.places.front() else {
            return false;
        };
        matches!(reply, Reply::Place { standing: Standing::Admitted(_), .. })
    }

    /// Takes the reply at the front, if it is there.
    pub(crate) fn next_ready(&mut self) -> Option<Ready> {
        if let Some(Place::Asked { settled: None, .. }) = self.places.front() {
            return None;
        }
        let place = self.places.pop_front()?;
        self.front = self.front.wrapping_add(1);
        match place {
            Place::Asked { awaited, since, settled, .. } => {
                let settled = settled?;
                self.answers_bytes -= settled.bytes();
                Some(match awaited {
                    Awaited::Part => Ready::Part(settled),
                    awaited => Ready::Settled { awaited, settled, since },
                })
            }
            Place::Gather { gather, bytes, since } => {
                self.gathers_bytes -= bytes;
                let parts = std::mem::take(&mut self.parts);
                self.answers_bytes -= std::mem::take(&mut self.parts_bytes);
                Some(Ready::Gathered { gather, parts, since })
            }
            Place::Telling(telling) => {
                self.answers_bytes -= telling.bytes();
                (self.behind, self.telling_bytes) = (0, 0);
                Some(Ready::Telling(telling))
            }
            Place::Written(len) => Some(Ready::Written(len)),
        }
    }

    /// Keeps the answer to a part until its last place is there.
    pub(crate) fn keep_part(&mut self, settled: Settled) {
        self.parts_bytes += settled.bytes();
        self.answers_bytes += settled.bytes();
        self.parts.push(settled);
    }

    /// Moves the bytes of a written reply to the output. What was taken is given up now and then, though something may always
    /// be behind it: no more often than as much was taken as is moved.
    pub(crate) fn take_written(&mut self, len: usize, output: &mut Vec<u8>) {
        let end = self.taken + len;
        output.extend_from_slice(self.written.get(self.taken..end).unwrap_or_default());
        self.taken = end;
        if self.taken >= self.written.len() {
            self.written.clear();
            self.taken = 0;
        } else if self.taken > BUFFER_KEEP_BYTES && self.taken >= self.written.len() - self.taken {
            self.written.drain(..self.taken);
            self.written.shrink_to(BUFFER_KEEP_BYTES);
            self.taken = 0;
        }
    }
}

#[cfg(test)]
mod tests;
