//! How far the log is durable: what a node has promised to others, and a mark by which a start can tell that the log is the same.
//!
//! The mark names a place in the newest segment, the salt of that segment, and a digest of all before the place. A log that was
//! put back from a copy, cut, or taken away does not reach the place, or has another segment there. What is durable never goes
//! back, also where entries are truncated: a truncation is one more record.

use super::segment::{self, HEAD};
use super::{LogId, lock};
use crate::limit::{INDEX_MAX, TERM_MAX, TERM_STEP_MAX};
use serde::{Deserialize, Serialize};
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A place in the log up to which all of it was durable at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mark {
    segment: u32,
    salt: u64,
    end: u32,
    digest: u32,
}

/// What a node has promised in one group by acknowledging it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Promised {
    /// The last entry of its log.
    pub last: Option<LogId>,
    /// The term of its vote.
    pub term: u64,
    /// In what a node has: an entry that a leader had it take back, and that no later one has come up to since. That it is gone breaks
    /// no promise: a leader takes back only what was never committed.
    pub excused: Option<LogId>,
}

impl Promised {
    /// Whether a node that has this keeps what `other` promises.
    #[must_use]
    pub fn keeps(&self, other: &Promised) -> bool {
        self.last.max(self.excused) >= other.last && self.term >= other.term
    }

    /// What keeps both.
    #[must_use]
    pub fn or(self, other: Promised) -> Promised {
        Promised {
            last: self.last.max(other.last),
            term: self.term.max(other.term),
            excused: self.excused.max(other.excused),
        }
    }

    /// What of it can be true of a node that has `has`. Terms that no election leads to from there, and indexes that no log comes
    /// to, are nobody's promise: they are left of a vote that was damaged or made up.
    #[must_use]
    pub fn believable(self, has: &Promised) -> Promised {
        let term = has.last.map_or(0, |last| *last.leader_id).max(has.term);
        let term_max = term.saturating_add(TERM_STEP_MAX).min(TERM_MAX);
        let can_be = |entry: &LogId| *entry.leader_id <= term_max && entry.index <= INDEX_MAX;
        Promised {
            last: self.last.filter(can_be),
            term: if self.term <= term_max { self.term } else { 0 },
            excused: self.excused.filter(can_be),
        }
    }

    /// The log ends with `last`, appended.
    pub(super) fn append(&mut self, last: LogId) {
        self.last = Some(last);
        self.excused = self.excused.filter(|excused| *excused > last);
    }

    /// The log ends with `last`: a leader took back what came behind.
    pub(super) fn truncate(&mut self, last: Option<LogId>) {
        self.excused = self.excused.max(self.last);
        self.last = last;
    }
}

/// What is durable.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Durable {
    /// `None` before the first sync.
    pub mark: Option<Mark>,
    /// By group.
    pub groups: BTreeMap<GroupId, Promised>,
}

/// What a start expects to find.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The log was durable up to here.
    pub mark: Mark,
    /// A log that does not reach it is refused; otherwise it is taken, and said to fall short.
    pub or_refuse: bool,
}

/// How a log falls short of what was expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Short {
    /// The file, in the data folder.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
}

impl Mark {
    /// Checks the segment of the mark, whose records end at `end`.
    pub(super) fn check(&self, segment: &segment::Segment, bytes: &[u8], end: usize) -> Option<Short> {
        if segment.number != self.segment {
            return None;
        }
        let (place, file) = (self.end as usize, segment::path(self.segment));
        let short = |what: String| Some(Short { file: file.clone(), what });
        if segment.salt != self.salt {
            return short("is the log of another start".to_owned());
        }
        if end < place {
            return short(format!("ends at byte {end}, and was durable up to byte {place}"));
        }
        match crc32fast::hash(&bytes[HEAD..place]) == self.digest {
            true => None,
            false => short(format!("holds other entries than it did, before byte {place}")),
        }
    }

