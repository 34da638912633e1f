//! How much was looked at that nobody asked for: tests count such steps, not time. Elsewhere this is nothing.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// A key, a pending entry or a chunk of them was looked at.
#[inline]
pub(super) fn step() {
    #[cfg(test)]
    STEPS.with(|steps| steps.set(steps.get() + 1));
}

/// What `done` comes to, and how many steps this thread takes for it.
#[cfg(test)]
pub(crate) fn by<T>(done: impl FnOnce() -> T) -> (T, u64) {
    let before = STEPS.with(Cell::get);
    let value = done();
    (value, STEPS.with(Cell::get) - before)
}
