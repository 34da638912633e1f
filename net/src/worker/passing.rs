//! What a worker's connections hold: one sum, told to the account of the process once a turn.
//!
//! A connection is counted anew whenever its turn ends ([`crate::session::Session::recount`]): that is a few lengths. Answers on
//! their way carry charges of their own and are in no connection's count.

use crate::limit;
use sluice_engine::account::{Account, Part};
use std::sync::Arc;

/// How much room the process has for what is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// Enough.
    Ample,
    /// Half of it is used up.
    Scarce,
    /// All of it is.
    Spent,
}

/// A worker's part of what is on its way to clients.
pub(crate) struct Passing {
    account: Arc<Account>,
    /// Bytes that this worker's connections hold, and those of them that the account knows of.
    held: u64,
    told: u64,
    /// What its hubs keep, as the account knows it.
    kept: u64,
    /// The account as the turn began, and its bound.
    used: u64,
    max: u64,
}

impl Passing {
    pub(crate) fn new(account: Arc<Account>) -> Passing {
        let (used, max) = account.of(Part::Passing);
        Passing { account, held: 0, told: 0, kept: 0, used, max }
    }

    /// A connection was counted as `before`, and is counted as `now`.
    pub(crate) fn recount(&mut self, before: usize, now: usize) {
        self.held = (self.held + now as u64).saturating_sub(before as u64);
        if self.held.abs_diff(self.told) >= limit::TOLD_BYTES {
            self.tell();
        }
    }

    /// Bytes of the whole process, as far as this worker knows.
    fn sum(&self) -> u64 {
        self.used.saturating_sub(self.told) + self.held
    }

    /// Half of it is used up: connections are given little until clients have read.
    pub(crate) fn is_scarce(&self) -> bool {
        self.room() != Room::Ample
    }

    /// All of it is used up: what can be given up is given up.
    pub(crate) fn is_spent(&self) -> bool {
        self.room() == Room::Spent
    }

    /// Bytes on their way to a connection from which on nothing more is taken up for it.
    pub(crate) fn soft_bytes(&self) -> usize {
        if self.is_scarce() { limit::OUTPUT_BYTES_SCARCE } else { limit::OUTPUT_BYTES_SOFT }
    }

    /// How much room there is.
    pub(crate) fn room(&self) -> Room {
        match self.sum() {
            sum if sum >= self.max => Room::Spent,
            sum if sum >= self.max / 2 => Room::Scarce,
            _ => Room::Ample,
        }
    }

    /// Unsent bytes of a connection beyond which it is pushed nothing more, but closed.
    pub(crate) fn pushed_bytes_max(&self) -> usize {
        if self.is_scarce() { limit::PUSHED_BYTES_FAIR } else { limit::PUSHED_BYTES_MAX }
    }

    /// Tells the account, and reads it. `kept`: what hubs keep.
    pub(crate) fn close_turn(&mut self, kept: usize) {
        let kept = kept as u64;
        if self.kept != kept {
            self.account.add(Part::Standing, kept as i64 - self.kept as i64);
            self.kept = kept;
        }
        self.tell();
    }

    fn tell(&mut self) {
        if self.held != self.told {
            self.account.add(Part::Passing, self.held as i64 - self.told as i64);
            self.told = self.held;
        }
        self.used = self.account.of(Part::Passing).0;
    }
}

#[cfg(test)]
mod tests {
    use super::Passing;
    use crate::limit;
    use sluice_engine::account::{Account, Part};
    use std::sync::Arc;

    #[test]
    fn workers_know_of_each_other_after_a_turn_and_of_themselves_at_once() {
        let account = Arc::new(Account::new(160 << 20));
        let (mut one, mut other) = (Passing::new(Arc::clone(&account)), Passing::new(Arc::clone(&account)));
        one.recount(0, 10 << 20);
        assert!(one.is_scarce() && !other.is_scarce());
        one.close_turn(0);
        other.close_turn(0);
        assert!(other.is_scarce() && other.soft_bytes() == limit::OUTPUT_BYTES_SCARCE);
        one.recount(10 << 20, 0);
        one.close_turn(0);
        assert_eq!((account.of(Part::Passing).0, one.soft_bytes()), (0, limit::OUTPUT_BYTES_SOFT));
    }
}
