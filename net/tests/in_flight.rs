//! What a connection holds while its answers are on their way: replies behind a change that is not there yet, and a
//! transaction that hears itself.

mod support;

use sluice_net::cluster::Done;
use std::collections::VecDeque;
use support::member::node;
use support::{Client, config, start};

const MEGABYTE: usize = 1 << 20;

/// A request as clients send it.
fn request(words: &[&str]) -> String {
    let words: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    let count = words.matches("\r\n").count() / 2;
    format!("*{count}\r\n{words}")
}

/// Listens to everything, so many times over.
fn listen(client: &mut Client, patterns: usize) {
    assert!(client.ask("HELLO 3").starts_with("%7"));
    let names: Vec<String> = (1..=patterns).map(|stars| "*".repeat(stars)).collect();
    let words: Vec<&str> = std::iter::once("PSUBSCRIBE").chain(names.iter().map(String::as_str)).collect();
    client.send(request(&words));
    (0..patterns).for_each(|_| drop(client.reply()));
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

#[test]
fn a_transaction_that_hears_itself_is_bounded_as_its_replies_are() {
    const PATTERNS: usize = 30;
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    listen(&mut client, PATTERNS);
    let publish = request(&["PUBLISH", "news", &"x".repeat(60_000)]);
    client.send(format!("MULTI\r\n{}EXEC\r\n", publish.repeat(10)));
    (0..=10).for_each(|_| drop(client.reply()));
    for _ in 0..PATTERNS {
        assert!(client.reply().starts_with(b">4\r\n$8\r\npmessage"));
    }
    let refused = "-ERR the replies of this transaction take more than 1 MiB, this one was not run\r\n";
    let replies = format!("*10\r\n:{PATTERNS}\r\n{}", refused.repeat(9));
    assert_eq!(String::from_utf8(client.reply()).unwrap(), replies);
}

#[test]
fn a_transaction_that_drowns_in_its_own_message_is_not_carried_out() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    listen(&mut client, 300);
    let publish = request(&["PUBLISH", "news", &"x".repeat(60_000)]);
    client.send(format!("MULTI\r\nXADD s * f v\r\n{publish}XADD s * f v\r\n{publish}EXEC\r\n"));
    let sent = client.take_to_end().len();
    assert!((8 * MEGABYTE..9 * MEGABYTE).contains(&sent), "{sent} bytes");
    let mut witness = Client::connect(server.local_addrs().resp);
    assert_eq!(witness.ask("EXISTS s"), ":0\r\n");
    assert_eq!(server.observer().facts().subscribers_closed, 1);
}

#[test]
fn a_join_finds_the_zone_that_its_connection_has_just_asked_for() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    for round in 0..20 {
        client.send(format!("Q.ZONE SET z{round} LIMIT 5\r\nQ.JOIN z{round}\r\n"));
        assert_eq!(client.reply(), b"+OK\r\n");
        let joined = String::from_utf8(client.reply()).unwrap();
        assert!(joined.contains("token"), "{joined}");
        client.send(format!("Q.ZONE DEL z{round}\r\nQ.JOIN z{round}\r\n"));
        assert_eq!(client.reply(), b":1\r\n");
        assert_eq!(client.reply(), b"-NOZONE no such zone\r\n");
    }
    let zone = "MULTI\r\nQ.ZONE SET zm LIMIT 5\r\nQ.JOIN zm\r\nEXEC\r\n";
    client.send(zone);
    (0..3).for_each(|_| assert!(client.reply().starts_with(b"+")));
    let done = String::from_utf8(client.reply()).unwrap();
    assert!(done.starts_with("*2\r\n+OK\r\n") && done.contains("token"), "{done}");
}
