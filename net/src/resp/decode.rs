//! Requests: arrays of bulk strings, and inline lines, read once through a borrowing cursor.
//!
//! ```text
//! *3 CRLF $6 CRLF Q.POLL CRLF $4 CRLF shop CRLF $32 CRLF <token> CRLF       or       Q.POLL shop "<token>" LF
//! ```
//! *Incomplete* is not *malformed*: bytes that may become a request are waited for, and how many are needed at least is
//! said ([`Decoded::Incomplete`]). A decoder keeps nothing between calls; it starts at the head of the request each time.
//! That is cheap however slowly bytes arrive: `needed` counts the smallest frame of every argument still to come, so a
//! caller that honours it calls about once for each argument at worst (1,024 calls over at most 1,024 arguments, some ms
//! in all for 128 KiB), and skipping an argument reads its header only. An inline line is searched by `memchr` in at
//! most 16 KiB, which costs less than receiving the byte did.

use super::args::{Args, ArgsBuf};
use super::limit;
use super::malformed::Malformed;

/// How large a request may be. See [`RequestBounds::ORDINARY`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestBounds {
    /// Whether the sender has logged in, or need not. Before that the bounds are tighter.
    pub authenticated: bool,
    /// Bytes of the whole request.
    pub request_bytes: usize,
}

impl RequestBounds {
    /// For a client that may send commands.
    pub const ORDINARY: RequestBounds =
        RequestBounds { authenticated: true, request_bytes: limit::REQUEST_BYTES_MAX };
    /// For a client that still has to log in.
    pub const UNAUTHENTICATED: RequestBounds =
        RequestBounds { authenticated: false, request_bytes: limit::REQUEST_BYTES_MAX };
}

/// What the head of the input is.
#[derive(Clone, Copy, Debug)]
pub enum Decoded<'a> {
    /// A request.
    Request {
        /// Its arguments, one or more.
        args: Args<'a>,
        /// Bytes of it in the input.
        consumed: usize,
    },
    /// Something that asks for nothing (an empty line, an empty array): skip it.
    Empty {
        /// Bytes of it in the input.
        consumed: usize,
    },
    /// The beginning of a request.
    Incomplete {
        /// Bytes that the input must hold before another try can end otherwise; more than it holds now.
        needed: usize,
    },
}

/// Why reading stopped before the end.
enum Stop {
    Incomplete { needed: usize },
    Malformed(Malformed),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Stop {
        Stop::Malformed(malformed)
    }
}

/// Decodes the request at the head of `input`. Allocates nothing once `buf` has grown.
///
/// # Errors
/// [`Malformed`]: answer `-ERR` and its text, then close.
///
/// ```
/// use sluice_net::resp::{args::ArgsBuf, decode::{Decoded, RequestBounds, decode}};
/// let mut buf = ArgsBuf::new();
/// let decoded = decode(b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\nPI", RequestBounds::ORDINARY, &mut buf).unwrap();
/// let Decoded::Request { args, consumed } = decoded else { panic!() };
/// assert_eq!((args.get(0), args.get(1), consumed), (Some(&b"ECHO"[..]), Some(&b"hi"[..]), 22));
/// let decoded = decode(b"*1\r\n$4\r\nPI", RequestBounds::ORDINARY, &mut buf).unwrap();
/// assert!(matches!(decoded, Decoded::Incomplete { needed: 14 }));
/// ```
pub fn decode<'a>(
    input: &'a [u8],
    bounds: RequestBounds,
    buf: &'a mut ArgsBuf,
) -> Result<Decoded<'a>, Malformed> {
    buf.clear();
    let result = match input.first() {
        None => Err(Stop::Incomplete { needed: 1 }),
        Some(b'*') => multibulk(input, bounds, buf),
        Some(_) => inline(input, bounds, buf),
    };
    match result {
        Ok(consumed) if consumed > bounds.request_bytes => Err(Malformed::RequestTooBig),
        Ok(consumed) if buf.len() == 0 => Ok(Decoded::Empty { consumed }),
        Ok(consumed) if input.first() == Some(&b'*') => {
            Ok(Decoded::Request { args: buf.of_input(input), consumed })
        }
        Ok(consumed) => Ok(Decoded::Request { args: buf.of_unquoted(), consumed }),
        Err(Stop::Incomplete { needed }) if needed > bounds.request_bytes => Err(Malformed::RequestTooBig),
        Err(Stop::Incomplete { needed }) => Ok(Decoded::Incomplete { needed }),
        Err(Stop::Malformed(malformed)) => Err(malformed),
    }
}

