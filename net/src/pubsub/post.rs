//! A worker's side of publishing: its listeners, and the messages that leave it.
//!
//! While a connection is visited the others cannot be written to, so messages for this worker's own connections wait here
//! until the visit ends; those for other nodes wait until the turn ends and go as one batch. A message for very many is
//! delivered in parts, over several turns, while messages of others wait in the inbox. A worker takes no more from
//! publishers until what they published here is delivered, but messages of others hold them up no further: while
//! there are many of those, publishers would get through by luck alone.

use super::channels::TooDear;
use super::message::{self, Batch, Published};
use super::register::Register;
use super::shown::Shown;
use super::{Kind, Name};
use crate::limit;
use crate::shared::Shared;
use crate::worker::mailbox::Mailbox;
use crate::worker::ticket::SessionKey;
use std::collections::VecDeque;
use std::sync::Arc;

/// A message for this worker's connections.
pub(crate) struct Parcel {
    pub(crate) message: Arc<Published>,
    /// The connection that published it, and has it already, where that is one of this worker.
    pub(crate) publisher: Option<SessionKey>,
}

/// A message that is being delivered, and how far.
pub(crate) struct Delivery {
    pub(crate) parcel: Parcel,
    /// 0: to those who named the channel; n: to those of its n-th pattern.
    pub(crate) group: usize,
    /// The last of them who was pushed it.
    pub(crate) after: Option<SessionKey>,
}

/// How often a message goes to connections.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Receivers {
    /// Of this node.
    pub(crate) all: u64,
    /// Of this worker.
    pub(crate) here: u64,
}

