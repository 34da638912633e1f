//! Malformed and hostile input: each gets the documented error or close, while a well-behaved client on the
//! side notices nothing and the process stays small.

mod support;

use std::net::SocketAddr;
use support::{Client, config, resident_bytes, start, value_of};

/// What must come back.
#[derive(Clone, Copy)]
enum Expect {
    /// Replies that open like this, one after the other, and the connection goes on.
    Replies(&'static [&'static str]),
    /// Everything that comes back opens like this, then the connection closes.
    Closes(&'static str),
    /// An HTTP response of this status, and the connection goes on.
    Status(u16),
    /// An HTTP response of this status, then the connection closes.
    Last(u16),
}

/// What the whole table may leave behind in the process, client buffers included.
const GROWTH_MAX_BYTES: u64 = 16 << 20;

use Expect::{Closes, Last, Replies, Status};

/// Something hostile: a name, its bytes, what must happen.
type Case = (&'static str, Vec<u8>, Expect);

fn resp_framing() -> Vec<Case> {
    let many = |head: &str, body: &[u8], times: usize| [head.as_bytes(), &body.repeat(times)].concat();
    vec![
        (
            "array length beyond i64",
            b"*99999999999999999999\r\n".into(),
            Closes("-ERR Protocol error: invalid multibulk length"),
        ),
        (
            "array of two billion",
            b"*2147483647\r\n".into(),
            Closes("-ERR Protocol error: invalid multibulk length"),
        ),
        ("array length is text", b"*abc\r\n".into(), Closes("-ERR Protocol error: invalid multibulk length")),
        (
            "array length with plus",
            b"*+3\r\n".into(),
            Closes("-ERR Protocol error: invalid multibulk length"),
        ),
        (
            "array length with leading zero",
            b"*01\r\n".into(),
            Closes("-ERR Protocol error: invalid multibulk length"),
        ),
        (
            "array length ends in LF",
            b"*1\n$4\nPING\n".into(),
            Closes("-ERR Protocol error: invalid multibulk length"),
        ),
        (
            "empty arrays ask for nothing",
            b"*0\r\n*-1\r\n*-5\r\n*1\r\n$4\r\nPING\r\n".into(),
            Replies(&["+PONG"]),
        ),
        (
            "nested arrays",
            b"*1\r\n*1\r\n$4\r\nPING\r\n".into(),
            Closes("-ERR Protocol error: expected '$', got '*'"),
        ),
        (
            "arrays nested a thousand deep",
            many("", b"*1\r\n", 1_000),
            Closes("-ERR Protocol error: expected '$', got '*'"),
        ),
        (
            "argument of another type",
            b"*1\r\n:4\r\n".into(),
            Closes("-ERR Protocol error: expected '$', got ':'"),
        ),
        (
            "argument of no type",
            b"*1\r\nPING\r\n".into(),
            Closes("-ERR Protocol error: expected '$', got 'P'"),
        ),
        (
            "argument of no printable type",
            b"*1\r\n\x00\r\n".into(),
            Closes("-ERR Protocol error: expected '$', got ' '"),
        ),
        (
            "argument of 512 MiB",
            b"*1\r\n$536870912\r\n".into(),
            Closes("-ERR Protocol error: invalid bulk length"),
        ),
        (
            "argument of negative length",
            b"*1\r\n$-1\r\n".into(),
            Closes("-ERR Protocol error: invalid bulk length"),
        ),
        (
            "argument length beyond i64",
            b"*1\r\n$18446744073709551617\r\n".into(),
            Closes("-ERR Protocol error: invalid bulk length"),
        ),
        (
            "argument longer than said",
            b"*1\r\n$4\r\nPINGPING\r\n".into(),
            Closes("-ERR Protocol error: expected CRLF after bulk"),
        ),
        (
            "more arguments than allowed",
            b"*1025\r\n".into(),
            Closes("-ERR Protocol error: invalid multibulk length"),
        ),
        (
            "a request beyond its bound",
            many("*3\r\n", &[b"$65536\r\n".as_slice(), &[b'x'; 65_536], b"\r\n"].concat(), 3),
            Closes("-ERR Protocol error: too big request"),
        ),
        (
            "an inline line without end",
            vec![b'x'; 100_000],
            Closes("-ERR Protocol error: too big inline request"),
        ),
        ("an unbalanced quote", b"PING \"abc\r\n".into(), Closes("-ERR Protocol error: unbalanced quotes")),
        ("text behind a quote", b"PING \"a\"b\r\n".into(), Closes("-ERR Protocol error: unbalanced quotes")),
        ("a NUL ends an inline line", b"PING\0\xff\r\nPING\r\n".into(), Replies(&["+PONG", "+PONG"])),
        (
            "inline bytes that are no text",
            b"\xff\xfe\xfd\r\nPING\r\n".into(),
            Replies(&["-ERR unknown command", "+PONG"]),
        ),
        ("empty lines", b"\r\n\r\n\nPING\r\n".into(), Replies(&["+PONG"])),
        ("a browser's POST", b"POST / HTTP/1.1\r\nHost: x\r\n\r\nQ.JOIN shop\r\n".into(), Closes("")),
        ("a browser's Host", b"GARBAGE\r\nHost: x\r\nPING\r\n".into(), Closes("-ERR unknown command")),
        (
            "a TLS hello",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n".into(),
            Replies(&["-ERR unknown command"]),
        ),
    ]
}

fn resp_commands() -> Vec<Case> {
    let long = |len: usize| format!("Q.JOIN {}\r\nPING\r\n", "z".repeat(len)).into_bytes();
    let argument = |zone: &[u8]| {
        let head = format!("*2\r\n$6\r\nQ.JOIN\r\n${}\r\n", zone.len());
        [head.as_bytes(), zone, b"\r\n*1\r\n$4\r\nPING\r\n"].concat()
    };
    const UNKNOWN: Expect = Replies(&["-NOZONE ", "+PONG"]);
    vec![
        (
            "an unknown command",
            b"NONSENSE a b\r\nPING\r\n".into(),
            Replies(&["-ERR unknown command 'NONSENSE'", "+PONG"]),
        ),
        (
            "a command with a line end in it",
            b"*1\r\n$6\r\nA\r\n+OK\r\n".into(),
            Replies(&["-ERR unknown command 'A  +OK'"]),
        ),
        ("an empty command", b"*1\r\n$0\r\n\r\nPING\r\n".into(), Replies(&["-ERR unknown command", "+PONG"])),
        (
            "too few arguments",
            b"Q.POLL shop\r\nPING\r\n".into(),
            Replies(&["-ERR wrong number of arguments", "+PONG"]),
        ),
        (
            "too many arguments",
            b"Q.POLL shop a b\r\nPING\r\n".into(),
            Replies(&["-ERR wrong number of arguments", "+PONG"]),
        ),
        ("a zone with an empty name", argument(b""), UNKNOWN),
        ("a zone with a NUL", argument(b"sh\0op"), UNKNOWN),
        ("a zone with a line end", argument(b"shop\r\n"), UNKNOWN),
        ("a zone with a slash", argument(b"../shop"), UNKNOWN),
        ("a zone that is no UTF-8", argument(b"\xff\xc0\x80"), UNKNOWN),
        ("a zone in another alphabet", argument("ｓｈｏｐ".as_bytes()), UNKNOWN),
        ("a zone with a format in it", argument(b"%s%n%p"), UNKNOWN),
        ("a zone in another case", argument(b"SHOP"), UNKNOWN),
        ("a zone with an open hash tag", argument(b"{shop"), UNKNOWN),
        ("a zone of 128 bytes", long(128), UNKNOWN),
        ("a zone of 129 bytes", long(129), UNKNOWN),
        ("a zone of 8,000 bytes", long(8_000), UNKNOWN),
        (
            "creating a zone of a bad name",
            b"Q.ZONE SET a/b LIMIT 1\r\nPING\r\n".into(),
            Replies(&["-ERR zone names", "+PONG"]),
        ),
        (
            "a zone without a limit",
            b"Q.ZONE SET new POLL_MS 3000\r\nPING\r\n".into(),
            Replies(&["-ERR", "+PONG"]),
        ),
        ("a negative limit", b"Q.ZONE SET new LIMIT -1\r\nPING\r\n".into(), Replies(&["-ERR", "+PONG"])),
        (
            "a forged token",
            b"Q.POLL shop AQEAAQAAAAAAAQAAAAAAAPiXIgmDvNlf\r\nPING\r\n".into(),
            Replies(&["-BADTOKEN ", "+PONG"]),
        ),
        ("an empty token", b"Q.POLL shop \"\"\r\nPING\r\n".into(), Replies(&["-BADTOKEN ", "+PONG"])),
        (
            "a token of another alphabet",
            b"Q.POLL shop \"AQEA+Q/AAAAAAQAAAAAAAPiXIgmDvNl=\"\r\nPING\r\n".into(),
            Replies(&["-BADTOKEN ", "+PONG"]),
        ),
        (
            "a token of 10,000 bytes",
            [b"Q.POLL shop ".as_slice(), &[b'A'; 10_000], b"\r\nPING\r\n"].concat(),
            Replies(&["-BADTOKEN ", "+PONG"]),
        ),
        (
            "leaving with a forged token",
            b"Q.LEAVE shop AQEAAQAAAAAAAQAAAAAAAPiXIgmDvNlf\r\nPING\r\n".into(),
            Replies(&["-BADTOKEN ", "+PONG"]),
        ),
    ]
}

/// A POST to `/traffic/wait` with these extra header lines and this body.
fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /traffic/wait HTTP/1.1\r\nHost: h\r\n{lines}\r\n{body}").into_bytes()
}

