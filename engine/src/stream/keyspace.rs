//! The keys of one group, and the streams that they name.

use super::op::KeyOp;
use super::value::{Extent, Value};
use crate::time::{LogTime, WallMs};

/// When something is applied.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Wall time of the batch.
    pub(crate) wall: WallMs,
    /// Its log time.
    pub(crate) log: LogTime,
    /// Ordinal of the command: the epoch of a stream that it makes.
    pub(crate) ordinal: u64,
}

/// The keys of a group.
#[derive(Debug, Default)]
pub(crate) struct Keyspace {}

impl Keyspace {
    /// Carries out an operation.
    pub(crate) fn change(&mut self, op: KeyOp, at: Moment) -> Value {
        self.answer(&op, at.wall)
    }

    /// Answers a question.
    pub(crate) fn answer(&self, op: &KeyOp, _wall: WallMs) -> Value {
        if let KeyOp::Follow(_) = op {
            let entries = super::entries::Entries::default();
            return Value::Followed(Box::new(super::value::Followed { stream: None, reset: None, entries }));
        }
        Value::Null
    }

    /// Removes keys whose time has come, and old request ids, at most so many.
    pub(crate) fn sweep(&mut self, _at: Moment, _most: usize) {}

    /// The wall time at which the next key expires.
    pub(crate) fn expiry_due(&self) -> Option<WallMs> {
        None
    }

    /// How far a stream reaches; `None`: there is none.
    pub(crate) fn extent(&self, _key: &[u8], _wall: WallMs) -> Option<Extent> {
        None
    }

    /// Bytes that it all takes.
    pub(crate) fn bytes(&self) -> u64 {
        0
    }
}
