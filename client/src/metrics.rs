//! What a client counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The counters of a client at one moment.
///
/// ```
/// let client = sluice_client::Client::builder(["127.0.0.1:7379"]).build()?;
/// assert_eq!(client.metrics().calls, 0);
/// # Ok::<(), sluice_client::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Calls ever begun.
    pub calls: u64,
    /// Calls that were sent and whose reply has neither come nor become impossible, also where nobody waits for it any more.
    pub in_flight: u64,
    /// Times that a call was sent again.
    pub retries: u64,
    /// Calls that had no answer by their deadline.
    pub timeouts: u64,
    /// Connections that were made for calls.
    pub connects: u64,
    /// Connections for calls that were lost, or could not be made.
    pub losses: u64,
    /// Times that another node became the preferred one.
    pub failovers: u64,
    /// Requests that guards let in without a pass because sluice did not answer.
    pub unasked: u64,
}

/// The counters; any thread changes any of them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) timeouts: AtomicU64,
    pub(crate) connects: AtomicU64,
    pub(crate) losses: AtomicU64,
    pub(crate) failovers: AtomicU64,
    pub(crate) unasked: AtomicU64,
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counters {
    pub(crate) fn snapshot(&self) -> Metrics {
        Metrics {
            calls: self.calls.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            retries: self.retries.load(Relaxed),
            timeouts: self.timeouts.load(Relaxed),
            connects: self.connects.load(Relaxed),
            losses: self.losses.load(Relaxed),
            failovers: self.failovers.load(Relaxed),
            unasked: self.unasked.load(Relaxed),
        }
    }
}
