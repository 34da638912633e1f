//! What a simulated crowd sees of a waiting room, whichever rule runs it.

/// What a user is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// May enter, since this moment.
    Admitted {
        /// When, in ms since the start.
        at_ms: u64,
        /// Without having waited.
        direct: bool,
    },
    /// Has to wait.
    Waiting {
        /// Waiters ahead, plus one.
        position: u32,
        /// The estimated wait; `None` where nobody can say.
        eta_ms: Option<u32>,
        /// When to ask again.
        poll_ms: u32,
    },
    /// Lost the place.
    Gone,
}

/// A change that an operator makes while the room runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// Another limit.
    Limit(u32),
    /// Nobody enters.
    Pause,
    /// The rules again.
    Resume,
}

/// A waiting room in virtual time. Moments are ms since the start and never decrease.
pub(super) trait Room {
    /// Somebody new; the answer comes with a later [`Room::turn`].
    fn join(&mut self, user: u32, now_ms: u64);

    /// A poll. `None`: the answer comes with a later turn.
    fn poll(&mut self, user: u32, now_ms: u64) -> Option<Answer>;

    /// What an operator changes.
    fn change(&mut self, change: Change, now_ms: u64);

    /// Ends a millisecond in which something may have happened; appends the answers that are ready.
    fn turn(&mut self, now_ms: u64, answers: &mut Vec<(u32, Answer)>);
}
