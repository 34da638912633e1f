//! Identifiers: every id is a type of its own, so that a zone is never mistaken for a place in its queue.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A Raft group, and the shard that is its state. Fixed at bootstrap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct GroupId(pub u16);

/// A zone for ever: the group, and the ordinal of the command that created it in that group's log.
///
/// A zone that is deleted and created again has another id, so an old token cannot reach the new queue.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ZoneId {
    /// The group whose shard holds the zone.
    pub group: GroupId,
    /// Ordinal of the creating command, from 1; fits 48 bits.
    pub ordinal: u64,
}

/// A waiter's place in the join order of its zone, from 0; fits 48 bits, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Seq(pub u64);

/// No place has this number or a higher one.
pub(crate) const SEQ_END: u64 = 1 << 48;

/// Generation of a token key; wraps after 255, by which time the old generation is long retired. Of two the later one is at most
/// 127 ahead, as serial numbers are compared (RFC 1982).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct KeyGen(pub u8);

impl KeyGen {
    /// Whether this one is of after `other`.
    #[must_use]
    pub fn is_after(self, other: KeyGen) -> bool {
        (1..=127).contains(&self.0.wrapping_sub(other.0))
    }

    /// The one that follows.
    #[must_use]
    pub fn next(self) -> KeyGen {
        KeyGen(self.0.wrapping_add(1))
    }
}

/// A user id as the engine keeps it: a keyed 128-bit hash, never the text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserHash(#[serde(with = "plain")] pub u128);

/// A client's request id, hashed with the same key as user ids.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RequestHash(#[serde(with = "plain")] pub u128);

/// The bit of a [`RequestHash`] that says who chose the id.
const STRANGER: u128 = 1 << 127;

impl RequestHash {
    /// The same, marked as chosen by a stranger or by somebody who is known: what one of them asks to remember takes nothing
    /// from the other.
    ///
    /// ```
    /// use sluice_engine::id::RequestHash;
    /// let hash = RequestHash(9);
    /// assert!(hash.chosen_by_stranger(true).is_strangers() && !hash.chosen_by_stranger(false).is_strangers());
    /// ```
    #[must_use]
    pub fn chosen_by_stranger(self, is_stranger: bool) -> RequestHash {
        RequestHash(if is_stranger { self.0 | STRANGER } else { self.0 & !STRANGER })
    }

    /// Whether a stranger chose it.
    #[must_use]
    pub fn is_strangers(self) -> bool {
        self.0 & STRANGER != 0
    }
}

/// The caller's handle for a reply that comes later. The engine only carries it.
///
/// The caller puts a generation in it, so that a late reply never reaches another client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Ticket(pub u64);

// Hashes stand for people: they never appear in a log line.
impl fmt::Debug for UserHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserHash(..)")
    }
}

impl fmt::Debug for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestHash(..)")
    }
}

/// Hashes as 16 bytes: formats that write small numbers short would write these long.
mod plain {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(hash: &u128, to: S) -> Result<S::Ok, S::Error> {
        hash.to_le_bytes().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        <[u8; 16]>::deserialize(from).map(u128::from_le_bytes)
    }
}
