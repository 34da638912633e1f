//! Streams over HTTP: append, and the JSON range that repairs a gap. Exact bodies, through real sockets.

mod support;

use sluice_net::auth::{AuthTable, digest};
use std::fmt::Write;
use support::{Client, Response, config, start};

/// A server, one HTTP connection, and one that speaks RESP.
fn meet() -> (sluice_net::server::Server, Client, Client) {
    let server = start(config(|_| ()), &[]);
    let at = server.local_addrs();
    (server, Client::connect(at.http), Client::connect(at.resp))
}

/// Appends, and says which id the entry has.
fn append(client: &mut Client, target: &str, body: &str) -> (String, u64) {
    let response = client.post(&format!("/v1/streams/{target}"), body);
    assert_eq!(response.status, 201, "{response:?}");
    let json = response.json();
    let (id, epoch) = (json["id"].as_str().unwrap().to_owned(), json["epoch"].as_u64().unwrap());
    let seq = &json["seq"];
    let expected = format!(r#"{{"id":"{id}","epoch":{epoch},"seq":{seq},"cursor":"{epoch}.{seq}"}}"#);
    assert_eq!(response.body, expected);
    (id, epoch)
}

fn problem(status: u16, title: &str, code: &str, rest: &str) -> String {
    format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"code":"{code}",{rest}}}"#)
}

fn is_problem(response: &Response, title: &str, code: &str, rest: &str) {
    assert_eq!(response.field("content-type"), Some("application/problem+json"));
    assert_eq!(response.body, problem(response.status, title, code, rest));
}

