//! What a node remembers of one group's log: its votes and marks, recent entries, and where on disk each entry lies.
//!
//! Two clocks run here. `vote`, `purged`, `last` and the recent entries change when openraft says so; `places` change
//! when the writer gets there. Entries between the two are only in memory, so they stay there until they are
//! written; and a place belongs to the entry openraft knows, because an entry leaves memory only once
//! its own place is known.

use super::segment::Place;
use super::{Command, Entry, LogId, Vote};
use openraft::EntryPayload;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;

/// Memory of an entry beside its commands, roughly.
const ENTRY_BYTES: usize = 96;
/// Memory of an entry that changes the membership, roughly.
const MEMBERSHIP_BYTES: usize = 1_024;

/// An entry in memory.
struct Recent {
    entry: Entry,
    /// Which append brought it.
    append: u64,
    bytes: usize,
}

/// An entry in memory, or where it is.
pub(super) enum Found {
    Here(Entry),
    There(Place),
}

#[derive(Default)]
pub(super) struct Group {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) purged: Option<LogId>,
    /// The last entry, or the purged one when there is none.
    pub(super) last: Option<LogId>,
    /// The highest of the last entries that were truncated.
    truncated: Option<LogId>,
    /// The last entries of the log, ending with `last`.
    recent: VecDeque<Recent>,
    recent_bytes: usize,
    /// Appends so far, and those that the writer has written.
    appends: u64,
    written: u64,
    /// Where the entries from `places_start` lie.
    places: VecDeque<Place>,
    places_start: u64,
    /// The entries up to here are in a snapshot; see [`Group::log_bytes`].
    snapshot: Option<u64>,
    log_bytes: u64,
}

impl Group {
    /// The index that follows the last entry.
    pub(super) fn end(&self) -> u64 {
        next(self.last)
    }

    /// The index of the first entry, if there is one.
    pub(super) fn start(&self) -> u64 {
        let recent = self.recent.front().map_or(self.end(), |first| first.entry.log_id.index);
        let placed = if self.places.is_empty() { recent } else { self.places_start.min(recent) };
        placed.max(next(self.purged))
    }

