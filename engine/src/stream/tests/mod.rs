//! The keys of a group, driven directly.

mod basics;
mod groups;
mod model;
mod namespaces;
mod reserved;
mod snapshots;
mod steps;

use super::fields::Fields;
use super::keyspace::{Keyspace, Moment};
use super::op::{Add, KeyOp, NewId};
use super::text::Text;
use super::value::Value;
use crate::time::{LogTime, WallMs};

/// A keyspace and a moment.
pub(super) struct Bench {
    pub(super) keys: Keyspace,
    pub(super) wall: u64,
    ordinal: u64,
}

impl Bench {
    pub(super) fn new() -> Bench {
        Bench { keys: Keyspace::default(), wall: 1_000, ordinal: 0 }
    }

    /// Carries out one command.
    pub(super) fn run(&mut self, op: KeyOp) -> Value {
        self.ordinal += 1;
        let at = Moment { wall: WallMs(self.wall), log: LogTime(self.wall), ordinal: self.ordinal };
        self.keys.change(op, at)
    }

    /// Appends an entry with an id of the wall clock.
    pub(super) fn add(&mut self, key: &[u8]) -> Value {
        self.run(KeyOp::Add(add(key)))
    }
}

/// An append of one field.
pub(super) fn add(key: &[u8]) -> Add {
    Add {
        key: Text::from(key),
        no_create: false,
        trim: None,
        id: NewId::Auto,
        fields: Fields::pack([&b"f"[..], b"v"]),
        request: None,
        ttl_ms: None,
        end: false,
    }
}
