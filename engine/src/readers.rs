//! Threads that answer polls, and since when each of them has been looking.
//!
//! A poll is three steps on any thread: read the clock, store that the waiter was heard of, answer. The owner drops whoever
//! was silent up to a moment, and must not do so while a poll from before that moment is between its first step and its second.
//! Each thread therefore says here when it begins and ends to look, once for all polls of a turn; the owner counts silences up
//! to the moment before which nobody is looking any more ([`Readers::stored_until`]).
//!
//! Costs: a fence and two stores a turn of a thread; the owner reads one cell a thread.

use crate::limit::READERS_MAX;
use crate::sync::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
    fence,
};
use crate::time::MonoMs;

/// Looks at nothing.
const IDLE: u64 = u64::MAX;
/// Is about to read the clock.
const BEGINNING: u64 = 0;

/// The clock as a thread read it before it looked; [`IDLE`] while it does not. Written by that thread.
#[repr(align(64))]
struct Since(AtomicU64);

/// One cell a thread.
pub struct Readers {
    since: Box<[Since]>,
}

impl Default for Readers {
    fn default() -> Readers {
        Readers::new(READERS_MAX)
    }
}

impl Readers {
    /// As many threads as are named, none of which looks.
    #[must_use]
    pub fn new(threads: usize) -> Readers {
        Readers { since: (0..threads).map(|_| Since(AtomicU64::new(IDLE))).collect() }
    }

    /// Thread `reader` begins to look; returns what its clock says. Polls until [`Readers::end`] go by that reading or a later one.
    ///
    /// ```
    /// use sluice_engine::{readers::Readers, time::MonoMs};
    /// let readers = Readers::new(2);
    /// assert_eq!(readers.begin(0, || MonoMs(7)), MonoMs(7));
    /// assert_eq!(readers.stored_until(MonoMs(9)), MonoMs(7));
    /// readers.end(0);
    /// assert_eq!(readers.stored_until(MonoMs(9)), MonoMs(9));
    /// ```
    pub fn begin(&self, reader: usize, clock: impl FnOnce() -> MonoMs) -> MonoMs {
        let Some(since) = self.since.get(reader) else { return clock() };
        since.0.store(BEGINNING, Relaxed);
        // With the fence of `stored_until`: either the owner sees this thread, or its clock is read after the owner's.
        fence(SeqCst);
        let now = clock();
        since.0.store(now.0, Relaxed);
        now
    }

    /// Thread `reader` has done looking. Release: what it stored is seen by whoever sees that.
    pub fn end(&self, reader: usize) {
        if let Some(since) = self.since.get(reader) {
            since.0.store(IDLE, Release);
        }
    }

    /// The moment up to `now` before which every poll has stored that it came. `now` was read from the same clock before.
    #[must_use]
    pub fn stored_until(&self, now: MonoMs) -> MonoMs {
        fence(SeqCst);
        self.since.iter().map(|since| MonoMs(since.0.load(Acquire))).fold(now, MonoMs::min)
    }
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").field("threads", &self.since.len()).finish_non_exhaustive()
    }
}
