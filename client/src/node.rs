//! One address of the cluster: its connection, and what became of earlier ones.

use std::future::poll_fn;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::connect::connect;
use crate::fault::Error;
use crate::limit::{BACKOFF_MAX, BACKOFF_MIN, PROBE_PART, SILENCE_PART};
use crate::link::{Answer, Freed, Pending, Pump, Queue, Submission, Ticket};
use crate::metrics::{Counters, count};
use crate::settings::Settings;

/// A node as the client knows it.
#[derive(Debug)]
pub(crate) struct Node {
    address: String,
    settings: Arc<Settings>,
    counters: Arc<Counters>,
    /// Taken for each call, and never for long.
    queue: Mutex<Queue>,
    /// Units that are free in flight.
    room: Semaphore,
    standing: Mutex<Standing>,
    /// The standing has changed.
    changed: Notify,
}

#[derive(Debug)]
struct Standing {
    phase: Phase,
    /// How long the node is left alone when it fails next.
    backoff: Duration,
    task: Option<AbortHandle>,
}

/// What there is of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    /// None was wanted yet.
    Idle,
    /// It is being made.
    Connecting,
    /// It is there.
    Open,
    /// It failed; the node is left alone until then.
    Down {
        /// When it may be tried again.
        until: Instant,
        /// What went wrong.
        why: Error,
    },
}

impl Node {
    pub(crate) fn new(address: String, settings: Arc<Settings>, counters: Arc<Counters>) -> Self {
        Self {
            address,
            room: Semaphore::new(settings.in_flight),
            settings,
            counters,
            queue: Mutex::default(),
            standing: Mutex::new(Standing { phase: Phase::Idle, backoff: BACKOFF_MIN, task: None }),
            changed: Notify::new(),
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code that holds it panics; a value behind a lock is whole anyway.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.standing().phase.clone()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.queue().is_open()
    }

    /// Whether it is open and answers.
    pub(crate) fn is_lively(&self) -> bool {
        self.queue().is_lively()
    }

    /// After how long a silence it is probed, and given up.
    pub(crate) fn patience(&self) -> (Duration, Duration) {
        let timeout = self.settings.call_timeout;
        (timeout.mul_f64(PROBE_PART), timeout.mul_f64(SILENCE_PART))
    }

    /// Begins to connect, unless that is under way or done.
    ///
    /// # Errors
    /// There is no runtime here.
    pub(crate) fn begin(self: &Arc<Self>) -> Result<(), Error> {
        let runtime = Handle::try_current().map_err(|_| Error::Invalid("a client needs a tokio runtime"))?;
        let mut standing = self.standing();
        let may_begin = match &standing.phase {
            Phase::Idle => true,
            Phase::Down { until, .. } => *until <= Instant::now(),
            Phase::Connecting | Phase::Open => false,
        };
        if may_begin {
            standing.phase = Phase::Connecting;
            let task = runtime.spawn(run(Attempt { node: Some(self.clone()) }));
            standing.task = Some(task.abort_handle());
        }
        Ok(())
    }

    /// Ends what is under way.
    pub(crate) fn stop(&self) {
        let task = self.standing().task.take();
        task.iter().for_each(AbortHandle::abort);
    }

    /// Waits while the node is connecting; whether it is open then.
    pub(crate) async fn settled(&self, deadline: Instant) -> bool {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            match self.phase() {
                Phase::Open if self.is_open() => return true,
                Phase::Idle | Phase::Down { .. } => return false,
                Phase::Connecting | Phase::Open => {}
            }
            if timeout_at(deadline, changed).await.is_err() {
                return false;
            }
        }
    }

    /// Room for units in flight, if it is there now.
    pub(crate) fn try_room(&self, units: u32) -> Option<SemaphorePermit<'_>> {
        self.room.try_acquire_many(units).ok()
    }

    /// Room for units in flight, in the order in which it is asked for.
    pub(crate) async fn room(&self, units: u32, deadline: Instant) -> Result<SemaphorePermit<'_>, Error> {
        match timeout_at(deadline, self.room.acquire_many(units)).await {
            Ok(Ok(room)) => Ok(room),
            Ok(Err(_)) | Err(_) => Err(Error::Overloaded),
        }
    }

    /// Sends, and waits for the answer; `None` where no connection is open, and then nothing was sent.
    pub(crate) async fn send(&self, what: &Submission<'_>, room: SemaphorePermit<'_>) -> Option<Answer> {
        let submitted = poll_fn(|cx| {
            let mut queue = self.queue();
            let submitted = queue.submit(what, cx.waker());
            // Within the lock: the reply takes it off again.
            self.counters.in_flight.fetch_add(u64::from(submitted.is_some()), Relaxed);
            Poll::Ready(submitted)
        });
        let (slot, pump) = submitted.await?;
        // Given back by the reply, which may come after this future is gone.
        room.forget();
        pump.into_iter().for_each(Waker::wake);
        Some(Pending::new(self, slot).await)
    }

    /// Replies came, or never will.
    pub(crate) fn free(&self, freed: Freed) {
        if freed.units > 0 {
            self.room.add_permits(freed.units);
        }
        self.counters.in_flight.fetch_sub(freed.calls, Relaxed);
    }

    fn open(&self) {
        count(&self.counters.connects);
        let mut standing = self.standing();
        standing.phase = Phase::Open;
        self.queue().open();
        drop(standing);
        self.changed.notify_waiters();
    }

    /// The connection is lost, or was not made, or (without a reason) its task was ended. Whoever was heard is tried again
    /// soon.
    pub(crate) fn lose(&self, sent: impl Iterator<Item = Ticket>, why: Option<Error>, was_heard: bool) {
        let mut wake = Vec::new();
        let mut standing = self.standing();
        standing.task = None;
        match &why {
            Some(why) => {
                count(&self.counters.losses);
                let what = if standing.phase == Phase::Open { "connection lost" } else { "cannot connect" };
                tracing::warn!(address = self.address, %why, "{what}");
            }
            None => tracing::debug!(address = self.address, "connection ended"),
        }
        let why =
            why.unwrap_or_else(|| Error::Disconnected(format!("{}: its runtime has ended", self.address)));
        let backoff = if was_heard { BACKOFF_MIN / 4 } else { standing.backoff };
        standing.backoff = (2 * backoff).clamp(BACKOFF_MIN, BACKOFF_MAX);
        standing.phase = Phase::Down { until: Instant::now() + jittered(backoff), why };
        let freed = self.queue().close(sent, &mut wake);
        drop(standing);
        self.free(freed);
        wake.into_iter().for_each(Waker::wake);
        self.changed.notify_waiters();
    }
}

/// Between half of a delay and the whole.
pub(crate) fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// A connection that is being made. Dropped before it is there, it has failed.
struct Attempt {
    node: Option<Arc<Node>>,
}

async fn run(mut attempt: Attempt) {
    let Some(node) = attempt.node.clone() else { return };
    match connect(&node.address, &node.settings).await {
        Ok(socket) => {
            attempt.node = None;
            node.open();
            Pump::new(node, socket).await;
        }
        Err(why) => {
            attempt.node = None;
            node.lose(std::iter::empty(), Some(why), false);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
            node.lose(std::iter::empty(), None, false);
        }
    }
}
