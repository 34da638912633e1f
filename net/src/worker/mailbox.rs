//! What workers send each other: bounded, and woken once a batch.
//!
//! Nothing here can fill up unexpectedly. A worker spends one of its *credits* for a request to
//! another worker and gets it back with the answer, so an inbox is as large as the sum of what may
//! be under way: a request and a withdrawal for each credit of the others, an answer for each of
//! its own. Without a credit the client is told to try again. Operations on the cluster are counted the same way,
//! in a queue of their own: their outcomes come from threads that are no workers. What is told of streams is not counted: where
//! there is no room for it the reader learns that it missed something, and asks again.
//!
//! Published messages have a lane of their own, bounded in number and bytes, and so have batches of them from other nodes.
//! Nothing stands for their room, so where it is full the message is lost for that worker's connections, and counted: they are delivered at most once.

use crate::cluster::Decision;
use crate::hub::{News, Sent};
use crate::limit;
use crate::observer::Survey;
use crate::pubsub::message::{Batch, Published};
use crate::session::settled::Settled;
use crate::worker::accept::Arriving;
use crossbeam_queue::ArrayQueue;
use sluice_engine::id::{GroupId, Ticket, ZoneId};
use sluice_engine::mailbox::Bell;
use sluice_engine::sequencer::Ask;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// One message between workers.
pub(crate) enum Mail {
    /// To the owner: do this, answer under the ticket.
    Ask(Ticket, GroupId, Ask),
    /// To the owner: answer this parked poll now.
    Unpark(Ticket, ZoneId),
    /// To the asker.
    Answer(Ticket, Settled),
}

impl Mail {
    /// Whether what is asked may take long: nobody knows before.
    pub(crate) fn may_take_long(&self) -> bool {
        match self {
            Mail::Ask(_, _, Ask::Key(op)) => !op.is_change(),
            Mail::Ask(_, _, Ask::Keys(_)) => true,
            Mail::Ask(..) | Mail::Unpark(..) | Mail::Answer(..) => false,
        }
    }
}

/// A worker's inbox, and the means to wake it.
pub(crate) struct Mailbox {
    mail: ArrayQueue<Mail>,
    sockets: ArrayQueue<Arriving>,
    decided: ArrayQueue<(Ticket, Box<Decision>)>,
    surveys: ArrayQueue<Survey>,
    /// What other workers want of streams of ours.
    wishes: ArrayQueue<(usize, Sent)>,
    /// Answers and tidings of streams of other workers, in order.
    news: ArrayQueue<News>,
    /// There was no room for one of them.
    lost: AtomicBool,
    published: ArrayQueue<Arc<Published>>,
    /// Of `published`.
    published_bytes: AtomicUsize,
    batches: ArrayQueue<Batch>,
    /// Of `batches`.
    batches_bytes: AtomicUsize,
    bell: Bell,
    waker: mio::Waker,
}

/// Requests that one of so many workers may have under way at the others.
pub(crate) fn credits(workers: usize) -> usize {
    limit::CREDITS / workers
}

impl Mailbox {
    /// The inbox of one of `workers` workers.
    pub(crate) fn new(workers: usize, waker: mio::Waker) -> Mailbox {
        let others = workers.saturating_sub(1);
        let capacity = 2 * others * credits(workers) + credits(workers);
        Mailbox {
            mail: ArrayQueue::new(capacity.max(1)),
            sockets: ArrayQueue::new(limit::SOCKETS_IN_TRANSIT_MAX),
            decided: ArrayQueue::new(limit::OPERATIONS_MAX),
            surveys: ArrayQueue::new(limit::SURVEYS_MAX),
            wishes: ArrayQueue::new(limit::WISHES_MAX),
            news: ArrayQueue::new(limit::TIDINGS_MAX),
            lost: AtomicBool::new(false),
            published: ArrayQueue::new(limit::PUBLISHED_IN_TRANSIT_MAX),
            published_bytes: AtomicUsize::new(0),
            batches: ArrayQueue::new(limit::BATCHES_IN_TRANSIT_MAX),
            batches_bytes: AtomicUsize::new(0),
            bell: Bell::default(),
            waker,
        }
    }

    /// Puts a message in. The caller holds a credit for it, or owes the answer to one.
    pub(crate) fn send(&self, mail: Mail) {
        let full = self.mail.push(mail).is_err();
        assert!(!full, "an inbox has room for every credit");
    }

    /// Puts the outcome of an operation in. The worker counted the operation when it began.
    pub(crate) fn decide(&self, ticket: Ticket, decision: Decision) {
        let full = self.decided.push((ticket, Box::new(decision))).is_err();
        assert!(!full, "an inbox has room for every operation");
    }

    /// Puts a question for statistics in; where too many wait it is dropped.
    pub(crate) fn survey(&self, survey: Survey) {
        drop(self.surveys.push(survey));
    }

