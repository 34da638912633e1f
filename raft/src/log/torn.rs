//! Cut short or damaged? What stands behind the last good record is judged here.
//!
//! A segment is made of zeros and no byte of it is written twice, so a write that the power cut short leaves zeros where it did not
//! arrive: from some byte to the end, or in whole sectors, which reach the disk in any order. A sector holds what its file held at some
//! moment, so nothing stands in it behind a missing byte. Where all of a record stands there and is wrong, it is damage.
//!
//! What cannot be told apart, and counts as torn:
//! - damage that is itself a run of zeros, from a byte of the last write to the end or over a whole sector of it;
//! - a flipped bit in a record of the last write that holds a whole sector of zeros of its own;
//! - more than one wrong byte beyond the sector in which the log ends: nothing was there, so nothing is lost.

use super::record::{self, EMPTY_BYTES, END, Kind};

/// What reaches the disk as a whole.
const SECTOR: usize = 512;

/// Whether the bytes of the segment from `at`, where no good record stands, may be what is left of a write.
pub(super) fn is_torn(segment: &[u8], at: usize, salt: u64) -> bool {
    let written = segment.iter().rposition(|byte| *byte != 0).map_or(at, |last| last + 1).max(at);
    let there = &segment[at..written];
    let first_sector = &there[..there.len().min(SECTOR - at % SECTOR)];
    if is_zero(first_sector) {
        // Sectors behind it came first. Of one byte alone that is no end, no write can have left the rest out.
        return !is_one_wrong_byte(there);
    }
    if Kind::from_byte(there[0]).is_none() {
        return false;
    }
    let size = record::size(there, salt).unwrap_or(EMPTY_BYTES);
    there.len() < size || misses_a_sector(segment, at, size)
}

/// Whether a sector that begins within the `size` bytes from `at` is missing.
fn misses_a_sector(segment: &[u8], at: usize, size: usize) -> bool {
    let first = (at + 1).next_multiple_of(SECTOR);
    let end = |start: usize| (start + SECTOR).min(segment.len());
    (first..at + size).step_by(SECTOR).any(|start| is_zero(&segment[start..end(start)]))
}

fn is_one_wrong_byte(bytes: &[u8]) -> bool {
    let mut wrong = bytes.iter().filter(|byte| **byte != 0);
    wrong.next().is_some_and(|byte| *byte != END) && wrong.next().is_none()
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}
