//! Replies: a writer of RESP2 and RESP3 onto the end of a buffer.
//!
//! What RESP3 knows and RESP2 does not is written to a RESP2 client as Redis does it: a map as a flat array, a set or
//! a push as an array, a bool as 1 or 0, a double or a verbatim text as a bulk string.

/// The version of the protocol that a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Proto {
    /// What every connection starts with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

impl Proto {
    /// 2 or 3.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Proto::Resp2 => 2,
            Proto::Resp3 => 3,
        }
    }
}

/// Appends replies to a buffer. Aggregates are written as a head, followed by as many replies as it announced.
///
/// ```
/// use sluice_net::resp::encode::{Proto, Writer};
/// let mut out = Vec::new();
/// let mut reply = Writer::new(&mut out, Proto::Resp3);
/// reply.map(1);
/// reply.bulk(b"position");
/// reply.integer(7);
/// assert_eq!(out, b"%1\r\n$8\r\nposition\r\n:7\r\n");
/// ```
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    proto: Proto,
}

impl<'a> Writer<'a> {
    /// Writes for a client of `proto`.
    pub fn new(out: &'a mut Vec<u8>, proto: Proto) -> Writer<'a> {
        Writer { out, proto }
    }

    /// A short status such as `OK`. It may come from another node, so CR and LF in it become spaces, as in an error.
    pub fn simple(&mut self, text: &str) {
        self.out.push(b'+');
        let start = self.out.len();
        self.out.extend_from_slice(text.as_bytes());
        self.out[start..]
            .iter_mut()
            .filter(|byte| matches!(byte, b'\r' | b'\n'))
            .for_each(|byte| *byte = b' ');
        self.end();
    }

    /// `+OK`.
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// An error. `text` opens with its code; CR and LF in it become spaces, so nothing in it can forge a reply.
    pub fn error(&mut self, text: &[u8]) {
        self.out.push(b'-');
        let is_kept = |byte: &u8| !matches!(byte, b'\r' | b'\n');
        let text = &text[..text.iter().rposition(is_kept).map_or(0, |last| last + 1)];
        self.out.extend(text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }));
        self.end();
    }

    /// A signed number.
    pub fn integer(&mut self, value: i64) {
        self.head(b':', value);
    }

    /// A number that a counter holds; beyond `i64` it is shown as the largest there is.
    pub fn count(&mut self, value: u64) {
        self.integer(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// A string of bytes.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.len_head(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.end();
    }

    /// Nothing.
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.proto {
            Proto::Resp2 => b"$-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// No array, which RESP2 tells from no string.
    pub fn null_array(&mut self) {
        self.out.extend_from_slice(match self.proto {
            Proto::Resp2 => b"*-1\r\n",
            Proto::Resp3 => b"_\r\n",
        });
    }

    /// The head of an array: `len` replies follow.
    pub fn array(&mut self, len: usize) {
        self.len_head(b'*', len);
    }

    /// The head of a map: `pairs` times a key and a value follow.
    pub fn map(&mut self, pairs: usize) {
        match self.proto {
            Proto::Resp2 => self.len_head(b'*', pairs * 2),
            Proto::Resp3 => self.len_head(b'%', pairs),
        }
    }

    /// The head of a set: `len` replies follow.
    pub fn set(&mut self, len: usize) {
        match self.proto {
            Proto::Resp2 => self.len_head(b'*', len),
            Proto::Resp3 => self.len_head(b'~', len),
        }
    }

    /// The head of a push, which answers no request: `len` replies follow.
    pub fn push(&mut self, len: usize) {
        match self.proto {
            Proto::Resp2 => self.len_head(b'*', len),
            Proto::Resp3 => self.len_head(b'>', len),
        }
    }

    /// A truth value.
    pub fn boolean(&mut self, value: bool) {
        self.out.extend_from_slice(match (self.proto, value) {
            (Proto::Resp2, false) => b":0\r\n",
            (Proto::Resp2, true) => b":1\r\n",
            (Proto::Resp3, false) => b"#f\r\n",
            (Proto::Resp3, true) => b"#t\r\n",
        });
    }

    /// A floating-point number, in the fewest digits that read back as the same.
    pub fn double(&mut self, value: f64) {
        let text = if value.is_nan() {
            "nan".to_owned()
        } else if value.is_infinite() {
            if value > 0.0 { "inf" } else { "-inf" }.to_owned()
        } else {
            value.to_string()
        };
        match self.proto {
            Proto::Resp2 => self.bulk(text.as_bytes()),
            Proto::Resp3 => {
                self.out.push(b',');
                self.out.extend_from_slice(text.as_bytes());
                self.end();
            }
        }
    }

    /// A text for people, with its format: `txt` or `mkd`.
    pub fn verbatim(&mut self, format: [u8; 3], text: &[u8]) {
        match self.proto {
            Proto::Resp2 => self.bulk(text),
            Proto::Resp3 => {
                self.len_head(b'=', text.len() + 4);
                self.out.extend_from_slice(&format);
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.end();
            }
        }
    }

    /// The version written for.
    #[must_use]
    pub fn proto(&self) -> Proto {
        self.proto
    }

    fn head(&mut self, kind: u8, value: i64) {
        match usize::try_from(value) {
            Ok(small) if small < SMALL => self.small_head(kind, small),
            _ => {
                self.out.push(kind);
                self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
                self.end();
            }
        }
    }

    fn len_head(&mut self, kind: u8, len: usize) {
        if len < SMALL {
            self.small_head(kind, len);
        } else {
            self.out.push(kind);
            self.out.extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
            self.end();
        }
    }

    fn small_head(&mut self, kind: u8, value: usize) {
        let (text, len) = &SMALL_HEADS[value];
        let mut head = *text;
        head[0] = kind;
        self.out.extend_from_slice(&head[..usize::from(*len)]);
    }

    fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Heads below this are kept ready: one copy instead of a division and three appends.
const SMALL: usize = 100;
/// `?7 CR LF` or `?42 CR LF`, the type to be filled in, and how long it is.
static SMALL_HEADS: [([u8; 5], u8); SMALL] = small_heads();

const fn small_heads() -> [([u8; 5], u8); SMALL] {
    let mut heads = [([0; 5], 0); SMALL];
    let mut value = 0;
    while value < SMALL {
        let (tens, units) = (b'0' + (value / 10) as u8, b'0' + (value % 10) as u8);
        heads[value] =
            if value < 10 { ([0, units, b'\r', b'\n', 0], 4) } else { ([0, tens, units, b'\r', b'\n'], 5) };
        value += 1;
    }
    heads
}
