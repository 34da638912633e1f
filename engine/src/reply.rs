//! What callers are told.

use crate::account::Charge;
use crate::error::Refusal;
use crate::stream::value::Value;
use crate::time::LogTime;
use crate::token::Token;
use crate::zone::settings::{ZoneName, ZoneSettings};
use serde::{Deserialize, Serialize};

/// An estimated wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Eta {
    /// Milliseconds until admission.
    Ms(u64),
    /// Nobody enters now (paused), so nobody can say.
    Unknown,
}

impl Eta {
    /// As the wire says it: milliseconds, -1 when unknown.
    #[must_use]
    pub fn wire_ms(self) -> i64 {
        match self {
            Eta::Ms(ms) => i64::try_from(ms).unwrap_or(i64::MAX),
            Eta::Unknown => -1,
        }
    }

    /// Whole seconds, rounded up; -1 when unknown.
    #[must_use]
    pub fn wire_seconds(self) -> i64 {
        match self {
            Eta::Ms(ms) => i64::try_from(ms.div_ceil(1_000)).unwrap_or(i64::MAX),
            Eta::Unknown => -1,
        }
    }
}

/// What somebody who still waits is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waiting {
    /// Live waiters ahead, plus one: 1 is next.
    pub position: u64,
    /// How long it may take.
    pub eta: Eta,
    /// When to ask again, in milliseconds.
    pub poll_ms: u32,
    /// This node is cut off and says what it last knew.
    pub stale: bool,
}

/// Where a token stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Standing {
    /// In the queue.
    Waiting(Waiting),
    /// May enter, since the given log time.
    Admitted(LogTime),
}

/// Statistics of a zone at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Live waiters.
    pub waiting: u64,
    /// Of these, how many polled within two periods and a second.
    pub present: u64,
    /// Admissions in the preceding 60 s window.
    pub admitted_60s: u64,
    /// Admissions in the preceding 6 s slice.
    pub admitted_6s: u64,
    /// Admissions allowed a window.
    pub limit: u64,
    /// Joins accepted since the zone was created.
    pub joined_total: u64,
    /// Admissions since the zone was created.
    pub admitted_total: u64,
    /// Waiters dropped for silence.
    pub abandoned_total: u64,
    /// Waiters who left.
    pub left_total: u64,
    /// Estimated wait of a joiner now, ms; -1 when unknown.
    pub eta_ms: i64,
}

/// What came of a leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Departure {
    /// A place was given up.
    Left,
    /// There was none any more.
    Gone,
    /// Its holder was let in, and stays so: a pass that was given away cannot be taken back by leaving.
    Admitted,
}

/// The answer to a request that went through a shard's owner.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Reply {
    /// To a join or a poll: the token, and where it stands.
    Place {
        /// Whose place it is; its text is the same as the one the caller sent, if it sent one.
        token: Token,
        /// Where it stands.
        standing: Standing,
    },
    /// To a leave.
    Left(Departure),
    /// To a zone change: true where the zone is new.
    ZoneSet {
        /// Whether the zone was created by this command.
        created: bool,
    },
    /// To a zone removal: true where there was one.
    ZoneDeleted(bool),
    /// To a key change.
    KeyChanged,
    /// To a question for statistics.
    Stats(Stats),
    /// To something with a stream, or a key; charged for what it takes.
    Key(Value, Charge),
    /// To several of these, one each.
    Keys(Vec<Value>, Charge),
    /// To a question for the state: equal states have equal hashes.
    Hash {
        /// Index of the last entry in it.
        index: u64,
        /// Its hash.
        hash: u64,
    },
    /// No.
    Refused(Refusal),
    /// To a question for a zone's settings.
    Settings(ZoneName, Box<ZoneSettings>),
}

impl Reply {
    /// A value that takes next to nothing.
    #[must_use]
    pub fn key(value: Value) -> Reply {
        Reply::Key(value, Charge::default())
    }
}
