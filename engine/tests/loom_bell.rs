//! The bell between threads under every interleaving. How to run: see `loom_waiters.rs`.
//!
//! What the test was seen to catch:
//!
//! | line broken | caught by |
//! |---|---|
//! | `answer` stores instead of swapping | `no_message_is_left…` |
//! | `ring` or `answer` relaxed | `no_message_is_left…` |
//! | the receiver looks before it answers | `no_message_is_left…` |
#![cfg(loom)]

use loom::sync::atomic::{AtomicU32, Ordering::Relaxed};
use loom::thread;
use sluice_engine::mailbox::Bell;
use std::sync::Arc;

/// A queue that orders nothing by itself, so that only the bell can.
#[derive(Default)]
struct Mail {
    bell: Bell,
    sent: [AtomicU32; 2],
    wakes: AtomicU32,
}

impl Mail {
    fn send(&self, sender: usize) {
        self.sent[sender].store(1, Relaxed);
        if self.bell.ring() {
            self.wakes.fetch_add(1, Relaxed);
        }
    }

    fn look(&self) -> u32 {
        self.bell.answer();
        self.sent.iter().map(|sent| sent.load(Relaxed)).sum()
    }
}

#[test]
fn no_message_is_left_lying_while_the_receiver_sleeps() {
    loom::model(|| {
        let mail = Arc::new(Mail::default());
        let senders = [0, 1].map(|sender| {
            let mail = mail.clone();
            thread::spawn(move || mail.send(sender))
        });
        // One look at any moment, perhaps before everything, perhaps after.
        let woken = mail.wakes.load(Relaxed);
        let found = mail.look();
        senders.into_iter().for_each(|sender| sender.join().expect("sent"));
        let woken_since = mail.wakes.load(Relaxed) > woken;
        assert!(found == 2 || woken_since, "{found} of 2 found, and nobody will look again");
    });
}
