//! The waiters' list under every interleaving, and every value that its orderings let a reader see.
//!
//! Run: `RUSTFLAGS="--cfg loom" cargo test --release -p sluice-engine --test 'loom_*'`. Lists are shrunk: 2 places a
//! word, 16 a block, 32 a chunk, 64 a region, so that few joins cross every border.
//!
//! What each test was seen to catch:
//!
//! | line broken | caught by |
//! |---|---|
//! | a joiner's live bit stored relaxed | `a_joiner_is_unknown…`, `…while_the_next_joins` |
//! | an admission's cleared bit stored relaxed | both `who_is_admitted_is_never_gone…` |
//! | `is_live` relaxed | these three |
//! | bit cleared before the stamp is stored | both `who_is_admitted_is_never_gone…` |
//! | tail stored or loaded relaxed; stored before the bit | `a_joiner_is_unknown…`, `who_is_below_the_tail…` |
//! | `lookup` without its second search | `a_joiner_is_unknown…`, `a_growing_directory…` |
//! | a chunk's span lowered too much, then back | `a_rank_never_rises_while…` |
//! | a block's span lowered twice, raised once | `a_rank_never_rises_from…` |
//! | mark stored instead of exchanged; a step too low | `a_poll_before_the_scan…` |
//! | pointers filled or loaded relaxed | `a_block_made_anew…` |
//! | directory replaced relaxed | both `a_…directory…` |
//! | a copied directory without the old regions, or counts | `a_growing_directory…` |
#![cfg(loom)]

use loom::{
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Release},
        },
    },
    thread,
};
use sluice_engine::{
    id::Seq,
    structure::{FAN, Guard, Lookup, SLOTS, WORDS, Waiters, WaitersView, pin},
    time::LogTime,
};

const NOW: LogTime = LogTime(10_000);
/// Places of a block, and of a region.
const BLOCK: u64 = SLOTS as u64;
const REGION: u64 = BLOCK * (FAN * FAN) as u64;

fn explore(story: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_branches = 10_000;
    builder.check(story);
}

fn list_of(joins: u64) -> Waiters {
    let mut waiters = Waiters::new();
    for _ in 0..joins {
        waiters.append(NOW);
    }
    waiters
}

/// Runs `change` on the owner's thread beside `read` on this one.
fn race<T>(
    mut waiters: Waiters,
    change: fn(&mut Waiters),
    read: impl FnOnce(&WaitersView, &Guard) -> T,
) -> T {
    let view = waiters.view();
    let owner = thread::spawn(move || {
        change(&mut waiters);
        waiters
    });
    let seen = read(&view, &pin());
    owner.join().expect("the owner's part");
    seen
}

fn rank(view: &WaitersView, seq: u64, guard: &Guard) -> Option<u64> {
    match view.lookup(Seq(seq), guard) {
        Lookup::Live(found) => Some(found.rank()),
        _ => None,
    }
}

fn join_two(waiters: &mut Waiters) {
    waiters.append(NOW);
    waiters.append(NOW);
}

#[test]
fn a_joiner_is_unknown_or_has_everybody_before_it() {
    for joined in [1, BLOCK - 1, 2 * BLOCK - 1] {
        explore(move || {
            race(list_of(joined), join_two, |view, guard| match view.lookup(Seq(joined + 1), guard) {
                Lookup::Live(found) => assert_eq!(found.rank(), joined + 1),
                Lookup::Unknown => {}
                found => panic!("I5: joined, and found {found:?}"),
            });
        });
    }
}

#[test]
fn who_is_below_the_tail_is_found() {
    explore(|| {
        race(list_of(BLOCK - 1), join_two, |view, guard| {
            for seq in BLOCK - 1..view.tail() {
                assert_eq!(rank(view, seq, guard), Some(seq), "I5: below the tail and not found");
            }
        });
    });
}

#[test]
fn a_rank_never_rises_while_others_leave() {
    const LAST: u64 = 2 * BLOCK + 1;
    let leave = |waiters: &mut Waiters| {
        waiters.remove(Seq(0));
        waiters.remove_slots(1, &std::array::from_fn(|word| if word == 0 { 0b11 } else { 0 }));
        waiters.admit(Seq(2 * BLOCK), NOW);
        waiters.append(NOW);
    };
    explore(move || {
        race(list_of(LAST + 1), leave, |view, guard| {
            let first = rank(view, LAST, guard).expect("it waits");
            let second = rank(view, LAST, guard).expect("it waits");
            assert!(first <= LAST && second <= first && second >= LAST - 4, "I5: {first} and then {second}");
        });
    });
}

