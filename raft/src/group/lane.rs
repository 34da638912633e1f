//! Events on their way to the owner of a shard, in order.
//!
//! What was committed waits for room, in entries and in bytes: a slow owner slows the log down rather than fill the memory.
//! Everything else has a bound of its own where it comes from, and does not wait.

use super::limit::{LANE_BYTES_MAX, LANE_COMMITTED_MAX, LANE_SOFT_MAX};
use futures_util::task::AtomicWaker;
use sluice_engine::id::Ticket;
use sluice_engine::node::Detached;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::{Ask, Committed, Event};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use super::slices::Slices;
use crate::queue::Waker;

/// What waits for the owner.
pub(crate) enum Delivery {
    /// An entry of the log, and what it weighs.
    Committed(Committed, usize),
    /// This node leads, in this session.
    Leader(u64),
    /// A snapshot begins; its slices go here.
    Cut(Arc<Slices>),
    /// A state to go on from. The queue is closed when the owner has it.
    Install(Box<Detached>),
    /// Requests of another node's clients.
    Asked(Vec<(Ticket, Ask)>),
    /// The leader's replies to this node's clients, and the index that it had applied.
    Answered(Vec<(Ticket, Reply)>, u64),
    /// May be left out when there is much of it.
    Soft(Event),
    /// The rest.
    Event(Event),
}

#[derive(Default)]
struct State {
    deliveries: VecDeque<Delivery>,
    committed: usize,
    bytes: usize,
    soft: usize,
}

impl State {
    fn has_room(&self) -> bool {
        self.committed < LANE_COMMITTED_MAX && self.bytes < LANE_BYTES_MAX
    }
}

/// The lane of one group.
pub(crate) struct Lane {
    state: Mutex<State>,
    /// There are deliveries: the owner looks at every turn, and mostly there are none. Written under the lock.
    has_some: AtomicBool,
    /// The state machine, when it waits for room.
    room: AtomicWaker,
    owner: Mutex<Option<Arc<Waker>>>,
}

impl Lane {
    pub(crate) fn new() -> Lane {
        Lane {
            state: Mutex::default(),
            has_some: AtomicBool::new(false),
            room: AtomicWaker::new(),
            owner: Mutex::new(None),
        }
    }

    /// From now on the owner is woken by this.
    pub(crate) fn set_waker(&self, waker: Waker) {
        waker();
        *lock(&self.owner) = Some(Arc::new(waker));
    }

    /// Waits until another committed entry may be pushed. One task at a time.
    pub(crate) async fn room(&self) {
        poll_fn(|context| {
            self.room.register(context.waker());
            if lock(&self.state).has_room() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Appends a delivery. False: it was soft, and there is too much of that.
    pub(crate) fn push(&self, delivery: Delivery) -> bool {
        {
            let mut state = lock(&self.state);
            match &delivery {
                Delivery::Soft(_) if state.soft >= LANE_SOFT_MAX => return false,
                Delivery::Soft(_) => state.soft += 1,
                Delivery::Committed(_, bytes) => {
                    state.committed += 1;
                    state.bytes += bytes;
                }
                _ => {}
            }
            state.deliveries.push_back(delivery);
            self.has_some.store(true, Ordering::Release);
        }
        let owner = lock(&self.owner).clone();
        if let Some(owner) = owner {
            owner();
        }
        true
    }

    /// Takes everything there is.
    pub(crate) fn take(&self, into: &mut VecDeque<Delivery>) {
        if !self.has_some.load(Ordering::Acquire) {
            return;
        }
        let mut state = lock(&self.state);
        self.has_some.store(false, Ordering::Release);
        into.append(&mut state.deliveries);
        // Its deque keeps the room it has.
        let State { deliveries: _, committed, bytes, soft } = &mut *state;
        (*committed, *bytes, *soft) = (0, 0, 0);
        drop(state);
        self.room.wake();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
