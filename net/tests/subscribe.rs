//! Who may read streams over HTTP: writers, and who holds a subscribe token that names the stream.

mod support;

use sluice_engine::command::Command;
use sluice_engine::id::{KeyGen, Ticket};
use sluice_net::auth::{AuthTable, digest};
use sluice_net::server::Server;
use support::{Client, Response, config, start, until};

const BEARER_W: &str = "Authorization: Bearer w\r\n";

/// A server with one writer, and a stream of one entry.
fn guarded() -> (Server, Client) {
    let mut auth = AuthTable::open();
    auth.add_writer(digest(b"w"));
    let server = start(config(|config| config.auth = auth), &[]);
    let mut client = Client::connect(server.local_addrs().http);
    for key in ["scan:7", "chat:1"] {
        assert_eq!(
            post(&mut client, &format!("/v1/streams/{key}/events"), BEARER_W, r#"{"a":1}"#).status,
            201
        );
    }
    (server, client)
}

/// A server whose token key was rotated so often.
fn rotated(times: u8) -> (Server, Client) {
    let mut auth = AuthTable::open();
    auth.add_writer(digest(b"w"));
    let config = config(|config| config.auth = auth);
    let (directory, mut owners) = support::open(&config);
    for generation in (2..).take(usize::from(times)).map(KeyGen) {
        for owner in &mut owners {
            let secret = [generation.0; 16];
            owner.submit(Command::KeyInstall { generation, secret }, Ticket(0)).unwrap();
            owner.submit(Command::KeyActivate { generation }, Ticket(0)).unwrap();
            owner.turn(config.clock.now());
            owner.drain_replies(&mut Vec::new());
        }
    }
    let server = Server::start(config, directory, owners).unwrap();
    let client = Client::connect(server.local_addrs().http);
    (server, client)
}

fn post(client: &mut Client, path: &str, fields: &str, body: &str) -> Response {
    let len = body.len();
    client.send(format!("POST {path} HTTP/1.1\r\nHost: h\r\n{fields}Content-Length: {len}\r\n\r\n{body}"));
    client.response()
}

fn get(client: &mut Client, path: &str, fields: &str) -> Response {
    client.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
    client.response()
}

fn token(client: &mut Client, body: &str) -> (String, u64) {
    let issued = post(client, "/v1/subscribe-tokens", BEARER_W, body);
    assert_eq!(issued.status, 201, "{issued:?}");
    let json = issued.json();
    let (token, until) = (json["token"].as_str().unwrap().to_owned(), json["expiresAt"].as_u64().unwrap());
    assert_eq!(issued.body, format!(r#"{{"token":"{token}","expiresAt":{until}}}"#));
    (token, until)
}

fn is_refused(response: &Response, status: u16, code: &str, detail: &str) {
    let json = response.json();
    let expected = (status, &code.into(), &detail.into());
    assert_eq!((response.status, &json["code"], &json["detail"]), expected, "{response:?}");
    let challenge = (status == 401).then_some("Bearer");
    assert_eq!(response.field("www-authenticate"), challenge);
}

#[test]
fn a_token_is_taken_from_header_cookie_or_address_for_the_streams_that_it_names() {
    let (_server, mut client) = guarded();
    let (token, _) = token(&mut client, r#"{"keys":["scan:7","chat:*"]}"#);
    let mut read = |key: &str, query: &str, fields: &str| {
        get(&mut client, &format!("/v1/streams/{key}/events{query}"), fields)
    };
    for key in ["scan:7", "chat:1"] {
        assert_eq!(read(key, "", BEARER_W).status, 200, "a writer reads everything");
        assert_eq!(read(key, "", &format!("Authorization: Bearer {token}\r\n")).status, 200);
        assert_eq!(read(key, "", &format!("Cookie: a=b; sluice_subscribe={token}\r\n")).status, 200);
        let by_address = read(key, &format!("?limit=1&access_token={token}"), "");
        assert_eq!((by_address.status, by_address.field("cache-control")), (200, Some("no-store")));
    }
    let other = read("scan:71", "", &format!("Authorization: Bearer {token}\r\n"));
    is_refused(&other, 403, "NOPERM", "the subscribe token does not name this stream");
    for fields in ["", "Authorization: Bearer x\r\n", "Cookie: sluice_subscribe=x\r\n"] {
        let refused = read("scan:7", "", fields);
        is_refused(&refused, 401, "NOAUTH", "a writer token or a subscribe token is needed");
    }
    assert_eq!(read("scan:7", &format!("?access_token={token}x"), "").status, 401);
}

#[test]
fn a_token_reads_and_does_nothing_else() {
    let (_server, mut client) = guarded();
    let (token, _) = token(&mut client, r#"{"keys":["*"]}"#);
    let bearer = format!("Authorization: Bearer {token}\r\n");
    for (path, body) in
        [("/v1/streams/scan:7/events", r#"{"a":1}"#), ("/v1/subscribe-tokens", r#"{"keys":["*"]}"#)]
    {
        is_refused(&post(&mut client, path, &bearer, body), 401, "NOAUTH", "a writer token is needed");
    }
}

#[test]
fn a_token_runs_out_but_not_under_an_open_stream() {
    let (server, mut client) = guarded();
    let (token, expires_at) = token(&mut client, r#"{"keys":["scan:7"],"ttlMs":1500}"#);
    let address = format!("/v1/streams/scan:7/events?access_token={token}");
    let mut reader = Client::connect(server.local_addrs().http);
    reader.send(format!("GET {address} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n"));
    let head = String::from_utf8(reader.take_until(b"\r\n\r\n")).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Cache-Control: no-store, no-transform\r\n")
    );
    reader.take_until(b"data: {\"a\":\"1\"}\n\n");
    let wall = || std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    until("it has run out", || get(&mut client, &address, "").status == 401);
    assert!(wall() >= expires_at, "a token is good until its time");
    is_refused(&get(&mut client, &address, ""), 401, "NOAUTH", "the subscribe token has run out");
    is_refused(
        &get(&mut client, &address, "Accept: text/event-stream\r\n"),
        401,
        "NOAUTH",
        "the subscribe token has run out",
    );
    assert_eq!(post(&mut client, "/v1/streams/scan:7/events", BEARER_W, r#"{"a":2}"#).status, 201);
    reader.take_until(b"data: {\"a\":\"2\"}\n\n");
}

#[test]
fn a_token_outlives_one_rotation_of_the_secret_and_not_two() {
    let (_first, mut before) = rotated(0);
    let (of_before, _) = token(&mut before, r#"{"keys":["scan:7"]}"#);
    let (_second, mut after_one) = rotated(1);
    let (of_after, _) = token(&mut after_one, r#"{"keys":["scan:7"]}"#);
    let read = |client: &mut Client, token: &str| {
        get(client, &format!("/v1/streams/scan:7/events?access_token={token}"), "").status
    };
    // There is no such stream: whoever is told so was let in.
    assert_eq!([read(&mut after_one, &of_before), read(&mut after_one, &of_after)], [404, 404]);
    assert_eq!(read(&mut before, &of_after), 401, "a key that is not known yet");
    let (_third, mut after_two) = rotated(2);
    assert_eq!([read(&mut after_two, &of_before), read(&mut after_two, &of_after)], [401, 404]);
}

#[test]
fn several_streams_are_read_with_a_token_that_names_all_of_them() {
    let (_server, mut client) = guarded();
    let (token, _) = token(&mut client, r#"{"keys":["scan:7"]}"#);
    let fields = format!("Accept: text/event-stream\r\nAuthorization: Bearer {token}\r\n");
    is_refused(
        &get(&mut client, "/v1/streams?key=scan:7&key=chat:1", &fields),
        403,
        "NOPERM",
        "the subscribe token does not name this stream",
    );
    client.send(format!("GET /v1/streams?key=scan:7 HTTP/1.1\r\nHost: h\r\n{fields}\r\n"));
    let head = String::from_utf8(client.take_until(b"\r\n\r\n")).unwrap();
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Cache-Control: no-cache, no-transform\r\n")
    );
}

#[test]
fn tokens_are_issued_to_writers_within_bounds() {
    let (_server, mut client) = guarded();
    let many = format!(r#"{{"keys":[{}]}}"#, vec![r#""a""#; 65].join(","));
    for (body, status) in [
        (r#"{"keys":[]}"#, 400),
        (r#"{"keys":[""]}"#, 400),
        (r#"{"keys":["a"],"ttlMs":0}"#, 400),
        (r#"{"keys":["a"],"ttlMs":3600001}"#, 400),
        (r#"{"keys":["a"],"ttlMs":3600000}"#, 201),
        (r#"{"keys":"a"}"#, 400),
        ("{}", 400),
        (&many, 400),
    ] {
        assert_eq!(post(&mut client, "/v1/subscribe-tokens", BEARER_W, body).status, status, "{body}");
    }
    let refused = post(&mut client, "/v1/subscribe-tokens", "", r#"{"keys":["a"]}"#);
    is_refused(&refused, 401, "NOAUTH", "a writer token is needed");
    assert_eq!(get(&mut client, "/v1/subscribe-tokens", BEARER_W).field("allow"), Some("POST, OPTIONS"));
}

#[test]
fn without_writers_everybody_reads() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().http);
    assert_eq!(client.post("/v1/streams/s/events", r#"{"a":1}"#).status, 201);
    assert_eq!(client.call("GET", "/v1/streams/s/events").status, 200);
}