#[test]
fn a_rank_never_rises_from_one_thread_to_the_next() {
    explore(|| {
        let mut waiters = list_of(BLOCK + 2);
        let (earlier, later) = (waiters.view(), waiters.view());
        let owner = thread::spawn(move || {
            waiters.remove(Seq(1));
            waiters
        });
        let poll = thread::spawn(move || rank(&earlier, BLOCK + 1, &pin()));
        let first = poll.join().expect("the first poll");
        let second = rank(&later, BLOCK + 1, &pin());
        assert!(second <= first && second >= Some(BLOCK), "I5: {first:?} and then {second:?}");
        owner.join().expect("the owner's part");
    });
}

/// The last change stores to the same word as the admission: a reader may learn of it from there.
fn admitted_is_never_gone(then: fn(&mut Waiters)) {
    explore(move || {
        let mut waiters = list_of(1);
        let view = waiters.view();
        let owner = thread::spawn(move || {
            waiters.admit(Seq(0), LogTime(12_345));
            then(&mut waiters);
            waiters
        });
        let mut admitted = false;
        for _ in 0..2 {
            match view.lookup(Seq(0), &pin()) {
                Lookup::Live(_) => assert!(!admitted, "I4: admitted, and waits again"),
                Lookup::Admitted(LogTime(12_345)) => admitted = true,
                found => panic!("I4: admitted, and found {found:?}"),
            }
        }
        owner.join().expect("the owner's part");
    });
}

#[test]
fn who_is_admitted_is_never_gone() {
    admitted_is_never_gone(|_| {});
}

#[test]
fn who_is_admitted_is_never_gone_while_the_next_joins() {
    admitted_is_never_gone(|waiters| _ = waiters.append(NOW));
}

#[test]
fn a_poll_before_the_scan_is_seen_by_it() {
    explore(|| {
        let waiters = list_of(2);
        let told = Arc::new(AtomicBool::new(false));
        let polls = [(0, 30_000), (1, 20_000)].map(|(seq, ms)| {
            let (view, told) = (waiters.view(), told.clone());
            thread::spawn(move || {
                let guard = pin();
                let Lookup::Live(found) = view.lookup(Seq(seq), &guard) else { panic!("{seq} waits") };
                found.touch(LogTime(ms));
                if seq == 0 {
                    told.store(true, Release);
                }
            })
        });
        if told.load(Acquire) {
            assert_eq!(waiters.polled_ms(0, 0), 30_000, "I6: a poll before the scan was missed");
            assert!(waiters.mark(0) >= Some(LogTime(30_000)), "I6: the mark hides a poll");
        }
        polls.into_iter().for_each(|poll| poll.join().expect("polled"));
        assert_eq!((waiters.polled_ms(0, 0), waiters.polled_ms(0, 1)), (30_000, 20_000));
        let mark = waiters.mark(0).expect("allocated");
        assert!((30_000..31_024).contains(&mark.0), "I6: the mark went back to {mark:?}");
    });
}

#[test]
fn a_block_made_anew_forgets_and_finds() {
    let renew = |waiters: &mut Waiters| {
        assert!(waiters.remove(Seq(0)) && waiters.free_block(0));
        waiters.append(NOW);
    };
    explore(move || {
        race(list_of(1), renew, |view, guard| {
            match view.lookup(Seq(1), guard) {
                Lookup::Live(found) => assert_eq!(found.rank(), 0),
                Lookup::Unknown => return,
                found => panic!("joined, and found {found:?}"),
            }
            assert!(matches!(view.lookup(Seq(0), guard), Lookup::Gone), "left, and found again");
        });
    });
}

#[test]
fn a_growing_directory_loses_nobody() {
    explore(|| {
        race(list_of(REGION - 1), join_two, |view, guard| {
            assert_eq!(rank(view, 0, guard), Some(0));
            match view.lookup(Seq(REGION), guard) {
                Lookup::Live(found) => assert_eq!(found.rank(), REGION),
                Lookup::Unknown => {}
                found => panic!("I5: joined, and found {found:?}"),
            }
            assert_eq!(rank(view, REGION - 2, guard), Some(REGION - 2));
        });
    });
}

#[test]
fn a_directory_without_its_front_forgets_and_finds() {
    let join = |waiters: &mut Waiters| _ = waiters.append(NOW);
    explore(move || {
        let mut waiters = list_of(REGION);
        for block in 0..4 {
            waiters.remove_slots(block, &[0b11; WORDS]);
            assert!(waiters.free_block(block));
        }
        race(waiters, join, |view, guard| {
            assert!(matches!(view.lookup(Seq(3), guard), Lookup::Gone), "left, and found again");
            match view.lookup(Seq(REGION), guard) {
                Lookup::Live(found) => assert_eq!(found.rank(), 0),
                Lookup::Unknown => {}
                found => panic!("I5: joined, and found {found:?}"),
            }
        });
    });
}
