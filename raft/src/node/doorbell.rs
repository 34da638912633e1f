//! Wakes the owners of shards once the node's thread has nothing more to tell them.
//!
//! What one turn of the thread brings, for all groups, is then one wake of each worker, and one turn of it. A wake for each
//! piece would have worker and node take turns on a shared core, with little to do in each.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::limit::RINGS_MAX;
use crate::queue::Waker;

struct Door {
    wake: Waker,
    rung: AtomicBool,
}

/// The doors of all owners.
#[derive(Default)]
pub(super) struct Doorbells {
    doors: Mutex<Vec<Arc<Door>>>,
    /// Rings since the owners were last woken.
    rings: AtomicUsize,
}

impl Doorbells {
    /// A waker that has `wake` called soon: by [`Doorbells::answer`], or when much has come since then.
    pub(super) fn door(self: &Arc<Doorbells>, wake: Waker) -> Waker {
        let door = Arc::new(Door { wake, rung: AtomicBool::new(false) });
        self.doors.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&door));
        let bells = Arc::clone(self);
        Box::new(move || {
            // Release: who takes the ring back sees what was sent before it.
            door.rung.store(true, Ordering::Release);
            if bells.rings.fetch_add(1, Ordering::Relaxed) + 1 >= RINGS_MAX {
                bells.answer();
            }
        })
    }

    /// Wakes the owners that were rung for.
    pub(super) fn answer(&self) {
        if self.rings.swap(0, Ordering::Relaxed) == 0 {
            return;
        }
        for door in &*self.doors.lock().unwrap_or_else(PoisonError::into_inner) {
            if door.rung.swap(false, Ordering::AcqRel) {
                (door.wake)();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Doorbells, RINGS_MAX};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn counted(bells: &Arc<Doorbells>) -> (super::Waker, Arc<AtomicUsize>) {
        let woken = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&woken);
        let ring = bells.door(Box::new(move || _ = count.fetch_add(1, Ordering::Relaxed)));
        (ring, woken)
    }

    #[test]
    fn an_owner_is_woken_once_for_all_that_came() {
        let bells = Arc::new(Doorbells::default());
        let (first, woken_first) = counted(&bells);
        let (_second, woken_second) = counted(&bells);
        (0..RINGS_MAX - 1).for_each(|_| first());
        assert_eq!(woken_first.load(Ordering::Relaxed), 0);
        bells.answer();
        bells.answer();
        assert_eq!((woken_first.load(Ordering::Relaxed), woken_second.load(Ordering::Relaxed)), (1, 0));
    }

    #[test]
    fn a_thread_that_never_rests_wakes_owners_all_the_same() {
        let bells = Arc::new(Doorbells::default());
        let (ring, woken) = counted(&bells);
        (0..3 * RINGS_MAX).for_each(|_| ring());
        assert_eq!(woken.load(Ordering::Relaxed), 3);
    }
}
