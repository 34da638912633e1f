//! The task that owns a connection's socket.
//!
//! Each time it runs it reads, answers whoever has a reply, and writes what callers have queued. Before it takes new output it
//! lets the other tasks run once: those that were woken by the same read send again, and all that goes out in one write.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sluice_net::resp::reply::Value;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::{Answer, Freed, Ticket, Want, place};
use crate::fault::Error;
use crate::input::Input;
use crate::limit::SWEEP;
use crate::node::Node;
use crate::socket::{Output, Socket};

/// Reads and writes in a row before other tasks have their turn.
const ROUNDS_MAX: usize = 16;

/// A connection until it is lost. Dropped at any moment, it tells whoever waits.
pub(crate) struct Pump {
    node: Arc<Node>,
    socket: Socket,
    output: Output,
    /// Replies that are owed, in the order in which they come.
    tickets: VecDeque<Ticket>,
    input: Input,
    /// Replies of one read, kept for its memory.
    done: Vec<(Ticket, Answer)>,
    wake: Vec<Waker>,
    /// The others had their turn since there was output.
    is_gathered: bool,
    sweep: Interval,
    silence: Silence,
    /// Why it was lost; `None` while it is not.
    why: Option<Error>,
    has_heard: bool,
}

/// How long a node has said nothing while it owes something.
struct Silence {
    since: Instant,
    is_probed: bool,
    probe_after: Duration,
    lost_after: Duration,
}

impl Pump {
    pub(crate) fn new(node: Arc<Node>, socket: Socket) -> Self {
        let (probe_after, lost_after) = node.patience();
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            node,
            socket,
            output: Output::default(),
            tickets: VecDeque::new(),
            input: Input::default(),
            done: Vec::new(),
            wake: Vec::new(),
            is_gathered: false,
            sweep,
            silence: Silence { since: Instant::now(), is_probed: false, probe_after, lost_after },
            why: None,
            has_heard: false,
        }
    }

    /// Ready only when the connection is lost.
    fn run(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        for _ in 0..ROUNDS_MAX {
            let (read, wrote) = match (self.read(cx), self.write(cx)) {
                (Ok(read), Ok(wrote)) => (read, wrote),
                (Err(error), _) | (_, Err(error)) => return Poll::Ready(error),
            };
            if let Err(error) = self.watch(cx) {
                return Poll::Ready(error);
            }
            if !read && !wrote {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes what came; false where nothing did.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        match self.input.poll_fill(cx, &mut self.socket) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Err(error)) => return Err(Error::Disconnected(error.to_string())),
            Poll::Ready(Ok(_)) => {}
        }
        if self.silence.is_probed {
            self.node.queue().hear();
        }
        self.silence.heard();
        self.has_heard = true;
        let decoded = self.decode();
        self.settle();
        decoded.map(|()| true)
    }

    /// Gives every whole reply to its ticket.
    fn decode(&mut self) -> Result<(), Error> {
        loop {
            if let Some(ticket) = self.tickets.front().filter(|ticket| ticket.want == Want::Place)
                && let Some((place, consumed)) = place::read(self.input.unread())
            {
                self.done.push((*ticket, Answer::Place(place)));
                self.tickets.pop_front();
                self.input.consume(consumed);
                continue;
            }
            let (consumed, answer) = match self.input.decode() {
                Err(malformed) => return Err(Error::Protocol(malformed.to_string())),
                Ok(None) => return Ok(()),
                // Nobody here asked for pushes, and they answer nobody.
                Ok(Some((Value::Push(_), consumed))) => (consumed, None),
                Ok(Some((value, consumed))) => {
                    let Some(ticket) = self.tickets.pop_front() else {
                        return Err(Error::Protocol("a reply that answers nothing".to_owned()));
                    };
                    let is_told = ticket.want != Want::Step || matches!(value, Value::Error(_));
                    (consumed, Some((ticket, is_told)))
                }
            };
            if let Some((ticket, is_told)) = answer {
                let reply = if is_told { self.input.unread()[..consumed].to_vec() } else { Vec::new() };
                let ticket = if is_told { ticket } else { Ticket { slot: None, ..ticket } };
                self.done.push((ticket, Answer::Raw(reply)));
            }
            self.input.consume(consumed);
        }
    }

    /// Tells the callers, all under one lock, and wakes them without it.
    fn settle(&mut self) {
        let mut freed = Freed::default();
        let mut queue = self.node.queue();
        for (ticket, answer) in self.done.drain(..) {
            freed.add(&ticket);
            self.wake.extend(ticket.slot.and_then(|slot| queue.complete(slot, answer)));
        }
        drop(queue);
        self.node.free(freed);
        self.wake.drain(..).for_each(Waker::wake);
    }

    /// Sends what there is; false where nothing was.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<bool, Error> {
        let mut wrote = false;
        loop {
            wrote |= !self.output.is_empty();
            match self.output.poll_drain(cx, &mut self.socket) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Err(error)) => return Err(Error::Disconnected(error.to_string())),
                Poll::Ready(Ok(())) => {}
            }
            if !self.take(cx) {
                return Ok(wrote);
            }
        }
    }

    fn take(&mut self, cx: &mut Context<'_>) -> bool {
        let mut queue = self.node.queue();
        if !queue.has_output(cx.waker()) {
            return false;
        }
        if !mem::replace(&mut self.is_gathered, true) {
            drop(queue);
            cx.waker().wake_by_ref();
            return false;
        }
        self.is_gathered = false;
        if self.tickets.is_empty() {
            self.silence.heard();
        }
        queue.take(&mut self.output.bytes, &mut self.tickets);
        true
    }

    /// Looks at the time, as long as somebody waits.
    fn watch(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        while !self.tickets.is_empty() && self.sweep.poll_tick(cx).is_ready() {
            let now = Instant::now();
            self.node.queue().expire(now, &mut self.wake);
            self.wake.drain(..).for_each(Waker::wake);
            let silent = now.saturating_duration_since(self.silence.since);
            if silent >= self.silence.lost_after {
                return Err(Error::Disconnected(format!("nothing heard for {} ms", silent.as_millis())));
            }
            if silent >= self.silence.probe_after && !mem::replace(&mut self.silence.is_probed, true) {
                self.node.queue().probe();
                cx.waker().wake_by_ref();
            }
        }
        Ok(())
    }
}

impl Silence {
    fn heard(&mut self) {
        (self.since, self.is_probed) = (Instant::now(), false);
    }
}

impl Future for Pump {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.run(cx).map(|why| self.why = Some(why))
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        let why = self.why.take();
        self.node.lose(self.tickets.drain(..), why, self.has_heard);
    }
}
