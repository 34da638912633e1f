//! Time as data. The engine never reads a clock: callers pass these in.
//!
//! [`MonoMs`] is what a process measures; [`LogTime`] is what a group's log says. A shard's owner
//! turns the first into the second with an offset that moves only when a log entry is applied.

use serde::{Deserialize, Serialize};

/// Milliseconds of log time: the stamp of a batch, or the moment a reader asks about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct LogTime(pub u64);

/// Milliseconds of wall time since 1970, as the log says it: forward only. For ids of stream entries and deadlines of keys.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct WallMs(pub u64);

/// Milliseconds of this process's monotonic clock since it started.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct MonoMs(pub u64);

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
