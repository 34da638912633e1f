//! What a start finds in the segments.
//!
//! Every byte up to the last sync has to be what was written. Behind it, in the last segment, a write may have been cut
//! short by the power: [`super::torn`] tells that from damage by what is missing. And each record says how far the segment
//! was durable when it was written: a bad record that a later one says was durable is damage, whatever it looks like.

use super::LogOptions;
use super::durable::{self, Promised, Promising, Short};
use super::error::LogError;
use super::group::{Group, next};
use super::record::{self, EMPTY_BYTES, Kind, Record};
use super::segment::{self, HEAD, Head, Place, Segment};
use super::torn;
use super::writer::{Tail, marks};
use crate::disk::Disk;
use crate::limit::FLUSH_BYTES_MAX;
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;

/// What a start found.
pub(super) struct Found {
    pub(super) groups: BTreeMap<GroupId, Group>,
    pub(super) segments: BTreeMap<u32, Segment>,
    pub(super) tail: Tail,
    /// How it falls short of what was expected.
    pub(super) short: Option<Short>,
}

/// How a segment ends.
struct End {
    /// Where its last record ends.
    at: usize,
    is_sealed: bool,
    /// What is wrong with what follows, unless that is nothing but zeros, and how many bytes of it there are.
    wrong: Option<&'static str>,
    wrong_bytes: usize,
}

impl End {
    fn new(rest: &[u8], at: usize, is_sealed: bool, what: &'static str) -> End {
        let wrong_bytes = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        End { at, is_sealed, wrong: (wrong_bytes > 0).then_some(what), wrong_bytes }
    }
}

/// Reads the whole log. Cuts a torn write off its end; changes nothing else, and nothing at all when it fails.
pub(super) async fn recover(disk: &dyn Disk, options: &LogOptions) -> Result<Found, LogError> {
    let names = disk.list(segment::FOLDER).await.map_err(LogError::io("cannot list the log"))?;
    let numbers: Vec<u32> = names.iter().filter_map(|name| segment::number(name)).collect();
    if let Some(pair) = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        return Err(corrupt(pair[0] + 1, 0, "the segment is missing"));
    }
    let mut replay = Replay::default();
    let mut segments = BTreeMap::new();
    let (mut last, mut unsealed) = (None, None);
    let mut torn = None;
    let mark = options.expected.map(|expected| expected.mark);
    let mut short = mark.and_then(|mark| mark.check_numbers(&numbers));
    let mut digest = crc32fast::Hasher::new();
    for number in &numbers {
        let is_last = Some(number) == numbers.last();
        let (segment, bytes) = load(disk, *number, is_last, options).await?;
        let end = replay.segment(&segment, &bytes)?;
        let is_torn = end.wrong.is_some() && torn::is_torn(&bytes, end.at, segment.salt);
        check(&end, is_torn, *number, is_last, unsealed.is_some())?;
        short = short.or_else(|| mark?.check(&segment, &bytes, end.at));
        if is_last {
            torn =
                cut(&bytes, &end, is_torn, &segment).map_err(|what| corrupt(*number, end.at as u64, what))?;
            last = Some((segment.clone(), end.at as u64));
            digest = durable::digest(&bytes, end.at);
        } else if !end.is_sealed {
            unsealed = Some((segment.clone(), end.at as u64));
        }
        segments.insert(*number, segment);
    }
    let (groups, forgotten) = replay.finish(short.is_some())?;
    if let (Some(Short { file, what }), true) =
        (&short, options.expected.is_some_and(|expected| expected.or_refuse))
    {
        return Err(LogError::Short { file: file.clone(), what: what.clone() });
    }
    if let (Some((segment, at)), Some(end)) = (&last, torn) {
        tracing::warn!(file = segment::path(segment.number), at, "dropped a write that was cut short");
        wipe(segment, *at, end).await.map_err(LogError::io("cannot cut the log's end"))?;
    }
    let marks = groups.iter().map(|(id, group)| (*id, marks(group))).collect();
    let promised = |group: &Group| {
        let term = group.vote.map_or(0, |vote| vote.leader_id().term);
        Promised { last: group.last, term, excused: group.excused() }
    };
    let promised = groups.iter().map(|(id, group)| (*id, promised(group))).collect();
    let tail = Tail { marks, last, unsealed, forgotten, promising: Promising::new(digest, promised) };
    Ok(Found { groups, segments, tail, short })
}

fn corrupt(number: u32, offset: u64, what: &'static str) -> LogError {
    LogError::Corrupt { file: segment::path(number), offset, what }
}

/// Only the last segment may be shorter than it was made.
async fn load(
    disk: &dyn Disk,
    number: u32,
    is_last: bool,
    options: &LogOptions,
) -> Result<(Segment, Vec<u8>), LogError> {
    let path = segment::path(number);
    let doing = || LogError::io(format!("cannot read {path}"));
    let file = disk.open(&path).await.map_err(doing())?;
    let size = file.size().await.map_err(doing())?;
    // A segment is no larger than the largest: anything else is none.
    let mut bytes = vec![0; size.min(crate::limit::SEGMENT_BYTES + 1) as usize];
    let count = file.read_at(&mut bytes, 0).await.map_err(doing())?;
    bytes.truncate(count);
    let head = Head::read(&bytes, number, options)?;
    if !is_last && (bytes.len() as u64) < head.bytes {
        return Err(corrupt(number, bytes.len() as u64, "the segment is cut short"));
    }
    Ok((Segment { number, salt: head.salt, bytes: head.bytes, file }, bytes))
}

