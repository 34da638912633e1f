//! Ids of entries as clients write them.

use crate::resp::command::fault::Fault;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::NewId;

const INVALID: Fault<'static> = Fault::Text("ERR Invalid stream ID specified as stream command argument");
const START: Fault<'static> = Fault::Text("ERR invalid start ID for the interval");
const END: Fault<'static> = Fault::Text("ERR invalid end ID for the interval");
/// Bytes of an id, as Redis bounds it.
const ID_BYTES_MAX: usize = 127;

/// `ms-seq`, or `ms` alone, which stands for `ms-0`.
pub(super) fn id(bytes: &[u8]) -> Result<StreamId, Fault<'static>> {
    parse(bytes, 0)
}

/// The same, or `-` or `+` for the ends of all ids.
pub(super) fn id_or_end(bytes: &[u8]) -> Result<StreamId, Fault<'static>> {
    end_of_all(bytes, 0)
}

/// The id of a new entry that is not `*`.
pub(super) fn new_id(bytes: &[u8]) -> Result<NewId, Fault<'static>> {
    match bytes.strip_suffix(b"-*") {
        Some(ms) if bytes.len() <= ID_BYTES_MAX => number(ms).map(NewId::Within).ok_or(INVALID),
        _ => id(bytes).map(NewId::Exact),
    }
}

/// The lower end of a range: an id, `-`, `+`, or one behind `(`, which is not in it.
pub(super) fn start(bytes: &[u8]) -> Result<StreamId, Fault<'static>> {
    match exclusive(bytes) {
        Some(bytes) => parse(bytes, 0)?.next().ok_or(START),
        None => end_of_all(bytes, 0),
    }
}

/// The upper end of a range.
pub(super) fn end(bytes: &[u8]) -> Result<StreamId, Fault<'static>> {
    match exclusive(bytes) {
        Some(bytes) => parse(bytes, u64::MAX)?.previous().ok_or(END),
        None => end_of_all(bytes, u64::MAX),
    }
}

fn exclusive(bytes: &[u8]) -> Option<&[u8]> {
    bytes.strip_prefix(b"(").filter(|rest| !rest.is_empty())
}

fn end_of_all(bytes: &[u8], seq: u64) -> Result<StreamId, Fault<'static>> {
    match bytes {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => parse(bytes, seq),
    }
}

/// `seq` is what a missing one stands for.
fn parse(bytes: &[u8], seq: u64) -> Result<StreamId, Fault<'static>> {
    if bytes.len() > ID_BYTES_MAX {
        return Err(INVALID);
    }
    let parsed = match bytes.iter().position(|byte| *byte == b'-') {
        Some(dash) => number(&bytes[..dash]).zip(number(&bytes[dash + 1..])),
        None => number(bytes).map(|ms| (ms, seq)),
    };
    parsed.map(|(ms, seq)| StreamId { ms, seq }).ok_or(INVALID)
}

/// Leading spaces, a plus and zeros do not matter here, other than in numbers elsewhere.
fn number(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.trim_ascii_start();
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| are_digits)?.parse().ok()
}
