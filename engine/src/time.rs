//! Time as data. The engine never reads a clock: callers pass these in.
//!
//! [`MonoMs`] is what a process measures; [`LogTime`] is what a group's log says. A shard's owner
//! turns the first into the second with an [`Offset`] that moves only when a log entry is applied.

use serde::{Deserialize, Serialize};
use std::marker::PhantomData;

/// Milliseconds of log time: the stamp of a batch, or the moment a reader asks about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct LogTime(pub u64);

/// Milliseconds of wall time since 1970, as the log says it: forward only. For ids of stream entries and deadlines of keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct WallMs(pub u64);

/// Milliseconds of this process's monotonic clock since it started.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct MonoMs(pub u64);

/// A clock that an [`Offset`] leads to from this process's own.
pub trait Clock: Copy {
    /// The moment of so many ms.
    fn from_ms(ms: u64) -> Self;
    /// Its ms.
    fn ms(self) -> u64;
}

impl Clock for LogTime {
    fn from_ms(ms: u64) -> LogTime {
        LogTime(ms)
    }

    fn ms(self) -> u64 {
        self.0
    }
}

impl Clock for WallMs {
    fn from_ms(ms: u64) -> WallMs {
        WallMs(ms)
    }

    fn ms(self) -> u64 {
        self.0
    }
}

/// How far another clock is ahead of this process's own, ms. The only way between the two: both directions saturate, so a
/// moment from before the process began is its beginning, and not one in the far future.
///
/// ```
/// use sluice_engine::time::{LogTime, MonoMs, Offset};
/// let offset = Offset::between(MonoMs(10), LogTime(1_700_000_000_000));
/// assert_eq!(offset.at(MonoMs(15)), LogTime(1_700_000_000_005));
/// assert_eq!(offset.back(LogTime(1_700_000_000_005)), MonoMs(15));
/// assert_eq!(offset.back(LogTime(0)), MonoMs(0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Offset<C> {
    ms: i64,
    clock: PhantomData<C>,
}

impl<C: Clock> Offset<C> {
    /// The one by which `there` is `here`.
    #[must_use]
    pub fn between(here: MonoMs, there: C) -> Offset<C> {
        let ms = i128::from(there.ms()) - i128::from(here.0);
        Offset::of_ms(i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX }))
    }

    /// As [`Offset::ms`] gave it.
    #[must_use]
    pub fn of_ms(ms: i64) -> Offset<C> {
        Offset { ms, clock: PhantomData }
    }

    /// Milliseconds that the other clock is ahead; negative where it is behind.
    #[must_use]
    pub fn ms(self) -> i64 {
        self.ms
    }

    /// What the other clock says at a moment of ours.
    #[must_use]
    pub fn at(self, here: MonoMs) -> C {
        C::from_ms(here.0.saturating_add_signed(self.ms))
    }

    /// The moment of our clock at which the other says this.
    #[must_use]
    pub fn back(self, there: C) -> MonoMs {
        MonoMs(there.ms().saturating_sub_signed(self.ms))
    }
}

impl MonoMs {
    /// This moment and `ms` more.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> MonoMs {
        MonoMs(self.0.saturating_add(ms))
    }
}

impl LogTime {
    /// This moment and `ms` more.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> LogTime {
        LogTime(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`; 0 when `earlier` is not earlier.
    #[must_use]
    pub fn since_ms(self, earlier: LogTime) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The low 32 bits, which is how a last-poll cell stores a moment (wraps every 49.7 days).
    #[must_use]
    pub fn low32(self) -> u32 {
        self.0 as u32
    }

    /// Age in ms of a last-poll cell. A cell that seems to lie ahead was stored by a thread whose
    /// reading was newer, and counts as just now.
    ///
    /// ```
    /// use sluice_engine::time::LogTime;
    /// assert_eq!(LogTime(5_000).age_ms_of(LogTime(2_000).low32()), 3_000);
    /// assert_eq!(LogTime(5_000).age_ms_of(LogTime(5_001).low32()), 0);
    /// ```
    #[must_use]
    pub fn age_ms_of(self, cell: u32) -> u32 {
        let age = self.low32().wrapping_sub(cell);
        if age > u32::MAX / 2 { 0 } else { age }
    }
}
