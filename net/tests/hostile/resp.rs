//! What RESP clients may do wrong.

use crate::Case;
use crate::Expect::{Closes, Replies};

const ARRAY: &str = "-ERR Protocol error: invalid multibulk length";
const BULK: &str = "-ERR Protocol error: invalid bulk length";
const QUOTES: &str = "-ERR Protocol error: unbalanced quotes";

/// The connection ends after this reply.
fn closes(name: &'static str, bytes: impl AsRef<[u8]>, text: &'static str) -> Case {
    (name, bytes.as_ref().to_vec(), Closes(text))
}

/// One reply like this, then the connection goes on.
fn answered(name: &'static str, bytes: impl AsRef<[u8]>, text: &'static str) -> Case {
    (name, bytes.as_ref().to_vec(), Replies(text))
}

pub(crate) fn cases() -> Vec<Case> {
    [framing(), lines(), commands(), names(), tokens()].concat()
}

fn framing() -> Vec<Case> {
    let huge = ["$65536\r\n", &"x".repeat(65_536), "\r\n"].concat();
    vec![
        closes("array length beyond i64", "*99999999999999999999\r\n", ARRAY),
        closes("array of two billion", "*2147483647\r\n", ARRAY),
        closes("array length is text", "*abc\r\n", ARRAY),
        closes("array length with plus", "*+3\r\n", ARRAY),
        closes("array length with leading zero", "*01\r\n", ARRAY),
        closes("array length ends in LF", "*1\n$4\nPING\n", ARRAY),
        closes("more arguments than allowed", "*1025\r\n", ARRAY),
        answered("empty arrays ask for nothing", "*0\r\n*-1\r\n*-5\r\n*1\r\n$4\r\nPING\r\n", "+PONG"),
        closes("nested arrays", "*1\r\n*1\r\n$4\r\nPING\r\n", "-ERR Protocol error: expected '$', got '*'"),
        closes(
            "arrays a thousand deep",
            "*1\r\n".repeat(1_000),
            "-ERR Protocol error: expected '$', got '*'",
        ),
        closes("argument of another type", "*1\r\n:4\r\n", "-ERR Protocol error: expected '$', got ':'"),
        closes("argument of no type", "*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'"),
        closes("argument of no printable type", "*1\r\n\0\r\n", "-ERR Protocol error: expected '$', got ' '"),
        closes("argument of 512 MiB", "*1\r\n$536870912\r\n", BULK),
        closes("argument of negative length", "*1\r\n$-1\r\n", BULK),
        closes("argument length beyond i64", "*1\r\n$18446744073709551617\r\n", BULK),
        closes("argument longer than said", "*1\r\n$4\r\nPINGPING\r\n", "-ERR Protocol error: expected CRLF"),
        closes(
            "request beyond its bound",
            format!("*3\r\n{}", huge.repeat(3)),
            "-ERR Protocol error: too big",
        ),
    ]
}

fn lines() -> Vec<Case> {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n";
    vec![
        closes("a line without end", "x".repeat(100_000), "-ERR Protocol error: too big inline request"),
        closes("an unbalanced quote", "PING \"abc\r\n", QUOTES),
        closes("text behind a quote", "PING \"a\"b\r\n", QUOTES),
        answered("a NUL ends a line", b"PING\0\xff\r\n", "+PONG"),
        answered("bytes that are no text", b"\xff\xfe\xfd\r\n", "-ERR unknown command"),
        answered("empty lines", "\r\n\r\n\nPING\r\n", "+PONG"),
        closes("a browser's POST", "POST / HTTP/1.1\r\nHost: x\r\n\r\nQ.JOIN shop\r\n", ""),
        closes("a browser's Host", "GARBAGE\r\nHost: x\r\nPING\r\n", "-ERR unknown command"),
        answered("a TLS hello", hello, "-ERR unknown command"),
    ]
}

fn commands() -> Vec<Case> {
    vec![
        answered("an unknown command", "NONSENSE a b\r\n", "-ERR unknown command 'NONSENSE'"),
        answered("a line end in a command", "*1\r\n$6\r\nA\r\n+OK\r\n", "-ERR unknown command 'A  +OK'"),
        answered("an empty command", "*1\r\n$0\r\n\r\n", "-ERR unknown command"),
        answered("too few arguments", "Q.POLL shop\r\n", "-ERR wrong number of arguments"),
        answered("too many arguments", "Q.POLL shop a b\r\n", "-ERR wrong number of arguments"),
        answered("a zone to create of a bad name", "Q.ZONE SET a/b LIMIT 1\r\n", "-ERR zone names"),
        answered("a zone to create without a limit", "Q.ZONE SET new POLL_MS 3000\r\n", "-ERR"),
        answered("a negative limit", "Q.ZONE SET new LIMIT -1\r\n", "-ERR"),
    ]
}

fn names() -> Vec<Case> {
    let unknown = |name, zone: &[u8]| {
        let head = format!("*2\r\n$6\r\nQ.JOIN\r\n${}\r\n", zone.len());
        answered(name, [head.as_bytes(), zone, b"\r\n"].concat(), "-NOZONE ")
    };
    vec![
        unknown("a zone with an empty name", b""),
        unknown("a zone with a NUL", b"sh\0op"),
        unknown("a zone with a line end", b"shop\r\n"),
        unknown("a zone with a slash", b"../shop"),
        unknown("a zone that is no UTF-8", b"\xff\xc0\x80"),
        unknown("a zone in another alphabet", "ｓｈｏｐ".as_bytes()),
        unknown("a zone with a format in it", b"%s%n%p"),
        unknown("a zone in another case", b"SHOP"),
        unknown("a zone with an open hash tag", b"{shop"),
        unknown("a zone of 128 bytes", &[b'z'; 128]),
        unknown("a zone of 129 bytes", &[b'z'; 129]),
        unknown("a zone of 60,000 bytes", &[b'z'; 60_000]),
    ]
}

fn tokens() -> Vec<Case> {
    let long = format!("Q.POLL shop {}\r\n", "A".repeat(10_000));
    vec![
        answered("a forged token", "Q.POLL shop AQEAAQAAAAAAAQAAAAAAAPiXIgmDvNlf\r\n", "-BADTOKEN "),
        answered("an empty token", "Q.POLL shop \"\"\r\n", "-BADTOKEN "),
        answered(
            "a token of another alphabet",
            "Q.POLL shop AQEA+Q/AAAAAAQAAAAAAAPiXIgmDvNl=\r\n",
            "-BADTOKEN ",
        ),
        answered("a token of 10,000 bytes", long, "-BADTOKEN "),
        answered("a forged token leaves", "Q.LEAVE shop AQEAAQAAAAAAAQAAAAAAAPiXIgmDvNlf\r\n", "-BADTOKEN "),
    ]
}
