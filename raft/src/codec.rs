//! What goes into the log and between nodes, as bytes: a format byte, then postcard.
//!
//! Costs: a join of an unnamed user takes about ten bytes. Decoding checks lengths against what is there, so a damaged
//! text never reserves more memory than it has bytes.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::cmp::Ordering;
use std::fmt;

/// The format written here. A node that meets a newer one stops rather than skip what it cannot read.
/// Format 1 had no wall time in batches, and no streams; format 2 gave blocks of streams other room.
pub const FORMAT: u8 = 4;
// What commands do depends on what state is counted as: a change of the model is a change of what is logged.
const _: () = assert!(FORMAT == 4 && sluice_engine::cost::MODEL == 1);

/// Why bytes are not what they should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CodecError {
    /// Nothing there.
    Empty,
    /// Written by a newer version, in this format.
    Newer(u8),
    /// Written by a version before the first that this one can read, in this format.
    Older(u8),
    /// Not what this format says.
    Malformed,
    /// Whole, but more follows.
    Trailing,
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecError::Empty => f.write_str("no bytes"),
            CodecError::Newer(format) => {
                write!(
                    f,
                    "format {format} is newer than this program reads ({FORMAT}): start the newer program"
                )
            }
            CodecError::Older(format) => {
                write!(f, "format {format} is of an older program than this one reads ({FORMAT})")
            }
            CodecError::Malformed => f.write_str("malformed bytes"),
            CodecError::Trailing => f.write_str("bytes behind the end"),
        }
    }
}

impl std::error::Error for CodecError {}

/// Writes a value.
///
/// ```
/// use sluice_raft::codec;
/// let bytes = codec::encode(&(7_u64, "shop"));
/// assert_eq!(codec::decode::<(u64, String)>(&bytes).unwrap(), (7, "shop".to_owned()));
/// ```
#[must_use]
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Bytes {
    let bytes = postcard::to_extend(value, vec![FORMAT]);
    // Only a value that cannot tell its own length fails, and there is none.
    Bytes::from(bytes.expect("every message can be written"))
}

/// What stands in front of a list's values, at most: the format, and how many there are.
pub(crate) const LIST_PREFIX_BYTES: usize = 1 + 5;

/// As [`encode`], into room for so many bytes: what is larger is moved as it grows.
pub(crate) fn encode_into<T: Serialize + ?Sized>(value: &T, room: usize) -> Bytes {
    let mut out = Vec::with_capacity(room);
    out.push(FORMAT);
    // Only a value that cannot tell its own length fails, and there is none.
    Bytes::from(postcard::to_extend(value, out).expect("every message can be written"))
}

/// Reads a value that [`encode`] wrote.
///
/// # Errors
/// [`CodecError`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (format, body) = bytes.split_first().ok_or(CodecError::Empty)?;
    match format.cmp(&FORMAT) {
        Ordering::Less => return Err(CodecError::Older(*format)),
        Ordering::Greater => return Err(CodecError::Newer(*format)),
        Ordering::Equal => {}
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(CodecError::Trailing),
        Err(_) => Err(CodecError::Malformed),
    }
}
