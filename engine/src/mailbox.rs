//! What threads that send each other messages need beside a bounded queue: a bell that is rung once a batch.

use crate::sync::{AtomicBool, Ordering};

/// Says whether a sleeping receiver still has to be woken. Written by senders ([`Bell::ring`]) and by the one
/// receiver ([`Bell::answer`]); the queue itself is elsewhere.
///
/// A wake costs a system call, so of many senders only the first since the receiver last looked makes it. The
/// receiver answers the bell *before* it looks: what is sent after that rings again, and what was sent before is
/// found, because answering is ordered after the ring that it takes back.
///
/// ```
/// use sluice_engine::mailbox::Bell;
/// let bell = Bell::default();
/// assert!(bell.ring()); // wake the receiver
/// assert!(!bell.ring()); // somebody did
/// bell.answer();
/// assert!(bell.ring());
/// ```
#[derive(Debug)]
pub struct Bell {
    rung: AtomicBool,
}

impl Default for Bell {
    fn default() -> Bell {
        Bell { rung: AtomicBool::new(false) }
    }
}

impl Bell {
    /// After sending: true where the caller has to wake the receiver.
    #[must_use]
    pub fn ring(&self) -> bool {
        // Release: what was sent is visible to the answer that takes this ring back.
        !self.rung.swap(true, Ordering::AcqRel)
    }

    /// Before looking for messages. A swap and not a store, so that it reads the rings it takes back.
    pub fn answer(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }
}
