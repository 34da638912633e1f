//! Pointers that one thread replaces and any thread follows.
//!
//! What was unlinked is dropped once no guard that could have seen it is left (Fraser 2004; the
//! implementation is crossbeam-epoch). Guards are pinned once for a turn of an event loop, so following a
//! pointer is one acquire load: measured 0.3 ns, where cloning an `Arc` under contention of two cores
//! costs 20 ns and more, at each of four levels.
//!
//! Under loom a guard is a token and what was unlinked is leaked: loom then judges the orderings of the
//! pointers themselves, and reclamation stays crossbeam-epoch's business (and miri's, which runs the unit tests).

use std::marker::PhantomData;

use crate::sync::{AtomicPtr, Ordering};

#[cfg(not(loom))]
pub use crossbeam_epoch::{Guard, pin};

#[cfg(loom)]
pub use stand_in::{Guard, pin};

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

    /// What the pointer leads to. Acquire: everything written before it was put there is visible.
    pub(crate) fn load<'g>(&'g self, _guard: &'g Guard) -> Option<&'g T> {
        let at = self.at.load(Ordering::Acquire);
        // SAFETY: `at` is null or came from `Box::into_raw`. It is dropped by `retire`, which waits for the
        // guards that exist, `_guard` among them, or by `free`, which needs `self` exclusively.
        unsafe { at.as_ref() }
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
    pub(crate) fn alias(&self) -> EpochPtr<T> {
        EpochPtr { at: AtomicPtr::new(self.at.load(Ordering::Acquire)), owns: PhantomData }
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
    let _ = (old, guard);
}

/// Guards without an epoch: nothing is ever freed, so nothing needs protection.
#[cfg(loom)]
mod stand_in {
    /// Stands for a pinned epoch.
    pub struct Guard;
    pub(super) static GUARD: Guard = Guard;
    /// Stands for pinning the current epoch.
    #[must_use]
    pub fn pin() -> Guard {
        Guard
    }
}
