//! What waits in a link's queue, and the share of the lane that it holds.

use bytes::Bytes;
use openraft::async_runtime::AsyncRuntime;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::limit::CALL_BYTES_MIN;
use super::super::transport::{CallError, Called};

/// A call's share of the lane; given back when it is dropped.
pub(super) struct Share {
    held: Arc<AtomicUsize>,
    bytes: usize,
}

impl Share {
    /// At least [`CALL_BYTES_MIN`], so that the bytes bound the number of calls, too.
    pub(super) fn take(held: &Arc<AtomicUsize>, bytes: usize, bytes_max: usize) -> Result<Share, CallError> {
        let bytes = bytes.max(CALL_BYTES_MIN);
        let fits = |now: usize| now.checked_add(bytes).filter(|after| *after <= bytes_max);
        // The counter alone is shared: nothing else is published by it.
        held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|_| CallError::Busy)?;
        Ok(Share { held: Arc::clone(held), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Somebody waits for the answer; dropped unanswered, it says that the connection was lost.
pub(super) struct Waiting<R: AsyncRuntime> {
    pub(super) answer: oneshot::Sender<Called<R>>,
    pub(super) _share: Share,
}

/// Something to be written.
pub(super) struct Order<R: AsyncRuntime> {
    pub(super) id: u64,
    pub(super) frame: Bytes,
    pub(super) deadline: Instant,
    /// None for a cast, whose share ends when it is written.
    pub(super) waiting: Result<Waiting<R>, Share>,
}

impl<R: AsyncRuntime> Order<R> {
    /// Nobody would read the answer any more.
    pub(super) fn is_stale(&self) -> bool {
        self.waiting.as_ref().is_ok_and(|waiting| waiting.answer.is_closed())
    }
}

#[cfg(test)]
mod tests {
    use super::{CALL_BYTES_MIN, CallError, Share};
    use std::sync::Arc;

    #[test]
    fn small_calls_are_bounded_too() {
        let held = Arc::default();
        let bytes_max = 10 * CALL_BYTES_MIN;
        let shares: Vec<_> = (0..10).map(|_| Share::take(&held, 1, bytes_max).expect("room")).collect();
        assert_eq!(Share::take(&held, 1, bytes_max).err(), Some(CallError::Busy));
        drop(shares);
        assert!(Share::take(&held, bytes_max, bytes_max).is_ok(), "all was given back");
    }
}