    /// Takes the entries in, and gives the append a number. They are readable from now on.
    pub(super) fn append(&mut self, entries: &[Entry]) -> io::Result<u64> {
        self.appends += 1;
        for entry in entries {
            let index = entry.log_id.index;
            if self.start() < self.end() && index != self.end() {
                let end = self.end();
                let text = format!("entry {index} does not follow the log's end, {end}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            let bytes = memory(entry);
            self.recent_bytes += bytes;
            self.recent.push_back(Recent { entry: entry.clone(), append: self.appends, bytes });
            self.last = Some(entry.log_id);
        }
        Ok(self.appends)
    }

    /// Forgets the entries behind `after`, in memory. Their places go when the writer gets there. A leader takes back what follows some
    /// entry; all of them are forgotten where a start found that they follow nothing, and that excuses nobody.
    pub(super) fn truncate(&mut self, after: Option<LogId>) {
        let end = next(after);
        while self.recent.back().is_some_and(|last| last.entry.log_id.index >= end) {
            let gone = self.recent.pop_back();
            self.recent_bytes -= gone.map_or(0, |gone| gone.bytes);
        }
        if end < self.end() {
            self.truncated = after.and(self.truncated.max(self.last));
            self.last = after.max(self.purged);
        }
    }

    /// A last entry that was truncated, and that the log has not come up to since; as far as the segments tell that are left.
    pub(super) fn excused(&self) -> Option<LogId> {
        self.truncated.filter(|truncated| Some(*truncated) > self.last)
    }

    /// Forgets the entries up to `upto`, in memory.
    pub(super) fn purge(&mut self, upto: LogId) {
        self.purged = self.purged.max(Some(upto));
        while self.recent.front().is_some_and(|first| first.entry.log_id.index <= upto.index) {
            let gone = self.recent.pop_front();
            self.recent_bytes -= gone.map_or(0, |gone| gone.bytes);
        }
        if self.end() <= upto.index {
            self.last = Some(upto);
        }
    }

    /// The entries of `range` that the log has, oldest first; no more than `bytes` of them, unless the first is larger.
    pub(super) fn find(&self, range: Range<u64>, bytes: usize) -> Vec<Found> {
        let range = range.start.max(self.start())..range.end.min(self.end());
        let recent_start = self.recent.front().map_or(self.end(), |first| first.entry.log_id.index);
        let mut found = Vec::new();
        let mut sum = 0;
        for index in range {
            let (one, size) = if index >= recent_start {
                let recent = &self.recent[(index - recent_start) as usize];
                (Found::Here(recent.entry.clone()), recent.bytes)
            } else {
                let place = self.places[(index - self.places_start) as usize];
                (Found::There(place), place.bytes as usize)
            };
            sum += size;
            if sum > bytes && !found.is_empty() {
                break;
            }
            found.push(one);
        }
        found
    }

    /// The writer wrote an entry.
    pub(super) fn placed(&mut self, index: u64, place: Place) {
        if self.places.is_empty() {
            self.places_start = index;
        }
        assert_eq!(index, self.places_start + self.places.len() as u64, "entries are written in order");
        self.places.push_back(place);
        if self.snapshot.is_none_or(|upto| index > upto) {
            self.log_bytes += u64::from(place.bytes);
        }
    }

    /// The writer wrote an append whole: its entries may leave memory when there is more than `bytes` of it.
    pub(super) fn wrote(&mut self, append: u64, bytes: usize) {
        self.written = append;
        while self.recent_bytes > bytes && self.recent.front().is_some_and(|first| first.append <= append) {
            let gone = self.recent.pop_front();
            self.recent_bytes -= gone.map_or(0, |gone| gone.bytes);
        }
    }

    /// The writer wrote a truncation.
    pub(super) fn truncated(&mut self, after: Option<LogId>) {
        let end = next(after);
        while !self.places.is_empty() && self.places_start + self.places.len() as u64 > end {
            let gone = self.places.pop_back();
            let index = self.places_start + self.places.len() as u64;
            self.uncount(index, gone);
        }
    }

    /// The writer wrote a purge.
    pub(super) fn purged(&mut self, upto: LogId) {
        while !self.places.is_empty() && self.places_start <= upto.index {
            let gone = self.places.pop_front();
            self.uncount(self.places_start, gone);
            self.places_start += 1;
        }
    }

    fn uncount(&mut self, index: u64, place: Option<Place>) {
        if self.snapshot.is_none_or(|upto| index > upto) {
            self.log_bytes -= place.map_or(0, |place| u64::from(place.bytes));
        }
    }

    /// The oldest segment that an entry of this group needs.
    pub(super) fn oldest_segment(&self) -> Option<u32> {
        self.places.front().map(|place| place.segment)
    }

    /// The index of the last entry in a segment before this one.
    pub(super) fn last_before(&self, segment: u32) -> Option<u64> {
        let before = self.places.partition_point(|place| place.segment < segment) as u64;
        before.checked_sub(1).map(|last| self.places_start + last)
    }

    /// A snapshot holds the entries up to `upto`.
    pub(super) fn snapshot(&mut self, upto: u64) {
        self.snapshot = self.snapshot.max(Some(upto));
        let behind = (upto + 1).saturating_sub(self.places_start) as usize;
        self.log_bytes = self.places.iter().skip(behind).map(|place| u64::from(place.bytes)).sum();
    }

    /// Bytes of the log that a new snapshot would make superfluous.
    pub(super) fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    /// The first entry whose place is known, and the place.
    pub(super) fn first_place(&self) -> Option<(u64, Place)> {
        self.places.front().map(|place| (self.places_start, *place))
    }

    /// A start found an entry. Entries may be missing before it only where they were purged, which later records say.
    pub(super) fn replayed(&mut self, id: LogId, place: Place) -> Result<(), &'static str> {
        let end = self.places_start + self.places.len() as u64;
        if !self.places.is_empty() && id.index < end {
            return Err("an entry stands behind a later one of its log");
        }
        if id.index > end {
            self.places.clear();
            self.log_bytes = 0;
        }
        self.placed(id.index, place);
        self.last = self.last.filter(|last| last.index > id.index).or(Some(id));
        Ok(())
    }
}

/// The index that follows `id`.
pub(super) fn next(id: Option<LogId>) -> u64 {
    id.map_or(0, |id| id.index + 1)
}

fn memory(entry: &Entry) -> usize {
    ENTRY_BYTES
        + match &entry.payload {
            EntryPayload::Blank => 0,
            EntryPayload::Normal(Command::Batch(batch)) => batch.commands.len(),
            EntryPayload::Normal(Command::Cluster(bytes)) => bytes.len(),
            EntryPayload::Membership(_) => MEMBERSHIP_BYTES,
        }
}
