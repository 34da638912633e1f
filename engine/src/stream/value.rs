//! What an operation on keys is answered, in the shapes that Redis gives it, for any protocol to write down.

use super::entries::Entries;
use super::id::StreamId;
use super::nested;
use super::text::Text;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What an append to an ended stream is answered.
pub const ENDED: &str = "ERR the stream has ended";

/// The answer to one [`KeyOp`](super::op::KeyOp).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Value {
    /// Nothing.
    Null,
    /// No array, which RESP2 tells from nothing.
    NullArray,
    /// Done.
    Done,
    /// A number.
    Integer(i64),
    /// A number with a fraction.
    Double(f64),
    /// A short word.
    Word(Cow<'static, str>),
    /// A short status, for example a type.
    Simple(String),
    /// Any bytes.
    Text(Text),
    /// An entry's id.
    Id(StreamId),
    /// An entry was appended.
    Added(Added),
    /// Several.
    Array(#[serde(deserialize_with = "nested::read")] Vec<Value>),
    /// Names and what they stand for, in order.
    Map(#[serde(deserialize_with = "nested::read")] Vec<(Value, Value)>),
    /// Entries of one stream.
    Entries(Entries),
    /// Entries of several streams, by key, in the order asked for. Streams without any are left out.
    Streams(Vec<(Text, Entries)>),
    /// To a read that would wait: nothing yet, and the ids behind which each of its streams is read.
    Nothing(Vec<StreamId>),
    /// Entries of one stream by number.
    Followed(Box<Followed>),
    /// No, in Redis's words, the code first. Names that it repeats may be any bytes.
    Error(Text),
}

impl Value {
    /// A refusal in these words.
    ///
    /// ```
    /// use sluice_engine::stream::value::Value;
    /// assert_eq!(Value::error("ERR no"), Value::Error(b"ERR no".into()));
    /// ```
    pub fn error(text: impl AsRef<[u8]>) -> Value {
        Value::Error(Text::from(text.as_ref()))
    }

    /// Bytes that it holds beside itself: what an answer takes on its way.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let each = |value: &Value| size_of::<Value>() + value.bytes();
        match self {
            Value::Text(text) | Value::Error(text) => text.len(),
            Value::Word(text) => text.len(),
            Value::Simple(text) => text.len(),
            Value::Array(values) => values.iter().map(each).sum(),
            Value::Map(pairs) => pairs.iter().map(|(name, value)| each(name) + each(value)).sum(),
            Value::Entries(entries) => entries.bytes(),
            Value::Streams(streams) => {
                streams.iter().map(|(key, entries)| size_of::<Value>() + key.len() + entries.bytes()).sum()
            }
            Value::Nothing(ids) => ids.len() * size_of::<StreamId>(),
            Value::Followed(followed) => size_of::<Followed>() + followed.entries.bytes(),
            Value::Null
            | Value::NullArray
            | Value::Done
            | Value::Integer(_)
            | Value::Double(_)
            | Value::Id(_)
            | Value::Added(_) => 0,
        }
    }
}

/// Where an appended entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Added {
    /// Its id.
    pub id: StreamId,
    /// The stream's epoch.
    pub epoch: u64,
    /// Its number within the epoch, from 1, dense.
    pub dense: u64,
}

/// What a follower of a stream is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Followed {
    /// The stream as it is; `None`: there is none.
    pub stream: Option<Extent>,
    /// Why the cursor cannot be followed from where it is. `entries` is empty then, or what is behind the hole where entries
    /// were removed.
    pub reset: Option<Reset>,
    /// What follows the cursor, at most as much as was asked for.
    pub entries: Entries,
}

/// How far a stream reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Extent {
    /// Its epoch: another one whenever the key is made anew.
    pub epoch: u64,
    /// Number of its oldest entry; one more than `newest` where it has none.
    pub oldest: u64,
    /// Number of its newest entry, also where that was removed; 0 before the first.
    pub newest: u64,
    /// The id of the last entry that was added.
    pub last_id: StreamId,
    /// Nothing will follow.
    pub ended: bool,
}

/// Why a cursor has lost its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Reset {
    /// Entries behind it were trimmed.
    Trimmed,
    /// Entries behind it were removed one by one.
    Deleted,
    /// The key was removed or has expired, and may have been made anew.
    Epoch,
    /// No such position has been.
    Unknown,
}

impl Reset {
    /// As the wire says it.
    ///
    /// ```
    /// assert_eq!(sluice_engine::stream::value::Reset::Trimmed.word(), "trimmed");
    /// ```
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Reset::Trimmed => "trimmed",
            Reset::Deleted => "deleted",
            Reset::Epoch => "epoch",
            Reset::Unknown => "unknown",
        }
    }
}
