//! From any thread to one task: pushing never waits, taking does. Whoever pushes keeps the queue short.

use futures_util::task::AtomicWaker;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

/// Wakes a thread.
pub type Waker = Box<dyn Fn() + Send + Sync>;
/// Makes of a waker one that wakes later, when the calling thread has done what it has to do.
pub type Door = Arc<dyn Fn(Waker) -> Waker + Send + Sync>;

/// A queue with one taker.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    taker: AtomicWaker,
}

struct State<T> {
    items: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Queue<T> {
        Queue {
            state: Mutex::new(State { items: VecDeque::new(), closed: false }),
            taker: AtomicWaker::new(),
        }
    }

    /// Appends an item; it is dropped when the queue is closed.
    pub(crate) fn push(&self, item: T) {
        self.leave(item);
        self.taker.wake();
    }

    /// The same, but the taker sleeps on until [`Queue::wake`].
    pub(crate) fn leave(&self, item: T) {
        self.with(|state| {
            if !state.closed {
                state.items.push_back(item);
            }
        });
    }

    /// Wakes the taker, if there is something to take.
    pub(crate) fn wake(&self) {
        if self.len() > 0 {
            self.taker.wake();
        }
    }

    /// Nothing comes any more; what is there can still be taken.
    pub(crate) fn close(&self) {
        self.with(|state| state.closed = true);
        self.taker.wake();
    }

    pub(crate) fn len(&self) -> usize {
        self.with(|state| state.items.len())
    }

    /// Takes the first item, waiting for one; `None` once the queue is closed and empty.
    pub(crate) async fn next(&self) -> Option<T> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<T>> {
        // Registered first, so that an item pushed meanwhile wakes this task.
        self.taker.register(context.waker());
        self.with(|state| match state.items.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None if state.closed => Poll::Ready(None),
            None => Poll::Pending,
        })
    }

    fn with<U>(&self, change: impl FnOnce(&mut State<T>) -> U) -> U {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
