//! Records: what a segment is made of.
//!
//! ```text
//! 0      1       3      7          11     15       19       19 + body
//! │ kind │ group │ head │ body CRC │ body │ synced │ body … │ end │
//! │      │       │ CRC  │          │ bytes│ up to  │        │     │
//! ```
//! Integers are little-endian. The head's CRC starts from the segment's salt, which nobody outside the node knows, so that
//! a user's text can never pass for a record. *Synced up to* is how far the segment was durable when the record was
//! written: a bad record that a later one says was durable is damage.
//!
//! A record's first and last byte are never zero, and one flipped bit makes neither of them zero, nor any other byte an
//! end: that is what [`super::torn`] tells a write that was cut short by.

use super::{Entry, LogId, Vote};
use crate::limit::{RECORD_BYTES_MAX, RECORD_OVERHEAD_BYTES};
use serde::{Deserialize, Serialize};
use sluice_engine::id::GroupId;
use std::io;

/// Bytes before the body.
pub(super) const HEAD_BYTES: usize = 19;
/// Bytes behind the body.
const END_BYTES: usize = 1;
/// Bytes of a record without body.
pub(super) const EMPTY_BYTES: usize = HEAD_BYTES + END_BYTES;
const _: () = assert!(EMPTY_BYTES <= RECORD_OVERHEAD_BYTES);
/// The last byte of each record.
pub(super) const END: u8 = 0xed;

/// What a record says. Numbers are for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// A log entry.
    Entry = 0x81,
    /// The group's vote.
    Vote = 0x82,
    /// The entries behind a log id are void.
    Truncate = 0x83,
    /// The entries up to a log id are in a snapshot.
    Purge = 0x84,
    /// The entries up to a log id were known to be committed.
    Committed = 0x85,
    /// The segment ends here, and another one follows.
    Seal = 0x86,
    /// All before was found, and made durable, by a start.
    Opened = 0x87,
}

impl Kind {
    pub(super) fn from_byte(byte: u8) -> Option<Kind> {
        const KINDS: [Kind; 7] =
            [Kind::Entry, Kind::Vote, Kind::Truncate, Kind::Purge, Kind::Committed, Kind::Seal, Kind::Opened];
        KINDS.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// A record as it is found in a segment.
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    pub(super) group: GroupId,
    /// Bytes of the segment that were durable when it was written.
    pub(super) synced: u32,
    pub(super) body: &'a [u8],
}

impl Record<'_> {
    /// Bytes it takes in the segment.
    pub(super) fn bytes(&self) -> usize {
        EMPTY_BYTES + self.body.len()
    }
}

/// Reads the record at the start of `bytes`, or says what is wrong with it.
pub(super) fn read(bytes: &[u8], salt: u64) -> Result<Record<'_>, &'static str> {
    let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or("no room for a record")?;
    // First, because it is cheap: a start asks this of every byte behind a torn write.
    let kind = Kind::from_byte(head[0]).ok_or("a record of unknown kind")?;
    let size = size(bytes, salt).ok_or("the head of a record does not match its checksum")?;
    let body = rest.get(..size - EMPTY_BYTES).ok_or("a record is longer than its segment")?;
    if crc32fast::hash(body) != word(head, 7) {
        return Err("the body of a record does not match its checksum");
    }
    if rest.get(body.len()) != Some(&END) {
        return Err("the end of a record is not what was written");
    }
    let group = GroupId(u16::from_le_bytes([head[1], head[2]]));
    Ok(Record { kind, group, synced: word(head, 15), body })
}

/// Bytes of the record at the start of `bytes`, if its head is good.
pub(super) fn size(bytes: &[u8], salt: u64) -> Option<usize> {
    let head = bytes.first_chunk::<HEAD_BYTES>()?;
    (word(head, 3) == head_crc(head, salt)).then(|| EMPTY_BYTES + word(head, 11) as usize)
}

fn word(head: &[u8; HEAD_BYTES], at: usize) -> u32 {
    u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

fn head_crc(head: &[u8; HEAD_BYTES], salt: u64) -> u32 {
    let mut salted = [0; 8 + HEAD_BYTES - 4];
    salted[..8].copy_from_slice(&salt.to_le_bytes());
    salted[8..11].copy_from_slice(&head[..3]);
    salted[11..].copy_from_slice(&head[7..]);
    crc32fast::hash(&salted)
}

/// Appends a record to `into`. Returns how many bytes it took.
///
/// # Errors
/// `InvalidInput` when it would be larger than any segment can hold; `into` is then as it was.
pub(super) fn write<T: Serialize>(
    into: &mut Vec<u8>,
    kind: Kind,
    group: GroupId,
    synced: u32,
    salt: u64,
    content: &T,
) -> io::Result<usize> {
    let start = into.len();
    into.extend_from_slice(&[0; HEAD_BYTES]);
    *into = postcard::to_extend(content, std::mem::take(into)).map_err(io::Error::other)?;
    into.push(END);
    let bytes = into.len() - start;
    if bytes > RECORD_BYTES_MAX {
        into.truncate(start);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a log entry of {bytes} bytes")));
    }
    let body = &into[start + HEAD_BYTES..start + bytes - END_BYTES];
    let mut head = [0; HEAD_BYTES];
    head[0] = kind as u8;
    head[1..3].copy_from_slice(&group.0.to_le_bytes());
    head[7..11].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    head[11..15].copy_from_slice(&(body.len() as u32).to_le_bytes());
    head[15..].copy_from_slice(&synced.to_le_bytes());
    let crc = head_crc(&head, salt);
    head[3..7].copy_from_slice(&crc.to_le_bytes());
    into[start..start + HEAD_BYTES].copy_from_slice(&head);
    Ok(bytes)
}

/// Reads the body of an entry.
pub(super) fn entry(body: &[u8]) -> Option<Entry> {
    whole(body)
}

/// Reads only the log id of an entry's body.
pub(super) fn entry_id(body: &[u8]) -> Option<LogId> {
    postcard::take_from_bytes(body).ok().map(|(id, _)| id)
}

/// Reads the body of a vote.
pub(super) fn vote(body: &[u8]) -> Option<Vote> {
    whole(body)
}

/// Reads the body of a truncation, a purge or a committed mark.
pub(super) fn mark(body: &[u8]) -> Option<Option<LogId>> {
    whole(body)
}

fn whole<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}
