//! The queue of calls, without a socket.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, Freed, Queue, SlotId, Submission, Ticket, Want};
use crate::metrics::Counters;
use crate::node::Node;
use crate::settings::Settings;

struct Bench {
    queue: Queue,
    begun: Instant,
}

impl Bench {
    fn new() -> Self {
        let mut queue = Queue::default();
        queue.open();
        Self { queue, begun: Instant::now() }
    }

    fn submit(&mut self, commands: &[&[&[u8]]]) -> SlotId {
        let deadline = self.begun + Duration::from_secs(1);
        let what = Submission { commands, want: Want::Raw, units: 2, deadline };
        self.queue.submit(&what, Waker::noop()).expect("is open").0
    }

    fn take(&mut self) -> Vec<Ticket> {
        let (mut output, mut tickets) = (Vec::new(), Vec::new());
        self.queue.take(&mut output, &mut tickets);
        assert!(!output.is_empty());
        tickets
    }

    fn check(&mut self, slot: SlotId) -> String {
        match self.queue.check(slot, Waker::noop()) {
            Poll::Ready(answer) => format!("{answer:?}"),
            Poll::Pending => "pending".to_owned(),
        }
    }
}

fn raw(text: &str) -> Answer {
    Answer::Raw(text.into())
}

#[test]
fn a_reply_finds_its_caller_and_a_forgotten_one_nobody() {
    let mut bench = Bench::new();
    let (first, second) = (bench.submit(&[&[b"A"]]), bench.submit(&[&[b"B"]]));
    let tickets = bench.take();
    bench.queue.forget(first);
    // Its place is used again, under another generation.
    let third = bench.submit(&[&[b"C"]]);
    assert!(bench.queue.complete(tickets[0].slot.expect("a caller's"), raw("a")).is_none());
    assert!(bench.queue.complete(tickets[1].slot.expect("a caller's"), raw("b")).is_some());
    assert_eq!((bench.check(second), bench.check(third)), ("Raw([98])".to_owned(), "pending".to_owned()));
    assert_eq!(bench.queue.callers(), 1);
}

#[test]
fn of_a_transaction_the_first_refusal_counts_and_the_last_reply_frees() {
    let mut bench = Bench::new();
    let slot = bench.submit(&[&[b"MULTI"], &[b"A"], &[b"EXEC"]]);
    let tickets = bench.take();
    assert_eq!(
        tickets.iter().map(|ticket| ticket.want).collect::<Vec<_>>(),
        [Want::Step, Want::Step, Want::Raw]
    );
    assert!(bench.queue.complete(slot, raw("no")).is_some());
    assert!(bench.queue.complete(slot, raw("EXECABORT")).is_none(), "it was woken already");
    assert_eq!(bench.check(slot), "Raw([110, 111])");
    let mut freed = Freed::default();
    tickets.iter().for_each(|ticket| freed.add(ticket));
    assert_eq!(freed, Freed { calls: 1, units: 2 });
}

#[test]
fn time_runs_out_for_those_who_wait_and_not_for_those_who_are_answered() {
    let mut bench = Bench::new();
    let (first, second) = (bench.submit(&[&[b"A"]]), bench.submit(&[&[b"B"]]));
    assert!(bench.queue.complete(first, raw("a")).is_some());
    let mut wake = Vec::new();
    bench.queue.expire(bench.begun + Duration::from_millis(999), &mut wake);
    assert_eq!(wake.len(), 0);
    bench.queue.expire(bench.begun + Duration::from_secs(1), &mut wake);
    assert_eq!(
        (wake.len(), bench.check(first).as_str(), bench.check(second).as_str()),
        (1, "Raw([97])", "Late")
    );
}

#[test]
fn a_loss_tells_what_may_have_been_seen_and_leaves_nothing() {
    let mut bench = Bench::new();
    let sent = bench.submit(&[&[b"A"]]);
    let tickets = bench.take();
    let unsent = bench.submit(&[&[b"MULTI"], &[b"EXEC"]]);
    let mut wake = Vec::new();
    let freed = bench.queue.close(tickets.into_iter(), &mut wake);
    assert_eq!((freed, wake.len()), (Freed { calls: 2, units: 4 }, 2));
    assert_eq!(bench.check(sent), "Lost { sent: true }");
    assert_eq!(bench.check(unsent), "Lost { sent: false }");
    let what = Submission { commands: &[&[b"A"]], want: Want::Raw, units: 1, deadline: bench.begun };
    assert!(bench.queue.submit(&what, Waker::noop()).is_none(), "nothing is taken while it is closed");
    assert_eq!(bench.queue.callers(), 0);
}

#[test]
fn a_call_that_is_dropped_frees_its_slot_at_once_and_its_room_with_the_reply() {
    let (settings, counters) = (Arc::new(Settings::new(vec!["a:1".to_owned()])), Arc::<Counters>::default());
    let node = Node::new("a:1".to_owned(), settings, counters.clone());
    node.queue().open();
    let what = Submission {
        commands: &[&[b"A"]],
        want: Want::Raw,
        units: 1,
        deadline: Instant::now() + Duration::from_secs(1),
    };
    {
        let room = node.try_room(1).expect("there is room");
        let mut call = pin!(node.send(&what, room));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!((node.queue().callers(), counters.snapshot().in_flight), (1, 1));
    }
    assert_eq!((node.queue().callers(), counters.snapshot().in_flight), (0, 1));
    let (mut output, mut tickets) = (Vec::new(), Vec::<Ticket>::new());
    node.queue().take(&mut output, &mut tickets);
    let mut freed = Freed::default();
    tickets.iter().for_each(|ticket| freed.add(ticket));
    node.free(freed);
    assert_eq!(counters.snapshot().in_flight, 0);
}
