//! HTTP as curl speaks it: the two calls of existing apps, the same as resources, problems, health, connections.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::foreign::{printed, program};
use crate::server::Server;

/// What curl was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let named = |line: &'_ str| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
        self.head.lines().find(|line| named(line)).and_then(|line| line.split_once(": ")).map(|pair| pair.1)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the stable code of a problem, of which every other member is checked here.
    fn problem(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(json["status"], self.status, "{self:?}");
        assert!(json["title"].is_string() && json["detail"].is_string(), "{self:?}");
        (self.status, json["code"].as_str().expect("a code").to_owned())
    }
}

fn curl(server: &Server, path: &str, arguments: &[&str]) -> Answer {
    let url = format!("http://{}{path}", server.http);
    let said = printed(program("curl").args(["-sS", "-i"]).args(arguments).arg(url));
    // A provisional answer has a head of its own.
    let final_answer = said.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&said);
    let (head, body) = final_answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

fn post(server: &Server, path: &str, body: &Value) -> Answer {
    curl(server, path, &["-H", "content-type: application/json", "-d", &body.to_string()])
}

fn text(json: &Value) -> &str {
    json.as_str().unwrap_or_else(|| panic!("{json} is no text"))
}

#[test]
fn existing_apps_wait_and_enter() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    server.zone(&["set", "TEST_ZONE", "--limit", "1"]);
    let wait = json!({"zoneId": "TEST_ZONE", "clientIp": "127.0.0.1", "clientAgent": "WEB"});
    let admitted = post(&server, "/traffic/wait", &wait);
    assert_eq!((admitted.status, admitted.field("content-type")), (200, Some("application/json")));
    assert_eq!(admitted.field("cache-control"), Some("no-store"));
    let (body, first) = (&admitted.body, admitted.json());
    let (token, at) = (text(&first["token"]), first["admittedAt"].as_u64().expect("log time"));
    let pass = text(&first["pass"]);
    let expected = format!(
        r#"{{"canEnter":true,"token":"{token}","zoneId":"TEST_ZONE","pass":"{pass}","admittedAt":{at}}}"#
    );
    assert_eq!(*body, expected);
    let entry = json!({"zoneId": "TEST_ZONE", "token": token});
    for _ in 0..2 {
        assert_eq!(post(&server, "/traffic/entry", &entry).body, *body, "the answer stays");
    }

    let second = post(&server, "/traffic/wait", &wait).json();
    let entry = json!({"zoneId": "TEST_ZONE", "token": second["token"]});
    for waiting in [post(&server, "/traffic/entry", &entry), post(&server, "/traffic/entry", &entry)] {
        let json = waiting.json();
        let seconds = json["waiting"]["estimatedSeconds"].as_i64().expect("whole seconds");
        assert!((1..=60).contains(&seconds), "the only permit was used within the last minute: {seconds}");
        let expected = format!(
            r#"{{"canEnter":false,"token":"{}","zoneId":"TEST_ZONE","waiting":{{"position":1,"estimatedSeconds":{seconds},"pollingPeriod":3000}}}}"#,
            text(&second["token"])
        );
        assert_eq!((waiting.status, waiting.body), (200, expected));
    }
    server.stop();
}