    /// Checks which segments there are. Older ones may have been deleted, newer ones begun.
    pub(super) fn check_numbers(&self, numbers: &[u32]) -> Option<Short> {
        let is_behind = numbers.last().is_none_or(|last| *last < self.segment);
        is_behind.then(|| Short {
            file: segment::path(self.segment),
            what: format!("is missing, and was durable up to byte {}", self.end),
        })
    }
}

/// Follows the writer: what it has promised once its next sync returns.
pub(super) struct Promising {
    digest: crc32fast::Hasher,
    made: BTreeMap<GroupId, Promised>,
    /// The groups whose promises changed since the last sync.
    changed: Vec<GroupId>,
}

impl Promising {
    /// `bytes`: what the segment holds behind its head.
    pub(super) fn new(bytes: crc32fast::Hasher, made: BTreeMap<GroupId, Promised>) -> Promising {
        let changed = made.keys().copied().collect();
        Promising { digest: bytes, made, changed }
    }

    pub(super) fn wrote(&mut self, bytes: &[u8]) {
        self.digest.update(bytes);
    }

    pub(super) fn next_segment(&mut self) {
        self.digest = crc32fast::Hasher::new();
    }

    pub(super) fn change(&mut self, group: GroupId, change: impl FnOnce(&mut Promised)) {
        change(self.made.entry(group).or_default());
        if !self.changed.contains(&group) {
            self.changed.push(group);
        }
    }

    /// All that was written is durable.
    pub(super) fn synced(&mut self, segment: u32, salt: u64, end: u64, told: &Mutex<Durable>) {
        let digest = self.digest.clone().finalize();
        let mut told = lock(told);
        told.mark = Some(Mark { segment, salt, end: end as u32, digest });
        for group in self.changed.drain(..) {
            told.groups.insert(group, self.made[&group]);
        }
    }
}

/// The digest of a segment whose records end at `end`.
pub(super) fn digest(bytes: &[u8], end: usize) -> crc32fast::Hasher {
    let mut digest = crc32fast::Hasher::new();
    digest.update(bytes.get(HEAD..end).unwrap_or_default());
    digest
}

#[cfg(test)]
mod tests {
    use super::{LogId, Promised};
    use crate::limit::{TERM_MAX, TERM_STEP_MAX};

    fn id(term: u64, index: u64) -> LogId {
        LogId { leader_id: term.into(), index }
    }

    fn promised(term: u64, index: u64) -> Promised {
        Promised { last: Some(id(term, index)), term, excused: None }
    }

    #[test]
    fn what_a_leader_took_back_breaks_no_promise_until_a_later_entry_is_acknowledged() {
        let before = promised(6, 100);
        let mut has = before;
        has.truncate(Some(id(5, 90)));
        assert!(has.keeps(&before) && has.last == Some(id(5, 90)));
        // Entries of older terms may come first.
        has.append(id(5, 99));
        assert!(has.keeps(&before));
        has.append(id(7, 100));
        assert_eq!(has.excused, None);
        let lost = Promised { last: Some(id(5, 99)), ..has };
        assert!(!lost.keeps(&has));
        let excused = Promised { excused: Some(id(6, 100)), ..lost };
        assert!(excused.keeps(&before) && !excused.keeps(&has), "that was another entry");
    }

    #[test]
    fn a_term_that_no_election_leads_to_is_no_promise() {
        let has = promised(7, 20);
        assert_eq!(promised(9, 30).believable(&has), promised(9, 30));
        let highest = Promised { term: 7 + TERM_STEP_MAX, ..has };
        assert_eq!(highest.believable(&has), highest);
        for term in [8 + TERM_STEP_MAX, TERM_MAX + 1, u64::MAX] {
            let absurd = Promised { term, ..has };
            assert_eq!(absurd.believable(&has), Promised { term: 0, ..has });
            assert_eq!(promised(term, 20).believable(&has), Promised::default());
        }
        assert_eq!(promised(7, u64::MAX).believable(&has).last, None);
    }
}
