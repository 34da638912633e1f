//! What holds for one turn of a worker's loop.
//!
//! A turn may be interrupted anywhere, for seconds: the clock that it began with says nothing about what came since. Whoever reads
//! from a socket, or takes a message of another thread, reads the clock [`again`](Turn::again) before it answers.

use crate::clock::Clock;
use sluice_engine::structure::Guard;
use sluice_engine::time::MonoMs;

/// One reading of the clock and one pinned epoch, shared by everything that happens in a turn.
#[derive(Clone, Copy)]
pub(crate) struct Turn<'g> {
    pub(crate) now: MonoMs,
    pub(crate) guard: &'g Guard,
}

impl<'g> Turn<'g> {
    /// The same turn by a clock that is read now: after whatever came is here.
    pub(crate) fn again(self, clock: &Clock) -> Turn<'g> {
        Turn { now: clock.now(), ..self }
    }
}
