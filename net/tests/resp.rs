//! RESP over real sockets: joins, polls, order of replies, reads after the connection's own writes.

mod support;

use std::time::Duration;
use support::{Client, config, start, value_of};

#[test]
fn a_visitor_joins_polls_and_leaves() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().resp);
    let first = client.ask("Q.JOIN shop");
    assert_eq!(value_of(&first, "state"), "admitted");
    let second = client.ask("Q.JOIN shop");
    assert_eq!((value_of(&second, "state"), value_of(&second, "position")), ("waiting".into(), "1".into()));
    let token = value_of(&second, "token");
    let poll = client.ask(&format!("Q.POLL shop {token}"));
    assert_eq!((value_of(&poll, "token"), value_of(&poll, "position")), (token.clone(), "1".into()));
    assert_eq!(client.ask(&format!("Q.LEAVE shop {token}")), ":1\r\n");
    assert_eq!(client.ask(&format!("Q.LEAVE shop {token}")), ":0\r\n");
    assert!(client.ask(&format!("Q.POLL shop {token}")).starts_with("-GONE "));
    assert_eq!(server.drain(Duration::from_secs(10)).len(), 6);
}

/// A visit may end for having done enough exactly where its input ends; the next bytes must still be read.
#[test]
fn a_connection_goes_on_after_any_number_of_pipelined_commands() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().resp);
    for count in [255, 256, 257, 512, 1_024, 1_536, 1] {
        client.send("PING\r\n".repeat(count));
        assert_eq!(client.take(count * 7), "+PONG\r\n".repeat(count).into_bytes(), "{count} in one write");
    }
    drop(client);
    let _ = server.drain(Duration::from_secs(10));
}
