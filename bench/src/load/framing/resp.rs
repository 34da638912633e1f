//! RESP2 and RESP3 replies, counted without a stack.
//!
//! Nesting needs no memory: a reply is complete when as many elements have ended as its aggregates announced,
//! so one counter of elements still open is enough at any depth. Cost: one line search for each element.

use memchr::memchr;

use super::{FramingError, Tally};
use crate::limit::{BODY_BYTES_MAX, PARTIAL_BYTES_MAX, REPLY_ELEMENTS_MAX};

/// What the top level is in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Frame {
    /// Between replies.
    #[default]
    None,
    /// A reply that counts.
    Reply,
    /// A push or an attribute: it comes beside the replies and answers no request.
    Aside,
}

/// The unfinished part of a RESP connection's replies.
#[derive(Debug, Default)]
pub(crate) struct RespFraming {
    frame: Frame,
    /// Elements of the current frame that have not ended yet.
    open: u64,
    /// Bytes of a bulk, its line end included, that are still to come.
    skip: u64,
    /// A header line that the last read cut off.
    partial: Vec<u8>,
}

impl RespFraming {
    pub(super) fn feed(&mut self, mut bytes: &[u8], tally: &mut Tally) -> Result<(), FramingError> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                bytes = self.skip_bulk(bytes, tally);
                continue;
            }
            let Some(end) = memchr(b'\n', bytes) else {
                return self.keep_partial(bytes);
            };
            let (line, rest) = bytes.split_at(end + 1);
            if self.partial.is_empty() {
                self.line(line, tally)?;
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.line(&whole, tally)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn skip_bulk<'b>(&mut self, bytes: &'b [u8], tally: &mut Tally) -> &'b [u8] {
        let now = self.skip.min(bytes.len() as u64);
        self.skip -= now;
        if self.skip == 0 {
            self.end_element(tally);
        }
        &bytes[now as usize..]
    }

    fn keep_partial(&mut self, bytes: &[u8]) -> Result<(), FramingError> {
        if self.partial.len() + bytes.len() > PARTIAL_BYTES_MAX {
            return Err(FramingError::PartialTooLong);
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// One header line, its `\n` included, at the start of an element.
    fn line(&mut self, line: &[u8], tally: &mut Tally) -> Result<(), FramingError> {
        let kind = line.first().copied().unwrap_or_default();
        let top = self.frame == Frame::None;
        if top {
            self.frame = if matches!(kind, b'>' | b'|') { Frame::Aside } else { Frame::Reply };
            self.open = 1;
        }
        match kind {
            b'$' | b'=' | b'!' => {
                if top && kind == b'!' {
                    tally.error(b"(bulk error)");
                }
                self.bulk(line, tally)
            }
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {
                if top && kind == b'-' {
                    tally.error(&line[1..]);
                }
                self.end_element(tally);
                Ok(())
            }
            b'*' | b'~' | b'>' => self.aggregate(line, 1, true, tally),
            b'%' => self.aggregate(line, 2, true, tally),
            // An attribute precedes the element it describes; at the top level it is a frame of its own.
            b'|' => self.aggregate(line, 2, top, tally),
            other => Err(FramingError::Type(other)),
        }
    }

    fn bulk(&mut self, line: &[u8], tally: &mut Tally) -> Result<(), FramingError> {
        match length(line)? {
            Some(bytes) if bytes <= BODY_BYTES_MAX => self.skip = bytes + 2,
            Some(_) => return Err(FramingError::Length),
            None => self.end_element(tally),
        }
        Ok(())
    }

    fn aggregate(
        &mut self,
        line: &[u8],
        width: u64,
        is_element: bool,
        tally: &mut Tally,
    ) -> Result<(), FramingError> {
        let announced = length(line)?.unwrap_or(0).min(REPLY_ELEMENTS_MAX + 1) * width;
        self.open += announced;
        if self.open > REPLY_ELEMENTS_MAX {
            return Err(FramingError::Length);
        }
        if is_element {
            self.end_element(tally);
        }
        Ok(())
    }

    fn end_element(&mut self, tally: &mut Tally) {
        debug_assert!(self.open > 0, "an element ended that nothing announced");
        self.open -= 1;
        if self.open == 0 {
            tally.replies += u64::from(self.frame == Frame::Reply);
            self.frame = Frame::None;
        }
    }
}

/// The number behind a type byte: `None` is the null that RESP2 writes as -1.
fn length(line: &[u8]) -> Result<Option<u64>, FramingError> {
    let digits = line.strip_suffix(b"\r\n").and_then(|line| line.get(1..)).ok_or(FramingError::Length)?;
    if digits == b"-1" {
        return Ok(None);
    }
    if digits.is_empty() || digits.len() > 18 {
        return Err(FramingError::Length);
    }
    digits
        .iter()
        .try_fold(0_u64, |number, digit| match digit {
            b'0'..=b'9' => Ok(number * 10 + u64::from(digit - b'0')),
            _ => Err(FramingError::Length),
        })
        .map(Some)
}
