//! The event stream of a token, over real sockets: what is pushed, what ends it, and what a reconnect is told.

mod support;

use sluice_engine::zone::settings::{Mode, ZonePatch};
use sluice_net::limit;
use sluice_net::server::Server;
use std::time::Duration;
use support::{Client, config, start, start_with, until, value_of};

/// Time that a stopping server gives its connections; none needs it.
const DRAIN: Duration = Duration::from_secs(30);

/// One event: its lines, without the blank one that ends it.
type Frame = Vec<String>;

/// Joins; the path of the token.
fn join(client: &mut Client, zone: &str) -> String {
    let created = client.call("POST", &format!("/v1/zones/{zone}/tokens"));
    created.field("location").unwrap_or_else(|| panic!("{created:?}")).to_owned()
}

/// A reader of a token's stream, behind the head of a 200; the last field is sent with the request.
fn listen(server: &Server, path: &str, field: &str) -> Client {
    let mut client = Client::connect(server.local_addrs().http);
    client.send(format!("GET {path}/events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n{field}\r\n"));
    let head = String::from_utf8(client.take_until(b"\r\n\r\n")).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    client
}

fn frame(client: &mut Client) -> Frame {
    let text = String::from_utf8(client.take_until(b"\n\n")).unwrap();
    text.trim_end().lines().map(str::to_owned).collect()
}

/// The delay that the frame advises.
fn retry_ms(frame: &Frame) -> u32 {
    let [line] = &frame[..] else { panic!("{frame:?}") };
    line.strip_prefix("retry: ").unwrap_or_else(|| panic!("{frame:?}")).parse().unwrap()
}

/// The data of the next event that is not advice or a heartbeat, which must have this name.
fn data(client: &mut Client, name: &str) -> serde_json::Value {
    loop {
        let lines = frame(client);
        if lines[0].starts_with("retry: ") || lines[0] == ":" {
            continue;
        }
        assert!(lines.contains(&format!("event: {name}")), "{lines:?}");
        let data = lines.iter().find_map(|line| line.strip_prefix("data: ")).unwrap();
        return serde_json::from_str(data).unwrap();
    }
}

/// A zone that lets one in each second and asks for a poll ten times as often.
fn quick() -> ZonePatch {
    ZonePatch {
        limit: Some(1),
        window_ms: Some(1_000),
        slice_ms: Some(1_000),
        poll_ms: Some(100),
        abandon_ms: Some(2_300),
        ..ZonePatch::default()
    }
}

#[test]
fn a_stream_begins_at_once_and_says_what_a_poll_says() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    let (_, path) = (join(&mut client, "shop"), join(&mut client, "shop"));
    let mut reader = Client::connect(server.local_addrs().http);
    reader.send(format!("GET {path}/events HTTP/1.1\r\nHost: h\r\n\r\n"));
    let head = String::from_utf8(reader.take_until(b"\r\n\r\n")).unwrap();
    for line in [
        "HTTP/1.1 200 OK",
        "Content-Type: text/event-stream",
        "Cache-Control: no-cache, no-transform",
        "X-Accel-Buffering: no",
        "Connection: close",
    ] {
        assert!(head.lines().any(|is| is == line), "{line}: {head}");
    }
    assert!(!head.contains("Content-Length"), "{head}");
    assert!(limit::RETRY_MS.contains(&retry_ms(&frame(&mut reader))));
    let told = data(&mut reader, "position");
    let polled = client.call("GET", &path).json();
    let names = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&told), names(&polled), "the same names in the same order");
    assert_eq!((&told["position"], &told["token"]), (&1.into(), &polled["token"]));
}

#[test]
fn the_turn_is_pushed_and_stays_to_be_had_until_it_was_read() {
    let server = start_with(config(|_| ()), vec![("shop", quick())]);
    let mut client = Client::connect(server.local_addrs().http);
    let (_, path) = (join(&mut client, "shop"), join(&mut client, "shop"));
    let mut reader = listen(&server, &path, "");
    assert_eq!(data(&mut reader, "position")["position"], 1);
    // Estimates come before it; positions cannot.
    let admitted = loop {
        let lines = frame(&mut reader);
        if lines[0] == "id: admitted" {
            break lines;
        }
    };
    assert_eq!(admitted[1], "event: admitted");
    let told: serde_json::Value = serde_json::from_str(admitted[2].strip_prefix("data: ").unwrap()).unwrap();
    assert!(told["admittedAt"].is_u64() && path.ends_with(told["token"].as_str().unwrap()), "{told}");
    assert_eq!(reader.take_to_end(), b"", "nothing follows a turn");
    for _ in 0..2 {
        let mut again = listen(&server, &path, "");
        assert_eq!(data(&mut again, "admitted"), told, "who lost the frame is told again");
        assert_eq!(again.take_to_end(), b"");
    }
    client.send(format!("GET {path}/events HTTP/1.1\r\nHost: h\r\nLast-Event-ID: admitted\r\n\r\n"));
    assert_eq!(client.response().status, 204, "who read it is stopped, on a connection that lives on");
    assert_eq!(client.call("GET", &path).json()["state"], "admitted");
}

