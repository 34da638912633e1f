//! What the process may hold beside its state: one account for all its threads.
//!
//! ```text
//!  memory_max ── the process: what it takes with nobody there, recent entries of the log
//!             └─ the rest ── 13/16 state: zones, streams, requests          kept by owners, before they propose
//!                         ├─  2/16 passing: answers on their way, output    given back as clients read
//!                         └─  1/16 standing: names that are listened to     given back when they are left
//! ```
//! The process has [`PROCESS_BYTES`], and a quarter of less than four times as much. The parts are fixed, so that readers who do not read take no room from appends, nor full streams from answers. A
//! [`Charge`] is bytes of the account in somebody's hands: it gives them back when it is dropped, wherever that is. What is
//! counted otherwise (buffers of connections) is told once a turn by whoever counts it, in one sum.
//!
//! Costs: one addition and one subtraction on a shared word for an answer of more than [`CHARGE_BYTES_MIN`]; none for others.

use crate::limit::{
    ANSWER_BYTES_MAX, ANSWER_BYTES_SMALL, CHARGE_BYTES_MIN, PASSING_BYTES_MIN, PROCESS_BYTES,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which part of the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// What clients take off it by reading.
    Passing,
    /// What stays for as long as they want it.
    Standing,
}

/// The account of one process.
#[derive(Debug)]
pub struct Account {
    state_max: u64,
    passing: Bounded,
    standing: Bounded,
}

/// One part: any thread adds and takes away.
#[derive(Debug)]
struct Bounded {
    used: AtomicU64,
    max: u64,
}

impl Account {
    /// Of a process that may take so many bytes.
    #[must_use]
    pub fn new(memory_max: u64) -> Account {
        let rest = memory_max - PROCESS_BYTES.min(memory_max / 4);
        let sixteenth = rest / 16;
        // With little memory, still enough for the longest answer to a read.
        let least = if rest < 2 * PASSING_BYTES_MIN { 0 } else { PASSING_BYTES_MIN };
        let passing = (2 * sixteenth).max(least);
        let part = |max| Bounded { used: AtomicU64::new(0), max };
        Account { state_max: rest - passing - sixteenth, passing: part(passing), standing: part(sixteenth) }
    }

    /// Bytes that the state may take.
    #[must_use]
    pub fn state_max(&self) -> u64 {
        self.state_max
    }

    /// Bytes of the largest answer that may be made, in the engine's form and encoded together.
    #[must_use]
    pub fn answer_max(&self) -> u64 {
        (self.passing.max / 2).min(ANSWER_BYTES_MAX)
    }

    /// Bytes of a part that are in use, and how many may be.
    #[must_use]
    pub fn of(&self, part: Part) -> (u64, u64) {
        let part = self.part(part);
        (part.used.load(Ordering::Relaxed), part.max)
    }

    /// Takes so many bytes, if there is room; fewer than [`CHARGE_BYTES_MIN`] are not counted. Of the passing part a quarter is kept for small answers: who asks for little is
    /// served also while others have taken much.
    #[must_use]
    pub fn try_charge(self: &Arc<Self>, part: Part, bytes: u64) -> Option<Charge> {
        if bytes < CHARGE_BYTES_MIN { Some(Charge::default()) } else { self.take(part, bytes) }
    }

    /// The same, and counted however little it is.
    #[must_use]
    pub fn take(self: &Arc<Self>, part: Part, bytes: u64) -> Option<Charge> {
        let held = self.part(part);
        let keeps = part == Part::Passing && bytes > ANSWER_BYTES_SMALL;
        let max = if keeps { held.max - held.max / 4 } else { held.max };
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= max);
        held.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).ok()?;
        Some(Charge { bytes, held: Some((Arc::clone(self), part)) })
    }

    /// Takes so many bytes whether there is room or not: of what is bounded otherwise.
    #[must_use]
    pub fn charge(self: &Arc<Self>, part: Part, bytes: u64) -> Charge {
        self.add(part, bytes as i64);
        Charge { bytes, held: Some((Arc::clone(self), part)) }
    }

    /// Counts what is there already, whether there is room or not.
    pub fn add(&self, part: Part, bytes: i64) {
        // One word, which says nothing of other memory.
        self.part(part).used.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn part(&self, part: Part) -> &Bounded {
        match part {
            Part::Passing => &self.passing,
            Part::Standing => &self.standing,
        }
    }
}

