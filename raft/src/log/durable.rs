//! How far the log is durable: what a node has promised to others, and a mark by which a start can tell that the log is the same.
//!
//! The mark names a place in the newest segment, the salt of that segment, and a digest of all before the place. A log that was
//! put back from a copy, cut, or taken away does not reach the place, or has another segment there. What is durable never goes
//! back, also where entries are truncated: a truncation is one more record.

use super::segment::{self, HEAD};
use super::{LogId, lock};
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
}

impl Promised {
    /// Whether a node that has this keeps what `other` promises.
    #[must_use]
    pub fn keeps(&self, other: &Promised) -> bool {
        self.last >= other.last && self.term >= other.term
    }

    /// What keeps both.
    #[must_use]
    pub fn or(self, other: Promised) -> Promised {
        Promised { last: self.last.max(other.last), term: self.term.max(other.term) }
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
