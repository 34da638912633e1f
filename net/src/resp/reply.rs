//! Replies as a client reads them: every type of RESP2 and RESP3, of bounded depth and size.
//!
//! Attributes (`|`) are read and dropped: they annotate a reply and are no part of it. Strings and aggregates that are
//! streamed in parts (`$?`, `*?`) are refused; the specification has them, no server sends them.
//!
//! As with requests, a try starts at the head of the reply each time and says how many bytes the next one needs.

use super::limit;
use super::malformed::Malformed;

/// One reply. Strings are borrowed from the input.
#[derive(Clone, PartialEq, Debug)]
pub enum Value<'a> {
    /// `+`: a status.
    Simple(&'a [u8]),
    /// `-` or `!`: an error; the first word is its code.
    Error(&'a [u8]),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(&'a [u8]),
    /// `_`, and the null string and null array of RESP2.
    Null,
    /// `#`
    Boolean(bool),
    /// `,`
    Double(f64),
    /// `(`: digits of any number, with a sign.
    BigNumber(&'a [u8]),
    /// `=`: a text for people, with its format.
    Verbatim {
        /// `txt` or `mkd`.
        format: [u8; 3],
        /// The text.
        text: &'a [u8],
    },
    /// `*`
    Array(Vec<Value<'a>>),
    /// `%`
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// `~`
    Set(Vec<Value<'a>>),
    /// `>`: belongs to no request.
    Push(Vec<Value<'a>>),
}

impl<'a> Value<'a> {
    /// The bytes of a string of any kind, and of an error.
    #[must_use]
    pub fn bytes(&self) -> Option<&'a [u8]> {
        match self {
            Value::Simple(bytes) | Value::Error(bytes) | Value::Bulk(bytes) | Value::BigNumber(bytes) => {
                Some(bytes)
            }
            Value::Verbatim { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The number, where it is one or a string that reads as one.
    #[must_use]
    pub fn integer(&self) -> Option<i64> {
        match self {
            Value::Integer(value) => Some(*value),
            other => std::str::from_utf8(other.bytes()?).ok()?.parse().ok(),
        }
    }

    /// The value of `key` in a map, or in the flat array that RESP2 has for one.
    ///
    /// ```
    /// use sluice_net::resp::reply::{Reply, decode};
    /// for text in ["%1\r\n$5\r\nstate\r\n+ok\r\n", "*2\r\n$5\r\nstate\r\n+ok\r\n"] {
    ///     let Ok(Reply::Value { value, .. }) = decode(text.as_bytes()) else { panic!() };
    ///     assert_eq!(value.field(b"state").and_then(|state| state.bytes()), Some(&b"ok"[..]));
    /// }
    /// ```
    #[must_use]
    pub fn field(&self, key: &[u8]) -> Option<&Value<'a>> {
        match self {
            Value::Map(pairs) => pairs.iter().find(|(k, _)| k.bytes() == Some(key)).map(|(_, value)| value),
            Value::Array(flat) => {
                flat.chunks_exact(2).find(|pair| pair[0].bytes() == Some(key)).map(|pair| &pair[1])
            }
            _ => None,
        }
    }
}

/// What the head of the input is.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply<'a> {
    /// A whole reply.
    Value {
        /// It.
        value: Value<'a>,
        /// Bytes of it in the input.
        consumed: usize,
    },
    /// The beginning of one.
    Incomplete {
        /// Bytes that the input must hold before it can be whole; more than it holds now.
        needed: usize,
    },
}

/// Decodes the reply at the head of `input`.
///
/// # Errors
/// [`Malformed`]: close the connection.
pub fn decode(input: &[u8]) -> Result<Reply<'_>, Malformed> {
    let mut cursor = Cursor { input, at: 0, elements: 0, outstanding: 0 };
    match cursor.value(0) {
        Ok(value) => Ok(Reply::Value { value, consumed: cursor.at }),
        Err(Stop::Incomplete { needed }) => Ok(Reply::Incomplete { needed }),
        Err(Stop::Malformed(malformed)) => Err(malformed),
    }
}

/// What a reply may open with.
const TYPES: &[u8] = b"+-:$*_#,(!=%~>|";

enum Stop {
    Incomplete { needed: usize },
    Malformed(Malformed),
}

impl From<Malformed> for Stop {
    fn from(malformed: Malformed) -> Stop {
        Stop::Malformed(malformed)
    }
}

struct Cursor<'a> {
    input: &'a [u8],
    at: usize,
    /// Elements announced so far, all levels together.
    elements: usize,
    /// Of these, how many have not been begun.
    outstanding: usize,
}

impl<'a> Cursor<'a> {
    fn value(&mut self, depth: usize) -> Result<Value<'a>, Stop> {
        let Some(kind) = self.input.get(self.at) else {
            return Err(self.incomplete(self.at + limit::REPLY_BYTES_MIN));
        };
        // Said at once: what is no reply may never have a line's end.
        if !TYPES.contains(kind) {
            return Err(Malformed::UnknownType(*kind).into());
        }
        let line = self.line()?;
        match kind {
            b'+' => Ok(Value::Simple(line)),
            b'-' => Ok(Value::Error(line)),
            b':' => number(line).map(Value::Integer),
            b'(' => big_number(line).map(Value::BigNumber),
            b',' => double(line).map(Value::Double),
            b'#' => boolean(line).map(Value::Boolean),
            b'_' if line.is_empty() => Ok(Value::Null),
            b'$' if line == b"-1" => Ok(Value::Null),
            b'*' if line == b"-1" => Ok(Value::Null),
            b'$' => self.string(line).map(Value::Bulk),
            b'!' => self.string(line).map(Value::Error),
            b'=' => self.verbatim(line),
            b'*' => self.list(line, depth).map(Value::Array),
            b'~' => self.list(line, depth).map(Value::Set),
            b'>' => self.list(line, depth).map(Value::Push),
            b'%' => self.pairs(line, depth).map(Value::Map),
            b'|' => self.attributed(line, depth),
            _ => Err(Malformed::BadLine.into()),
        }
    }

    /// More is needed: what is asked for, and the least that each element not begun takes.
    fn incomplete(&self, needed: usize) -> Stop {
        Stop::Incomplete { needed: needed + self.outstanding * limit::REPLY_BYTES_MIN }
    }

    /// The line at the cursor without its type and its end; moves behind it.
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.input[self.at + 1..];
        let within = &rest[..rest.len().min(limit::REPLY_LINE_BYTES_MAX)];
        let Some(end) = memchr::memchr2(b'\r', b'\n', within) else {
            return Err(if rest.len() >= limit::REPLY_LINE_BYTES_MAX {
                Malformed::ReplyTooBig.into()
            } else {
                self.incomplete(self.input.len() + 2)
            });
        };
        match (rest[end], rest.get(end + 1)) {
            (b'\r', Some(b'\n')) => {
                self.at += end + 3;
                Ok(&rest[..end])
            }
            (b'\r', None) => Err(self.incomplete(self.input.len() + 1)),
            _ => Err(Malformed::BadLine.into()),
        }
    }

    /// The string whose length `line` gives.
    fn string(&mut self, line: &[u8]) -> Result<&'a [u8], Stop> {
        let len = size(line)?;
        if len > limit::REPLY_BULK_BYTES_MAX {
            return Err(Malformed::ReplyTooBig.into());
        }
        let end = self.at + len;
        match self.input.get(end..end + 2) {
            None => Err(self.incomplete(end + 2)),
            Some(b"\r\n") => {
                let string = &self.input[self.at..end];
                self.at = end + 2;
                Ok(string)
            }
            Some(_) => Err(Malformed::BulkEnd.into()),
        }
    }

    fn verbatim(&mut self, line: &[u8]) -> Result<Value<'a>, Stop> {
        match self.string(line)? {
            [a, b, c, b':', text @ ..] => Ok(Value::Verbatim { format: [*a, *b, *c], text }),
            _ => Err(Malformed::BadLine.into()),
        }
    }

    fn list(&mut self, line: &[u8], depth: usize) -> Result<Vec<Value<'a>>, Stop> {
        let len = self.announce(size(line)?, depth)?;
        // Room is made for what can be here, not for what is announced.
        let mut values = Vec::with_capacity(len.min(self.values_here()));
        for _ in 0..len {
            values.push(self.element(depth)?);
        }
        Ok(values)
    }

    fn pairs(&mut self, line: &[u8], depth: usize) -> Result<Vec<(Value<'a>, Value<'a>)>, Stop> {
        let pairs = size(line)?;
        self.announce(pairs.saturating_mul(2), depth)?;
        let mut values = Vec::with_capacity(pairs.min(self.values_here() / 2));
        for _ in 0..pairs {
            values.push((self.element(depth)?, self.element(depth)?));
        }
        Ok(values)
    }

    fn attributed(&mut self, line: &[u8], depth: usize) -> Result<Value<'a>, Stop> {
        self.announce(1, depth)?;
        self.pairs(line, depth)?;
        self.element(depth)
    }

    fn announce(&mut self, elements: usize, depth: usize) -> Result<usize, Stop> {
        if depth >= limit::REPLY_DEPTH_MAX {
            return Err(Malformed::TooDeep.into());
        }
        self.elements = self.elements.saturating_add(elements);
        if self.elements > limit::REPLY_ELEMENTS_MAX {
            return Err(Malformed::ReplyTooBig.into());
        }
        self.outstanding += elements;
        Ok(elements)
    }

    fn element(&mut self, depth: usize) -> Result<Value<'a>, Stop> {
        debug_assert!(self.outstanding > 0, "only announced elements are read");
        self.outstanding -= 1;
        self.value(depth + 1)
    }

    fn values_here(&self) -> usize {
        (self.input.len() - self.at) / limit::REPLY_BYTES_MIN
    }
}

