//! Replies as they stand on the wire, read by the letter: nothing is converted, and whatever the protocol does not allow is
//! a violation. This reader is the test's own, so that it shares no mistake with the server's codec or a client's.

use std::fmt::{self, Display, Formatter};

/// What a connection has agreed to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Resp2,
    Resp3,
}

/// One reply. Kinds that mean the same to many clients are still different here: that is the point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    Array(Vec<Reply>),
    /// `$-1`, RESP2 only.
    NullBulk,
    /// `*-1`, RESP2 only.
    NullArray,
    /// `_` and all that follows: RESP3 only.
    Null,
    Boolean(bool),
    /// As written, because the text is what is compared.
    Double(Vec<u8>),
    BigNumber(Vec<u8>),
    BulkError(Vec<u8>),
    /// Three letters of format, a colon, the text.
    Verbatim(Vec<u8>),
    Map(Vec<(Reply, Reply)>),
    Set(Vec<Reply>),
    Push(Vec<Reply>),
}

/// What the bytes broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation(pub(crate) String);

const DEPTH_MAX: usize = 16;
const LENGTH_MAX: usize = 64 << 20;

/// The first reply in `bytes` and how many bytes it takes; `None` while it is incomplete.
pub(crate) fn read(bytes: &[u8], protocol: Protocol) -> Result<Option<(Reply, usize)>, Violation> {
    let mut cursor = Cursor { bytes, at: 0, protocol };
    match cursor.reply(0) {
        Ok(reply) => Ok(Some((reply, cursor.at))),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::Invalid(what)) => Err(Violation(what)),
    }
}

enum Stop {
    Incomplete,
    Invalid(String),
}

fn invalid<T>(what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Invalid(what.into()))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    protocol: Protocol,
}

impl<'a> Cursor<'a> {
    fn reply(&mut self, depth: usize) -> Result<Reply, Stop> {
        if depth > DEPTH_MAX {
            return invalid("nested too deeply");
        }
        let kind = *self.bytes.get(self.at).ok_or(Stop::Incomplete)?;
        self.at += 1;
        if b"_#,(!=%~>".contains(&kind) && self.protocol == Protocol::Resp2 {
            return invalid(format!("{:?} in RESP2", char::from(kind)));
        }
        match kind {
            b'+' => Ok(Reply::Simple(self.line()?.to_vec())),
            b'-' => Ok(Reply::Error(self.line()?.to_vec())),
            b':' => Ok(Reply::Integer(integer(self.line()?)?)),
            b'$' => self.sized(Reply::Bulk, Reply::NullBulk),
            b'*' => match self.length(true)? {
                None => Ok(Reply::NullArray),
                Some(count) => Ok(Reply::Array(self.replies(count, depth)?)),
            },
            b'_' => match self.line()? {
                b"" => Ok(Reply::Null),
                _ => invalid("a null with something in it"),
            },
            b'#' => match self.line()? {
                b"t" => Ok(Reply::Boolean(true)),
                b"f" => Ok(Reply::Boolean(false)),
                _ => invalid("a boolean that is neither t nor f"),
            },
            b',' => Ok(Reply::Double(double(self.line()?)?)),
            b'(' => Ok(Reply::BigNumber(big_number(self.line()?)?)),
            b'!' => self.blob().map(Reply::BulkError),
            b'=' => match self.blob()? {
                text if text.get(3) == Some(&b':') => Ok(Reply::Verbatim(text)),
                _ => invalid("a verbatim string without its format"),
            },
            b'%' => self.pairs(depth).map(Reply::Map),
            b'~' => self.counted(depth).map(Reply::Set),
            b'>' if depth > 0 => invalid("a push inside another reply"),
            b'>' => self.counted(depth).map(Reply::Push),
            other => invalid(format!("{:?} begins no reply", char::from(other))),
        }
    }

    /// Up to CR LF; neither may stand alone.
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).ok_or(Stop::Incomplete)?;
        match rest[end..] {
            [b'\r', b'\n', ..] => {
                self.at += end + 2;
                Ok(&rest[..end])
            }
            [b'\r'] => Err(Stop::Incomplete),
            _ => invalid("a lone CR or LF in a line"),
        }
    }

    /// A length; `None` for -1, where that is allowed.
    fn length(&mut self, may_be_null: bool) -> Result<Option<usize>, Stop> {
        let number = integer(self.line()?)?;
        match usize::try_from(number) {
            Ok(length) if length <= LENGTH_MAX => Ok(Some(length)),
            Ok(_) => invalid("an absurd length"),
            Err(_) if number == -1 && may_be_null && self.protocol == Protocol::Resp2 => Ok(None),
            Err(_) => invalid(format!("the length {number}")),
        }
    }

    fn sized(&mut self, some: fn(Vec<u8>) -> Reply, none: Reply) -> Result<Reply, Stop> {
        match self.length(true)? {
            None => Ok(none),
            Some(length) => self.bytes_of(length).map(some),
        }
    }

    fn blob(&mut self) -> Result<Vec<u8>, Stop> {
        let length = self.length(false)?.expect("null was not allowed");
        self.bytes_of(length)
    }

    fn bytes_of(&mut self, length: usize) -> Result<Vec<u8>, Stop> {
        let end = self.at + length;
        let content = self.bytes.get(self.at..end).ok_or(Stop::Incomplete)?;
        match self.bytes.get(end..end + 2) {
            None => Err(Stop::Incomplete),
            Some(b"\r\n") => {
                self.at = end + 2;
                Ok(content.to_vec())
            }
            Some(_) => invalid("a bulk that does not end where its length says"),
        }
    }

    fn counted(&mut self, depth: usize) -> Result<Vec<Reply>, Stop> {
        let count = self.length(false)?.expect("null was not allowed");
        self.replies(count, depth)
    }

    fn replies(&mut self, count: usize, depth: usize) -> Result<Vec<Reply>, Stop> {
        (0..count).map(|_| self.reply(depth + 1)).collect()
    }

    fn pairs(&mut self, depth: usize) -> Result<Vec<(Reply, Reply)>, Stop> {
        let count = self.length(false)?.expect("null was not allowed");
        (0..count).map(|_| Ok((self.reply(depth + 1)?, self.reply(depth + 1)?))).collect()
    }
}

