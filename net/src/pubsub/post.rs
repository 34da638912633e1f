//! A worker's side of publishing: its listeners, and the messages that leave it.
//!
//! While a connection is visited the others cannot be written to, so messages for this worker's own connections wait here
//! until the visit ends; those for other nodes wait until the turn ends and go as one batch.

use super::message::{self, Published};
use super::register::Register;
use super::shown::Shown;
use super::subscriptions::weight;
use super::{Kind, Name};
use crate::limit;
use crate::shared::Shared;
use crate::worker::ticket::SessionKey;
use std::sync::Arc;

/// A message for this worker's connections; who published it has it already.
pub(crate) struct Parcel {
    pub(crate) message: Arc<Published>,
    pub(crate) publisher: SessionKey,
}

/// What a worker keeps for publishing and subscribing.
pub(crate) struct Post {
    pub(crate) register: Register,
    /// For the worker's own connections, in order.
    pub(crate) parcels: Vec<Parcel>,
    /// The message that is being delivered, as clients see it; kept for its capacity.
    pub(crate) shown: Shown,
    /// Bytes that were pushed to the worker's connections and not sent yet.
    pub(crate) unsent: usize,
    me: usize,
    /// For other nodes, in order.
    batch: Vec<u8>,
    /// How many those are.
    batched: u64,
    /// Whether there are other nodes, once this turn has asked.
    has_others: Option<bool>,
    /// Bit n: worker n was sent something and has to be woken.
    rung: u64,
    /// How often a message goes to each worker; between two messages all zero.
    by_worker: Vec<u32>,
}

impl Post {
    pub(crate) fn new(me: usize, workers: usize) -> Post {
        Post {
            register: Register::default(),
            parcels: Vec::new(),
            shown: Shown::default(),
            unsent: 0,
            me,
            batch: Vec::new(),
            batched: 0,
            has_others: None,
            rung: 0,
            by_worker: vec![0; workers],
        }
    }

    /// A connection of this worker listens from now on. Room was set aside; `None`, and the room given back, where there
    /// are too many patterns.
    pub(crate) fn listen(
        &mut self,
        kind: Kind,
        name: &[u8],
        key: SessionKey,
        shared: &Shared,
    ) -> Option<Name> {
        // Here first: whoever reads there that somebody listens sends a message that must find them.
        let listens = match kind {
            Kind::Channel => {
                let name = self.register.add_channel(name, key);
                shared.channels.add_channel(&name, self.me);
                return Some(name);
            }
            Kind::Pattern => self.register.add_pattern(name, key),
        };
        if let Some((name, pattern)) = listens
            && shared.channels.add_pattern(&name, &pattern, self.me)
        {
            return Some(name);
        }
        self.register.remove(kind, name, key);
        shared.channels.free(1, weight(name));
        None
    }

    /// A connection of this worker no longer listens.
    pub(crate) fn ignore(&mut self, kind: Kind, name: &[u8], key: SessionKey, shared: &Shared) {
        shared.channels.remove(kind, name, self.me);
        self.register.remove(kind, name, key);
    }

    /// Sends a message on its way: to this worker's own connections when the visit ends, to other workers now, to other
    /// nodes when the turn ends. Returns how often it goes to connections of this node, and of this worker.
    pub(crate) fn publish(
        &mut self,
        channel: &[u8],
        payload: &[u8],
        publisher: SessionKey,
        shared: &Shared,
    ) -> (u64, u64) {
        let mut receivers = (0, 0);
        if shared.channels.audience(channel, &mut self.by_worker) {
            match Published::new(channel, payload, shared.directory.account()) {
                Some(message) => receivers = self.spread(Arc::new(message), publisher, shared),
                None => {
                    self.by_worker.fill(0);
                    shared.channels.note_dropped(1);
                }
            }
        }
        if *self.has_others.get_or_insert_with(|| shared.cluster.has_others()) {
            if self.batch.len() + message::batched_bytes(channel, payload) > limit::BATCH_BYTES_MAX {
                self.send_batch(shared);
            }
            message::append(&mut self.batch, channel, payload);
            self.batched += 1;
        }
        receivers
    }

    /// Sends a message to those workers that `by_worker` counts listeners for.
    fn spread(&mut self, message: Arc<Published>, publisher: SessionKey, shared: &Shared) -> (u64, u64) {
        let here = u64::from(std::mem::take(&mut self.by_worker[self.me]));
        let sent = send(&message, &mut self.by_worker, shared);
        self.rung |= sent.rung;
        if here > 0 {
            self.parcels.push(Parcel { message, publisher });
        }
        (here + sent.receivers, here)
    }

    /// At the end of a turn: wakes who was sent something, and hands other nodes what was published here.
    pub(crate) fn close_turn(&mut self, shared: &Shared) {
        notify(std::mem::take(&mut self.rung), shared);
        self.has_others = None;
        if !self.batch.is_empty() {
            self.send_batch(shared);
        }
    }

    fn send_batch(&mut self, shared: &Shared) {
        let messages = std::mem::take(&mut self.batched);
        if !shared.cluster.publish(std::mem::take(&mut self.batch)) {
            shared.channels.note_dropped(messages);
        }
    }
}

/// What became of a message.
struct Sent {
    receivers: u64,
    /// Bit n: worker n has to be woken.
    rung: u64,
}

/// Puts a message into the inbox of each worker that `by_worker` counts listeners for, and sets the counts back. Where an
/// inbox is full the message is lost for that worker, and counted.
fn send(message: &Arc<Published>, by_worker: &mut [u32], shared: &Shared) -> Sent {
    let mut sent = Sent { receivers: 0, rung: 0 };
    for (worker, count) in by_worker.iter_mut().enumerate() {
        let count = std::mem::take(count);
        let Some(mailbox) = shared.mailboxes.get(worker).filter(|_| count > 0) else { continue };
        if mailbox.post(Arc::clone(message)) {
            sent.receivers += u64::from(count);
            sent.rung |= 1 << worker;
        } else {
            // It is woken all the same: it has a full inbox to empty.
            sent.rung |= 1 << worker;
            shared.channels.note_dropped(1);
        }
    }
    sent
}

fn notify(rung: u64, shared: &Shared) {
    for (worker, mailbox) in shared.mailboxes.iter().enumerate() {
        if rung & (1 << worker) != 0 {
            mailbox.notify();
        }
    }
}

/// Takes a batch of another node in, from any thread. What does not read as one is dropped from there on.
pub(crate) fn take_in(mut batch: &[u8], shared: &Shared) {
    let mut by_worker = vec![0; shared.mailboxes.len()];
    let mut rung = 0;
    loop {
        match message::next(&mut batch) {
            Ok(None) => break,
            Ok(Some((channel, payload))) => {
                if shared.channels.audience(channel, &mut by_worker) {
                    match Published::new(channel, payload, shared.directory.account()) {
                        Some(message) => rung |= send(&Arc::new(message), &mut by_worker, shared).rung,
                        None => {
                            by_worker.fill(0);
                            shared.channels.note_dropped(1);
                        }
                    }
                }
            }
            Err(message::Malformed) => {
                tracing::warn!("another node sent messages that cannot be read");
                break;
            }
        }
    }
    notify(rung, shared);
}
