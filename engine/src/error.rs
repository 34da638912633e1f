//! Why the engine refuses. Closed, and each case says whose move it is.

use crate::limit::COMMAND_BYTES_MAX;
use crate::memory::Bound;
use crate::zone::settings::{NEEDS_LIMIT, RULES};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// A key must be known before it may sign.
pub(crate) const UNKNOWN_KEY: &str = "this key was never installed";

/// A refusal, as the caller sees it. The first word of its text is the stable code of the wire protocols.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No zone of that name. Caller's fault.
    NoZone,
    /// Not an authentic token of this zone. Caller's fault.
    BadToken,
    /// Left, timed out, or its pass has expired: join again.
    Gone,
    /// There is no room: in the zone, in its part of the memory, or in all of it.
    Full(Bound),
    /// The zone refuses joins.
    Closed,
    /// Too much work is queued; try again after `retry_ms`. Our fault.
    Busy {
        /// Advice to the caller, in milliseconds.
        retry_ms: u32,
    },
    /// No quorum now; try again after `retry_ms`. Our fault.
    NoLeader {
        /// Advice to the caller, in milliseconds.
        retry_ms: u32,
    },
    /// A zone setting is out of range, or contradicts another. Caller's fault.
    BadSetting(&'static str),
    /// The name breaks the rule for zone names. Caller's fault.
    BadName,
    /// No room for another zone. Operator's bound.
    TooManyZones,
    /// A change that takes so many bytes, more than the log takes at once. Caller's fault.
    TooLarge {
        /// Bytes of it, as the log would have it.
        bytes: u64,
    },
}

impl Refusal {
    /// The stable code, as RESP and problem documents show it.
    ///
    /// ```
    /// use sluice_engine::{error::Refusal, memory::Bound};
    /// assert_eq!(Refusal::Full(Bound::Zones).code(), "FULL");
    /// ```
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NoZone => "NOZONE",
            Refusal::BadToken => "BADTOKEN",
            Refusal::Gone => "GONE",
            Refusal::Full(_) => "FULL",
            Refusal::Closed => "CLOSED",
            Refusal::Busy { .. } => "BUSY",
            Refusal::NoLeader { .. } => "NOLEADER",
            Refusal::BadSetting(_) | Refusal::BadName | Refusal::TooLarge { .. } => "ERR",
            Refusal::TooManyZones => "OOM",
        }
    }

    /// Milliseconds after which the same request may succeed, where waiting helps.
    #[must_use]
    pub fn retry_ms(&self) -> Option<u32> {
        match self {
            Refusal::Busy { retry_ms } | Refusal::NoLeader { retry_ms } => Some(*retry_ms),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::NoZone => f.write_str("no such zone"),
            Refusal::BadToken => f.write_str("not a token of this zone"),
            Refusal::Gone => f.write_str("left or timed out, join again"),
            Refusal::Full(bound) => bound.fmt(f),
            Refusal::Closed => f.write_str("the zone is closed"),
            Refusal::Busy { retry_ms } => write!(f, "overloaded, retry after {retry_ms} ms"),
            Refusal::NoLeader { retry_ms } => write!(f, "no quorum, retry after {retry_ms} ms"),
            Refusal::BadSetting(why) => f.write_str(why),
            Refusal::BadName => f.write_str("zone names are 1 to 128 bytes of A-Z a-z 0-9 . _ : -"),
            Refusal::TooManyZones => f.write_str("too many zones"),
            Refusal::TooLarge { bytes } => {
                write!(f, "a change of {bytes} bytes is more than the {COMMAND_BYTES_MAX} that one may have")
            }
        }
    }
}

impl std::error::Error for Refusal {}

/// A refusal on its way between nodes: there a text is not a constant.
#[derive(Serialize, Deserialize)]
enum Told {
    NoZone,
    BadToken,
    Gone,
    Full(Bound),
    Closed,
    Busy(u32),
    NoLeader(u32),
    BadSetting(String),
    BadName,
    TooManyZones,
    TooLarge(u64),
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Told::from(*self).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Refusal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Refusal, D::Error> {
        Told::deserialize(from).map(Refusal::from)
    }
}

impl From<Refusal> for Told {
    fn from(refusal: Refusal) -> Told {
        match refusal {
            Refusal::NoZone => Told::NoZone,
            Refusal::BadToken => Told::BadToken,
            Refusal::Gone => Told::Gone,
            Refusal::Full(bound) => Told::Full(bound),
            Refusal::Closed => Told::Closed,
            Refusal::Busy { retry_ms } => Told::Busy(retry_ms),
            Refusal::NoLeader { retry_ms } => Told::NoLeader(retry_ms),
            Refusal::BadSetting(why) => Told::BadSetting(why.to_owned()),
            Refusal::BadName => Told::BadName,
            Refusal::TooManyZones => Told::TooManyZones,
            Refusal::TooLarge { bytes } => Told::TooLarge(bytes),
        }
    }
}

impl From<Told> for Refusal {
    fn from(told: Told) -> Refusal {
        match told {
            Told::NoZone => Refusal::NoZone,
            Told::BadToken => Refusal::BadToken,
            Told::Gone => Refusal::Gone,
            Told::Full(bound) => Refusal::Full(bound),
            Told::Closed => Refusal::Closed,
            Told::Busy(retry_ms) => Refusal::Busy { retry_ms },
            Told::NoLeader(retry_ms) => Refusal::NoLeader { retry_ms },
            Told::BadSetting(why) => Refusal::BadSetting(known(&why)),
            Told::BadName => Refusal::BadName,
            Told::TooManyZones => Refusal::TooManyZones,
            Told::TooLarge(bytes) => Refusal::TooLarge { bytes },
        }
    }
}

/// The rule of that text; a newer node may know one that this node does not.
fn known(why: &str) -> &'static str {
    let rules = RULES.into_iter().chain([NEEDS_LIMIT, UNKNOWN_KEY]);
    rules.into_iter().find(|rule| *rule == why).unwrap_or("a setting is out of range")
}