/// An integer in its one canonical form.
fn integer(text: &[u8]) -> Result<i64, Stop> {
    let number: Option<i64> = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    match number {
        Some(number) if number.to_string().as_bytes() == text => Ok(number),
        _ => invalid(format!("{:?} is no integer", String::from_utf8_lossy(text))),
    }
}

fn double(text: &[u8]) -> Result<Vec<u8>, Stop> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
    match parsed {
        Some(_) => Ok(text.to_vec()),
        None => invalid(format!("{:?} is no double", String::from_utf8_lossy(text))),
    }
}

fn big_number(text: &[u8]) -> Result<Vec<u8>, Stop> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
        true => Ok(text.to_vec()),
        false => invalid(format!("{:?} is no number", String::from_utf8_lossy(text))),
    }
}

impl Display for Reply {
    /// On one line, the kind of every part visible.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Simple(text) => write!(f, "+{}", text.escape_ascii()),
            Self::Error(text) => write!(f, "-{}", text.escape_ascii().to_string().replace("\\'", "'")),
            Self::Integer(number) => write!(f, ":{number}"),
            Self::Bulk(text) => write!(f, "\"{}\"", text.escape_ascii()),
            Self::Array(parts) => list(f, "*[", parts),
            Self::NullBulk => f.write_str("$-1"),
            Self::NullArray => f.write_str("*-1"),
            Self::Null => f.write_str("_"),
            Self::Boolean(value) => write!(f, "#{value}"),
            Self::Double(text) => write!(f, ",{}", text.escape_ascii()),
            Self::BigNumber(text) => write!(f, "({}", text.escape_ascii()),
            Self::BulkError(text) => write!(f, "!{}", text.escape_ascii()),
            Self::Verbatim(text) => write!(f, "={}", text.escape_ascii()),
            Self::Set(parts) => list(f, "~[", parts),
            Self::Push(parts) => list(f, ">[", parts),
            Self::Map(pairs) => {
                f.write_str("%{")?;
                for (at, (key, value)) in pairs.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    write!(f, "{comma}{key}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn list(f: &mut Formatter<'_>, open: &str, parts: &[Reply]) -> fmt::Result {
    f.write_str(open)?;
    for (at, part) in parts.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{part}")?;
    }
    f.write_str("]")
}

#[test]
fn every_kind_is_read_and_shown_apart() {
    let shown = |bytes: &[u8], protocol| read(bytes, protocol).map(|read| read.unwrap().0.to_string());
    let two = b"*6\r\n+OK\r\n-ERR no\r\n:-1\r\n$2\r\n\r\n\r\n$-1\r\n*-1\r\n";
    assert_eq!(shown(two, Protocol::Resp2).unwrap(), r#"*[+OK, -ERR no, :-1, "\r\n", $-1, *-1]"#);
    let three = b"%2\r\n_\r\n#t\r\n,1.5\r\n~1\r\n(12\r\n";
    assert_eq!(shown(three, Protocol::Resp3).unwrap(), "%{_: #true, ,1.5: ~[(12]}");
    assert_eq!(shown(b">1\r\n=5\r\ntxt:a\r\n", Protocol::Resp3).unwrap(), ">[=txt:a]");
}

#[test]
fn what_a_protocol_does_not_allow_is_a_violation() {
    for bytes in [
        "_\r\n",
        "%0\r\n",
        ":01\r\n",
        ":+1\r\n",
        "+a\rb\r\n",
        "+a\nb\r\n",
        "$1\r\nab\r\n",
        "?\r\n",
        "$-2\r\n",
    ] {
        assert!(read(bytes.as_bytes(), Protocol::Resp2).is_err(), "{bytes:?}");
    }
    for bytes in
        ["$-1\r\n", "*-1\r\n", "%-1\r\n", "#x\r\n", "*1\r\n>0\r\n", "=1\r\na\r\n", ",x\r\n", "(-\r\n"]
    {
        assert!(read(bytes.as_bytes(), Protocol::Resp3).is_err(), "{bytes:?}");
    }
}

#[test]
fn what_is_cut_short_is_incomplete() {
    let whole = b"*2\r\n%1\r\n+a\r\n:1\r\n$3\r\nabc\r\n";
    for end in 0..whole.len() {
        assert_eq!(read(&whole[..end], Protocol::Resp3), Ok(None), "{end} bytes");
    }
    assert_eq!(read(whole, Protocol::Resp3).unwrap().unwrap().1, whole.len());
}
