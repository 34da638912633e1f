//! Operations with an argument that makes no sense: Redis looks for the stream and the group of some commands before it reads
//! their other arguments, and says first what it misses first.

use super::append::{NO_KEY, error};
use super::group_change::{NEEDS_KEY, no_group, no_key_or_group};
use super::group_read::AS_READER;
use super::keyspace::Keyspace;
use super::op::{GroupOp, KeyOp};
use super::text::Text;
use super::value::Value;
use crate::time::WallMs;

impl Keyspace {
    /// What is said of an operation with this fault.
    pub(super) fn fault(&self, op: &KeyOp, fault: &Text, wall: WallMs) -> Value {
        self.missed(op, wall).unwrap_or_else(|| Value::Error(fault.clone()))
    }

    /// What is said where something is not there that the operation needs before all else.
    fn missed(&self, op: &KeyOp, wall: WallMs) -> Option<Value> {
        let has_key = |key: &Text| self.stream(key, wall).is_some();
        let has_group = |key: &Text, group: &Text| {
            self.stream(key, wall).is_some_and(|it| it.groups.get(group).is_some())
        };
        match op {
            KeyOp::Remove(key, _) if !has_key(key) => Some(Value::Integer(0)),
            KeyOp::Ack(key, group, _) if !has_group(key, group) => Some(Value::Integer(0)),
            KeyOp::InfoStream(key, _) if !has_key(key) => Some(error(NO_KEY)),
            KeyOp::Claim(claim) if !has_group(&claim.key, &claim.group) => {
                Some(no_key_or_group(&claim.key, &claim.group, ""))
            }
            KeyOp::Group(_, _, GroupOp::Create { make: true, .. }) => None,
            KeyOp::Group(key, ..) if !has_key(key) => Some(error(NEEDS_KEY)),
            KeyOp::Group(key, group, GroupOp::SetId { .. }) if !has_group(key, group) => {
                Some(no_group(key, group))
            }
            KeyOp::ReadGroup(read) => {
                let (key, _) = read.streams.iter().find(|(key, _)| !has_group(key, &read.group))?;
                Some(no_key_or_group(key, &read.group, AS_READER))
            }
            _ => None,
        }
    }
}