    /// Puts a wish about a stream in; gives it back where too many wait.
    pub(crate) fn wish(&self, from: usize, sent: Sent) -> Result<(), Sent> {
        self.wishes.push((from, sent)).map_err(|(_, sent)| sent)
    }

    /// Puts news of a stream in. Where there is no room it is lost, and the worker is told that something was.
    pub(crate) fn tell(&self, news: News) {
        if self.news.push(news).is_err() {
            self.lost.store(true, Ordering::Release);
        }
    }

    /// Puts a published message in; false where too much waits already.
    pub(crate) fn post(&self, message: Arc<Published>) -> bool {
        let bytes = message.bytes();
        put(&self.published, &self.published_bytes, message, bytes)
    }

    /// Puts messages of another node in; false where too much waits already.
    pub(crate) fn post_batch(&self, batch: Batch) -> bool {
        let bytes = batch.len();
        put(&self.batches, &self.batches_bytes, batch, bytes)
    }

    /// Hands a new connection over; gives it back where too many are on their way.
    pub(crate) fn hand_over(&self, arriving: Arriving) -> Result<(), Arriving> {
        self.sockets.push(arriving)
    }

    /// Wakes the worker unless somebody already did. Call after sending, once a batch.
    pub(crate) fn notify(&self) {
        if self.bell.ring() {
            // The waker fails only when its descriptor is gone, and then the worker is too.
            let _ = self.waker.wake();
        }
    }

    /// Called by the worker before it looks: whatever is sent from here on wakes it again.
    pub(crate) fn looking(&self) {
        self.bell.answer();
    }

    /// The next message.
    pub(crate) fn next_mail(&self) -> Option<Mail> {
        self.mail.pop()
    }

    /// The next outcome of an operation.
    pub(crate) fn next_decision(&self) -> Option<(Ticket, Box<Decision>)> {
        self.decided.pop()
    }

    /// The next question for statistics.
    pub(crate) fn next_survey(&self) -> Option<Survey> {
        self.surveys.pop()
    }

    /// The next wish, and whose it is.
    pub(crate) fn next_wish(&self) -> Option<(usize, Sent)> {
        self.wishes.pop()
    }

    /// The next news of a stream.
    pub(crate) fn next_news(&self) -> Option<News> {
        self.news.pop()
    }

    /// Whether news was lost since the last call.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed) && self.lost.swap(false, Ordering::AcqRel)
    }

    /// The next published message.
    pub(crate) fn next_published(&self) -> Option<Arc<Published>> {
        let message = self.published.pop()?;
        self.published_bytes.fetch_sub(message.bytes(), Ordering::AcqRel);
        Some(message)
    }

    /// The next messages of another node.
    pub(crate) fn next_batch(&self) -> Option<Batch> {
        let batch = self.batches.pop()?;
        self.batches_bytes.fetch_sub(batch.len(), Ordering::AcqRel);
        Some(batch)
    }

    /// The next new connection.
    pub(crate) fn next_socket(&self) -> Option<Arriving> {
        self.sockets.pop()
    }
}

/// Puts something into a lane that holds [`limit::PUBLISHED_BYTES_IN_TRANSIT_MAX`]; false where there is no room.
fn put<T>(lane: &ArrayQueue<T>, lane_bytes: &AtomicUsize, item: T, bytes: usize) -> bool {
    let waiting = lane_bytes.fetch_add(bytes, Ordering::AcqRel);
    let fits = waiting + bytes <= limit::PUBLISHED_BYTES_IN_TRANSIT_MAX;
    if fits && lane.push(item).is_ok() {
        return true;
    }
    lane_bytes.fetch_sub(bytes, Ordering::AcqRel);
    false
}

#[cfg(test)]
mod tests {
    use super::{Mailbox, Published};
    use crate::limit;
    use std::sync::Arc;

    #[test]
    fn published_messages_on_their_way_are_bounded_in_number_and_bytes() {
        let poll = mio::Poll::new().unwrap();
        let mailbox = Mailbox::new(2, mio::Waker::new(poll.registry(), mio::Token(0)).unwrap());
        for (payload, most) in
            [(1, limit::PUBLISHED_IN_TRANSIT_MAX), (65_535, limit::PUBLISHED_BYTES_IN_TRANSIT_MAX >> 16)]
        {
            let account = Arc::new(sluice_engine::account::Account::new(1 << 30));
            let message = Arc::new(Published::new(b"c", &vec![0; payload], &[], &account).unwrap());
            let taken = (0..).take_while(|_| mailbox.post(Arc::clone(&message))).count();
            assert_eq!(taken, most, "{payload} bytes each");
            assert!(mailbox.next_published().is_some() && mailbox.post(message), "room comes back");
            while mailbox.next_published().is_some() {}
        }
    }
}