fn sized(body: &str) -> Vec<u8> {
    post(&format!("Content-Length: {}\r\n", body.len()), body)
}

fn http_framing() -> Vec<Case> {
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    let get = |lines: &str| format!("GET /healthz HTTP/1.1\r\n{lines}\r\n").into_bytes();
    let path = |len: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(len)).into_bytes();
    vec![
        ("not HTTP", b"HELLO\r\n\r\n".into(), Last(400)),
        ("a NUL in the head", b"GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n".into(), Last(400)),
        ("a version that does not exist", b"GET / HTTP/3.7\r\nHost: h\r\n\r\n".into(), Last(505)),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), Last(505)),
        ("bare LF after a field", b"GET /healthz HTTP/1.1\r\nHost: h\n\r\n".into(), Last(400)),
        ("bare LF all over", b"GET /healthz HTTP/1.1\nHost: h\n\n".into(), Last(400)),
        ("a folded field", get("Host: h\r\nA: b\r\n c\r\n"), Last(400)),
        ("a space before the colon", get("Host : h\r\n"), Last(400)),
        ("a field without a name", get("Host: h\r\n: x\r\n"), Last(400)),
        ("CR in a value", get("Host: h\r\nA: b\rc\r\n"), Last(400)),
        ("no Host", get(""), Last(400)),
        ("two Hosts", get("Host: a\r\nHost: b\r\n"), Last(400)),
        ("both lengths", post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Last(400)),
        ("lengths that differ", post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd"), Last(400)),
        ("a length said twice", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"), Last(400)),
        ("a list of lengths", post("Content-Length: 3, 3\r\n", "abc"), Last(400)),
        ("a negative length", post("Content-Length: -1\r\n", ""), Last(400)),
        ("a length with plus", post("Content-Length: +3\r\n", "abc"), Last(400)),
        ("a length in hexadecimal", post("Content-Length: 0x3\r\n", "abc"), Last(400)),
        ("an empty length", post("Content-Length: \r\n", ""), Last(400)),
        ("a length of 20 digits", post("Content-Length: 99999999999999999999\r\n", ""), Last(413)),
        ("a body beyond its bound", post("Content-Length: 16385\r\n", ""), Last(413)),
        ("another transfer coding", post("Transfer-Encoding: gzip, chunked\r\n", ""), Last(501)),
        (
            "a coding said twice",
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ""),
            Last(400),
        ),
        (
            "chunks in HTTP/1.0",
            b"POST /traffic/wait HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            Last(400),
        ),
        ("a chunk of no length", chunked("zz\r\n"), Last(400)),
        ("a chunk longer than said", chunked("1\r\nab\r\n0\r\n\r\n"), Last(400)),
        ("a chunk of 4 GiB", chunked("ffffffff\r\n"), Last(413)),
        ("a chunk length of 17 digits", chunked("10000000000000000\r\n"), Last(400)),
        ("bare LF after a chunk length", chunked("1\na\r\n0\r\n\r\n"), Last(400)),
        (
            "chunks beyond the bound of a body",
            chunked(&format!("1000\r\n{}\r\n", "a".repeat(4_096)).repeat(5)),
            Last(413),
        ),
        ("a request line beyond its bound", path(9_000), Last(414)),
        ("a request line without end", vec![b'G'; 20_000], Last(414)),
        ("a head beyond its bound", get(&format!("Host: h\r\nA: {}\r\n", "b".repeat(17_000))), Last(431)),
        ("a hundred fields", get(&format!("Host: h\r\n{}", "A: b\r\n".repeat(100))), Last(431)),
        ("another expectation", post("Expect: a miracle\r\nContent-Length: 2\r\n", "{}"), Last(417)),
        ("a target that is no path", b"GET healthz HTTP/1.1\r\nHost: h\r\n\r\n".into(), Last(400)),
    ]
}

