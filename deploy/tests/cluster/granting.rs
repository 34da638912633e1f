//! Leave to read streams, and leave to enter: given at one node and the same at every other.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::nodes::{JOIN_SECRET, Nodes, eventually};

const SECRET: &str = "a-long-secret-of-a-worker";
/// Its SHA-256.
const HASH: &str = "cf7ed00a566b5e4d5736c609ef4d278706e95b733707acb2602e38e4b2be687f";

/// One HTTP request with this credential: status and body.
fn ask(nodes: &Nodes, node: usize, method: &str, path: &str, credential: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(&nodes.all[node].http).expect("the node is served");
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ");
    let bearer = format!("Authorization: Bearer {credential}\r\nContent-Type: application/json\r\n");
    write!(stream, "{head}{}\r\n{bearer}\r\n{body}", body.len()).expect("the request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (status.expect("a status"), body.to_owned())
}

#[test]
fn a_subscribe_token_of_one_node_is_good_at_every_node_and_names_its_streams_only() {
    let mut nodes = Nodes::none();
    let folder = nodes.folder.path();
    let (config, tokens) = (folder.join("sluice.toml"), folder.join("writers"));
    std::fs::write(&tokens, format!("worker {HASH}\n")).unwrap();
    let secret = folder.join(JOIN_SECRET);
    let text = format!("[auth]\nwriter_tokens = {tokens:?}\n[cluster]\njoin_secret_file = {secret:?}\n");
    std::fs::write(&config, text).unwrap();
    for _ in 0..3 {
        nodes.add_configured(Some(config.clone()));
    }
    nodes.wait_ready(0);
    nodes.cluster(0, &["init", "--expect", "3"]);
    (0..3).for_each(|node| nodes.wait_writable(node));
    let issue = r#"{"keys":["job:1"],"ttlMs":60000}"#;
    let (status, issued) = ask(&nodes, 0, "POST", "/v1/subscribe-tokens", SECRET, issue);
    assert_eq!(status, 201, "{issued}");
    let issued: serde_json::Value = serde_json::from_str(&issued).unwrap();
    let token = issued["token"].as_str().expect("a token");
    let appended = ask(&nodes, 1, "POST", "/v1/streams/job:1/events", SECRET, r#"{"step":"one"}"#);
    assert_eq!(appended.0, 201, "{}", appended.1);
    let (told, name) = token.split_at(token.len() / 2);
    let altered = format!("{told}{}{}", if name.starts_with('A') { 'B' } else { 'A' }, &name[1..]);
    for node in 0..3 {
        eventually("the entry", || {
            let (status, range) = ask(&nodes, node, "GET", "/v1/streams/job:1/events", token, "");
            (status == 200).then(|| assert!(range.contains(r#""step":"one""#), "{range}"))
        });
        for (credential, path, expected) in
            [(token, "/v1/streams/job:2/events", 403), (altered.as_str(), "/v1/streams/job:1/events", 401)]
        {
            let (status, why) = ask(&nodes, node, "GET", path, credential, "");
            assert_eq!(status, expected, "{path} at node {node}: {why}");
        }
        let (status, why) = ask(&nodes, node, "POST", "/v1/streams/job:1/events", token, r#"{"a":"b"}"#);
        assert_eq!(status, 401, "a reader is no writer: {why}");
    }
}

#[test]
fn the_pass_of_an_admission_is_the_same_at_every_node_also_where_a_leader_was_lost() {
    let mut nodes = Nodes::form(3);
    (0..3).for_each(|node| nodes.wait_writable(node));
    nodes.insist(0, &["set", "shop", "--limit", "60"]);
    let place = nodes.insist(1, &["join", "shop"]);
    assert_eq!(place["state"], "admitted", "{place}");
    let token = place["token"].as_str().expect("a token");
    let everywhere = |nodes: &Nodes, among: &[usize]| {
        for node in among {
            let polled = nodes.insist(*node, &["poll", "shop", token]);
            assert_eq!(polled["pass"], place["pass"], "at node {node}");
        }
    };
    assert!(place["pass"].is_string(), "{place}");
    everywhere(&nodes, &[0, 1, 2]);
    nodes.kill(0);
    nodes.wait_writable(1);
    everywhere(&nodes, &[1, 2]);
    nodes.start(0, None);
    nodes.wait_ready(0);
    everywhere(&nodes, &[0]);
}
