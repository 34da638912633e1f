//! One published value under every interleaving. How to run: see `loom_waiters.rs`.
//!
//! What each test was seen to catch:
//!
//! | line broken | caught by |
//! |---|---|
//! | `replace` or `load` relaxed; emptied before it is filled | `a_value_is_read_whole…` |
//! | `replace` as a load and a store | `two_writers…` |
#![cfg(loom)]

use loom::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
};
use sluice_engine::structure::{Published, pin};
use std::sync::Arc;

/// Cells that loom watches: reading one whose making is not ordered before the read fails the model.
struct Pair(AtomicU32, AtomicU32);

fn pair(of: u32) -> Pair {
    Pair(AtomicU32::new(of), AtomicU32::new(of))
}

#[test]
fn a_value_is_read_whole_and_never_goes_back() {
    loom::model(|| {
        let value = Arc::new(Published::new(pair(0)));
        let writer = thread::spawn({
            let value = value.clone();
            move || (1..3).for_each(|of| value.replace(pair(of)))
        });
        let mut latest = 0;
        for _ in 0..3 {
            let guard = pin();
            let Pair(left, right) = value.read(&guard);
            let (left, right) = (left.load(Relaxed), right.load(Relaxed));
            assert!(left == right && left >= latest, "read {left} and {right} after {latest}");
            latest = left;
        }
        writer.join().expect("replaced");
    });
}

#[test]
fn two_writers_leave_one_of_their_values() {
    loom::model(|| {
        let value = Arc::new(Published::new(pair(0)));
        let writers = [1, 2].map(|of| {
            let value = value.clone();
            thread::spawn(move || value.replace(pair(of)))
        });
        writers.into_iter().for_each(|writer| writer.join().expect("replaced"));
        let guard = pin();
        assert!([1, 2].contains(&value.read(&guard).0.load(Relaxed)));
    });
}
