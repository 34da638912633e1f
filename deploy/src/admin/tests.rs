//! The admin plane over real sockets, with a cluster that refuses.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sluice_net::auth::digest;
use sluice_net::cluster::{Addresses, Alone, Cluster, Decide, Done, Operation, Refused, Status};

use super::{Admin, Reach, shared};
use crate::limit;

/// Promotes anybody, adds who is asked for three times, and refuses everything else.
#[derive(Default)]
struct Strict {
    asked: AtomicU32,
}

impl Cluster for Strict {
    fn status(&self) -> Status {
        Alone::new(2, Addresses::default()).status()
    }

    fn administer(&self, operation: Operation, decide: Decide) {
        decide.tell(match operation {
            Operation::Promote { node } => Ok(Done { message: format!("node {node} votes"), node: None }),
            Operation::AddLearner { .. } if self.asked.fetch_add(1, Ordering::Relaxed) < 2 => {
                Err(Refused::new("NOTWAITING", "no node waits there"))
            }
            Operation::AddLearner { .. } => Ok(Done { message: "added".to_owned(), node: Some(4) }),
            Operation::Replace { .. } => {
                self.asked.fetch_add(1, Ordering::Relaxed);
                Err(Refused::new("NOTWAITING", "no node waits there"))
            }
            _ => Err(Refused::new("QUORUM", "would lose quorum: 2 of 3 are down")),
        });
    }

    fn can_write(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        true
    }
}

fn start(tokens: &[&str]) -> (Admin, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let tokens = tokens.iter().map(|token| digest(token.as_bytes()));
    let at = listener.local_addr().unwrap();
    (Admin::start(listener, shared(Arc::new(Strict::default()), tokens, Reach::default())).unwrap(), at)
}

/// Status and whole answer.
fn ask(at: SocketAddr, line: &str, fields: &str, body: &str) -> (u16, String) {
    let length = body.len();
    send(
        at,
        &format!(
            "{line} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n{body}"
        ),
    )
}

fn send(at: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    // A hang is a failure; no test passes or fails by this otherwise.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{answer:?}")), answer)
}

const JSON: &str = "Content-Type: application/json\r\n";

#[test]
fn the_cluster_is_shown_and_changed() {
    let (_admin, at) = start(&[]);
    let (status, answer) = ask(at, "GET /admin/cluster", "", "");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!((status, serde_json::from_str::<Status>(body).unwrap()), (200, Strict::default().status()));
    let (status, answer) = ask(at, "POST /admin/cluster/promote", JSON, "{\"node\":4}");
    assert!(status == 200 && answer.ends_with("{\"message\":\"node 4 votes\"}"), "{answer}");
    let (status, answer) = ask(at, "POST /admin/cluster/remove", JSON, "{\"node\":4}");
    assert_eq!(status, 409);
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains("\"code\":\"QUORUM\"") && answer.contains("2 of 3 are down"), "{answer}");
}

