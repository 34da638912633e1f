//! Who is trusted where nobody is asked for credentials: programs of this machine, and neither proxies nor web pages.

mod support;

use sluice_net::auth::digest;
use sluice_net::config::NetConfig;
use sluice_net::network::Network;
use support::{Client, Response, config, start};

const JSON: &str = "Content-Type: application/json\r\n";
/// Marks of callers that are not trusted, and what their problem says to configure.
const MARKS: [(&str, &str); 9] = [
    ("X-Forwarded-For: 192.0.2.1\r\n", "proxies.trusted"),
    ("X-Real-IP: 192.0.2.1\r\n", "proxies.trusted"),
    ("Forwarded: for=192.0.2.1\r\n", "proxies.trusted"),
    ("Via: 1.1 proxy\r\n", "proxies.trusted"),
    ("Origin: https://evil.example\r\n", "cors.origins"),
    ("Origin: null\r\n", "cors.origins"),
    ("Sec-Fetch-Site: cross-site\r\n", "cors.origins"),
    ("Content-Type: text/plain\r\n", "application/json"),
    ("Content-Type: application/x-www-form-urlencoded\r\n", "application/json"),
];

fn send(client: &mut Client, line: &str, host: &str, fields: &str, body: &str) -> Response {
    let length = body.len();
    client.send(format!("{line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{fields}\r\n{body}"));
    client.response()
}

/// Every call that is a privilege, with a body that it takes.
const PRIVILEGED: [(&str, &str); 3] = [
    ("POST /v1/streams/s/events", "{\"a\":\"b\"}"),
    ("POST /v1/subscribe-tokens", "{\"keys\":[\"s\"]}"),
    ("GET /v1/streams/s/events", ""),
];

#[test]
fn what_proxies_and_pages_send_is_no_privilege() {
    let server = start(config(|config| config.names.clear()), &[("shop", 60)]);
    let mut client = Client::connect(server.local_addrs().http);
    for (line, body) in PRIVILEGED {
        let of_host = |client: &mut Client, host| send(client, line, host, JSON, body);
        assert!((200..300).contains(&of_host(&mut client, "localhost:7380").status), "{line}");
        let refused = of_host(&mut client, "rebound.example");
        assert!(refused.status == 403 && refused.body.contains("listen.names"), "{line}: {refused:?}");
        for (mark, remedy) in MARKS {
            let json = if mark.starts_with("Content-Type") { "" } else { JSON };
            let refused = send(&mut client, line, "localhost", &format!("{json}{mark}"), body);
            let problem = refused.body.contains("\"code\":\"NOPERM\"") && refused.body.contains(remedy);
            assert!(refused.status == 403 && problem, "{line} {mark}: {refused:?}");
        }
    }
}

/// A page may send a body of no kind, too.
#[test]
fn a_body_of_no_kind_is_no_privilege() {
    let server = start(config(|config| config.names.clear()), &[]);
    let mut client = Client::connect(server.local_addrs().http);
    for (line, body) in PRIVILEGED.into_iter().filter(|(_, body)| !body.is_empty()) {
        let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        client.send(format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"
        ));
        for refused in [client.response(), send(&mut client, line, "localhost", "", body)] {
            let says_why = refused.body.contains("application/json");
            assert!(refused.status == 403 && says_why, "{line}: {refused:?}");
        }
    }
    let joined = send(&mut client, "POST /v1/zones/none/tokens", "localhost", "", "{}");
    assert_eq!(joined.status, 404, "calls of zones take any body that is JSON");
}

