//! Who looks, and the owner that waits for it, under every interleaving. How to run: see `loom_waiters.rs`.
//!
//! Both fences and the order in which a reader says that it begins are what it is about: each was put there for one interleaving.
#![cfg(loom)]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use loom::thread;
use sluice_engine::readers::Readers;
use sluice_engine::time::MonoMs;

/// The deadline: who looks at or after it leaves the answer to the owner.
const DUE: u64 = 2;

#[test]
fn a_poll_from_before_is_stored() {
    loom::model(|| {
        let readers = Arc::new(Readers::new(1));
        // A clock that all threads agree on, and the last-poll cell, which orders nothing by itself.
        let (clock, polled) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(0)));
        let reader = {
            let (readers, clock, polled) = (readers.clone(), clock.clone(), polled.clone());
            thread::spawn(move || {
                let now = readers.begin(0, || MonoMs(clock.load(SeqCst)));
                let told = now.0 < DUE;
                if told {
                    polled.store(now.0, Relaxed);
                }
                readers.end(0);
                told
            })
        };
        clock.store(DUE, SeqCst);
        let now = MonoMs(clock.load(SeqCst));
        let drops = readers.stored_until(now) >= MonoMs(DUE) && polled.load(Relaxed) == 0;
        let told = reader.join().expect("it looked");
        assert!(!(told && drops), "told that it waits, and dropped");
    });
}
