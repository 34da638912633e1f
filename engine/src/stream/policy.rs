//! What holds for all streams whose keys begin alike, so that one use neither starves nor evicts another's data.

use super::text::Text;
use crate::limit::PREFIX_BYTES_MAX;
use serde::{Deserialize, Serialize};

/// No more namespaces fit, or a prefix is too long.
pub(crate) const TOO_MANY_NAMESPACES: &str = "too many namespaces";
/// A prefix of no bytes would be everybody's; a long one costs at every new key.
pub(crate) const BAD_PREFIX: &str = "prefixes are 1 to 256 bytes";
/// Less than this holds no stream at all.
pub(crate) const LOW_MEMORY: &str = "memory_bytes must be at least 4096 for each group";
/// What a namespace keeps at all.
pub(crate) const NOTHING_KEPT: &str = "maxlen and ttl_ms must be at least 1";
/// The least bound of memory.
const MEMORY_BYTES_MIN: u64 = 4_096;

/// What happens to an append past the memory bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum OnFull {
    /// It is refused.
    #[default]
    Refuse,
    /// The oldest entries of the streams go that were not appended to for longest.
    DropOldest,
}

impl OnFull {
    /// Reads what [`OnFull::word`] writes.
    #[must_use]
    pub fn parse(word: &str) -> Option<OnFull> {
        [OnFull::Refuse, OnFull::DropOldest].into_iter().find(|known| known.word() == word)
    }

    /// As configuration and wire say it.
    ///
    /// ```
    /// assert_eq!(sluice_engine::stream::policy::OnFull::DropOldest.word(), "drop-oldest");
    /// ```
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            OnFull::Refuse => "refuse",
            OnFull::DropOldest => "drop-oldest",
        }
    }
}

/// A namespace within one group, and what is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// What its keys begin with.
    pub prefix: Text,
    /// The group's part of its policy.
    pub policy: Policy,
    /// Keys in it.
    pub keys: u64,
    /// Bytes that they take.
    pub bytes: u64,
}

/// The policy of a namespace. The longest prefix of a key decides which one holds for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Policy {
    /// An append leaves at most so many entries.
    pub maxlen: Option<u64>,
    /// An append that names no time of its own lets the key live for so long from then on, ms.
    pub ttl_ms: Option<u64>,
    /// All streams together may take so many bytes.
    pub memory_bytes: Option<u64>,
    /// What happens past that.
    pub on_full: OnFull,
}

impl Policy {
    /// The part of it that one of so many groups keeps: bounds of memory are split, because no group knows what the others
    /// have.
    ///
    /// ```
    /// use sluice_engine::stream::policy::Policy;
    /// let policy = Policy { memory_bytes: Some(10), ..Policy::default() };
    /// assert_eq!([0, 1, 2].map(|group| policy.share(group, 3).memory_bytes), [Some(4), Some(3), Some(3)]);
    /// ```
    #[must_use]
    pub fn share(self, group: u16, groups: u16) -> Policy {
        let groups = u64::from(groups.max(1));
        let part = |all: u64| all / groups + u64::from(u64::from(group) < all % groups);
        Policy { memory_bytes: self.memory_bytes.map(part), ..self }
    }

    /// What is wrong with the part of it that a group keeps, or with its prefix.
    ///
    /// # Errors
    /// A sentence that opens with the setting's name.
    pub fn check(&self, prefix: &[u8]) -> Result<(), &'static str> {
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX {
            return Err(BAD_PREFIX);
        }
        if self.maxlen == Some(0) || self.ttl_ms == Some(0) {
            return Err(NOTHING_KEPT);
        }
        match self.memory_bytes {
            Some(bytes) if bytes < MEMORY_BYTES_MIN => Err(LOW_MEMORY),
            _ => Ok(()),
        }
    }
}
