//! What a connection holds while its answers are on their way.

mod support;

use sluice_net::cluster::Done;
use std::collections::VecDeque;
use support::member::node;
use support::Client;

const MEGABYTE: usize = 1 << 20;

/// A request as clients send it.
fn request(words: &[&str]) -> String {
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    let count = words.matches("\r\n").count() / 2;
    format!("*{count}\r\n{words}")
}

#[test]
fn who_reads_holds_little_though_a_reply_is_always_behind_a_change() {
    const ECHOED: usize = 20_000;
    let (server, _told, asks) = node(1);
    let before = server.observer().facts().memory_used_bytes;
    let mut client = Client::connect(server.local_addrs().resp);
    let pair = format!("RAFT PROMOTE 2\r\n{}", request(&["ECHO", &"x".repeat(ECHOED)]));
    let mut decides = VecDeque::new();
    client.send(pair.repeat(2));
    // Once the second is asked the reply between them is written, and waits.
    decides.extend([asks.recv().unwrap(), asks.recv().unwrap()]);
    for _ in 0..6 * MEGABYTE / ECHOED {
        client.send(&pair);
        decides.push_back(asks.recv().unwrap());
        decides.pop_front().unwrap().tell(Ok(Done { message: String::new(), node: None }));
        assert_eq!(client.reply(), b"+OK\r\n");
        assert_eq!(client.reply().len(), ECHOED + "$20000\r\n\r\n".len());
    }
    let held = server.observer().facts().memory_used_bytes.saturating_sub(before);
    assert!(held < 2 * MEGABYTE as u64, "{held} bytes");
}
