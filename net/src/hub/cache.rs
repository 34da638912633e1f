//! Entries of one stream that its readers are told: each is kept once, and encoded once.

use crate::limit::{CACHE_COPIES, HUB_CACHE_BYTES_MAX, HUB_CACHE_ENTRIES_MAX};
use bytes::Bytes;
use sluice_engine::stream::entries::{Entries, EntryRef};
use sluice_engine::stream::fields::FieldsRef;
use sluice_engine::stream::id::StreamId;
use std::cell::OnceCell;
use std::collections::VecDeque;

/// An entry as readers need it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: StreamId,
    pub(crate) dense: u64,
    fields: Box<[u8]>,
    frame: OnceCell<Bytes>,
}

impl Entry {
    pub(crate) fn of(entry: EntryRef<'_>) -> Option<Entry> {
        let fields = entry.fields?.bytes().into();
        Some(Entry { id: entry.id, dense: entry.dense, fields, frame: OnceCell::new() })
    }

    pub(crate) fn fields(&self) -> FieldsRef<'_> {
        FieldsRef::packed(&self.fields)
    }

    /// The one encoding of the entry that many readers share; made at the first call.
    pub(crate) fn frame(&self, encode: impl FnOnce(&Entry) -> Bytes) -> &Bytes {
        self.frame.get_or_init(|| encode(self))
    }

    fn bytes(&self) -> usize {
        size_of::<Entry>() + self.fields.len()
    }
}

/// A run of entries without gaps in knowledge: of every number in `covered` it is known whether there is such an entry.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    epoch: u64,
    /// The first number covered, and the first one behind.
    from: u64,
    until: u64,
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Cache {
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether it is known what has this number.
    pub(crate) fn covers(&self, epoch: u64, dense: u64) -> bool {
        epoch == self.epoch && (self.from..self.until).contains(&dense)
    }

    /// The first entry of this number or a later one.
    pub(crate) fn at_or_after(&self, dense: u64) -> Option<&Entry> {
        let at = self.entries.partition_point(|entry| entry.dense < dense);
        self.entries.get(at)
    }

    /// Takes entries that follow `behind` without a gap. What cannot be joined to what is here takes its place where it is
    /// newer, else it is not kept.
    pub(crate) fn take(&mut self, epoch: u64, behind: u64, entries: &Entries) {
        let Some(last) = entries.iter().last().map(|entry| entry.dense) else { return };
        let joins = epoch == self.epoch && (self.from..=self.until).contains(&(behind + 1)) && self.until > 0;
        if !joins {
            if epoch < self.epoch || (epoch == self.epoch && last < self.until) {
                return;
            }
            *self = Cache { epoch, from: behind + 1, until: behind + 1, ..Cache::default() };
        }
        for entry in entries.iter().filter(|entry| entry.dense >= self.until).filter_map(Entry::of) {
            self.bytes += entry.bytes();
            self.entries.push_back(entry);
        }
        self.until = self.until.max(last + 1);
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.entries.len() > HUB_CACHE_ENTRIES_MAX
            || (self.bytes > HUB_CACHE_BYTES_MAX && self.entries.len() > 1)
        {
            let Some(entry) = self.entries.pop_front() else { return };
            self.bytes -= entry.bytes();
            self.from = entry.dense + 1;
        }
    }

    /// What it takes: an entry, and its frame, in which bytes may be escaped.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes * CACHE_COPIES
    }

    /// Lets go of all entries; what follows the newest one can still be joined.
    pub(crate) fn forget(&mut self) {
        (self.entries, self.bytes) = (VecDeque::new(), 0);
        self.from = self.until;
    }
}

#[cfg(test)]
mod tests {
    use super::Cache;
    use crate::limit::HUB_CACHE_ENTRIES_MAX;
    use sluice_engine::stream::entries::Entries;
    use sluice_engine::stream::fields::Fields;
    use sluice_engine::stream::id::StreamId;

    fn entries(numbers: impl IntoIterator<Item = u64>) -> Entries {
        let mut entries = Entries::default();
        for dense in numbers {
            let fields = Fields::pack([&b"n"[..], b"1"]);
            entries.push(StreamId { ms: dense, seq: 0 }, dense, Some(fields.as_ref()));
        }
        entries
    }

    #[test]
    fn what_follows_is_joined_and_what_is_known_is_not_taken_twice() {
        let mut cache = Cache::default();
        cache.take(7, 4, &entries(5..8));
        assert!(cache.covers(7, 5) && cache.covers(7, 7) && !cache.covers(7, 8) && !cache.covers(7, 4));
        cache.take(7, 5, &entries(6..10));
        let seen: Vec<u64> = cache.entries.iter().map(|entry| entry.dense).collect();
        assert_eq!(seen, [5, 6, 7, 8, 9]);
        cache.take(7, 20, &entries([21]));
        assert!(!cache.covers(7, 9) && cache.covers(7, 21), "a gap in knowledge is not bridged");
        cache.take(7, 4, &entries(5..8));
        assert!(cache.covers(7, 21) && !cache.covers(7, 5), "what is older is not kept");
        cache.take(8, 0, &entries(1..3));
        assert_eq!((cache.epoch(), cache.at_or_after(1).unwrap().dense), (8, 1));
    }

    #[test]
    fn a_removed_entry_is_a_known_hole() {
        let mut cache = Cache::default();
        cache.take(1, 0, &entries([1, 2, 5]));
        assert!(cache.covers(1, 3));
        assert_eq!(cache.at_or_after(3).unwrap().dense, 5);
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        let mut cache = Cache::default();
        let many = HUB_CACHE_ENTRIES_MAX as u64 + 10;
        cache.take(1, 0, &entries(1..=many));
        assert!(!cache.covers(1, 10) && cache.covers(1, 11) && cache.covers(1, many));
    }
}
