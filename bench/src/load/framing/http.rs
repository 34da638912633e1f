//! HTTP/1.1 replies with a stated length.

use httparse::{EMPTY_HEADER, Response, Status};

use super::{FramingError, Tally};
use crate::limit::{BODY_BYTES_MAX, HEADERS_MAX, PARTIAL_BYTES_MAX};

/// The unfinished part of an HTTP connection's replies.
#[derive(Debug, Default)]
pub(crate) struct HttpFraming {
    /// Bytes of the current body that are still to come.
    skip: u64,
    /// The beginning of a head that the last read cut off.
    partial: Vec<u8>,
}

/// What a complete head says about its reply.
struct Head {
    bytes: usize,
    body_bytes: u64,
}

impl HttpFraming {
    pub(super) fn feed(&mut self, mut bytes: &[u8], tally: &mut Tally) -> Result<(), FramingError> {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let now = self.skip.min(bytes.len() as u64);
                self.skip -= now;
                tally.replies += u64::from(self.skip == 0);
                bytes = &bytes[now as usize..];
                continue;
            }
            let Some(used) = self.head(bytes, tally)? else { return Ok(()) };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Takes a head; says how many of `bytes` it used, or `None` where it goes on in the next read.
    fn head(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<Option<usize>, FramingError> {
        let carried = self.partial.len();
        let parsed = if carried == 0 {
            parse(bytes, tally)?
        } else {
            self.partial.extend_from_slice(bytes);
            parse(&self.partial, tally)?
        };
        let Some(head) = parsed else {
            return self.keep_partial(bytes, carried);
        };
        debug_assert!(head.bytes > carried, "a head that was complete before was not carried over");
        self.partial.clear();
        self.skip = head.body_bytes;
        tally.replies += u64::from(head.body_bytes == 0);
        Ok(Some(head.bytes - carried))
    }

    fn keep_partial(&mut self, bytes: &[u8], carried: usize) -> Result<Option<usize>, FramingError> {
        if carried == 0 {
            self.partial.extend_from_slice(bytes);
        }
        if self.partial.len() > PARTIAL_BYTES_MAX { Err(FramingError::PartialTooLong) } else { Ok(None) }
    }
}

fn parse(bytes: &[u8], tally: &mut Tally) -> Result<Option<Head>, FramingError> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut response = Response::new(&mut headers);
    let Status::Complete(head_bytes) = response.parse(bytes).map_err(|_| FramingError::Head)? else {
        return Ok(None);
    };
    let status = response.code.unwrap_or_default();
    if status >= 400 {
        tally.error(format!("HTTP status {status}").as_bytes());
    }
    let stated = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body_bytes = match stated {
        Some(header) => body_length(header.value)?,
        None if matches!(status, 204 | 304) => 0,
        None => return Err(FramingError::Unsized),
    };
    Ok(Some(Head { bytes: head_bytes, body_bytes }))
}

fn body_length(value: &[u8]) -> Result<u64, FramingError> {
    let text = std::str::from_utf8(value).map_err(|_| FramingError::Length)?;
    let bytes = text.trim().parse().map_err(|_| FramingError::Length)?;
    if bytes > BODY_BYTES_MAX { Err(FramingError::Length) } else { Ok(bytes) }
}