/// Bytes of an account, given back when this is dropped.
///
/// ```
/// use sluice_engine::account::{Account, Part};
/// use std::sync::Arc;
/// let account = Arc::new(Account::new(16 << 20));
/// let charge = account.try_charge(Part::Passing, 1 << 20).unwrap();
/// assert_eq!(account.of(Part::Passing), (1 << 20, 5 << 20));
/// assert!(account.try_charge(Part::Passing, 3 << 20).is_none(), "large answers leave room for small ones");
/// drop(charge);
/// assert_eq!(account.of(Part::Passing).0, 0);
/// ```
#[derive(Debug, Default)]
pub struct Charge {
    bytes: u64,
    held: Option<(Arc<Account>, Part)>,
}

impl Charge {
    /// Gives back so many of them.
    pub fn give_back(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        if let Some((account, part)) = &self.held {
            account.add(*part, -(bytes as i64));
        }
    }

    /// Takes another over, of the same part of the same account.
    pub fn join(&mut self, mut other: Charge) {
        self.bytes += other.bytes;
        if let Some(held) = other.held.take() {
            self.held.get_or_insert(held);
        }
    }

    /// How many.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same for what was bought with it: that takes `bytes`, and counts for nothing where that is little.
    #[must_use]
    pub fn settled(mut self, bytes: u64) -> Charge {
        let Some((account, part)) = &self.held else { return self };
        debug_assert!(bytes <= self.bytes, "{bytes} bytes for a price of {}", self.bytes);
        let left = if bytes < CHARGE_BYTES_MIN { 0 } else { bytes };
        account.add(*part, left as i64 - self.bytes as i64);
        self.bytes = left;
        self
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if let Some((account, part)) = &self.held {
            account.add(*part, -(self.bytes as i64));
        }
    }
}

/// A copy of what was charged is charged too.
impl Clone for Charge {
    fn clone(&self) -> Charge {
        if let Some((account, part)) = &self.held {
            account.add(*part, self.bytes as i64);
        }
        Charge { bytes: self.bytes, held: self.held.clone() }
    }
}

/// What something is charged for says nothing of what it is.
impl PartialEq for Charge {
    fn eq(&self, _: &Charge) -> bool {
        true
    }
}

impl Eq for Charge {}

/// Another process has an account of its own.
impl Serialize for Charge {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Charge {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Charge, D::Error> {
        <()>::deserialize(from).map(|()| Charge::default())
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, PROCESS_BYTES, Part};
    use std::sync::Arc;

    #[test]
    fn a_part_takes_nothing_from_the_others() {
        let account = Arc::new(Account::new((320 << 20) + PROCESS_BYTES));
        assert_eq!(account.state_max(), 260 << 20);
        let passing = account.try_charge(Part::Passing, 30 << 20).unwrap();
        assert!(account.try_charge(Part::Passing, 1 << 20).is_none());
        let small = account.try_charge(Part::Passing, 4_096).unwrap();
        let standing = account.try_charge(Part::Standing, 20 << 20).unwrap();
        assert!(account.try_charge(Part::Standing, 4_096).is_none());
        drop((passing, small, standing));
        assert_eq!((account.of(Part::Passing).0, account.of(Part::Standing).0), (0, 0));
    }

    #[test]
    fn what_is_settled_copied_and_dropped_adds_up() {
        let account = Arc::new(Account::new(160 << 20));
        let charge = account.try_charge(Part::Passing, 1 << 20).unwrap().settled(100_000);
        let copy = charge.clone();
        assert_eq!(account.of(Part::Passing).0, 200_000);
        drop(charge);
        assert_eq!(account.of(Part::Passing).0, 100_000);
        let copy = copy.settled(1);
        assert_eq!((account.of(Part::Passing).0, copy.bytes()), (0, 0));
    }
}
