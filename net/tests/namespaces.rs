//! Namespaces over RESP, and what an append over HTTP is told by one.

mod support;

use sluice_net::auth::{AuthTable, digest};
use sluice_net::resp::server::Role;
use support::{Client, config, start};

/// A namespace in RESP2; numbers that are not bounded are `$-1`.
fn space(prefix: &str, maxlen: &str, ttl_ms: &str, memory: &str, on_full: &str, used: (u64, &str)) -> String {
    let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
    let named = |name: &str, value: &str| format!("{}{value}\r\n", bulk(name));
    let (keys, bytes) = used;
    format!(
        "*14\r\n{}{}{}{}{}{}{}{}{}",
        bulk("prefix"),
        bulk(prefix),
        named("maxlen", maxlen),
        named("ttl_ms", ttl_ms),
        named("memory_bytes", memory),
        bulk("on_full"),
        bulk(on_full),
        named("keys", &format!(":{keys}")),
        named("bytes", bytes),
    )
}

/// What the reply says of the bytes of its only namespace.
fn bytes(reply: &str) -> &str {
    reply.rsplit("\r\n").nth(1).unwrap()
}

#[test]
fn a_policy_holds_in_every_group_and_what_they_hold_is_told_together() {
    let server = start(config(|_| ()), &[]);
    let mut resp = Client::connect(server.local_addrs().resp);
    let set = "X.NAMESPACE SET chat: MAXLEN 2 TTL_MS 60000 MEMORY_BYTES 1000003 ON_FULL drop-oldest";
    assert_eq!(resp.ask(set), "+OK\r\n");
    let empty = space("chat:", ":2", ":60000", ":1000003", "drop-oldest", (0, ":0"));
    assert_eq!(resp.ask("x.namespace get chat:"), empty);
    for key in 0..24 {
        for _ in 0..3 {
            resp.ask(&format!("XADD chat:{key} * a b"));
        }
        assert_eq!(resp.ask(&format!("XLEN chat:{key}")), ":2\r\n");
        assert_ne!(resp.ask(&format!("PTTL chat:{key}")), ":-1\r\n");
    }
    resp.ask("XADD other * a b");
    let full = resp.ask("X.NAMESPACE GET chat:");
    assert_eq!(full, space("chat:", ":2", ":60000", ":1000003", "drop-oldest", (24, bytes(&full))));
    assert_ne!(bytes(&full), ":0");
    assert_eq!(resp.ask("X.NAMESPACE SET a: "), "+OK\r\n");
    let bare = space("a:", "$-1", "$-1", "$-1", "refuse", (0, ":0"));
    assert_eq!(resp.ask("X.NAMESPACE LIST"), format!("*2\r\n{bare}{full}"));
    assert_eq!(resp.ask("X.NAMESPACE DEL chat:"), ":1\r\n");
    assert_eq!(resp.ask("X.NAMESPACE DEL chat:"), ":0\r\n");
    assert_eq!(resp.ask("X.NAMESPACE GET chat:"), "$-1\r\n");
    assert_eq!(resp.ask("EXISTS chat:7"), ":1\r\n");
}

#[test]
fn a_full_namespace_refuses_and_says_so() {
    let server = start(config(|_| ()), &[]);
    let mut resp = Client::connect(server.local_addrs().resp);
    assert_eq!(resp.ask("X.NAMESPACE SET chat: MEMORY_BYTES 24576"), "+OK\r\n");
    let mut http = Client::connect(server.local_addrs().http);
    let body = format!(r#"{{"a":"{}"}}"#, "x".repeat(5_000));
    let refused = http.post("/v1/streams/chat:1/events", &body);
    let expected = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"code":"OOM","detail":"namespace 'chat:' is full: 0 of 4096 bytes of this group's share are taken"}"#;
    assert_eq!((refused.status, refused.body.as_str()), (503, expected));
    assert_eq!(http.post("/v1/streams/other/events", &body).status, 201);
    assert_eq!(resp.ask("EXISTS chat:1"), ":0\r\n");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = start(config(|_| ()), &[]);
    let mut resp = Client::connect(server.local_addrs().resp);
    for (command, reply) in [
        ("SET a: MEMORY_BYTES 24575", "-ERR memory_bytes must be at least 4096 for each group\r\n"),
        ("SET a: MAXLEN 0", "-ERR maxlen and ttl_ms must be at least 1\r\n"),
        ("SET a: MAXLEN x", "-ERR value is not an integer or out of range\r\n"),
        ("SET a: MAXLEN", "-ERR syntax error\r\n"),
        ("SET a: ON_FULL drop", "-ERR syntax error\r\n"),
        ("SET a: SIZE 1", "-ERR syntax error\r\n"),
        ("LIST", "*0\r\n"),
    ] {
        assert_eq!(resp.ask(&format!("X.NAMESPACE {command}")), reply, "{command}");
    }
    let twice = resp.ask("X.NAMESPACE SET a: MAXLEN 1 MAXLEN 2");
    assert!(twice.starts_with("-ERR") && twice.contains("MAXLEN"), "{twice}");
}

#[test]
fn operators_change_namespaces_and_others_look() {
    let mut auth = AuthTable::open();
    auth.add_user("gate", digest(b"gate"), Role::Client);
    auth.add_user("op", digest(b"op"), Role::Operator);
    let server = start(config(|config| config.auth = auth), &[]);
    let mut resp = Client::connect(server.local_addrs().resp);
    resp.ask("AUTH gate gate");
    for command in ["SET a: MAXLEN 1", "DEL a:"] {
        assert!(resp.ask(&format!("X.NAMESPACE {command}")).starts_with("-NOPERM"), "{command}");
    }
    assert_eq!(resp.ask("X.NAMESPACE LIST"), "*0\r\n");
    resp.ask("AUTH op op");
    assert_eq!(resp.ask("X.NAMESPACE SET a: MAXLEN 1"), "+OK\r\n");
    assert_eq!(resp.ask("X.NAMESPACE DEL a:"), ":1\r\n");
}