#[test]
fn a_position_is_pushed_when_it_changes_and_an_end_when_the_place_is_gone() {
    let server = start_with(
        config(|_| ()),
        vec![(
            "shop",
            ZonePatch {
                limit: Some(1),
                mode: Some(Mode::Paused),
                poll_ms: Some(100),
                ..ZonePatch::default()
            },
        )],
    );
    let mut client = Client::connect(server.local_addrs().http);
    let (first, second) = (join(&mut client, "shop"), join(&mut client, "shop"));
    let mut reader = listen(&server, &second, "");
    assert_eq!(data(&mut reader, "position")["position"], 2);
    assert_eq!(client.call("DELETE", &first).status, 204);
    let moved = data(&mut reader, "position");
    assert_eq!((&moved["position"], &moved["etaMs"]), (&1.into(), &(-1).into()));
    assert_eq!(client.call("DELETE", &second).status, 204);
    let gone = data(&mut reader, "gone");
    assert_eq!(
        (&gone["zone"], &gone["token"], &gone["code"]),
        (&"shop".into(), &moved["token"], &"GONE".into())
    );
    assert_eq!(reader.take_to_end(), b"");
    let mut again = listen(&server, &second, "");
    assert_eq!(data(&mut again, "gone"), gone, "a first look at a place that is gone");
    client.send(format!("GET {second}/events HTTP/1.1\r\nHost: h\r\nLast-Event-ID: gone\r\n\r\n"));
    assert_eq!(client.response().status, 204);
}

#[test]
fn an_open_stream_counts_as_polling() {
    let patch = ZonePatch { mode: Some(Mode::Paused), ..quick() };
    let server = start_with(config(|_| ()), vec![("shop", patch)]);
    let mut client = Client::connect(server.local_addrs().http);
    let (path, _silent) = (join(&mut client, "shop"), join(&mut client, "shop"));
    let mut reader = listen(&server, &path, "");
    assert_eq!(data(&mut reader, "position")["position"], 1);
    let mut resp = Client::connect(server.local_addrs().resp);
    let mut abandoned = || value_of(&resp.ask("Q.STATS shop"), "abandoned_total");
    // The one behind it joined later and is dropped for its silence.
    until("the silent one is dropped", || abandoned() != "0");
    assert_eq!(abandoned(), "1");
    assert_eq!(client.call("HEAD", &path).status, 200, "who listens keeps the place");
}