/// Every segment but the last is sealed, with nothing behind the seal. One exception: a crash between the last
/// segment's birth and its predecessor's seal, when nothing is in the last one yet and the seal may be torn.
fn check(
    end: &End,
    is_torn: bool,
    number: u32,
    is_last: bool,
    follows_unsealed: bool,
) -> Result<(), LogError> {
    let at = end.at as u64;
    match (end.is_sealed, is_last) {
        (true, true) => Err(corrupt(number + 1, 0, "the segment is missing")),
        (_, false) => match end.wrong {
            Some(what) if end.is_sealed || !is_torn || end.wrong_bytes > EMPTY_BYTES => {
                Err(corrupt(number, at, what))
            }
            _ if follows_unsealed => Err(corrupt(number - 1, 0, "the segment has no end")),
            _ => Ok(()),
        },
        (false, true) if follows_unsealed && (end.at > HEAD || end.wrong.is_some()) => {
            Err(corrupt(number - 1, 0, "the segment has no end"))
        }
        (false, true) => Ok(()),
    }
}

/// Where the zeros have to reach that take the place of a torn write, behind the end of the last segment. Or what is wrong
/// there, if no torn write explains it.
fn cut(bytes: &[u8], end: &End, is_torn: bool, segment: &Segment) -> Result<Option<u64>, &'static str> {
    let is_short = (bytes.len() as u64) < segment.bytes;
    let Some(what) = end.wrong else { return Ok(is_short.then_some(segment.bytes)) };
    let rest = &bytes[end.at..];
    let vouches = |at: usize| {
        record::read(&rest[at..], segment.salt).is_ok_and(|record| record.synced as usize > end.at)
    };
    if !is_torn || (1..end.wrong_bytes).any(vouches) {
        return Err(what);
    }
    Ok(Some(if is_short { segment.bytes } else { (end.at + end.wrong_bytes) as u64 }))
}

async fn wipe(segment: &Segment, mut at: u64, end: u64) -> std::io::Result<()> {
    while at < end {
        let piece = (end - at).min(FLUSH_BYTES_MAX as u64);
        segment.file.write_at(&vec![0; piece as usize], at).await?;
        at += piece;
    }
    segment.file.sync().await
}

/// The groups as they were, record by record.
#[derive(Default)]
struct Replay {
    groups: BTreeMap<GroupId, Group>,
}

impl Replay {
    fn segment(&mut self, segment: &Segment, bytes: &[u8]) -> Result<End, LogError> {
        let mut at = HEAD;
        loop {
            let rest = &bytes[at..];
            let record = match record::read(rest, segment.salt) {
                Ok(record) => record,
                Err(what) => return Ok(End::new(rest, at, false, what)),
            };
            let place = Place { segment: segment.number, offset: at as u32, bytes: record.bytes() as u32 };
            self.record(&record, place).map_err(|what| corrupt(segment.number, at as u64, what))?;
            at += record.bytes();
            if record.kind == Kind::Seal {
                return Ok(End::new(&bytes[at..], at, true, "bytes behind the seal"));
            }
        }
    }

    fn record(&mut self, record: &Record<'_>, place: Place) -> Result<(), &'static str> {
        const UNREADABLE: &str = "a record that matches its checksum cannot be read";
        let group = match record.kind {
            Kind::Seal | Kind::Opened => return Ok(()),
            _ => self.groups.entry(record.group).or_default(),
        };
        match record.kind {
            Kind::Entry => {
                let id = record::entry_id(record.body).ok_or(UNREADABLE)?;
                return group.replayed(id, place);
            }
            Kind::Vote => group.vote = Some(record::vote(record.body).ok_or(UNREADABLE)?),
            Kind::Truncate => {
                let after = record::mark(record.body).ok_or(UNREADABLE)?;
                group.truncate(after);
                group.truncated(after);
            }
            Kind::Purge => {
                let upto = record::mark(record.body).flatten().ok_or(UNREADABLE)?;
                group.purge(upto);
                group.purged(upto);
            }
            Kind::Committed => group.committed = record::mark(record.body).ok_or(UNREADABLE)?,
            Kind::Seal | Kind::Opened => {}
        }
        Ok(())
    }

    /// What was purged may be gone from the front, in part or whole; nothing else may be missing. In a log that [falls short](Short)
    /// the purge itself may be what is missing: entries that then follow nothing are forgotten, in the groups that are returned,
    /// and come back from a snapshot and the leader like the rest of what is lost.
    fn finish(mut self, is_short: bool) -> Result<(BTreeMap<GroupId, Group>, Vec<GroupId>), LogError> {
        let mut forgotten = Vec::new();
        for (id, group) in &mut self.groups {
            if let Some(upto) = group.purged {
                group.purged(upto);
            }
            match group.first_place() {
                Some((start, _)) if start != next(group.purged) && is_short => {
                    group.truncate(None);
                    group.truncated(None);
                    forgotten.push(*id);
                }
                Some((start, place)) if start != next(group.purged) => {
                    let what = "the entries before this one are missing";
                    return Err(corrupt(place.segment, u64::from(place.offset), what));
                }
                _ => {}
            }
            group.committed = group.committed.min(group.last);
        }
        Ok((self.groups, forgotten))
    }
}