#[test]
fn what_was_appended_is_read_back_in_order_with_every_value_as_it_was() {
    let (_server, mut client, mut resp) = meet();
    let body = r#"{"text":"a\n\"b\"","number":1.50e2,"yes":true,"none":null,"nested":{"x": [1,"y"]}}"#;
    let (first, epoch) = append(&mut client, "scan%3A7/events", body);
    let (second, _) = append(&mut client, "scan:7/events", r#"{"text":"next"}"#);
    let range = client.call("GET", "/v1/streams/scan:7/events");
    let expected = format!(
        r#"{{"entries":[{{"id":"{first}","epoch":{epoch},"seq":1,"fields":{{"text":"a\u000a\"b\"","number":"1.50e2","yes":"true","none":"null","nested":"{{\"x\": [1,\"y\"]}}"}}}},{{"id":"{second}","epoch":{epoch},"seq":2,"fields":{{"text":"next"}}}}],"next":"{epoch}.2","upToDate":true,"ended":false}}"#
    );
    assert_eq!((range.status, range.body), (200, expected));
    assert_eq!((range.head.contains("application/json"), range.head.contains("no-store")), (true, true));
    assert_eq!(resp.ask("XLEN scan:7"), ":2\r\n");
    assert!(resp.ask(&format!("XRANGE scan:7 {first} {first}")).contains("1.50e2"));
    let head = client.call("HEAD", "/v1/streams/scan:7/events?after=2");
    assert_eq!((head.status, head.field("content-type")), (200, Some("application/json")));
}

#[test]
fn a_range_goes_on_where_the_last_one_ended() {
    let (_server, mut client, _resp) = meet();
    let mut epoch = 0;
    for number in 1..=5 {
        epoch = append(&mut client, "s/events", &format!(r#"{{"n":{number}}}"#)).1;
    }
    let mut seen = String::new();
    let mut after = String::new();
    loop {
        let json = client.call("GET", &format!("/v1/streams/s/events?limit=2{after}")).json();
        for entry in json["entries"].as_array().unwrap() {
            write!(seen, "{} ", entry["fields"]["n"].as_str().unwrap()).unwrap();
        }
        after = format!("&after={}", json["next"].as_str().unwrap());
        if json["upToDate"] == true {
            break;
        }
        seen.push_str("| ");
    }
    assert_eq!(seen, "1 2 | 3 4 | 5 ");
    for after in ["5".to_owned(), format!("{epoch}.5")] {
        let now = client.call("GET", &format!("/v1/streams/s/events?after={after}"));
        let expected = format!(r#"{{"entries":[],"next":"{epoch}.5","upToDate":true,"ended":false}}"#);
        assert_eq!((now.status, now.body), (200, expected));
    }
}

#[test]
fn one_append_trims_sets_a_deadline_and_ends_in_the_same_step() {
    let (_server, mut client, mut resp) = meet();
    append(&mut client, "s/events", r#"{"n":"1"}"#);
    append(&mut client, "s/events", r#"{"n":"2"}"#);
    let (id, epoch) = append(&mut client, "s/events?maxlen=1&ttl=60000&end=1", r#"{"n":"3"}"#);
    let range = client.call("GET", "/v1/streams/s/events");
    let expected = format!(
        r#"{{"entries":[{{"id":"{id}","epoch":{epoch},"seq":3,"fields":{{"n":"3"}}}}],"next":"{epoch}.3","upToDate":true,"ended":true}}"#
    );
    assert_eq!((range.status, range.body), (200, expected));
    let left: u64 = resp.ask("PTTL s").trim()[1..].parse().unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
    let refused = client.post("/v1/streams/s/events", r#"{"n":"4"}"#);
    assert_eq!(refused.status, 409);
    is_problem(&refused, "Conflict", "ENDED", r#""detail":"the stream has ended""#);
}

#[test]
fn an_end_alone_adds_no_entry_and_may_be_repeated() {
    let (_server, mut client, _resp) = meet();
    let (id, epoch) = append(&mut client, "s/events", r#"{"n":"1"}"#);
    for (key, marked) in [("s", true), ("s", false), ("none", false)] {
        let end = client.post(&format!("/v1/streams/{key}/events?end=1"), "{}");
        assert_eq!((end.status, end.body), (200, format!(r#"{{"marked":{marked}}}"#)), "{key}");
    }
    let expected = format!(
        r#"{{"entries":[{{"id":"{id}","epoch":{epoch},"seq":1,"fields":{{"n":"1"}}}}],"next":"{epoch}.1","upToDate":true,"ended":true}}"#
    );
    assert_eq!(client.call("GET", "/v1/streams/s/events").body, expected);
    assert_eq!(client.call("GET", "/v1/streams/none/events").status, 404);
}

#[test]
fn a_repeat_under_the_same_key_appends_nothing() {
    let (_server, mut client, mut resp) = meet();
    let mut once = |stream: &str, key: &str| {
        client.send(format!(
            "POST /v1/streams/{stream}/events HTTP/1.1\r\nHost: h\r\nIdempotency-Key: {key}\r\n\
             Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{{\"a\":1}}"
        ));
        let response = client.response();
        (response.status, response.body)
    };
    let first = once("s", "k1");
    assert_eq!(first.0, 201);
    assert_eq!(once("s", "k1"), first);
    assert_ne!(once("s", "k2").1, first.1);
    assert_eq!(once("t", "k1").0, 201, "of another stream it is another request");
    assert_eq!((resp.ask("XLEN s"), resp.ask("XLEN t")), (":2\r\n".to_owned(), ":1\r\n".to_owned()));
    assert_eq!(once("s", &"k".repeat(257)).0, 400);
}

#[test]
fn a_place_that_is_lost_is_said_with_the_reason_and_the_way_on() {
    let (_server, mut client, mut resp) = meet();
    let none = client.call("GET", "/v1/streams/s/events");
    assert_eq!(none.status, 404);
    is_problem(&none, "Not Found", "NOSTREAM", r#""detail":"there is no such stream""#);
    let mut entries = Vec::new();
    for _ in 0..5 {
        entries.push(append(&mut client, "s/events", r#"{"a":"b"}"#));
    }
    let e = entries[0].1;
    let mut lost = |after: &str, rest: &str| {
        let gone = client.call("GET", &format!("/v1/streams/s/events?after={after}"));
        assert_eq!(gone.status, 410, "{after}: {gone:?}");
        let detail = r#""detail":"the entries behind this place cannot be had""#;
        is_problem(&gone, "Gone", "GONE", &format!("{detail},{rest}"));
    };
    lost("9", &format!(r#""reason":"unknown","oldest":"{e}.1","newest":"{e}.5","next":"{e}.0""#));
    lost("999.1", &format!(r#""reason":"epoch","oldest":"{e}.1","newest":"{e}.5","next":"{e}.0""#));
    resp.ask("XTRIM s MAXLEN 3");
    lost("1", &format!(r#""reason":"trimmed","oldest":"{e}.3","newest":"{e}.5","next":"{e}.2""#));
    resp.ask(&format!("XDEL s {}", entries[3].0));
    lost("3", &format!(r#""reason":"deleted","oldest":"{e}.3","newest":"{e}.5","next":"{e}.4""#));
    resp.ask(&format!("XDEL s {}", entries[4].0));
    lost(
        &format!("{e}.3"),
        &format!(r#""reason":"deleted","oldest":"{e}.3","newest":"{e}.5","next":"{e}.5""#),
    );
    resp.ask("DEL s");
    lost(&format!("{e}.3"), r#""reason":"epoch""#);
    assert_eq!(client.call("GET", "/v1/streams/s/events?after=3").status, 404);
}

#[test]
fn what_cannot_be_read_is_refused_and_changes_nothing() {
    let (_server, mut client, mut resp) = meet();
    for (target, body) in [
        ("", "[]"),
        ("", "{"),
        ("", r#"{"a":1} x"#),
        ("", r#""a""#),
        ("", "{}"),
        ("?end=1&ttl=1", "{}"),
        ("?end=2", r#"{"a":1}"#),
        ("?maxlen=-1", r#"{"a":1}"#),
        ("?maxlen=%zz", r#"{"a":1}"#),
        ("?ttl=0", r#"{"a":1}"#),
        ("?ttl=9007199254740993", r#"{"a":1}"#),
        ("?maxlen=1&maxlen=2", r#"{"a":1}"#),
        ("?maxlen=1&ttl=1&maxlen=1", r#"{"a":1}"#),
        ("?end=0&end=1", r#"{"a":1}"#),
    ] {
        let refused = client.post(&format!("/v1/streams/s/events{target}"), body);
        assert_eq!((refused.status, &refused.json()["code"]), (400, &"MALFORMED".into()), "{target} {body}");
    }
    let twice = ["after=1&after=1", "limit=1&limit=2", "access_token=a&access_token=b"];
    let odd = ["after=", "after=x", "after=1.", "after=%zz", "limit=0", "limit=1001", "limit="];
    for target in odd.into_iter().chain(twice) {
        let refused = client.call("GET", &format!("/v1/streams/s/events?{target}"));
        assert_eq!((refused.status, &refused.json()["code"]), (400, &"MALFORMED".into()), "{target}");
    }
    assert_eq!(client.call("POST", "/v1/streams/s/events").status, 411);
    let head = "POST /v1/streams/s/events HTTP/1.1\r\nHost: h\r\n";
    client.send(format!("{head}Content-Type: text/xml\r\nContent-Length: 2\r\n\r\n{{}}"));
    assert_eq!(client.response().status, 415);
    client.send(format!("{head}Content-Length: 1000000\r\n\r\n"));
    assert_eq!(client.response().status, 413);
    assert_eq!(resp.ask("EXISTS s"), ":0\r\n");
}

#[test]
fn only_a_writer_appends_where_there_are_writers() {
    let mut auth = AuthTable::open();
    auth.add_writer(digest(b"w"));
    let server = start(config(|config| config.auth = auth), &[]);
    let mut client = Client::connect(server.local_addrs().http);
    for (authorization, status) in
        [("", 401), ("Authorization: Bearer x\r\n", 401), ("Authorization: Bearer w\r\n", 201)]
    {
        let head = "POST /v1/streams/s/events HTTP/1.1\r\nHost: h\r\n";
        client.send(format!("{head}{authorization}Content-Length: 7\r\n\r\n{{\"a\":1}}"));
        let response = client.response();
        assert_eq!(response.status, status, "{authorization}");
        if status == 401 {
            assert_eq!(response.field("www-authenticate"), Some("Bearer"));
            is_problem(&response, "Unauthorized", "NOAUTH", r#""detail":"a writer token is needed""#);
        }
    }
}

#[test]
fn a_read_behind_an_append_sees_it() {
    let (_server, mut client, _resp) = meet();
    for number in 1..=20 {
        client.send(
            "POST /v1/streams/s/events HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}\
             GET /v1/streams/s/events?limit=1000 HTTP/1.1\r\nHost: h\r\n\r\n",
        );
        assert_eq!(client.response().status, 201);
        assert_eq!(client.response().json()["entries"].as_array().unwrap().len(), number);
    }
}

#[test]
fn a_range_is_bounded_in_bytes_and_still_whole_in_the_end() {
    let (_server, mut client, _resp) = meet();
    let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(15_000));
    for _ in 0..100 {
        append(&mut client, "s/events", &body);
    }
    let first = client.call("GET", "/v1/streams/s/events?limit=1000");
    let json = first.json();
    let there = json["entries"].as_array().unwrap().len();
    assert!(
        there < 100 && first.body.len() < (1 << 20) + 20_000,
        "{there} entries, {} bytes",
        first.body.len()
    );
    assert_eq!(json["upToDate"], false);
    let next = json["next"].as_str().unwrap();
    let rest = client.call("GET", &format!("/v1/streams/s/events?limit=1000&after={next}")).json();
    assert_eq!((rest["entries"].as_array().unwrap().len() + there, &rest["upToDate"]), (100, &true.into()));
}

/// Each stream that somebody follows takes a few hundred bytes, however short its name is.
#[test]
fn who_follows_many_streams_pays_for_them() {
    let server = start(config(|config| config.memory_max_bytes = 16 << 20), &[]);
    let many: String = (0..sluice_net::limit::STREAMS_PER_READER_MAX).map(|n| format!("&key={n}")).collect();
    let request =
        format!("GET /v1/streams?{} HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n", &many[1..]);
    let mut readers = Vec::new();
    // A sixteenth of the memory is for what stands: a megabyte, of which each takes a fortieth.
    let refused = (0..100).find_map(|_| {
        let mut reader = Client::connect(server.local_addrs().http);
        reader.send(&request);
        let is_followed = reader.starts_with(b"HTTP/1.1 200");
        readers.push(reader);
        (!is_followed).then(|| readers.pop().unwrap().response())
    });
    let refused = refused.expect("there is no end to what may be followed");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"BUSY".into()));
    let one = "GET /v1/streams/s/events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n";
    let mut reader = Client::connect(server.local_addrs().http);
    reader.send(one);
    assert!(reader.starts_with(b"HTTP/1.1 200"), "one stream is part of what a connection takes");
}
