//! The frontier: who is due within the next poll period, and when.
//!
//! Made by the owner about every 50 ms, read by every thread that answers polls. Breakpoints in join
//! order: everybody up to a breakpoint's place is due by its moment.

use crate::id::Seq;
use crate::limit::{ABANDON_MS_MAX, FRONTIER_POINTS_MAX};
use crate::time::LogTime;
use serde::{Deserialize, Serialize};

/// Everybody up to `through` who is not covered by an earlier point is due at `due`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Point {
    /// The last place covered.
    pub through: Seq,
    /// When its turn comes.
    pub due: LogTime,
}

/// A published frontier. Empty: nobody is due soon.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "Decoded")]
pub struct Frontier {
    points: Vec<Point>,
    ahead: Ahead,
}

/// A frontier as another node says it is.
#[derive(Deserialize)]
struct Decoded {
    points: Vec<Point>,
    ahead: Ahead,
}

impl TryFrom<Decoded> for Frontier {
    type Error = &'static str;

    fn try_from(told: Decoded) -> Result<Frontier, &'static str> {
        let Decoded { points, ahead } = told;
        let rises = points.is_sorted_by(|one, next| one.through <= next.through && one.due <= next.due);
        let is_near = ahead.early_ms.max(ahead.hold_ms) <= u64::from(ABANDON_MS_MAX);
        let fits = rises && is_near && points.len() <= FRONTIER_POINTS_MAX;
        fits.then_some(Frontier { points, ahead }).ok_or("no owner publishes such a frontier")
    }
}

/// How far ahead of its turn a waiter is told to come, and its poll parked, in ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ahead {
    /// An appointment is this much before the turn.
    pub early_ms: u64,
    /// A poll whose turn is at most this far away asks the owner, who parks it.
    pub hold_ms: u64,
}

impl Frontier {
    /// Everybody is due at once (mode open).
    #[must_use]
    pub fn everybody() -> Frontier {
        Frontier { points: vec![Point { through: Seq(u64::MAX), due: LogTime(0) }], ahead: Ahead::default() }
    }

    /// How far ahead of their turn waiters come and are parked.
    #[must_use]
    pub fn ahead(&self) -> Ahead {
        self.ahead
    }

    /// When the turn of this place comes. `None`: not within the period that the frontier covers.
    #[must_use]
    pub fn due(&self, seq: Seq) -> Option<LogTime> {
        let at = self.points.partition_point(|point| point.through < seq);
        self.points.get(at).map(|point| point.due)
    }
}

/// Collects places in join order into at most [`FRONTIER_POINTS_MAX`] points.
#[derive(Debug)]
pub struct FrontierBuilder {
    points: Vec<Point>,
    width_ms: u64,
    ahead: Ahead,
    opened: LogTime,
}

impl FrontierBuilder {
    /// A builder for places due within `horizon_ms` of each other.
    #[must_use]
    pub fn new(horizon_ms: u64, ahead: Ahead) -> FrontierBuilder {
        // Two points are kept in reserve: the one at the tail, and rounding.
        let width_ms = horizon_ms.div_ceil(FRONTIER_POINTS_MAX as u64 - 2).max(1);
        FrontierBuilder {
            points: Vec::with_capacity(FRONTIER_POINTS_MAX),
            width_ms,
            ahead,
            opened: LogTime(0),
        }
    }

    /// Adds the next place. Places and moments never decrease.
    pub fn push(&mut self, through: Seq, due: LogTime) {
        let full = self.points.len() == FRONTIER_POINTS_MAX;
        match self.points.last_mut() {
            Some(point) if due.since_ms(self.opened) < self.width_ms => *point = Point { through, due },
            _ if full => {}
            _ => {
                self.opened = due;
                self.points.push(Point { through, due });
            }
        }
    }

    /// Nobody present follows: whoever comes now is due at `due`.
    pub fn push_tail(&mut self, due: LogTime) {
        if self.points.len() < FRONTIER_POINTS_MAX {
            self.points.push(Point { through: Seq(u64::MAX), due });
        }
    }

    /// The finished frontier.
    #[must_use]
    pub fn finish(self) -> Frontier {
        Frontier { points: self.points, ahead: self.ahead }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ahead, Frontier, FrontierBuilder};
    use crate::id::Seq;
    use crate::limit::FRONTIER_POINTS_MAX;
    use crate::time::LogTime;

    #[test]
    fn a_place_is_due_by_the_first_point_that_covers_it() {
        let mut builder = FrontierBuilder::new(3_000, Ahead::default());
        builder.push(Seq(3), LogTime(1_000));
        builder.push(Seq(9), LogTime(2_000));
        let frontier = builder.finish();
        assert_eq!(frontier.due(Seq(0)), Some(LogTime(1_000)));
        assert_eq!(frontier.due(Seq(3)), Some(LogTime(1_000)));
        assert_eq!(frontier.due(Seq(4)), Some(LogTime(2_000)));
        assert_eq!(frontier.due(Seq(10)), None);
        assert_eq!(Frontier::default().due(Seq(0)), None);
    }

    #[test]
    fn points_stay_bounded_and_never_promise_too_early() {
        let mut builder = FrontierBuilder::new(3_000, Ahead::default());
        (0..100_000u64).for_each(|seq| builder.push(Seq(seq), LogTime(seq * 3_000 / 100_000)));
        builder.push_tail(LogTime(3_000));
        let frontier = builder.finish();
        assert!(frontier.points.len() <= FRONTIER_POINTS_MAX);
        for seq in (0..100_000u64).step_by(97) {
            let due = frontier.due(Seq(seq)).unwrap().0;
            let exact = seq * 3_000 / 100_000;
            assert!((exact..=exact + 50).contains(&due), "{seq}: {due} for {exact}");
        }
    }
}
