//! Where one reply ends and the next begins, and nothing more.
//!
//! ```text
//! bytes of one read ──▶ Framing::feed ──▶ Tally { replies, errors, first error }
//!                          │
//!                          └─ what the next read continues: elements left, bytes to skip, a partial line
//! ```
//!
//! The generator must be several times faster than what it loads, so no reply becomes a value: bodies are
//! skipped by their length, and only headers are looked at. Reads may split a reply anywhere.

mod http;
mod resp;

use std::fmt;

use crate::limit::ERROR_TEXT_BYTES_MAX;

pub(crate) use http::HttpFraming;
pub(crate) use resp::RespFraming;

/// What a number of reads contained.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Complete replies, errors included.
    pub(crate) replies: u64,
    /// Replies that were errors: RESP `-` and `!`, HTTP status 400 and above.
    pub(crate) errors: u64,
    /// The first of those, cut to a readable length.
    pub(crate) first_error: Option<String>,
}

impl Tally {
    fn error(&mut self, text: &[u8]) {
        self.errors += 1;
        if self.first_error.is_none() {
            let kept = &text[..text.len().min(ERROR_TEXT_BYTES_MAX)];
            self.first_error = Some(String::from_utf8_lossy(kept).trim_end().to_owned());
        }
    }
}

/// The reply stream of one connection.
#[derive(Debug)]
pub(crate) enum Framing {
    Resp(RespFraming),
    Http(HttpFraming),
}

impl Framing {
    /// Takes all of `bytes`, adds the replies that end in them to `tally`, and keeps what is unfinished.
    pub(crate) fn feed(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), FramingError> {
        match self {
            Self::Resp(framing) => framing.feed(bytes, tally),
            Self::Http(framing) => framing.feed(bytes, tally),
        }
    }
}

/// Why bytes cannot be the expected protocol. Nothing after them can be trusted, so the run ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FramingError {
    /// A RESP type byte that is neither RESP2 nor RESP3, or a streamed type, which no server sends unasked.
    Type(u8),
    /// A length that is not a decimal number within bounds.
    Length,
    /// A line or a head longer than this crate carries from read to read.
    PartialTooLong,
    /// Bytes that are not an HTTP/1.1 head.
    Head,
    /// An HTTP reply with a body of unstated length; the peers compared here all state it.
    Unsized,
}

impl fmt::Display for FramingError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(byte) => write!(out, "unknown RESP type byte 0x{byte:02x}"),
            Self::Length => out.write_str("a length is not a number within bounds"),
            Self::PartialTooLong => out.write_str("a line or head is too long"),
            Self::Head => out.write_str("malformed HTTP head"),
            Self::Unsized => out.write_str("HTTP reply without Content-Length"),
        }
    }
}

impl std::error::Error for FramingError {}

#[cfg(test)]
mod tests {
    use super::{Framing, FramingError, HttpFraming, RespFraming, Tally};

    type Make = fn() -> Framing;
    const RESP: Make = || Framing::Resp(RespFraming::default());
    const HTTP: Make = || Framing::Http(HttpFraming::default());

    fn tally(make: Make, parts: &[&[u8]]) -> Result<Tally, FramingError> {
        let (mut framing, mut tally) = (make(), Tally::default());
        parts.iter().try_for_each(|part| framing.feed(part, &mut tally))?;
        Ok(tally)
    }

