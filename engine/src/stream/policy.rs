//! What holds for all streams whose keys begin alike, so that one use neither starves nor evicts another's data.

use crate::limit::PREFIX_BYTES_MAX;
use serde::{Deserialize, Serialize};

/// No more namespaces fit, or a prefix is too long.
pub(crate) const TOO_MANY_NAMESPACES: &str = "too many namespaces";
/// A prefix of no bytes would be everybody's; a long one costs at every new key.
pub(crate) const BAD_PREFIX: &str = "prefixes are 1 to 256 bytes";
/// Less than this holds no stream at all.
pub(crate) const LOW_MEMORY: &str = "memory_bytes must be at least 4096";
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
    /// What is wrong with it, or with its prefix.
    pub(crate) fn check(&self, prefix: &[u8]) -> Result<(), &'static str> {
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX {
            return Err(BAD_PREFIX);
        }
        match self.memory_bytes {
            Some(bytes) if bytes < MEMORY_BYTES_MIN => Err(LOW_MEMORY),
            _ => Ok(()),
        }
    }
}
