//! How many entries a group has read, and how many are left: exact where that can be told, unknown where not.
//!
//! The rules are Redis 7.0's. A count can be told as long as nothing was removed from the middle of what lies ahead; only
//! single removals count as such, trims do not.

use super::group::Group;
use super::id::StreamId;
use super::state::Stream;

/// What of a stream the counts depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    len: u64,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted: StreamId,
    added: i64,
}

impl Marks {
    pub(crate) fn of(stream: &Stream) -> Marks {
        Marks {
            len: stream.run.len(),
            first_id: stream.first_id(),
            last_id: stream.last_id,
            max_deleted: stream.max_deleted,
            // Counts turn around where Redis's do.
            added: stream.added as i64,
        }
    }

    /// Whether something was removed from the middle at this id or later.
    fn has_hole_since(&self, id: StreamId) -> bool {
        let is_whole = self.len == 0 || self.max_deleted == StreamId::MIN || self.first_id > self.max_deleted;
        !is_whole && id <= self.max_deleted
    }

    /// How many entries were ever added up to this id.
    fn estimate(&self, id: StreamId) -> Option<i64> {
        if self.added == 0 {
            return Some(0);
        }
        if (self.len == 0 && id <= self.last_id) || id == self.last_id {
            return Some(self.added);
        }
        let is_whole = self.max_deleted == StreamId::MIN || self.max_deleted < self.first_id;
        let before_first = self.added.wrapping_sub_unsigned(self.len);
        match id.cmp(&self.first_id) {
            _ if id > self.last_id || !is_whole => None,
            std::cmp::Ordering::Less => Some(before_first),
            std::cmp::Ordering::Equal => Some(before_first.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// How many entries the group has read once it was given the entry of this id.
    pub(crate) fn read_with(&self, group: &Group, id: StreamId) -> Option<i64> {
        match group.read() {
            Some(read) if !self.has_hole_since(id) => Some(read.wrapping_add(1)),
            before if self.added == 0 => before,
            _ => self.estimate(id),
        }
    }

    /// How many entries the group has not been given yet.
    pub(crate) fn lag(&self, group: &Group) -> Option<i64> {
        if self.added == 0 {
            return Some(0);
        }
        let read = group.read().filter(|_| !self.has_hole_since(group.last_id));
        read.or_else(|| self.estimate(group.last_id)).map(|read| self.added.wrapping_sub(read))
    }
}