    /// Cuts `bytes` at every single place, at every pair of places, and into single bytes: the tally must not
    /// depend on the cuts, and the last reply must not be counted before its last byte.
    fn check(make: Make, bytes: &[u8], replies: u64, errors: u64) {
        let whole = tally(make, &[bytes]).expect("well-formed");
        assert_eq!((whole.replies, whole.errors), (replies, errors), "{}", bytes.escape_ascii());
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let parts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                assert_eq!(tally(make, &parts).as_ref(), Ok(&whole), "cut at {first} and {second}");
            }
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(tally(make, &single).as_ref(), Ok(&whole));
        let short = tally(make, &[&bytes[..bytes.len() - 1]]).expect("a prefix is incomplete, not invalid");
        assert_eq!(short.replies, replies - 1, "counted before its end: {}", bytes.escape_ascii());
    }

    #[test]
    fn resp2_replies_are_counted_under_any_split() {
        check(RESP, b"+PONG\r\n", 1, 0);
        check(RESP, b"$5\r\nhe\r\no\r\n$-1\r\n$0\r\n\r\n:42\r\n", 4, 0);
        check(RESP, b"*2\r\n+state\r\n$7\r\nwaiting\r\n*0\r\n*-1\r\n", 3, 0);
        check(RESP, b"*2\r\n*2\r\n:1\r\n*0\r\n*1\r\n*1\r\n$1\r\nx\r\n+OK\r\n", 2, 0);
    }

    #[test]
    fn resp3_replies_are_counted_under_any_split() {
        check(RESP, b"%2\r\n+state\r\n$7\r\nwaiting\r\n+position\r\n:9\r\n_\r\n", 2, 0);
        check(RESP, b"~1\r\n#t\r\n,3.5\r\n(123\r\n=7\r\ntxt:abc\r\n", 4, 0);
        check(RESP, b"%0\r\n%1\r\n+k\r\n%1\r\n+k\r\n~0\r\n", 2, 0);
    }

    #[test]
    fn pushes_and_attributes_are_not_replies() {
        check(RESP, b">2\r\n+invalidate\r\n*1\r\n$1\r\nk\r\n+OK\r\n", 1, 0);
        check(RESP, b"|1\r\n+ttl\r\n:3\r\n-ERR after an attribute\r\n", 1, 1);
        check(RESP, b"*2\r\n|1\r\n+ttl\r\n:3\r\n:1\r\n:2\r\n", 1, 0);
    }

    #[test]
    fn only_a_top_level_error_is_an_error_reply() {
        check(RESP, b"-GONE join again\r\n!9\r\nBUSY wait\r\n+OK\r\n", 3, 2);
        check(RESP, b"*2\r\n-ERR inside\r\n-ERR last\r\n", 1, 0);
        let seen = tally(RESP, &[b"+OK\r\n-GONE join ag", b"ain\r\n-BUSY\r\n"]).expect("well-formed");
        assert_eq!(seen.first_error.as_deref(), Some("GONE join again"));
    }

    #[test]
    fn bytes_that_are_not_resp_are_refused() {
        assert_eq!(tally(RESP, &[b"HTTP/1.1 200 OK\r\n"]), Err(FramingError::Type(b'H')));
        assert_eq!(tally(RESP, &[b"$?\r\n"]), Err(FramingError::Length));
        assert_eq!(tally(RESP, &[b"$99999999999999999999\r\n"]), Err(FramingError::Length));
        assert_eq!(tally(RESP, &[b"*-2\r\n"]), Err(FramingError::Length));
        assert_eq!(tally(RESP, &[b"*1048576\r\n*1048576\r\n"]), Err(FramingError::Length));
        assert_eq!(tally(RESP, &[b"\r\n"]), Err(FramingError::Type(b'\r')));
        let endless = vec![b'+'; crate::limit::PARTIAL_BYTES_MAX + 1];
        assert_eq!(tally(RESP, &[&endless]), Err(FramingError::PartialTooLong));
    }

    #[test]
    fn http_replies_are_counted_under_any_split() {
        check(HTTP, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1, 0);
        check(
            HTTP,
            b"HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n{}HTTP/1.1 204 No Content\r\n\r\n\
              HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
            3,
            1,
        );
    }

    #[test]
    fn bytes_that_are_not_sized_http_are_refused() {
        assert_eq!(tally(HTTP, &[b"+PONG\r\n\r\n"]), Err(FramingError::Head));
        assert_eq!(tally(HTTP, &[b"HTTP/1.1 200 OK\r\n\r\n"]), Err(FramingError::Unsized));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(tally(HTTP, &[chunked]), Err(FramingError::Unsized));
        assert_eq!(
            tally(HTTP, &[b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]),
            Err(FramingError::Length)
        );
    }
}
