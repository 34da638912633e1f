//! What HTTP clients may do wrong.

use crate::Case;
use crate::Expect::{Last, Status};

pub(crate) fn cases() -> Vec<Case> {
    [heads(), bodies(), calls(), documents()].concat()
}

/// A POST to `/traffic/wait` with these extra header lines and this body.
fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST /traffic/wait HTTP/1.1\r\nHost: h\r\n{lines}\r\n{body}").into_bytes()
}

fn sized(body: &str) -> Vec<u8> {
    post(&format!("Content-Length: {}\r\n", body.len()), body)
}

fn heads() -> Vec<Case> {
    let get = |lines: &str| format!("GET /healthz HTTP/1.1\r\n{lines}\r\n").into_bytes();
    let target =
        |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
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
        ("a target of another host", target("http://evil.example/healthz", "h"), Last(400)),
        ("a target of another port", target("http://h:1/healthz", "h:2"), Last(400)),
        ("a target of the same host", target("http://H:1/healthz", "h:1"), Status(200)),
        ("a target with a user", target("http://h@evil.example/healthz", "h@evil.example"), Last(400)),
        ("a target without a host", target("http:///healthz", ""), Last(400)),
        ("a path in the query of a target", target("http://h?/healthz", "h"), Status(404)),
        ("a Host whose port is a name", target("/healthz", "h:evil.example"), Last(400)),
        ("a Host whose port is too large", target("/healthz", "h:65536"), Last(400)),
        ("a Host that is a list", target("/healthz", "h, evil.example"), Last(400)),
        ("a request line beyond its bound", path(9_000), Last(414)),
        ("a request line without end", vec![b'G'; 20_000], Last(414)),
        ("a head beyond its bound", get(&format!("Host: h\r\nA: {}\r\n", "b".repeat(17_000))), Last(431)),
        ("a hundred fields", get(&format!("Host: h\r\n{}", "A: b\r\n".repeat(100))), Last(431)),
        ("another expectation", post("Expect: a miracle\r\nContent-Length: 2\r\n", "{}"), Last(417)),
        ("a target that is no path", b"GET healthz HTTP/1.1\r\nHost: h\r\n\r\n".into(), Last(400)),
    ]
}

fn bodies() -> Vec<Case> {
    let chunked = |body: &str| post("Transfer-Encoding: chunked\r\n", body);
    vec![
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
    ]
}

fn calls() -> Vec<Case> {
    let call = |method: &str, path: &str| format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes();
    let long = format!("/v1/zones/{}/tokens", "z".repeat(5_000));
    vec![
        ("no such path", call("GET", "/etc/passwd"), Status(404)),
        ("a path that climbs", call("GET", "/v1/zones/../../etc/passwd"), Status(404)),
        ("a method that does not exist", call("BREW", "/traffic/wait"), Status(405)),
        ("a tunnel", call("CONNECT", "/traffic/wait"), Status(405)),
        ("a trace", call("TRACE", "/healthz"), Status(405)),
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

fn documents() -> Vec<Case> {
    vec![
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
    ]
}
