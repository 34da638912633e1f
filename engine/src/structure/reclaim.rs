//! What is replaced or removed is dropped once, and not before its readers let go.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use super::{Lookup, Published, SLOTS, Waiters, ZoneTable, pin};
use crate::{id::Seq, time::LogTime};

/// Pins and flushes until `gone`; each turn lets the epoch advance. Fails after far more turns than it can take.
fn turn_until(gone: impl Fn() -> bool) {
    for _ in 0..1_000_000 {
        if gone() {
            return;
        }
        pin().flush();
        std::thread::yield_now();
    }
    panic!("never dropped");
}

fn watched(of: u32) -> (Arc<u32>, Weak<u32>) {
    let value = Arc::new(of);
    let watch = Arc::downgrade(&value);
    (value, watch)
}

#[test]
fn a_published_value_outlives_its_readers_and_no_more() {
    let ((first, first_watch), (second, second_watch)) = (watched(1), watched(2));
    let published = Published::new(first);
    let guard = pin();
    let held = published.read(&guard);
    published.replace(second);
    guard.flush();
    assert_eq!((**held, **published.read(&guard)), (1, 2));
    drop(guard);
    turn_until(|| first_watch.upgrade().is_none());
    drop(published);
    assert!(second_watch.upgrade().is_none());
}

#[test]
fn a_table_drops_what_is_removed_replaced_or_left() {
    let table = ZoneTable::new();
    let mut watches = Vec::new();
    for key in (0..200).chain(50..100) {
        let (value, watch) = watched(key as u32);
        table.insert(key, value);
        watches.push(watch);
    }
    (0..50).for_each(|key| assert!(table.remove(key) && !table.remove(key)));
    let alive = || watches.iter().filter(|watch| watch.strong_count() > 0).count();
    turn_until(|| alive() == 150);
    assert_eq!(table.len(), 150);
    drop(table);
    assert_eq!(alive(), 0);
}

#[test]
fn a_table_equals_a_map_under_a_random_history() {
    let (table, mut map) = (ZoneTable::new(), BTreeMap::new());
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    for step in 0..if cfg!(miri) { 200 } else { 20_000_u64 } {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let key = random >> 40 & 0xFF | random & 3 << 62;
        if random >> 32 & 3 == 0 {
            assert_eq!(table.remove(key), map.remove(&key).is_some());
        } else {
            assert_eq!(table.insert(key, step), map.insert(key, step).is_none());
        }
        let guard = pin();
        let other = key ^ random >> 50 & 1;
        assert_eq!(table.get(other, &guard), map.get(&other));
        assert_eq!((table.len(), table.is_empty()), (map.len(), map.is_empty()));
    }
    assert_eq!(table.get(u64::MAX, &pin()), None);
}

#[test]
fn a_reader_keeps_the_waiter_that_it_found_while_its_block_is_freed() {
    let mut waiters = Waiters::new();
    let view = waiters.view();
    for ms in 0..2 * SLOTS as u64 {
        waiters.append(LogTime(ms));
    }
    let guard = pin();
    let Lookup::Live(found) = view.lookup(Seq(5), &guard) else { panic!("waits") };
    assert_eq!(waiters.remove_slots(0, &[u64::MAX; 8]), [u64::MAX; 8]);
    assert!(waiters.free_block(0));
    guard.flush();
    found.touch(LogTime(90_000));
    assert_eq!((found.seq(), found.rank(), found.polled_ms()), (Seq(5), 0, 90_000));
    assert!(matches!(view.lookup(Seq(5), &guard), Lookup::Gone));
    drop(waiters);
    assert_eq!((view.waiting(), view.tail()), (SLOTS as u64, 2 * SLOTS as u64));
    assert!(matches!(view.lookup(Seq(600), &guard), Lookup::Live(last) if last.rank() == 88));
}

#[test]
fn readers_follow_an_owner_that_joins_admits_and_frees() {
    const JOINS: u64 = if cfg!(miri) { 1_200 } else { 200_000 };
    let mut waiters = Waiters::new();
    let view = waiters.view();
    std::thread::scope(|threads| {
        threads.spawn(move || {
            for seq in 0..JOINS {
                waiters.append(LogTime(seq));
                if let Some(past) = seq.checked_sub(700) {
                    assert!(waiters.admit(Seq(past), LogTime(seq)));
                }
                if seq % 512 == 511 && seq >= 1_535 {
                    assert!(waiters.free_block(seq / 512 - 2));
                }
            }
        });
        for _ in 0..2 {
            threads.spawn(|| follow(&view, JOINS));
        }
    });
}

/// Polls one waiter after another until the last has joined: each is found, moves on only forward, and its rank only falls.
fn follow(view: &super::WaitersView, joins: u64) {
    let mut tail = 0;
    while tail < joins {
        let guard = pin();
        let newest = view.tail();
        assert!(newest >= tail, "the tail went back");
        tail = newest;
        let Some(seq) = tail.checked_sub(1) else { continue };
        let mut rank = u64::MAX;
        for _ in 0..4 {
            match view.lookup(Seq(seq), &guard) {
                Lookup::Live(found) => {
                    found.touch(LogTime(tail));
                    assert!(found.rank() <= rank.min(701), "I5: a rank rose");
                    rank = found.rank();
                }
                Lookup::Admitted(at) => assert_eq!(at, LogTime(seq + 700)),
                Lookup::Gone => assert!(view.tail() >= seq + 1_025, "I4: forgotten too early"),
                Lookup::Unknown => panic!("below the tail and unknown"),
            }
        }
    }
}
