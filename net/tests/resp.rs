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