fn text(line: &[u8]) -> Result<&str, Stop> {
    std::str::from_utf8(line).map_err(|_| Malformed::BadLine.into())
}

fn number(line: &[u8]) -> Result<i64, Stop> {
    text(line)?.parse().map_err(|_| Malformed::BadLine.into())
}

/// A length or a count.
fn size(line: &[u8]) -> Result<usize, Stop> {
    match line {
        b"?" => Err(Malformed::Streamed.into()),
        [b'0'..=b'9', ..] => text(line)?.parse().map_err(|_| Malformed::BadLine.into()),
        _ => Err(Malformed::BadLine.into()),
    }
}

fn big_number(line: &[u8]) -> Result<&[u8], Stop> {
    let digits = line.strip_prefix(b"-").or_else(|| line.strip_prefix(b"+")).unwrap_or(line);
    match !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        true => Ok(line),
        false => Err(Malformed::BadLine.into()),
    }
}

/// Rust reads more words as infinity than RESP has, so what may stand in a number is checked first.
fn double(line: &[u8]) -> Result<f64, Stop> {
    match line {
        b"inf" | b"+inf" => Ok(f64::INFINITY),
        b"-inf" => Ok(f64::NEG_INFINITY),
        b"nan" | b"-nan" => Ok(f64::NAN),
        _ if line.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')) => {
            text(line)?.parse().map_err(|_| Malformed::BadLine.into())
        }
        _ => Err(Malformed::BadLine.into()),
    }
}

fn boolean(line: &[u8]) -> Result<bool, Stop> {
    match line {
        b"t" => Ok(true),
        b"f" => Ok(false),
        _ => Err(Malformed::BadLine.into()),
    }
}
