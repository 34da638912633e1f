//! What goes into the log and between nodes, as bytes: a format byte, then postcard.
//!
//! Costs: a join of an unnamed user takes about ten bytes. Decoding checks lengths against what is there, so a damaged
//! text never reserves more memory than it has bytes.

use bytes::Bytes;
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

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

/// A list of at most so many, as another node sends it. An item takes a byte or two on the way and a hundred in memory: the bytes
/// alone bound nothing.
pub(crate) struct AtMost<T, const MAX: usize>(pub(crate) Vec<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for AtMost<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Few::<T, MAX>(PhantomData)).map(AtMost)
    }
}

/// Reads a list item by item, to a bound.
struct Few<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Few<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MAX} items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::with_capacity(items.size_hint().unwrap_or(0).min(MAX));
        while let Some(item) = items.next_element()? {
            if list.len() == MAX {
                return Err(A::Error::invalid_length(MAX + 1, &self));
            }
            list.push(item);
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use sluice_engine::limit::NESTED_MAX;
    use sluice_engine::stream::op::KeyOp;
    use sluice_engine::stream::text::Text;
    use sluice_engine::stream::value::Value;

    fn nested(depth: usize) -> Value {
        (0..depth).fold(Value::Null, |inner, level| match level % 2 {
            0 => Value::Array(vec![inner]),
            _ => Value::Map(vec![(Value::Null, inner)]),
        })
    }

    #[test]
    fn values_are_read_to_a_bounded_depth() {
        let read = |value: &Value| {
            let bytes = postcard::to_stdvec(value).expect("can be written");
            postcard::from_bytes::<Value>(&bytes)
        };
        assert_eq!(read(&nested(NESTED_MAX)), Ok(nested(NESTED_MAX)));
        assert!(read(&nested(NESTED_MAX + 1)).is_err());
        assert_eq!(read(&nested(NESTED_MAX)), Ok(nested(NESTED_MAX)), "a refusal leaves nothing behind");
        // What opens one array after the other, a byte or two a level: it used to take the stack, and the process with it.
        let open = postcard::to_stdvec(&nested(1)).expect("can be written");
        let brackets = open[..2].repeat(1 << 20);
        assert!(postcard::from_bytes::<Value>(&brackets).is_err());
    }

    #[test]
    fn a_list_that_promises_or_holds_more_than_it_may_is_refused() {
        let read = |list: &[u64]| {
            let bytes = postcard::to_stdvec(list).expect("can be written");
            postcard::from_bytes::<super::AtMost<u64, 3>>(&bytes).map(|list| list.0)
        };
        assert_eq!(read(&[1, 2, 3]), Ok(vec![1, 2, 3]));
        assert!(read(&[1, 2, 3, 4]).is_err());
    }

    #[test]
    fn operations_are_read_to_a_bounded_depth() {
        let faulty = |op| KeyOp::Faulty(Box::new(op), Text::from(&b"ERR"[..]));
        let bytes = postcard::to_stdvec(&faulty(KeyOp::Size)).expect("can be written");
        assert!(postcard::from_bytes::<KeyOp>(&bytes).is_ok());
        assert!(postcard::from_bytes::<KeyOp>(&bytes[..1].repeat(1 << 20)).is_err());
    }
}
