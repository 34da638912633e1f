//! The table of zones under every interleaving. How to run: see `loom_waiters.rs`. Tables begin with 4 slots here.
//!
//! What each test was seen to catch:
//!
//! | line broken | caught by |
//! |---|---|
//! | `get` does not look at the key again | `an_inserted_key…` |
//! | pointers replaced or loaded relaxed | `an_inserted_key…`, `a_growing_table…`, `a_replaced_value…` |
//! | removal empties the key | `a_removal_hides…` |
//! | another key's tombstone used again | `a_removal_hides…` |
//! | the copy published before it is filled | `a_growing_table…` |
//! | a value emptied before it is replaced | `a_replaced_value…` |
#![cfg(loom)]

use loom::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};
use sluice_engine::structure::{ZoneTable, pin};
use std::sync::Arc;

/// Keys that all hash to the first slot, of 4 and of 8.
const COLLIDING: [u64; 4] = [0, 5, 13, 18];

/// Each value is its key, in a cell that loom watches.
type Table = Arc<ZoneTable<AtomicU64>>;

fn table(keys: &[u64]) -> Table {
    let table = Arc::new(ZoneTable::new());
    keys.iter().for_each(|&key| put(&table, key));
    table
}

fn put(table: &Table, key: u64) {
    table.insert(key, AtomicU64::new(key));
}

/// Whether the table has `key`; its value must be its own.
fn has(table: &Table, key: u64) -> bool {
    let guard = pin();
    let found = table.get(key, &guard).map(|value| value.load(Relaxed));
    assert!(found.is_none_or(|value| value == key), "{key} has the value of {found:?}");
    found.is_some()
}

fn race(table: Table, change: fn(&Table), read: impl FnOnce(&Table)) {
    let writer = thread::spawn({
        let table = table.clone();
        move || change(&table)
    });
    read(&table);
    writer.join().expect("changed");
}

#[test]
fn keys_of_one_slot_collide() {
    for key in COLLIDING {
        assert_eq!(key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 61, 0);
    }
}

#[test]
fn an_inserted_key_is_found_with_its_own_value_and_stays() {
    let change = |table: &Table| {
        put(table, COLLIDING[0]);
        put(table, COLLIDING[1]);
    };
    loom::model(move || {
        race(table(&[]), change, |table| {
            if has(table, COLLIDING[1]) {
                assert!(has(table, COLLIDING[0]), "the later key is there and the earlier is not");
            }
        });
    });
}

#[test]
fn a_removal_hides_no_other_key() {
    let change = |table: &Table| {
        assert!(table.remove(COLLIDING[0]));
        put(table, COLLIDING[2]);
    };
    loom::model(move || {
        race(table(&COLLIDING[..2]), change, |table| {
            let first = has(table, COLLIDING[0]);
            assert!(has(table, COLLIDING[1]), "a key that stayed was hidden");
            assert!(first || !has(table, COLLIDING[0]), "a removed key came back");
            has(table, COLLIDING[2]);
        });
    });
}

#[test]
fn a_growing_table_loses_no_key() {
    let change = |table: &Table| put(table, COLLIDING[3]);
    loom::model(move || {
        race(table(&COLLIDING[..3]), change, |table| {
            COLLIDING[..3].iter().for_each(|&key| assert!(has(table, key), "{key} was lost"));
            has(table, COLLIDING[3]);
        });
    });
}

#[test]
fn a_replaced_value_is_the_old_or_the_new() {
    loom::model(|| {
        let table = table(&[5]);
        let writer = thread::spawn({
            let table = table.clone();
            move || assert!(!table.insert(5, AtomicU64::new(6)))
        });
        let guard = pin();
        let seen = table.get(5, &guard).map(|value| value.load(Relaxed));
        assert!(seen == Some(5) || seen == Some(6), "saw {seen:?}");
        writer.join().expect("replaced");
    });
}