/// The cluster answers soon, because RESP clients have little patience; who calls here may have started the node just now.
#[test]
fn a_node_that_does_not_wait_yet_is_asked_for_again_and_not_for_ever() {
    let (_admin, at) = start(&[]);
    let (status, answer) = ask(at, "POST /admin/cluster/add-learner", JSON, "{\"peer\":\"a:1\"}");
    assert!(status == 200 && answer.contains("\"node\":4"), "{answer}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, cluster) = (listener.local_addr().unwrap(), Arc::new(Strict::default()));
    let _admin = Admin::start(listener, shared(Arc::clone(&cluster) as _, [], Reach::default())).unwrap();
    let (_, answer) = ask(at, "POST /admin/cluster/replace", JSON, "{\"node\":3,\"peer\":\"a:1\"}");
    assert!(answer.contains("NOTWAITING"), "{answer}");
    assert_eq!(cluster.asked.load(Ordering::Relaxed), limit::NEWCOMER_TRIES);
}

#[test]
fn odd_requests_are_refused() {
    let (_admin, at) = start(&[]);
    let large = " ".repeat(100_000);
    for (line, fields, body, expected) in [
        ("POST /admin/cluster/promote", "", "{\"node\":4}", 403),
        ("POST /admin/cluster/promote", "Content-Type: text/xml\r\n", "{\"node\":4}", 415),
        ("POST /admin/cluster/promote", JSON, "{}", 400),
        ("POST /admin/cluster/nosuch", JSON, "{}", 404),
        ("POST /admin/cluster/promote", JSON, large.as_str(), 413),
        ("DELETE /admin/cluster", "", "", 405),
        ("GET /admin", "", "", 404),
        ("GET /readyz?for=x", "", "", 400),
        ("GET /admin/cluster", "Origin: https://shop.example\r\n", "", 403),
        ("GET /admin/cluster", "Sec-Fetch-Site: cross-site\r\n", "", 403),
        ("GET /metrics", "X-Forwarded-For: 192.0.2.1\r\n", "", 403),
        ("POST /admin/cluster/promote", "Content-Type: text/plain\r\n", "{\"node\":4}", 403),
    ] {
        let (status, answer) = ask(at, line, fields, body);
        assert_eq!(status, expected, "{line}: {answer}");
        assert!(answer.contains("application/problem+json"), "{line}: {answer}");
    }
    let many = "X: y\r\n".repeat(1_000);
    assert_eq!(ask(at, "GET /healthz", &many, "").0, 431);
}

#[test]
fn a_name_that_was_made_to_lead_here_is_refused() {
    let (_admin, at) = start(&[]);
    let ask = |host: &str, path: &str| {
        send(at, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).0
    };
    assert_eq!((ask("rebound.example", "/metrics"), ask("localhost", "/metrics")), (403, 200));
    assert_eq!(ask("rebound.example", "/healthz"), 200, "health is anybody's");
    assert_eq!(ask("localhost:rebound.example", "/metrics"), 400);
    assert_eq!(ask("localhost\r\nHost: rebound.example", "/metrics"), 400);
    assert_eq!(ask("localhost", "http://rebound.example/metrics"), 400, "a proxy goes by the target");
    assert_eq!(ask("localhost", "http://localhost/metrics"), 200);
}

/// Twice as many silent connections as there may be, and health is answered; then the silent ones are gone.
#[test]
fn silent_connections_keep_nobody_out() {
    let (_admin, at) = start(&[]);
    let silent: Vec<_> =
        (0..2 * limit::ADMIN_CONNECTIONS_MAX).map(|_| TcpStream::connect(at).unwrap()).collect();
    let began = Instant::now();
    assert_eq!(ask(at, "GET /healthz", "", "").0, 200);
    // Not how fast, but whether it waited for a silent one's time to be over.
    assert!(began.elapsed() < Duration::from_millis(limit::ADMIN_HEAD_MS_MAX), "it waited for others");
    let mut first = &silent[0];
    first.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert_eq!(first.read(&mut [0]).unwrap_or(0), 0, "the first of them was given up");
}

#[test]
fn tokens_guard_everything_but_health() {
    let (_admin, at) = start(&["t0ken"]);
    for path in ["/admin/cluster", "/metrics"] {
        let (status, answer) = ask(at, &format!("GET {path}"), "", "");
        assert!(status == 401 && answer.contains("www-authenticate: Bearer"), "{answer}");
        assert_eq!(ask(at, &format!("GET {path}"), "Authorization: Bearer guess\r\n", "").0, 401);
        assert_eq!(ask(at, &format!("GET {path}"), "Authorization: Bearer t0ken\r\n", "").0, 200);
    }
    assert_eq!(ask(at, "POST /admin/cluster/promote", JSON, "{\"node\":4}").0, 401);
    assert_eq!(ask(at, "GET /healthz", "", "").0, 200);
}

#[test]
fn a_node_that_does_not_serve_yet_is_alive_but_not_ready() {
    let (_admin, at) = start(&[]);
    assert_eq!((ask(at, "GET /healthz", "", "").0, ask(at, "GET /readyz", "", "").0), (200, 503));
    let (status, page) = ask(at, "GET /metrics", "", "");
    assert_eq!(status, 200);
    assert!(page.contains("\nsluice_group_has_leader{group=\"1\"} 1\n"), "{page}");
    assert!(page.contains("\nsluice_node_reachable{node=\"1\",part=\"voter\"} 1\n"), "{page}");
}
