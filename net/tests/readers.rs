//! Readers of streams that misbehave, and events that do: one that hangs up while it waits, every odd byte, an event of a
//! megabyte. What memory readers cost that do not read is in `stalled.rs`.
//!
//! Seen to fail: with a server that does not notice the end of a connection that waits.

mod support;

use sluice_net::resp::limit::{BULK_BYTES_MAX, REQUEST_BYTES_MAX};
use sluice_net::server::Server;
use support::{Client, Response, config, start, until};

/// A server and a connection in RESP2.
fn meet() -> (Server, Client) {
    let server = start(config(|_| ()), &[]);
    let client = Client::connect(server.local_addrs().resp);
    (server, client)
}

/// A request as clients send it.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(&bulk(word));
    }
    bytes
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn say(client: &mut Client, words: &[&[u8]]) -> Vec<u8> {
    client.send(command(words));
    client.reply()
}

/// Returns when so many connections wait for news.
fn blocked(client: &mut Client, count: usize) {
    let line = format!("blocked_clients:{count}\r\n");
    until(&line, || client.ask("INFO clients").contains(&line));
}

#[test]
fn who_hangs_up_while_it_waits_is_given_nothing() {
    let (server, mut client) = meet();
    assert_eq!(client.ask("XGROUP CREATE jobs crew $ MKSTREAM"), "+OK\r\n");
    let wait = "XREADGROUP GROUP crew gone BLOCK 0 STREAMS jobs >\r\n";
    // The second says more behind it, which nobody reads before it was answered.
    let waiting = [
        wait.to_owned(),
        format!("PING\r\n{wait}PING\r\n"),
        "XREAD BLOCK 0 STREAMS jobs none $ $\r\n".to_owned(),
    ];
    let waiting: Vec<Client> = waiting
        .iter()
        .map(|words| {
            let mut client = Client::connect(server.local_addrs().resp);
            client.send(words);
            client
        })
        .collect();
    blocked(&mut client, 3);
    drop(waiting);
    blocked(&mut client, 0);
    assert_eq!(client.ask("XADD jobs 1-1 job 1"), "$3\r\n1-1\r\n");
    assert_eq!(client.ask("XPENDING jobs crew"), "*4\r\n:0\r\n$-1\r\n$-1\r\n*-1\r\n");
    let taken = client.ask("XREADGROUP GROUP crew here STREAMS jobs >");
    assert!(taken.contains("1-1"), "{taken}");
}

#[test]
fn who_is_killed_or_half_closed_while_it_waits_does_not_wait_on() {
    let (server, mut client) = meet();
    let open = |words: &str| {
        let mut client = Client::connect(server.local_addrs().resp);
        client.send(words);
        client
    };
    let mut killed = open("XREAD BLOCK 0 STREAMS news $\r\n");
    blocked(&mut client, 1);
    assert_eq!(client.ask("CLIENT KILL TYPE normal SKIPME yes"), ":1\r\n");
    assert_eq!(killed.take_to_end(), b"");
    blocked(&mut client, 0);
    let mut half = open("XREAD BLOCK 0 STREAMS news $\r\nPING\r\n");
    half.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(half.take_to_end(), b"*-1\r\n+PONG\r\n", "as if its time were over");
    blocked(&mut client, 0);
}

/// A name or value with every byte there is, those first that frames are made of.
fn odd() -> Vec<u8> {
    let mut bytes = b"\r\n\n\r\0data: x\n\nid: 9\n\n\xf0\x9f\xff".to_vec();
    bytes.extend(0..=u8::MAX);
    bytes
}

const ODD_KEY: &[u8] = b"odd\r\n\0\xff";
const ODD_PATH: &str = "/v1/streams/odd%0D%0A%00%FF/events";

#[test]
fn every_byte_comes_through_resp_as_it_is() {
    let (server, mut client) = meet();
    let (name, value) = (odd(), [odd(), odd()].concat());
    let mut follower = Client::connect(server.local_addrs().resp);
    follower.send("HELLO 3\r\n");
    follower.reply();
    assert_eq!(say(&mut follower, &[b"X.SUB", ODD_KEY]), b":1\r\n");
    assert_eq!(say(&mut client, &[b"XADD", ODD_KEY, b"1-1", &name, &value]), b"$3\r\n1-1\r\n");
    let fields = [b"*2\r\n".to_vec(), bulk(&name), bulk(&value)].concat();
    let range = [b"*1\r\n*2\r\n$3\r\n1-1\r\n", &fields[..]].concat();
    assert_eq!(say(&mut client, &[b"XRANGE", ODD_KEY, b"-", b"+"]), range);
    let pushed = follower.reply();
    assert!(pushed.starts_with(&[&b">5\r\n$7\r\nx.entry\r\n"[..], &bulk(ODD_KEY)].concat()));
    assert!(pushed.ends_with(&[&b"$3\r\n1-1\r\n"[..], &fields].concat()), "{}", pushed.escape_ascii());
}