/// Notes the arguments of an array; the bytes that it takes.
fn multibulk(input: &[u8], bounds: RequestBounds, buf: &mut ArgsBuf) -> Result<usize, Stop> {
    let (count, mut at) = length(input, 1, Malformed::MultibulkLength)?;
    let Ok(count) = usize::try_from(count) else {
        // A negative count asks for nothing, as with Redis.
        return Ok(at);
    };
    if count > limit::ARGS_MAX {
        return Err(Malformed::MultibulkLength.into());
    }
    if !bounds.authenticated && count > limit::UNAUTHENTICATED_ARGS_MAX {
        return Err(Malformed::UnauthenticatedMultibulkLength.into());
    }
    for remaining in (0..count).rev() {
        at = bulk(input, at, bounds, buf).map_err(|stop| match stop {
            Stop::Incomplete { needed } => {
                Stop::Incomplete { needed: needed + remaining * limit::ARGUMENT_FRAME_BYTES_MIN }
            }
            malformed => malformed,
        })?;
    }
    Ok(at)
}

/// Notes the bulk string at `at`; the offset behind it.
fn bulk(input: &[u8], at: usize, bounds: RequestBounds, buf: &mut ArgsBuf) -> Result<usize, Stop> {
    match input.get(at) {
        None => return Err(Stop::Incomplete { needed: at + limit::ARGUMENT_FRAME_BYTES_MIN }),
        Some(b'$') => {}
        Some(other) => return Err(Malformed::ExpectedBulk(*other).into()),
    }
    let (len, start) = length(input, at + 1, Malformed::BulkLength)?;
    let len = usize::try_from(len).map_err(|_| Malformed::BulkLength)?;
    if len > limit::BULK_BYTES_MAX {
        return Err(Malformed::BulkLength.into());
    }
    if !bounds.authenticated && len > limit::UNAUTHENTICATED_BULK_BYTES_MAX {
        return Err(Malformed::UnauthenticatedBulkLength.into());
    }
    let end = start + len;
    match (input.get(end), input.get(end + 1)) {
        (Some(b'\r'), Some(b'\n')) => {
            buf.push(start..end);
            Ok(end + 2)
        }
        (None, _) | (Some(b'\r'), None) => Err(Stop::Incomplete { needed: end + 2 }),
        _ => Err(Malformed::BulkEnd.into()),
    }
}

/// The number that starts at `at` and ends with CR LF, and the offset behind them. Written as Redis wants it: no plus,
/// no leading zero. A line that can no longer become a number is refused before its end has come.
fn length(input: &[u8], at: usize, malformed: Malformed) -> Result<(i64, usize), Stop> {
    let digits_start = if input.get(at) == Some(&b'-') { at + 1 } else { at };
    let mut value: i64 = 0;
    let mut cursor = digits_start;
    loop {
        match input.get(cursor) {
            None => return Err(Stop::Incomplete { needed: cursor.max(digits_start + 1) + 2 }),
            Some(digit @ b'0'..=b'9') => {
                let leading_zero = cursor == digits_start + 1 && input.get(digits_start) == Some(&b'0');
                let digit = i64::from(digit - b'0');
                value = match value.checked_mul(10).and_then(|value| value.checked_add(digit)) {
                    Some(value) if !leading_zero => value,
                    _ => return Err(malformed.into()),
                };
                cursor += 1;
            }
            Some(b'\r') => break,
            Some(_) => return Err(malformed.into()),
        }
    }
    let negative = digits_start > at;
    if cursor == digits_start || (negative && value == 0) {
        return Err(malformed.into());
    }
    match input.get(cursor + 1) {
        Some(b'\n') => Ok((if negative { -value } else { value }, cursor + 2)),
        None => Err(Stop::Incomplete { needed: cursor + 2 }),
        Some(_) => Err(malformed.into()),
    }
}