/// What a worker keeps for publishing and subscribing.
pub(crate) struct Post {
    pub(crate) register: Register,
    /// For the worker's own connections, in order.
    parcels: VecDeque<Parcel>,
    /// The first of them, once it has begun.
    pub(crate) delivery: Option<Delivery>,
    /// Whether messages of this worker's publishers were left when the time was over.
    is_late: bool,
    /// Messages of another node that are taken in one by one.
    arrived: Option<Batch>,
    /// The message that is being delivered, as clients see it; kept for its capacity.
    pub(crate) shown: Shown,
    /// Bytes that were pushed to the worker's connections and not sent yet.
    pub(crate) unsent: usize,
    /// Those since connections were last written.
    pub(crate) fresh: usize,
    /// Patterns that the last message matched.
    pub(crate) matching: Vec<Name>,
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
            parcels: VecDeque::new(),
            delivery: None,
            is_late: false,
            arrived: None,
            shown: Shown::default(),
            unsent: 0,
            fresh: 0,
            matching: Vec::new(),
            me,
            batch: Vec::new(),
            batched: 0,
            has_others: None,
            rung: 0,
            by_worker: vec![0; workers],
        }
    }

    /// A connection of this worker listens to a channel from now on; its name as it is kept. Room was set aside.
    pub(crate) fn listen(&mut self, channel: &[u8], key: SessionKey, shared: &Shared) -> Name {
        // Here first: whoever reads there that somebody listens sends a message that must find them.
        let name = self.register.add(Kind::Channel, channel, key);
        shared.channels.add_channel(&name, self.me);
        name
    }

    /// The same for a pattern, with its price, which may be at most this. `None` where there are too many patterns.
    pub(crate) fn listen_to_pattern(
        &mut self,
        pattern: &[u8],
        key: SessionKey,
        price_max: usize,
        shared: &Shared,
    ) -> Option<(Name, usize)> {
        let name = self.register.add(Kind::Pattern, pattern, key);
        let account = shared.directory.account();
        match shared.channels.add_pattern(&name, self.me, price_max, account) {
            Some(price) => Some((name, price)),
            None => {
                self.register.remove(Kind::Pattern, pattern, key);
                None
            }
        }
    }

    /// A connection of this worker no longer listens.
    pub(crate) fn ignore(&mut self, kind: Kind, name: &[u8], key: SessionKey, shared: &Shared) {
        shared.channels.remove(kind, name, self.me);
        self.register.remove(kind, name, key);
    }

    /// Whether messages for this worker's connections wait.
    pub(crate) fn is_at_work(&self) -> bool {
        self.delivery.is_some() || !self.parcels.is_empty()
    }

    /// Notes whether any are left that were published here.
    pub(crate) fn note_left(&mut self) {
        let begun = self.delivery.iter().map(|delivery| &delivery.parcel);
        self.is_late = begun.chain(&self.parcels).any(|parcel| parcel.publisher.is_some());
    }

    /// Whether any were: whoever publishes here waits until they are delivered, so that they do not grow more.
    pub(crate) fn is_late(&self) -> bool {
        self.is_late
    }

    /// Sends a message on its way: to this worker's own connections when the visit ends, to other workers now, to other
    /// nodes when the turn ends. The patterns that it matches are in `matching` then.
    ///
    /// # Errors
    /// [`TooDear`]: nobody is sent anything.
    pub(crate) fn publish(
        &mut self,
        channel: &[u8],
        payload: &[u8],
        publisher: SessionKey,
        shared: &Shared,
    ) -> Result<Receivers, TooDear> {
        self.find_audience(channel, shared).inspect_err(|TooDear| self.by_worker.fill(0))?;
        let receivers = self.spread(channel, payload, Some(publisher), shared);
        if *self.has_others.get_or_insert_with(|| shared.cluster.has_others()) {
            if self.batch.len() + message::batched_bytes(channel, payload) > limit::BATCH_BYTES_MAX {
                self.send_batch(shared);
            }
            message::append(&mut self.batch, channel, payload);
            self.batched += 1;
        }
        Ok(receivers)
    }

    fn find_audience(&mut self, channel: &[u8], shared: &Shared) -> Result<(), TooDear> {
        self.matching.clear();
        shared.channels.audience(channel, &mut self.by_worker, &mut self.matching)
    }

    /// Sends a message to those workers that `by_worker` counts listeners for, and sets the counts back.
    fn spread(
        &mut self,
        channel: &[u8],
        payload: &[u8],
        publisher: Option<SessionKey>,
        shared: &Shared,
    ) -> Receivers {
        if self.by_worker.iter().all(|count| *count == 0) {
            return Receivers::default();
        }
        let Some(message) = Published::new(channel, payload, &self.matching, shared.directory.account())
        else {
            self.by_worker.fill(0);
            shared.channels.note_dropped(1);
            return Receivers::default();
        };
        let message = Arc::new(message);
        let here = u64::from(std::mem::take(&mut self.by_worker[self.me]));
        let sent = send(&message, &mut self.by_worker, shared);
        self.rung |= sent.rung;
        if here > 0 {
            self.parcels.push_back(Parcel { message, publisher });
        }
        Receivers { all: here + sent.receivers, here }
    }

    /// Goes on to the next message for this worker's connections: of its own, or where there is an inbox, of other nodes and
    /// workers. False where there is none; one of another node may turn out to be for nobody here.
    pub(crate) fn advance(&mut self, inbox: Option<&Mailbox>, shared: &Shared) -> bool {
        if self.delivery.is_some() {
            return true;
        }
        if let Some(parcel) = self.parcels.pop_front() {
            self.begin(parcel);
            return true;
        }
        let Some(inbox) = inbox else { return false };
        if self.arrived.is_none() {
            self.arrived = inbox.next_batch();
        }
        if let Some(mut batch) = self.arrived.take() {
            if let Some((channel, payload)) = batch.next() {
                self.take_in(channel, payload, shared);
                self.arrived = Some(batch);
            }
            return true;
        }
        let Some(message) = inbox.next_published() else { return false };
        self.begin(Parcel { message, publisher: None });
        true
    }

    fn begin(&mut self, parcel: Parcel) {
        self.shown.clear();
        self.delivery = Some(Delivery { parcel, group: 0, after: None });
    }

    /// A message of another node came. Where its channel is too dear it goes to those who named it.
    fn take_in(&mut self, channel: &[u8], payload: &[u8], shared: &Shared) {
        if self.find_audience(channel, shared).is_err() {
            shared.channels.note_dropped(1);
        }
        self.spread(channel, payload, None, shared);
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

/// Takes a batch of another node in, from any thread, which may be one that others wait for: it is only copied here. One
/// worker takes all of them apart, so that messages of one node stay in order.
pub(crate) fn take_in(bytes: &[u8], shared: &Shared) {
    let Some(mailbox) = shared.mailboxes.last().filter(|_| shared.channels.subscriptions() > 0) else {
        return;
    };
    let batch = Batch::new(bytes, shared.directory.account());
    if batch.is_some_and(|batch| mailbox.post_batch(batch)) {
        mailbox.notify();
    } else {
        shared.channels.note_dropped(message::count(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::{Batch, Mailbox, Post, SessionKey, Shared, message};
    use crate::clock::Clock;
    use crate::cluster::{Addresses, Alone};
    use crate::config::NetConfig;
    use sluice_engine::node;
    use sluice_engine::sequencer::Local;
    use sluice_engine::time::MonoMs;
    use std::sync::Arc;

    fn shared(workers: usize) -> Shared {
        let open = |_, applied| Box::new(Local::new(applied)) as Box<_>;
        let (directory, _) = node::open(node::Options::new([7; 16]), vec![], open, MonoMs(0)).unwrap();
        let waker = || mio::Waker::new(mio::Poll::new()?.registry(), mio::Token(0));
        let mailboxes = (0..workers).map(|_| Mailbox::new(workers, waker().unwrap())).collect();
        let cluster = Arc::new(Alone::new(1, Addresses::default()));
        Shared::new(NetConfig::loopback(Clock::start()), directory, cluster, mailboxes)
    }

    #[test]
    fn publishers_wait_until_their_own_messages_are_delivered_and_for_no_others() {
        let shared = shared(2);
        let (mut other, mut post) = (Post::new(0, 2), Post::new(1, 2));
        let inbox = &shared.mailboxes[1];
        let key = |slot| SessionKey { slot, generation: 0 };
        let _room = shared.channels.reserve(1, 4, shared.directory.account()).unwrap();
        post.listen(b"news", key(0), &shared);
        let mut batch = Vec::new();
        message::append(&mut batch, b"news", b"of another node");
        let batch = Batch::new(&batch, shared.directory.account()).unwrap();
        assert!(inbox.post_batch(batch) && post.advance(Some(inbox), &shared));
        post.note_left();
        assert!(post.is_at_work() && !post.is_late(), "it waits, and was not published here");
        assert!(post.advance(Some(inbox), &shared));
        post.delivery = None;
        assert!(post.advance(Some(inbox), &shared), "the end of the batch");
        assert!(other.publish(b"news", b"of another worker", key(1), &shared).is_ok());
        assert!(post.advance(Some(inbox), &shared) && post.delivery.is_some());
        post.note_left();
        assert!(!post.is_late(), "it is being delivered, and was not published here");
        assert!(post.publish(b"news", b"of its own", key(2), &shared).is_ok());
        post.note_left();
        assert!(post.is_late(), "its own waits behind it");
        post.delivery = None;
        assert!(post.advance(Some(inbox), &shared));
        post.note_left();
        assert!(post.is_late(), "its own is being delivered");
        post.delivery = None;
        post.note_left();
        assert!(!post.is_late() && !post.is_at_work());
    }
}
