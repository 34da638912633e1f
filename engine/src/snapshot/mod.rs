//! A shard to bytes and back.
//!
//! ```text
//! frame   magic "SLUICE\0S", version u16 | records: kind u8, length u32, payload, crc32 of all three | End
//! record  the payloads, written and read side by side          key_record  the same, of streams and their keys
//! cut     what is copied when: a shard goes on applying while its state at one index is written    keys  its keys
//! restore bytes to a shard; anything unexpected is refused
//! ```
//! Numbers are little-endian. Records come in any order but `Shard` first and `End` last, since a part that
//! changes while the snapshot is written is copied at once. Last polls are not in it: who is restored
//! counts as having polled just now.

pub(crate) mod cut;
pub(crate) mod frame;
pub(crate) mod hash;
pub(crate) mod key_record;
pub(crate) mod keys;
mod list;
pub(crate) mod record;
pub(crate) mod restore;

use crate::structure::ImageError;
use std::fmt;

/// Why bytes are not a snapshot that this version can load, or why none can be begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SnapshotError {
    /// Not a snapshot at all.
    Magic,
    /// Written by another version, in this format.
    Version(u16),
    /// Damaged: the checksum of the record at this byte does not match, or it ends early.
    Damaged {
        /// Offset of the record.
        at_byte: usize,
    },
    /// Whole, but its parts contradict each other.
    Inconsistent(&'static str),
    /// A waiters' list that cannot be.
    Image(ImageError),
    /// The snapshot of another group.
    Group(u16),
    /// One is being written already.
    Running,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Magic => f.write_str("not a snapshot"),
            SnapshotError::Version(version) if *version > frame::VERSION => {
                write!(f, "format {version} is newer than this program reads")
            }
            SnapshotError::Version(version) => {
                write!(f, "format {version} is of an older program than this one reads ({})", frame::VERSION)
            }
            SnapshotError::Damaged { at_byte } => write!(f, "damaged at byte {at_byte}"),
            SnapshotError::Inconsistent(what) => write!(f, "inconsistent: {what}"),
            SnapshotError::Image(error) => error.fmt(f),
            SnapshotError::Group(group) => write!(f, "belongs to group {group}"),
            SnapshotError::Running => f.write_str("a snapshot is being written already"),
        }
    }
}

impl std::error::Error for SnapshotError {}

impl From<ImageError> for SnapshotError {
    fn from(error: ImageError) -> SnapshotError {
        SnapshotError::Image(error)
    }
}