/// Notes the arguments of a line; the bytes that it takes.
fn inline(input: &[u8], bounds: RequestBounds, buf: &mut ArgsBuf) -> Result<usize, Stop> {
    let within = &input[..input.len().min(limit::INLINE_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'\n', within) else {
        return Err(if input.len() >= limit::INLINE_BYTES_MAX {
            Malformed::InlineTooBig.into()
        } else {
            Stop::Incomplete { needed: input.len() + 1 }
        });
    };
    let args_max = if bounds.authenticated { limit::ARGS_MAX } else { limit::UNAUTHENTICATED_ARGS_MAX };
    let mut line = Line { bytes: &within[..end], at: 0 };
    while line.skip_spaces() {
        if buf.len() == args_max {
            return Err(Malformed::InlineArguments.into());
        }
        let start = buf.unquoted().len();
        line.argument(buf.unquoted())?;
        let end = buf.unquoted().len();
        buf.push(start..end);
    }
    Ok(end + 1)
}

/// A cursor over an inline line, with Redis's rules for quotes.
struct Line<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Line<'_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    /// Whether anything follows. A NUL ends the line, because it does so for Redis.
    fn skip_spaces(&mut self) -> bool {
        while self.peek(0).is_some_and(is_space) {
            self.at += 1;
        }
        !matches!(self.peek(0), None | Some(0))
    }

    /// Appends the next argument without its quotes.
    fn argument(&mut self, to: &mut Vec<u8>) -> Result<(), Malformed> {
        while let Some(byte) = self.peek(0).filter(|byte| *byte != 0 && !is_space(*byte)) {
            self.at += 1;
            match byte {
                b'"' => return self.double_quoted(to),
                b'\'' => return self.single_quoted(to),
                _ => to.push(byte),
            }
        }
        Ok(())
    }

    fn double_quoted(&mut self, to: &mut Vec<u8>) -> Result<(), Malformed> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (None | Some(0), _) => return Err(Malformed::UnbalancedQuotes),
                (Some(b'"'), _) => return self.close_quote(),
                (Some(b'\\'), Some(b'x')) => match (self.hex(2), self.hex(3)) {
                    (Some(high), Some(low)) => {
                        to.push(high << 4 | low);
                        self.at += 4;
                    }
                    _ => {
                        to.push(b'x');
                        self.at += 2;
                    }
                },
                (Some(b'\\'), Some(escaped)) if escaped != 0 => {
                    to.push(unescaped(escaped));
                    self.at += 2;
                }
                (Some(byte), _) => {
                    to.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn single_quoted(&mut self, to: &mut Vec<u8>) -> Result<(), Malformed> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (None | Some(0), _) => return Err(Malformed::UnbalancedQuotes),
                (Some(b'\''), _) => return self.close_quote(),
                (Some(b'\\'), Some(b'\'')) => {
                    to.push(b'\'');
                    self.at += 2;
                }
                (Some(byte), _) => {
                    to.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// A closing quote ends its argument: only a space, or nothing, may follow.
    fn close_quote(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        match self.peek(0) {
            Some(byte) if byte != 0 && !is_space(byte) => Err(Malformed::UnbalancedQuotes),
            _ => Ok(()),
        }
    }

    fn hex(&self, ahead: usize) -> Option<u8> {
        let digit = char::from(self.peek(ahead)?).to_digit(16)?;
        u8::try_from(digit).ok()
    }
}

/// As `isspace` of C.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}
