//! Why bytes are not RESP. Each text is the one that Redis sends, where Redis has one.

use std::fmt;

/// What broke the protocol. The connection cannot be read any further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Malformed {
    /// The count after `*` is not a number, or too large.
    MultibulkLength,
    /// The length after `$` is not a number, negative, or too large.
    BulkLength,
    /// An argument opens with this byte instead of `$`.
    ExpectedBulk(u8),
    /// More arguments than somebody who has not logged in may send.
    UnauthenticatedMultibulkLength,
    /// A longer argument than somebody who has not logged in may send.
    UnauthenticatedBulkLength,
    /// An argument is not followed by CR LF.
    BulkEnd,
    /// An inline request has no end within its bound.
    InlineTooBig,
    /// An inline request has more arguments than allowed.
    InlineArguments,
    /// An inline request has a quote without its match, or text right behind a closing quote.
    UnbalancedQuotes,
    /// The request as a whole is too large.
    RequestTooBig,
    /// A reply opens with this byte, which is no type of RESP.
    UnknownType(u8),
    /// A line of a reply is not what its type says.
    BadLine,
    /// A reply is nested too deep.
    TooDeep,
    /// A reply has too many elements, or a string or line of it is too long.
    ReplyTooBig,
    /// A reply streams its parts, which no server does.
    Streamed,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Malformed::ExpectedBulk(got) => {
                return write!(f, "Protocol error: expected '$', got '{}'", shown(*got));
            }
            Malformed::UnknownType(got) => {
                return write!(f, "Protocol error: unknown type '{}'", shown(*got));
            }
            Malformed::MultibulkLength => "invalid multibulk length",
            Malformed::BulkLength => "invalid bulk length",
            Malformed::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            Malformed::UnauthenticatedBulkLength => "unauthenticated bulk length",
            Malformed::BulkEnd => "expected CRLF after bulk",
            Malformed::InlineTooBig => "too big inline request",
            Malformed::InlineArguments => "too many arguments in inline request",
            Malformed::UnbalancedQuotes => "unbalanced quotes in request",
            Malformed::RequestTooBig => "too big request",
            Malformed::BadLine => "bad line",
            Malformed::TooDeep => "nested too deep",
            Malformed::ReplyTooBig => "too big reply",
            Malformed::Streamed => "streamed parts are not supported",
        };
        write!(f, "Protocol error: {text}")
    }
}

/// A byte as the text of an error may show it.
fn shown(byte: u8) -> char {
    if byte.is_ascii_graphic() { char::from(byte) } else { ' ' }
}

impl std::error::Error for Malformed {}
