//! HTTP over real sockets: the calls of existing apps, resources, errors, connection handling.

mod support;

use sluice_net::auth::{AuthTable, digest};
use std::time::Duration;
use support::{Client, config, start, value_of};

#[test]
fn existing_apps_join_and_enter() {
    let server = start(config(|_| ()), &[("TEST_ZONE", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    let body = r#"{"zoneId":"TEST_ZONE","clientIp":"127.0.0.1","clientAgent":"WEB"}"#;
    let admitted = client.post("/traffic/wait", body);
    assert_eq!((admitted.status, &admitted.json()["canEnter"]), (200, &true.into()), "{admitted:?}");
    let waiting = client.post("/traffic/wait", body).json();
    assert_eq!((&waiting["canEnter"], &waiting["zoneId"]), (&false.into(), &"TEST_ZONE".into()));
    let token = waiting["token"].as_str().unwrap();
    let poll = client.post("/traffic/entry", &format!(r#"{{"zoneId":"TEST_ZONE","token":"{token}"}}"#));
    assert_eq!(poll.field("cache-control"), Some("no-store"));
    let poll = poll.json();
    assert_eq!((&poll["token"], &poll["waiting"]["position"]), (&token.into(), &1.into()));
    assert!(poll["waiting"]["estimatedSeconds"].is_i64() && poll["waiting"]["pollingPeriod"].is_u64());
}

#[test]
fn a_token_is_a_resource() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    assert_eq!(client.call("POST", "/v1/zones/shop/tokens").status, 201);
    let created = client.post("/v1/zones/shop/tokens", r#"{"requestId":"r1"}"#);
    let location = created.field("location").unwrap().to_owned();
    let token = created.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(location, format!("/v1/zones/shop/tokens/{token}"));
    let again = client.post("/v1/zones/shop/tokens", r#"{"requestId":"r1"}"#).json();
    assert_eq!(again["token"], token, "a repeated request has the same token");
    let poll = client.call("GET", &location);
    assert_eq!((poll.status, &poll.json()["position"]), (200, &1.into()));
    let peek = client.call("HEAD", &location);
    assert_eq!((peek.status, peek.field("content-length")), (200, poll.field("content-length")));
    let zone = client.call("GET", "/v1/zones/shop").json();
    assert_eq!(
        (&zone["mode"], &zone["waiting"], zone["etaSeconds"].is_i64()),
        (&"auto".into(), &1.into(), true)
    );
    for _ in 0..2 {
        assert_eq!(client.call("DELETE", &location).status, 204, "leaving twice is leaving");
    }
    let gone = client.call("GET", &location);
    assert_eq!((gone.status, &gone.json()["code"]), (410, &"GONE".into()));
}

#[test]
fn errors_speak_the_language_of_the_caller() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    let error = client.post("/traffic/wait", r#"{"zoneId":"nowhere"}"#);
    assert_eq!(error.field("content-type"), Some("application/problem+json"));
    let json = error.json();
    assert_eq!((error.status, &json["code"], &json["canEnter"]), (404, &"NOZONE".into(), &false.into()));
    let error = client.post("/traffic/entry", r#"{"zoneId":"shop","token":"forged"}"#);
    assert_eq!((error.status, &error.json()["code"]), (400, &"BADTOKEN".into()));
    let error = client.call("GET", "/v1/zones/nowhere");
    assert_eq!((error.status, error.json().get("canEnter")), (404, None));
    let error = client.call("PUT", "/traffic/wait");
    assert_eq!((error.status, error.field("allow")), (405, Some("POST, OPTIONS")));
}

#[test]
fn health_says_when_to_send_no_more() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().http);
    for (path, status) in
        [("/healthz", 200), ("/readyz", 200), ("/readyz?for=writes", 200), ("/readyz?x", 400)]
    {
        assert_eq!(client.call("GET", path).status, status, "{path}");
    }
    server.set_ready(false);
    let not_ready = client.call("GET", "/readyz");
    assert_eq!((not_ready.status, not_ready.field("retry-after")), (503, Some("1")));
    assert_eq!(client.call("GET", "/healthz").status, 200);
}

#[test]
fn only_a_writer_names_users() {
    let mut auth = AuthTable::open();
    auth.add_writer(digest(b"w"));
    let server = start(config(|config| config.auth = auth), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    let mut join = |authorization: &str| {
        let body = r#"{"userId":"u1"}"#;
        client.send(format!(
            "POST /v1/zones/shop/tokens HTTP/1.1\r\nHost: h\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        client.response().json()["token"].as_str().unwrap().to_owned()
    };
    join("");
    let bearer = "Authorization: Bearer w\r\n";
    let named = join(bearer);
    assert_eq!(join(bearer), named, "a user has one token");
    assert_ne!(join(""), named, "a stranger must not get a user's token");
    assert_ne!(join("Authorization: Bearer x\r\n"), named);
}

#[test]
fn pages_of_allowed_origins_may_call() {
    let server = start(config(|config| config.cors_origins = vec!["https://a.example".into()]), &[]);
    let mut client = Client::connect(server.local_addrs().http);
    let mut options = |origin: &str| {
        client.send(format!("OPTIONS /traffic/wait HTTP/1.1\r\nHost: h\r\nOrigin: {origin}\r\n\r\n"));
        client.response()
    };
    let allowed = options("https://a.example");
    assert_eq!(allowed.field("access-control-allow-origin"), Some("https://a.example"));
    assert_eq!((allowed.status, allowed.field("allow")), (204, Some("POST, OPTIONS")));
    let other = options("https://b.example");
    assert_eq!((other.status, other.field("access-control-allow-origin")), (204, None));
}

#[test]
fn connections_stay_open_or_close_as_asked() {
    let server = start(config(|_| ()), &[]);
    let at = server.local_addrs().http;
    for (request, closes) in [
        ("GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", true),
        ("GET /healthz HTTP/1.0\r\n\r\n", true),
        ("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
        ("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n", false),
    ] {
        let mut client = Client::connect(at);
        client.send(request);
        let response = client.response();
        assert_eq!(response.field("connection") == Some("close"), closes, "{request}");
        if closes {
            assert_eq!(client.take_to_end(), b"", "{request}");
        } else {
            assert_eq!(client.call("GET", "/healthz").status, 200, "{request}");
        }
    }
}

#[test]
fn a_client_that_waits_is_told_to_go_on() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    let body = r#"{"zoneId":"shop"}"#;
    let head = format!(
        "POST /traffic/wait HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    client.send(head);
    assert_eq!(client.take_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send(body);
    assert_eq!(client.response().status, 200);
}

#[test]
fn pipelined_requests_are_answered_in_order_and_chunks_are_joined() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    let chunked = "POST /traffic/wait HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                   7\r\n{\"zoneI\r\nA;x=1\r\nd\":\"shop\"}\r\n0\r\n\r\n";
    let get = "GET /v1/zones/shop HTTP/1.1\r\nHost: h\r\n\r\n";
    client.send(format!("{chunked}{chunked}{get}{chunked}{get}"));
    let statuses: Vec<_> = (0..5).map(|_| client.response()).collect();
    assert!(statuses.iter().all(|response| response.status == 200), "{statuses:?}");
    assert_eq!(statuses[1].json()["waiting"]["position"], 1);
    assert_eq!(statuses[2].json()["waiting"], 1, "a read sees the connection's own joins");
    assert_eq!(statuses[3].json()["waiting"]["position"], 2);
    assert_eq!(statuses[4].json()["waiting"], 2);
}

#[test]
fn a_drained_server_answers_what_was_asked_and_gives_its_owners_back() {
    let server = start(config(|config| config.workers = 2), &[("shop", 1)]);
    let at = server.local_addrs();
    let (mut http, mut idle) = (Client::connect(at.http), Client::connect(at.http));
    http.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(http.response().status, 200);
    let owners = server.drain(Duration::from_secs(30));
    assert_eq!(owners.len(), 6);
    assert_eq!((http.take_to_end(), idle.take_to_end()), (Vec::new(), Vec::new()));
    assert!(std::net::TcpStream::connect(at.http).is_err(), "nobody listens any more");
}

#[test]
fn who_was_let_in_has_no_place_to_give_up_and_stays_in() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().http);
    let mut resp = Client::connect(server.local_addrs().resp);
    let mut join = || client.post("/v1/zones/shop/tokens", "{}").json()["token"].as_str().unwrap().to_owned();
    // One enters at once, one waits first.
    let tokens = [join(), join()];
    assert_eq!(resp.ask("Q.ZONE SET shop MODE open"), "+OK\r\n");
    for token in tokens {
        let path = format!("/v1/zones/shop/tokens/{token}");
        let before = client.call("GET", &path);
        assert_eq!((before.status, &before.json()["state"]), (200, &"admitted".into()));
        let refused = client.call("DELETE", &path);
        assert_eq!((refused.status, &refused.json()["code"]), (409, &"ADMITTED".into()), "{refused:?}");
        assert_eq!(resp.ask(&format!("Q.LEAVE shop {token}")), ":0\r\n");
        assert_eq!(client.call("GET", &path).body, before.body, "with the same pass");
    }
    assert_eq!(value_of(&resp.ask("Q.STATS shop"), "left_total"), "0");
}
