//! The chunked framing of bodies (RFC 9112, section 7.1), joined into one piece.
//!
//! Each attempt starts from the first chunk: a body is at most 16 KiB, so nothing is kept between
//! attempts. Extensions are skipped, trailers checked and dropped; every line must end in CR LF.

use super::fault::Fault;
use crate::limit;

/// What the bytes after the head amount to.
#[derive(Debug, PartialEq)]
pub(crate) enum Chunked {
    /// The body is whole; it took so many bytes, trailer included.
    Complete(usize),
    /// More bytes are needed.
    Incomplete,
    /// Not chunks.
    Invalid(Fault),
}

const BAD: Chunked = Chunked::Invalid(Fault::Malformed("a chunk is malformed"));

/// Joins the chunks at the start of `input` into `body`, which is cleared first.
pub(crate) fn join(input: &[u8], body: &mut Vec<u8>) -> Chunked {
    body.clear();
    let mut at = 0;
    loop {
        if at > limit::HTTP_REQUEST_BYTES_MAX - limit::HTTP_HEAD_BYTES_MAX {
            return Chunked::Invalid(Fault::BodyTooLarge);
        }
        let rest = input.get(at..).unwrap_or_default();
        let (length, line_len) = match size_line(rest) {
            Ok(Some(read)) => read,
            Ok(None) => return Chunked::Incomplete,
            Err(invalid) => return invalid,
        };
        at += line_len;
        if length == 0 {
            return trailer(input.get(at..).unwrap_or_default(), at);
        }
        if body.len() + length > limit::HTTP_BODY_BYTES_MAX {
            return Chunked::Invalid(Fault::BodyTooLarge);
        }
        let Some(data) = input.get(at..at + length) else { return Chunked::Incomplete };
        match input.get(at + length..at + length + 2) {
            None => return Chunked::Incomplete,
            Some(b"\r\n") => body.extend_from_slice(data),
            Some(_) => return BAD,
        }
        at += length + 2;
    }
}

/// The length a chunk states, and the bytes of the line that states it.
fn size_line(input: &[u8]) -> Result<Option<(usize, usize)>, Chunked> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        // Without its end the line must at least still be short.
        return if input.len() > limit::HTTP_LINE_BYTES_MAX { Err(BAD) } else { Ok(None) };
    };
    let line = input.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(BAD)?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits == 0 || digits > limit::CHUNK_DIGITS_MAX {
        return Err(BAD);
    }
    let (number, extension) = line.split_at(digits);
    let clean = extension.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control());
    if !clean || !(extension.is_empty() || extension.trim_ascii_start().first() == Some(&b';')) {
        return Err(BAD);
    }
    let mut length = 0usize;
    for digit in number {
        length = length << 4 | (*digit as char).to_digit(16).unwrap_or(0) as usize;
    }
    Ok(Some((length, end + 1)))
}

/// The trailer section, whose fields nobody needs.
fn trailer(input: &[u8], at: usize) -> Chunked {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    match httparse::parse_headers(input, &mut fields) {
        Ok(httparse::Status::Complete((len, _))) => {
            let lines = input.get(..len).unwrap_or_default();
            let bare = |end: usize| end == 0 || lines.get(end - 1) != Some(&b'\r');
            if memchr::memchr_iter(b'\n', lines).any(bare) { BAD } else { Chunked::Complete(at + len) }
        }
        Ok(httparse::Status::Partial) if input.len() > limit::HTTP_LINE_BYTES_MAX => BAD,
        Ok(httparse::Status::Partial) => Chunked::Incomplete,
        Err(_) => BAD,
    }
}

#[cfg(test)]
mod tests {
    use super::{BAD, Chunked, join};
    use crate::http::fault::Fault;

    fn check(input: &[u8], expected: Chunked, joined: &[u8]) {
        let mut body = Vec::new();
        assert_eq!(join(input, &mut body), expected, "{}", input.escape_ascii());
        if matches!(expected, Chunked::Complete(_)) {
            assert_eq!(body, joined);
        }
    }

    #[test]
    fn joins_chunks_with_extensions_and_trailers() {
        check(b"0\r\n\r\nnext", Chunked::Complete(5), b"");
        check(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", Chunked::Complete(24), b"abcde");
        check(b"1\r\na\r\n0\r\nA: b\r\n\r\n", Chunked::Complete(17), b"a");
    }

    #[test]
    fn every_prefix_is_incomplete() {
        let whole = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n";
        for len in 0..whole.len() {
            check(&whole[..len], Chunked::Incomplete, b"");
        }
    }

    #[test]
    fn refuses_what_is_not_a_chunk() {
        for bad in [
            &b"\r\n"[..],
            b"g\r\n",
            b"-1\r\n",
            b"0x3\r\nabc\r\n",
            b"3\nabc\r\n0\r\n\r\n",
            b"3\r\nabcd\r\n",
            b"000000001\r\na\r\n",
            b"3 abc\r\n",
            b"3;\x01\r\n",
            b"0\r\nA: b\n\r\n",
            b"0\r\n bad\r\n\r\n",
        ] {
            check(bad, BAD, b"");
        }
        check(b"ffffffff\r\n", Chunked::Invalid(Fault::BodyTooLarge), b"");
    }
}