/// A user that strangers name is ignored; the calls of zones are served as before.
#[test]
fn zone_calls_stay_anonymous_and_curl_needs_no_header() {
    let server = start(config(|config| config.names.clear()), &[("shop", 60)]);
    let mut client = Client::connect(server.local_addrs().http);
    let body = "{\"zoneId\":\"shop\",\"userId\":\"ann\"}";
    let mut wait = |host: &str, fields: &str| {
        let joined = send(&mut client, "POST /traffic/wait", host, fields, body);
        assert_eq!(joined.status, 200, "{fields}: {joined:?}");
        let (_, rest) = joined.body.split_once("\"token\":\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let ann = wait("localhost", JSON);
    assert_eq!(wait("localhost", JSON), ann, "the same user has the same place");
    assert_ne!(wait("rebound.example", JSON), ann);
    for (mark, _) in MARKS.into_iter().chain([("", "")]) {
        assert_ne!(wait("localhost", mark), ann, "{mark}");
    }
}

/// What a proxy goes by is the authority of the target, whatever the Host says.
#[test]
fn a_target_that_names_a_stranger_is_no_privilege() {
    let server = start(config(|config| config.names.clear()), &[]);
    for (target, host, expected) in [
        ("http://evil.example", "localhost", 400),
        ("http://localhost", "localhost:evil.example", 400),
        ("", "localhost:evil.example", 400),
        ("http://evil.example", "evil.example", 403),
        ("http://localhost:7380", "localhost:7380", 201),
    ] {
        let mut client = Client::connect(server.local_addrs().http);
        client.send(format!(
            "POST {target}/v1/streams/s/events HTTP/1.1\r\nHost: {host}\r\n{JSON}Content-Length: 9\r\n\r\n{{\"a\":\"b\"}}"
        ));
        assert_eq!(client.response().status, expected, "{target} {host}");
    }
    // Without a Host the target alone says what was called.
    let mut old = Client::connect(server.local_addrs().http);
    old.send(format!(
        "POST http://evil.example/v1/streams/s/events HTTP/1.0\r\n{JSON}Content-Length: 9\r\n\r\n{{\"a\":\"b\"}}"
    ));
    assert_eq!(old.response().status, 403);
}

fn status(change: impl FnOnce(&mut NetConfig), host: &str, fields: &str) -> u16 {
    let server = start(config(change), &[]);
    let mut client = Client::connect(server.local_addrs().http);
    let (line, body) = PRIVILEGED[0];
    send(&mut client, line, host, &format!("{JSON}{fields}"), body).status
}

#[test]
fn credentials_a_listed_proxy_a_name_or_an_origin_say_otherwise() {
    let forwarded = "X-Forwarded-For: 192.0.2.1\r\n";
    let token = format!("{forwarded}Authorization: Bearer t0ken\r\nOrigin: https://any.example\r\n");
    let writer = |config: &mut NetConfig| config.auth.add_writer(digest(b"t0ken"));
    assert_eq!(status(writer, "shop.example", &token), 201);
    assert_eq!(status(writer, "localhost", ""), 401);
    let proxy =
        |config: &mut NetConfig| config.trusted_proxies = vec![Network::parse("127.0.0.0/8").unwrap()];
    assert_eq!(status(proxy, "shop.example", forwarded), 201);
    assert_eq!(status(proxy, "shop.example", &format!("{forwarded}Origin: https://evil.example\r\n")), 403);
    assert_eq!(
        status(|config| config.names = vec!["shop.internal".to_owned()], "shop.internal:7380", ""),
        201
    );
    let origin = |config: &mut NetConfig| config.cors_origins = vec!["https://shop.example".to_owned()];
    assert_eq!(status(origin, "localhost", "Origin: https://shop.example\r\n"), 201);
}

#[test]
fn http_that_comes_to_the_resp_port_is_cut_off_before_it_does_anything() {
    let server = start(config(|_| ()), &[]);
    for request in [
        "POST / HTTP/1.1\r\nHost: localhost\r\n\r\nXADD stolen * a b\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nXADD stolen * a b\r\n",
    ] {
        let mut page = Client::connect(server.local_addrs().resp);
        page.send(request);
        let said = page.take_to_end();
        assert!(!said.windows(1).any(|byte| byte == b"$"), "{}", said.escape_ascii());
    }
    let mut client = Client::connect(server.local_addrs().resp);
    assert_eq!(client.ask("EXISTS stolen"), ":0\r\n");
}
