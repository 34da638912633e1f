//! Ids of stream entries, as Redis has them: a millisecond and a number within it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The id of an entry: `ms-seq` on the wire. Ids of a stream rise; [`crate::stream::entries::EntryRef::dense`] has no gaps, ids do.
///
/// ```
/// use sluice_engine::stream::id::StreamId;
/// let id = StreamId { ms: 7, seq: 1 };
/// assert_eq!((id.to_string().as_str(), id.next()), ("7-1", Some(StreamId { ms: 7, seq: 2 })));
/// assert!(id < StreamId::MAX);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct StreamId {
    /// Wall time in ms, or what the client put there.
    pub ms: u64,
    /// Tells ids of the same millisecond apart.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`: no entry has it.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last id that there is.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// The next id; `None` behind the last.
    #[must_use]
    pub fn next(self) -> Option<StreamId> {
        match self.seq.checked_add(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_add(1)?, seq: 0 }),
        }
    }

    /// The id before; `None` before the first.
    #[must_use]
    pub fn previous(self) -> Option<StreamId> {
        match self.seq.checked_sub(1) {
            Some(seq) => Some(StreamId { seq, ..self }),
            None => Some(StreamId { ms: self.ms.checked_sub(1)?, seq: u64::MAX }),
        }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}