#[test]
fn what_there_is_no_stream_of_is_an_error() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    for (path, status, code) in [
        ("/v1/zones/nowhere/tokens/t0k/events", 404, "NOZONE"),
        ("/v1/zones/shop/tokens/forged/events", 400, "BADTOKEN"),
        ("/v1/zones/shop/tokens/%zz/events", 400, "MALFORMED"),
        ("/v1/zones/shop/tokens/t/event", 404, "NOTFOUND"),
    ] {
        let error = client.call("GET", path);
        assert_eq!((error.status, &error.json()["code"]), (status, &code.into()), "{path}");
    }
    let error = client.call("POST", "/v1/zones/shop/tokens/t/events");
    assert_eq!((error.status, error.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn head_answers_the_head_and_does_nothing() {
    let server = start_with(config(|_| ()), vec![("shop", quick())]);
    let mut client = Client::connect(server.local_addrs().http);
    let (_, path) = (join(&mut client, "shop"), join(&mut client, "shop"));
    let mut resp = Client::connect(server.local_addrs().resp);
    loop {
        // Nobody polls, so the waiter is dropped, although its stream was looked at all the time.
        let head = client.call("HEAD", &format!("{path}/events"));
        assert_eq!((head.status, head.field("content-type")), (200, Some("text/event-stream")));
        if value_of(&resp.ask("Q.STATS shop"), "abandoned_total") == "1" {
            break;
        }
    }
    assert_eq!(value_of(&resp.ask("Q.STATS shop"), "admitted_total"), "1", "HEAD admitted nobody");
    assert_eq!(client.call("HEAD", "/v1/zones/shop/tokens/forged/events").status, 400);
}

#[test]
fn a_stream_waits_for_what_was_asked_before_it() {
    let server = start_with(config(|_| ()), vec![("shop", quick())]);
    let mut client = Client::connect(server.local_addrs().http);
    let (_, path) = (join(&mut client, "shop"), join(&mut client, "shop"));
    // So near its turn that the owner holds the poll.
    let poll = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    client.send(format!("{poll}GET {path}/events HTTP/1.1\r\nHost: h\r\n\r\n{poll}"));
    assert_eq!(client.response().json()["position"], 1);
    assert!(
        client.take_until(b"\r\n\r\n").starts_with(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream")
    );
    assert_eq!(data(&mut client, "position")["position"], 1, "and what was asked behind it is dropped");
}

#[test]
fn silence_is_broken_by_heartbeats() {
    let patch = ZonePatch { limit: Some(1), mode: Some(Mode::Paused), ..ZonePatch::default() };
    let server = start_with(config(|config| config.heartbeat_ms = 50), vec![("shop", patch)]);
    let mut client = Client::connect(server.local_addrs().http);
    let path = join(&mut client, "shop");
    let mut reader = listen(&server, &path, "");
    assert_eq!(data(&mut reader, "position")["position"], 1);
    for _ in 0..3 {
        assert_eq!(frame(&mut reader), [":"]);
    }
}

#[test]
fn pages_of_allowed_origins_may_listen() {
    let cors =
        |config: &mut sluice_net::config::NetConfig| config.cors_origins = vec!["https://a.example".into()];
    let server = start(config(cors), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    let path = join(&mut client, "shop");
    for (origin, allowed) in [("https://a.example", true), ("https://b.example", false)] {
        let mut reader = Client::connect(server.local_addrs().http);
        reader.send(format!("GET {path}/events HTTP/1.1\r\nHost: h\r\nOrigin: {origin}\r\n\r\n"));
        let head = String::from_utf8(reader.take_until(b"\r\n\r\n")).unwrap();
        let expected = format!("Access-Control-Allow-Origin: {origin}\r\nVary: Origin\r\n");
        assert_eq!(head.contains(&expected), allowed, "{head}");
    }
}

#[test]
fn a_server_that_stops_tells_its_readers_when_to_come_back() {
    let patch = ZonePatch { limit: Some(1), mode: Some(Mode::Paused), ..ZonePatch::default() };
    let server = start_with(config(|_| ()), vec![("shop", patch)]);
    let mut client = Client::connect(server.local_addrs().http);
    let mut readers: Vec<Client> = (0..8)
        .map(|_| {
            let path = join(&mut client, "shop");
            let mut reader = listen(&server, &path, "");
            data(&mut reader, "position");
            reader
        })
        .collect();
    let stopped = std::thread::spawn(move || drop(server.drain(DRAIN)));
    let advised: Vec<u32> = readers
        .iter_mut()
        .map(|reader| {
            let ms = retry_ms(&frame(reader));
            assert_eq!(reader.take_to_end(), b"");
            ms
        })
        .collect();
    assert!(advised.iter().all(|ms| limit::DRAIN_RETRY_MS.contains(ms)), "{advised:?}");
    assert!(advised.iter().any(|ms| *ms != advised[0]), "not all at once: {advised:?}");
    stopped.join().unwrap();
}

#[test]
fn curl_reads_a_stream_to_its_end() {
    let patch = ZonePatch { limit: Some(1), mode: Some(Mode::Open), ..ZonePatch::default() };
    let server = start_with(config(|_| ()), vec![("shop", patch)]);
    let at = server.local_addrs().http;
    let path = join(&mut Client::connect(at), "shop");
    let mut curl = std::process::Command::new("curl");
    let output = curl
        .args(["--silent", "--show-error", "--no-buffer", "--max-time", "30"])
        .arg(format!("http://{at}{path}/events"))
        .output()
        .expect("curl is installed by `deploy/test.sh tools`");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "a clean end: {:?} {said}", output.stderr);
    let (advice, rest) = said.split_once("\n\n").unwrap();
    assert!(
        advice.starts_with("retry: ") && rest.starts_with("id: admitted\nevent: admitted\ndata: {"),
        "{said}"
    );
}
