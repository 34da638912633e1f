//! Values within values, as another node's message has them: read to a bounded depth only, for a message that is nothing but
//! brackets must not use up the stack.

use crate::limit::NESTED_MAX;
use serde::de::{Deserialize, Deserializer, Error as _};
use std::cell::Cell;

thread_local! {
    /// How deep the value is that is being read on this thread.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// One level further in; the level is left however reading ends.
struct Level;

impl Level {
    fn enter() -> Option<Level> {
        let depth = DEPTH.get();
        (depth < NESTED_MAX).then(|| {
            DEPTH.set(depth + 1);
            Level
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// Reads what may hold others of its own kind. For `deserialize_with`.
pub(super) fn read<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    let _level = Level::enter().ok_or_else(|| D::Error::custom("values within values, too deep"))?;
    T::deserialize(from)
}
