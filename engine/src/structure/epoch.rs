//! Pointers that one thread replaces and any thread follows.
//!
//! What was unlinked is dropped once no guard that could have seen it is left (Fraser 2004; the
//! implementation is crossbeam-epoch). Guards are pinned once for a turn of an event loop, so following a
//! pointer is one acquire load: measured 0.3 ns, where cloning and dropping an `Arc` takes 9.5 ns alone and
//! 33 ns while a second core does the same, at each of four levels.
//!
//! Under loom a guard is a token and what was unlinked is leaked: loom then judges the orderings of the
//! pointers themselves, and reclamation stays crossbeam-epoch's business (and miri's, which runs the unit tests).

use std::marker::PhantomData;

use crate::sync::{AtomicPtr, Ordering};

#[cfg(not(loom))]
pub use crossbeam_epoch::{Guard, pin};

#[cfg(loom)]
use stand_in::load_raw;
#[cfg(loom)]
pub use stand_in::{Guard, pin};

/// How a pointer is followed: what was written before it was put there is visible.
const FOLLOW: Ordering = Ordering::Acquire;

/// An owned, replaceable pointer. Dropping it frees nothing: its holder says when, by [`EpochPtr::free`].
///
/// Written by the owner of the structure that holds it, read by any thread.
pub(crate) struct EpochPtr<T> {
    at: AtomicPtr<T>,
    owns: PhantomData<Box<T>>,
}

impl<T: Send + Sync + 'static> EpochPtr<T> {
    pub(crate) fn null() -> EpochPtr<T> {
        EpochPtr { at: AtomicPtr::new(std::ptr::null_mut()), owns: PhantomData }
    }

    pub(crate) fn new(value: T) -> EpochPtr<T> {
        EpochPtr { at: AtomicPtr::new(Box::into_raw(Box::new(value))), owns: PhantomData }
    }

    /// What the pointer leads to.
    pub(crate) fn load<'g>(&'g self, guard: &'g Guard) -> Option<&'g T> {
        // SAFETY: what is there is null or came from `Box::into_raw`. It is dropped by `retire`, which waits for
        // the guards that exist, `guard` among them, or by `free`, which needs `self` exclusively.
        unsafe { load_raw(&self.at, guard).as_ref() }
    }

    /// Puts `value` where nothing was. Release: pairs with the acquire of [`EpochPtr::load`].
    ///
    /// # Panics
    /// If the pointer is not null: the structure's owner has lost track of itself.
    pub(crate) fn fill(&self, value: T) {
        let old = self.at.swap(Box::into_raw(Box::new(value)), Ordering::AcqRel);
        assert!(old.is_null(), "filled a pointer that was in use");
    }

    /// Replaces what is there; the old value is dropped when no reader can hold it. Any thread may call it.
    ///
    /// # Safety
    /// No other `EpochPtr` that a reader could still reach later leads to the same value.
    pub(crate) unsafe fn replace(&self, value: Option<T>, guard: &Guard) {
        let new = value.map_or(std::ptr::null_mut(), |value| Box::into_raw(Box::new(value)));
        let old = self.at.swap(new, Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: the swap made us the only one who holds `old` for dropping; the caller vouches that
            // no other path leads there.
            unsafe { retire(old, guard) };
        }
    }

    /// A second pointer to the same value, for a copy of the structure that replaces this one.
    pub(crate) fn alias(&self, owner: &Guard) -> EpochPtr<T> {
        EpochPtr { at: AtomicPtr::new(load_raw(&self.at, owner)), owns: PhantomData }
    }

    /// Drops the value at once.
    ///
    /// # Safety
    /// No thread can reach the value any more, and no other pointer leads to it.
    pub(crate) unsafe fn free(&mut self) {
        // SAFETY: the caller's promise is passed on.
        unsafe { self.free_with(|_| ()) }
    }

    /// Drops the value at once, after `last` had it.
    ///
    /// # Safety
    /// As for [`EpochPtr::free`].
    pub(crate) unsafe fn free_with(&mut self, last: impl FnOnce(&mut T)) {
        // A model that fails drops its structures where loom's atomics are out of reach: there it leaks this too.
        if cfg!(loom) {
            return;
        }
        let old = self.at.swap(std::ptr::null_mut(), Ordering::AcqRel);
        if !old.is_null() {
            // SAFETY: from `Box::into_raw`, and unreachable, as the caller vouches.
            let mut value = unsafe { Box::from_raw(old) };
            last(&mut value);
        }
    }
}

/// A guard that guards nothing.
///
/// # Safety
/// What is loaded under it must not be retired while it is used: the caller is the structure's owner, and
/// borrows it so that it cannot unlink anything meanwhile.
pub(crate) unsafe fn unprotected() -> &'static Guard {
    #[cfg(not(loom))]
    // SAFETY: the caller keeps the contract, which is the same.
    unsafe {
        crossbeam_epoch::unprotected()
    }
    #[cfg(loom)]
    &stand_in::GUARD
}

#[cfg(not(loom))]
fn load_raw<T>(at: &AtomicPtr<T>, _guard: &Guard) -> *mut T {
    at.load(FOLLOW)
}

/// Drops `old` once no guard pinned by now is left.
///
/// # Safety
/// `old` came from `Box::into_raw`, is retired once, and cannot be reached by a guard pinned later.
pub(crate) unsafe fn retire<T: Send + 'static>(old: *mut T, guard: &Guard) {
    #[cfg(not(loom))]
    // SAFETY: unreachable for later guards, as the caller vouches; `T: Send`, so any thread may drop it.
    unsafe {
        guard.defer_unchecked(move || drop(Box::from_raw(old)));
    }
    #[cfg(loom)]
    stand_in::retire(old as usize, guard);
}

/// Has a part of what was retired dropped, as far as nobody reads it any more: without that it waits for others to be retired behind
/// it, in a process at rest for minutes.
pub(crate) fn collect(guard: &Guard) {
    #[cfg(not(loom))]
    guard.flush();
    #[cfg(loom)]
    let _: &Guard = guard;
}

/// Guards without an epoch: nothing is ever freed, so nothing needs protection.
#[cfg(loom)]
mod stand_in {
    use std::{cell::RefCell, collections::HashSet};

    use crate::sync::AtomicPtr;

    thread_local! {
        /// What was unlinked. Nothing is freed, so no address comes twice.
        static RETIRED: RefCell<HashSet<usize>> = RefCell::default();
    }

    /// Stands for a pinned epoch.
    pub struct Guard {
        unprotected: bool,
    }

    pub(super) static GUARD: Guard = Guard { unprotected: true };

    /// Stands for pinning the current epoch.
    #[must_use]
    pub fn pin() -> Guard {
        Guard { unprotected: false }
    }

    /// The owner's loads are not accesses, for the reason that `own` gives.
    pub(super) fn load_raw<T>(at: &AtomicPtr<T>, guard: &Guard) -> *mut T {
        if guard.unprotected {
            // SAFETY: loom itself fails the model where another thread's store is not ordered before this.
            return unsafe { at.unsync_load() };
        }
        at.load(super::FOLLOW)
    }

    /// Keeps what was unlinked for ever, and finds what is unlinked twice.
    pub(super) fn retire(old: usize, _guard: &Guard) {
        assert!(RETIRED.with_borrow_mut(|retired| retired.insert(old)), "retired twice");
    }
}
