//! Malformed and hostile input: each gets the documented error or close, while a well-behaved client on the
//! side notices nothing and the process stays small.

mod http;
mod resp;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;
use support::{Client, config, resident_bytes, start, value_of};

/// What must come back.
#[derive(Clone, Copy)]
enum Expect {
    /// A reply that opens like this, and the connection goes on.
    Replies(&'static str),
    /// Everything that comes back opens like this, then the connection closes.
    Closes(&'static str),
    /// An HTTP response of this status, and the connection goes on.
    Status(u16),
    /// An HTTP response of this status, then the connection closes.
    Last(u16),
}

use Expect::{Closes, Last, Replies, Status};

/// What the whole table may leave behind in the process, client buffers included.
const GROWTH_MAX_BYTES: u64 = 16 << 20;

/// Something hostile: a name, its bytes, what must happen.
type Case = (&'static str, Vec<u8>, Expect);

/// Somebody who behaves: joined once, polls between the attacks.
struct Witness {
    client: Client,
    token: String,
}

impl Witness {
    fn new(at: SocketAddr) -> Witness {
        let mut client = Client::connect(at);
        client.ask("Q.JOIN shop");
        let token = value_of(&client.ask("Q.JOIN shop"), "token");
        Witness { client, token }
    }

    fn check(&mut self, after: &str) {
        let poll = self.client.ask(&format!("Q.POLL shop {}", self.token));
        assert_eq!(value_of(&poll, "position"), "1", "after {after}: {poll}");
    }
}

fn attack(at: SocketAddr, (name, bytes, expect): &Case) {
    let mut client = Client::connect(at);
    // The server may close before it has read everything.
    let _ = client.try_send(bytes);
    match expect {
        Replies(prefix) => {
            let reply = String::from_utf8_lossy(&client.reply()).into_owned();
            assert!(reply.starts_with(prefix), "{name}: {reply}");
            assert_eq!(client.ask("PING"), "+PONG\r\n", "{name}: the connection goes on");
        }
        Closes(prefix) => {
            let all = String::from_utf8_lossy(&client.take_to_end()).into_owned();
            assert!(all.starts_with(prefix) && (!prefix.is_empty() || all.is_empty()), "{name}: {all}");
        }
        Status(status) => {
            let response = client.response();
            assert_eq!(response.status, *status, "{name}: {response:?}");
            assert_eq!(client.call("GET", "/healthz").status, 200, "{name}: the connection goes on");
        }
        Last(status) => {
            let response = client.response();
            assert_eq!(response.status, *status, "{name}: {response:?}");
            assert_eq!(response.field("connection"), Some("close"), "{name}");
            assert_eq!(client.take_to_end(), b"", "{name}: then it closes");
        }
    }
}

#[test]
fn each_gets_its_error_and_nobody_else_notices() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let at = server.local_addrs();
    let mut witness = Witness::new(at.resp);
    let before = resident_bytes();
    let (resp, http) = (resp::cases(), http::cases());
    assert!(resp.len() + http.len() >= 60, "the table is the test");
    for case in &resp {
        attack(at.resp, case);
        witness.check(case.0);
    }
    for case in &http {
        attack(at.http, case);
        witness.check(case.0);
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < GROWTH_MAX_BYTES, "{grown} bytes more");
}