fn http_calls() -> Vec<Case> {
    let call = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
    let long = format!("/v1/zones/{}/tokens", "z".repeat(5_000));
    vec![
        ("no such path", call("GET", "/etc/passwd"), Status(404)),
        ("a path that climbs", call("GET", "/v1/zones/../../etc/passwd"), Status(404)),
        ("a method that does not exist", call("BREW", "/traffic/wait"), Status(405)),
        ("a tunnel", call("CONNECT", "/traffic/wait"), Status(405)),
        ("a trace", call("TRACE", "/healthz"), Status(405)),
        ("a body of no stated length", post("", ""), Status(411)),
        ("an empty body", sized(""), Status(400)),
        ("a body that is no JSON", sized("zoneId=shop"), Status(400)),
        ("JSON of another shape", sized(r#"["shop"]"#), Status(400)),
        ("a zone that is a number", sized(r#"{"zoneId":7}"#), Status(400)),
        ("a zone said twice", sized(r#"{"zoneId":"a","zoneId":"shop"}"#), Status(400)),
        (
            "JSON nested deep where nobody looks",
            sized(&format!(r#"{{"zoneId":"shop","x":{}{}}}"#, "[".repeat(4_000), "]".repeat(4_000))),
            Status(200),
        ),
        ("half a surrogate", sized(r#"{"zoneId":"\ud800"}"#), Status(400)),
        ("a NUL in a zone", sized(r#"{"zoneId":"sh\u0000op"}"#), Status(404)),
        ("an empty zone", sized(r#"{"zoneId":""}"#), Status(404)),
        (
            "a request id of 300 bytes",
            sized(&format!(r#"{{"zoneId":"shop","requestId":"{}"}}"#, "r".repeat(300))),
            Status(400),
        ),
        (
            "another media type",
            post("Content-Type: application/xml\r\nContent-Length: 2\r\n", "{}"),
            Status(415),
        ),
        ("a zone with an escaped slash", call("POST", "/v1/zones/a%2Fb/tokens"), Status(404)),
        ("a zone with half an escape", call("POST", "/v1/zones/a%2/tokens"), Status(400)),
        ("a zone of 5,000 bytes", call("POST", &long), Status(404)),
        (
            "a forged token",
            call("GET", "/v1/zones/shop/tokens/AQEAAQAAAAAAAQAAAAAAAPiXIgmDvNlf"),
            Status(400),
        ),
        ("a token with escapes", call("GET", "/v1/zones/shop/tokens/%00%ff"), Status(400)),
        (
            "leaving with a forged token",
            call("DELETE", "/v1/zones/shop/tokens/AQEAAQAAAAAAAQAAAAAAAPiXIgmDvNlf"),
            Status(400),
        ),
    ]
}

/// Somebody who behaves: joined once, polls between the attacks.
struct Witness {
    client: Client,
    token: String,
}

impl Witness {
    fn new(at: SocketAddr) -> Witness {
        let mut client = Client::connect(at);
        client.ask("Q.JOIN shop");
        let token = value_of(&client.ask("Q.JOIN shop"), "token");
        Witness { client, token }
    }

    fn check(&mut self, after: &str) {
        let poll = self.client.ask(&format!("Q.POLL shop {}", self.token));
        assert_eq!(value_of(&poll, "position"), "1", "after {after}: {poll}");
    }
}

fn attack(at: SocketAddr, (name, bytes, expect): &Case) {
    let mut client = Client::connect(at);
    // The server may close before it has read everything.
    let _ = client.try_send(bytes);
    match expect {
        Replies(prefixes) => {
            for prefix in *prefixes {
                let reply = String::from_utf8_lossy(&client.reply()).into_owned();
                assert!(reply.starts_with(prefix), "{name}: {reply}");
            }
            assert_eq!(client.ask("PING"), "+PONG\r\n", "{name}: the connection goes on");
        }
        Closes(prefix) => {
            let all = String::from_utf8_lossy(&client.take_to_end()).into_owned();
            assert!(all.starts_with(prefix) && (!prefix.is_empty() || all.is_empty()), "{name}: {all}");
        }
        Status(status) => {
            let response = client.response();
            assert_eq!(response.status, *status, "{name}: {response:?}");
            assert_eq!(client.call("GET", "/healthz").status, 200, "{name}: the connection goes on");
        }
        Last(status) => {
            let response = client.response();
            assert_eq!(response.status, *status, "{name}: {response:?}");
            assert_eq!(response.field("connection"), Some("close"), "{name}");
            assert_eq!(client.take_to_end(), b"", "{name}: then it closes");
        }
    }
}

#[test]
fn each_gets_its_error_and_nobody_else_notices() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let at = server.local_addrs();
    let mut witness = Witness::new(at.resp);
    let before = resident_bytes();
    let resp = [resp_framing(), resp_commands()].concat();
    let http = [http_framing(), http_calls()].concat();
    assert!(resp.len() + http.len() >= 60, "the table is the test");
    for case in &resp {
        attack(at.resp, case);
        witness.check(case.0);
    }
    for case in &http {
        attack(at.http, case);
        witness.check(case.0);
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX_BYTES, "{grown} bytes more");
}