#[test]
fn who_speaks_resp3_no_longer_follows_nothing() {
    let (server, mut client) = meet();
    let mut follower = Client::connect(server.local_addrs().resp);
    for ends in ["RESET", "HELLO 2", "MULTI\r\nHELLO 2\r\nEXEC"] {
        assert!(follower.ask("HELLO 3").starts_with("%7"));
        assert_eq!(follower.ask("X.SUB s AFTER $"), ":1\r\n");
        client.ask("XADD s * f v");
        assert!(follower.reply().starts_with(b">5\r\n$7\r\nx.entry"));
        let replies = ends.lines().count();
        follower.send(format!("{ends}\r\n"));
        (0..replies).for_each(|_| drop(follower.reply()));
        client.ask("XADD s * f v");
        // Followed again: what was followed before tells nothing beside it.
        assert!(follower.ask("HELLO 3").starts_with("%7"), "after {ends}");
        assert_eq!(follower.ask("X.SUB s AFTER $"), ":1\r\n", "after {ends}");
        client.ask("XADD s * f last");
        assert!(follower.reply().ends_with(b"$4\r\nlast\r\n"), "after {ends}");
        assert_eq!(follower.ask("X.UNSUB s"), ":0\r\n");
    }
}

#[test]
fn every_byte_comes_through_http_as_json_has_it() {
    let (server, mut client) = meet();
    let (name, value) = (odd(), [odd(), odd()].concat());
    let texts = [&name, &value].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    say(&mut client, &[b"XADD", ODD_KEY, b"1-1", &name, &value]);
    let mut reader = Client::connect(server.local_addrs().http);
    reader.send(format!("GET {ODD_PATH} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n"));
    reader.take_until(b"\n\n");
    let frame = String::from_utf8(reader.take_until(b"\n\n")).expect("events are UTF-8");
    let lines: Vec<&str> = frame.trim_end().split('\n').collect();
    let [id, data] = lines[..] else { panic!("an id and one line of data: {frame:?}") };
    assert!(id.ends_with(".1") && !frame.contains(['\r', '\0']), "{frame:?}");
    let fields: serde_json::Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    let expected = serde_json::json!({ &*texts[0]: texts[1] });
    assert_eq!(fields, expected, "what is no UTF-8 is replaced, everything else is as it was");
    let mut asker = Client::connect(server.local_addrs().http);
    assert_eq!(asker.call("GET", ODD_PATH).json()["entries"][0]["fields"], expected);
    assert_eq!(asker.call("GET", "/v1/streams/odd%zz/events").status, 400);
}

#[test]
fn an_event_that_is_too_large_is_refused_in_words_and_changes_nothing() {
    let (server, mut client) = meet();
    let at = server.local_addrs();
    let megabyte = vec![b'x'; 1 << 20];
    // Over RESP what follows cannot be told from the rest of it, so the connection ends.
    let mut writer = Client::connect(at.resp);
    let _ = writer.try_send(&command(&[b"XADD", b"big", b"*", b"f", &megabyte]));
    assert_eq!(writer.take_to_end(), b"-ERR Protocol error: invalid bulk length\r\n");
    let half = &megabyte[..BULK_BYTES_MAX];
    let mut writer = Client::connect(at.resp);
    let _ = writer.try_send(&command(&[b"XADD", b"big", b"*", b"f", half, b"g", half]));
    assert_eq!(writer.take_to_end(), b"-ERR Protocol error: too big request\r\n");
    let mut writer = Client::connect(at.http);
    let body = [b"{\"f\":\"", &megabyte[..], b"\"}"].concat();
    let head =
        format!("POST /v1/streams/big/events HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = writer.try_send(&[head.as_bytes(), &body].concat());
    let Response { status, body, .. } = writer.response();
    assert_eq!(status, 413, "{body}");
    assert_eq!(client.ask("EXISTS big"), ":0\r\n");
}

#[test]
fn the_largest_event_comes_through() {
    let (server, mut client) = meet();
    let at = server.local_addrs();
    let largest = vec![b'x'; BULK_BYTES_MAX];
    const { assert!(BULK_BYTES_MAX < REQUEST_BYTES_MAX) };
    let mut follower = Client::connect(at.resp);
    follower.ask("HELLO 3");
    follower.ask("X.SUB big");
    let mut reader = Client::connect(at.http);
    reader.send("GET /v1/streams/big/events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n");
    reader.take_until(b"\n\n");
    // Twice, and behind each other, so that one waits for the room that the other takes.
    for id in [&b"1-1"[..], b"1-2"] {
        assert_eq!(say(&mut client, &[b"XADD", b"big", id, b"f", &largest]), bulk(id));
    }
    for _ in 0..2 {
        assert!(follower.reply().ends_with(&bulk(&largest)));
        let frame = reader.take_until(b"\n\n");
        assert!(frame.ends_with(b"x\"}\n\n") && frame.len() > BULK_BYTES_MAX);
    }
}
