//! One stream: its entries, what Redis remembers of it, and its numbers.

use super::entries::{Entries, EntryRef};
use super::fields::FieldsRef;
use super::group::Groups;
use super::id::StreamId;
use super::op::{Keep, Trim};
use super::run::Run;
use super::value::Extent;
use super::waste::Blocks;

/// A stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    /// Tells it from other streams of the same key.
    pub(crate) epoch: u64,
    pub(crate) run: Run,
    /// Number of the newest entry, also where that is gone.
    pub(crate) newest: u64,
    pub(crate) last_id: StreamId,
    /// Redis's count of entries ever added; `XSETID` may set it.
    pub(crate) added: u64,
    /// The highest id that was removed by itself.
    pub(crate) max_deleted: StreamId,
    /// Nothing follows.
    pub(crate) ended: bool,
    pub(crate) groups: Groups,
}

impl Stream {
    /// An empty one.
    pub(crate) fn new(epoch: u64) -> Stream {
        Stream { epoch, ..Stream::default() }
    }

    /// What it is counted as in memory, beside its own struct.
    pub(crate) fn bytes(&self) -> usize {
        self.run.bytes() + self.groups.bytes()
    }

    /// Whether it can be what operations made: for one that was restored.
    pub(crate) fn is_sound(&self) -> bool {
        let last = self.run.last();
        last.is_none_or(|last| last.id <= self.last_id && last.dense <= self.newest)
            && self.run.first().is_none_or(|first| first.dense > 0)
    }

    /// Appends an entry; returns its number.
    pub(crate) fn append(&mut self, id: StreamId, fields: FieldsRef<'_>) -> u64 {
        debug_assert!(id > self.last_id, "ids rise");
        self.newest += 1;
        self.run.append(id, self.newest, fields);
        self.last_id = id;
        self.added = self.added.saturating_add(1);
        self.newest
    }

    /// Trims exactly; returns how many entries went, and the blocks that they filled.
    pub(crate) fn trim(&mut self, trim: Trim) -> (u64, Blocks) {
        let most = if trim.limit == 0 { u64::MAX } else { trim.limit };
        let going = match trim.keep {
            Keep::Newest(keep) => self.run.len().saturating_sub(keep).min(most),
            Keep::From(id) => {
                let all_go = self.last_id < id;
                let going = if all_go { self.run.len() } else { self.run.count_below(id, most) };
                going.min(most)
            }
        };
        (going, self.run.drop_front(going))
    }

    /// Removes an entry; false where there is none of this id.
    pub(crate) fn remove(&mut self, id: StreamId) -> bool {
        let is_gone = self.run.remove(id).is_some();
        if is_gone {
            self.max_deleted = self.max_deleted.max(id);
        }
        is_gone
    }

    /// Number of the oldest entry; one more than the newest where there is none.
    pub(crate) fn oldest(&self) -> u64 {
        self.run.first().map_or(self.newest.saturating_add(1), |entry| entry.dense)
    }

    /// Id of the oldest entry; the lowest of all where there is none.
    pub(crate) fn first_id(&self) -> StreamId {
        self.run.first().map_or(StreamId::MIN, |entry| entry.id)
    }

    /// How far it reaches.
    pub(crate) fn extent(&self) -> Extent {
        Extent {
            epoch: self.epoch,
            oldest: self.oldest(),
            newest: self.newest,
            last_id: self.last_id,
            ended: self.ended,
        }
    }
}

/// Copies entries out, up to a count and about so many bytes, but one at least where there is one.
pub(crate) fn collect<'a>(
    entries: impl Iterator<Item = EntryRef<'a>>,
    count: u64,
    bytes_max: usize,
) -> Entries {
    let mut out = Entries::default();
    for entry in entries {
        if out.len() as u64 >= count || (out.bytes() >= bytes_max && !out.is_empty()) {
            break;
        }
        out.push(entry.id, entry.dense, entry.fields);
    }
    out
}