/// Old apps read nothing but the body: every error of the two calls says there that nobody enters.
#[test]
fn errors_of_the_two_calls_say_so_in_their_bodies() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    server.zone(&["set", "shut", "--limit", "1", "--mode", "closed"]);
    server.zone(&["set", "full", "--limit", "1", "--max-waiting", "1"]);
    for _ in 0..2 {
        assert_eq!(post(&server, "/traffic/wait", &json!({"zoneId": "full"})).status, 200);
    }
    server.zone(&["set", "shop", "--limit", "1"]);
    server.zone(&["join", "shop"]);
    let left = server.zone(&["join", "shop"]);
    server.zone(&["leave", "shop", text(&left["token"])]);
    let gone = json!({"zoneId": "shop", "token": left["token"]}).to_string();
    let long = "x".repeat(100_000);
    let json_type = "content-type: application/json";
    let (wait, entry) = ("/traffic/wait", "/traffic/entry");
    let forged = r#"{"zoneId":"demo","token":"forged"}"#;
    let cases: &[(&str, &[&str], u16, &str)] = &[
        (wait, &["-d", r#"{"zoneId":"nowhere"}"#], 404, "NOZONE"),
        (wait, &["-d", r#"{"zoneId":"no name"}"#], 404, "NOZONE"),
        (wait, &["-d", r#"{"zoneId":"shut"}"#], 409, "CLOSED"),
        (wait, &["-d", r#"{"zoneId":"full"}"#], 429, "FULL"),
        (wait, &["-H", json_type, "-d", r#"{"zoneId":"#], 400, "MALFORMED"),
        (wait, &["-H", json_type, "-d", r#"{"zone":"demo"}"#], 400, "MALFORMED"),
        (wait, &["-H", "content-type: text/xml", "-d", "<zone/>"], 415, "MEDIA"),
        (wait, &["-X", "POST"], 411, "LENGTH"),
        (wait, &[], 405, "METHOD"),
        (wait, &["-d", &long], 413, "FRAMING"),
        (entry, &["-d", forged], 400, "BADTOKEN"),
        (entry, &["-d", &gone], 410, "GONE"),
        (entry, &["-X", "PUT", "-d", forged], 405, "METHOD"),
        (entry, &["-d", r#"{"zoneId":"demo"}"#], 400, "MALFORMED"),
    ];
    for (path, arguments, status, code) in cases {
        let answer = curl(&server, path, arguments);
        assert_eq!(answer.problem(), (*status, (*code).to_owned()), "{arguments:?}");
        assert_eq!(answer.json()["canEnter"], false, "{arguments:?}");
    }
    let full = curl(&server, wait, &["-d", r#"{"zoneId":"full"}"#]);
    let seconds: u64 = full.field("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert_eq!(full.json()["waiting"], json!({"estimatedSeconds": -1, "pollingPeriod": seconds * 1000}));
    server.stop();
}

#[test]
fn places_are_resources() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    server.zone(&["set", "shop", "--limit", "1"]);
    let first = curl(&server, "/v1/zones/shop/tokens", &["-X", "POST"]);
    assert_eq!((first.status, &first.json()["state"]), (201, &json!("admitted")));
    let created = post(&server, "/v1/zones/shop/tokens", &json!({"requestId": "r1"}));
    let place = created.field("location").expect("where it is").to_owned();
    assert_eq!((created.status, &created.json()["position"]), (201, &json!(1)));
    let token = created.json()["token"].clone();
    assert_eq!(place, format!("/v1/zones/shop/tokens/{}", text(&token)));
    let again = post(&server, "/v1/zones/shop/tokens", &json!({"requestId": "r1"}));
    assert_eq!(again.json()["token"], token, "a repeated request is the same place");

    let polled = curl(&server, &place, &[]);
    let json = polled.json();
    assert_eq!((polled.status, &json["zone"], &json["state"]), (200, &json!("shop"), &json!("waiting")));
    assert_eq!((&json["token"], &json["position"], &json["pollMs"]), (&token, &json!(1), &json!(3000)));
    assert!(json["etaMs"].as_i64().is_some_and(|ms| (1..=60_000).contains(&ms)), "{json}");
    let zone = curl(&server, "/v1/zones/shop", &[]).json();
    assert_eq!((&zone["zone"], &zone["mode"], &zone["waiting"]), (&json!("shop"), &json!("auto"), &json!(1)));
    assert!(zone["etaSeconds"].is_i64(), "{zone}");

    for _ in 0..2 {
        let left = curl(&server, &place, &["-X", "DELETE"]);
        assert_eq!((left.status, left.body.as_str()), (204, ""), "leaving twice is leaving");
    }
    assert_eq!(curl(&server, &place, &[]).problem(), (410, "GONE".to_owned()));
    server.stop();
}

#[test]
fn what_is_no_resource_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let cases: &[(&str, &[&str], u16, &str)] = &[
        ("/", &[], 404, "NOTFOUND"),
        ("/v1/zones/demo/tokens/", &[], 404, "NOTFOUND"),
        ("/v1/zones/nowhere", &[], 404, "NOZONE"),
        ("/v1/zones/nowhere/tokens", &["-X", "POST"], 404, "NOZONE"),
        ("/v1/zones/%zz", &[], 400, "MALFORMED"),
        ("/v1/zones/demo/tokens/forged", &[], 400, "BADTOKEN"),
        ("/v1/zones/demo/tokens", &[], 405, "METHOD"),
        ("/v1/zones/demo", &["-X", "DELETE"], 405, "METHOD"),
        ("/healthz", &["-X", "POST", "-d", ""], 405, "METHOD"),
        ("/v1/zones/demo", &["-X", "BREW"], 405, "METHOD"),
    ];
    for (path, arguments, status, code) in cases {
        let answer = curl(&server, path, arguments);
        assert_eq!(answer.problem(), (*status, (*code).to_owned()), "{path} {arguments:?}");
        assert!(answer.json().get("canEnter").is_none(), "only the calls of existing apps say that");
        if *status == 405 {
            let allowed = curl(&server, path, &["-X", "OPTIONS"]);
            assert_eq!((allowed.status, allowed.field("allow")), (204, answer.field("allow")), "{path}");
            assert!(allowed.field("allow").is_some_and(|methods| methods.contains("OPTIONS")));
        }
    }
    server.stop();
}

#[test]
fn to_look_is_not_to_enter() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    server.zone(&["set", "shop", "--limit", "1", "--mode", "paused"]);
    let created = curl(&server, "/v1/zones/shop/tokens", &["-X", "POST"]);
    let place = created.field("location").expect("where it is").to_owned();
    assert_eq!(created.json()["state"], "waiting");
    server.zone(&["set", "shop", "--mode", "auto"]);
    // A permit is free and nobody is ahead: whoever polls now enters.
    for _ in 0..100 {
        let looked = curl(&server, &place, &["-I"]);
        assert_eq!((looked.status, looked.body.as_str()), (200, ""));
    }
    assert_eq!(server.zone(&["stats", "shop"])["admitted_total"], 0, "nobody asked to enter");
    assert_eq!(curl(&server, &place, &[]).json()["state"], "admitted");
    assert_eq!(server.zone(&["stats", "shop"])["admitted_total"], 1);
    assert_eq!(curl(&server, "/traffic/wait", &["-I"]).status, 405, "a join cannot be looked at");
    server.stop();
}

#[test]
fn probes_and_readers_of_the_interface_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    for path in ["/healthz", "/readyz", "/readyz?for=writes"] {
        assert_eq!(curl(&server, path, &[]).status, 200, "{path}");
        assert_eq!(curl(&server, path, &["-I"]).status, 200, "{path}");
    }
    let described = curl(&server, "/openapi.json", &[]).json();
    assert!(described["openapi"].as_str().is_some_and(|version| version.starts_with("3.")));
    for path in ["/traffic/wait", "/traffic/entry", "/v1/zones/{zone}/tokens/{token}"] {
        assert!(described["paths"][path].is_object(), "{path} is not described");
    }
    server.stop();
}

#[test]
fn one_connection_serves_many_requests() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let (address, format) = (server.http, "%{num_connects} %{http_code} %{http_version}\n");
    let url = format!("http://{address}/v1/zones/demo");
    let said = printed(program("curl").args(["-sS", "-w", format]).args(["-o", "/dev/null", &url]).args([
        "-o",
        "/dev/null",
        &url,
        "-o",
        "/dev/null",
        &url,
    ]));
    assert_eq!(said, "1 200 1.1\n0 200 1.1\n0 200 1.1\n", "connections made for each");
    let old = curl(&server, "/healthz", &["-0"]);
    assert_eq!((old.status, old.field("connection")), (200, Some("close")));
    let body = r#"{"zoneId":"demo"}"#;
    let expecting = curl(&server, "/traffic/wait", &["-H", "Expect: 100-continue", "-d", body]);
    assert_eq!(expecting.json()["canEnter"], true);
    let chunked = curl(&server, "/traffic/wait", &["-H", "Transfer-Encoding: chunked", "-d", body]);
    assert_eq!(chunked.json()["canEnter"], true);
    server.stop();
}

/// curl does not pipeline; what other clients do is written here by hand.
#[test]
fn requests_sent_at_once_are_answered_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let mut stream = TcpStream::connect(server.http).unwrap();
    let body = r#"{"zoneId":"demo"}"#;
    let join =
        format!("POST /traffic/wait HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let get = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{more}\r\n");
    let last = get("/nope", "Connection: close\r\n");
    let all = [join.clone(), get("/healthz", ""), join, get("/v1/zones/demo", ""), last].concat();
    stream.write_all(all.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).expect("the last one closes");
    let marks = ["\"canEnter\":true", "ok\n", "\"canEnter\":true", "\"mode\":\"auto\"", "\"NOTFOUND\""];
    let mut rest = answers.as_str();
    for mark in marks {
        let at = rest.find(mark).unwrap_or_else(|| panic!("no {mark} in its turn: {answers}"));
        rest = &rest[at + mark.len()..];
    }
    assert_eq!(answers.matches("HTTP/1.1 ").count(), marks.len(), "{answers}");
    server.stop();
}
