//! What holds for one turn of a worker's loop.

use sluice_engine::structure::Guard;
use sluice_engine::time::MonoMs;

/// One reading of the clock and one pinned epoch, shared by everything that happens in a turn.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'g> {
    pub(crate) now: MonoMs,
    pub(crate) guard: &'g Guard,
}
