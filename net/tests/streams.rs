//! Streams and keys over real sockets and a real engine of six groups: replies of several groups, transactions, order.

mod support;

use std::time::Duration;
use support::{Client, config, start};

/// Keys of different groups, and two of the same.
const APART: [&str; 3] = ["a", "b", "c"];

fn end(server: sluice_net::server::Server) {
    let _ = server.drain(Duration::from_secs(10));
}

#[test]
fn one_stream_is_written_and_read() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    assert_eq!(client.ask("XADD s 5-1 name value"), "$3\r\n5-1\r\n");
    assert_eq!(client.ask("XADD s 5-* name value"), "$3\r\n5-2\r\n");
    assert_eq!(client.ask("XLEN s"), ":2\r\n");
    let entry = "*2\r\n$3\r\n5-1\r\n*2\r\n$4\r\nname\r\n$5\r\nvalue\r\n";
    assert_eq!(client.ask("XRANGE s - + COUNT 1"), format!("*1\r\n{entry}"));
    assert_eq!(client.ask("XREAD COUNT 1 STREAMS s 0"), format!("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n{entry}"));
    assert_eq!(client.ask("XREAD STREAMS s $"), "*-1\r\n");
    assert_eq!(client.ask("XREAD BLOCK 10 STREAMS s $"), "*-1\r\n");
    assert_eq!(client.ask("TYPE s"), "+stream\r\n");
    assert_eq!(client.ask("DEL s"), ":1\r\n");
    assert_eq!(client.ask("XLEN s"), ":0\r\n");
    drop(client);
    end(server);
}

#[test]
fn an_append_under_a_request_id_is_made_once() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    let first = client.ask("XADD s REQUEST r1 * a b");
    assert_eq!(client.ask("XADD s REQUEST r1 * a b"), first);
    assert_ne!(client.ask("XADD s REQUEST r2 * a b"), first);
    assert_eq!(client.ask("XLEN s"), ":2\r\n");
    drop(client);
    end(server);
}

#[test]
fn several_groups_answer_as_one() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    for key in APART {
        assert_eq!(client.ask(&format!("XADD {key} 1-1 f {key}")), "$3\r\n1-1\r\n");
    }
    assert_eq!(client.ask("EXISTS a b c a nosuch"), ":4\r\n");
    assert_eq!(client.ask("DBSIZE"), ":3\r\n");
    assert_eq!(client.ask("PEXPIRE b 1000000"), ":1\r\n");
    client.send("PING\r\n");
    client.reply();
    let keyspace = client.ask("INFO keyspace");
    assert!(keyspace.ends_with("# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\n\r\n"), "{keyspace}");
    let stream =
        |key: &str| format!("*2\r\n$1\r\n{key}\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\n{key}\r\n");
    let expected = format!("*2\r\n{}{}", stream("c"), stream("a"));
    assert_eq!(client.ask("XREAD STREAMS c nosuch a b 0 0 0 1-1"), expected);
    let mut keys = client
        .ask("KEYS *")
        .split("\r\n")
        .map(str::to_owned)
        .filter(|word| word.len() == 1)
        .collect::<Vec<_>>();
    keys.sort();
    assert_eq!(keys, APART);
    assert_eq!(scan(&mut client, "COUNT 1"), APART);
    assert_eq!(scan(&mut client, "MATCH [ac] TYPE stream"), ["a", "c"]);
    assert!(scan(&mut client, "TYPE string").is_empty());
    assert_eq!(client.ask("DEL a b nosuch"), ":2\r\n");
    assert_eq!(client.ask("FLUSHALL"), "+OK\r\n");
    assert_eq!(client.ask("DBSIZE"), ":0\r\n");
    drop(client);
    end(server);
}

/// All keys of a whole scan, sorted.
fn scan(client: &mut Client, options: &str) -> Vec<String> {
    let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
    loop {
        let reply = client.ask(&format!("SCAN {cursor} {options}"));
        let lines: Vec<&str> = reply.split("\r\n").collect();
        cursor = lines[2].to_owned();
        keys.extend(lines[4..].iter().filter(|line| line.len() == 1).map(|line| (*line).to_owned()));
        if cursor == "0" {
            keys.sort();
            return keys;
        }
    }
}

/// Everything is sent at once: each read comes behind the writes before it, whichever groups they concern.
#[test]
fn replies_keep_the_order_of_requests_and_reads_see_the_writes_before_them() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().resp);
    let mut sent = String::new();
    let mut expected = String::new();
    for round in 1..=50 {
        for key in APART {
            sent.push_str(&format!("XADD {key} {round}-0 f v\r\nXLEN {key}\r\n"));
            let id = format!("{round}-0");
            expected.push_str(&format!("${}\r\n{id}\r\n:{round}\r\n", id.len()));
        }
        sent.push_str("PING\r\nEXISTS a b c\r\nMULTI\r\nXLEN a\r\nPING\r\nXLEN b\r\nEXEC\r\n");
        expected.push_str("+PONG\r\n:3\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n");
        expected.push_str(&format!("*3\r\n:{round}\r\n+PONG\r\n:{round}\r\n"));
    }
    client.send(&sent);
    assert_eq!(String::from_utf8(client.take(expected.len())).unwrap(), expected);
    drop(client);
    end(server);
}

#[test]
fn a_transaction_replies_in_the_order_of_its_commands() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().resp);
    client.send(
        "MULTI\r\nXADD a 1-1 f v\r\nPING\r\nXADD b bad f v\r\nXADD b 1-1 f v\r\nXLEN a\r\nQ.ZONE LIST\r\n",
    );
    client.send(
        "EXISTS a b c\r\nXREAD BLOCK 0 STREAMS a b $ $\r\nHELLO 3\r\nXREAD STREAMS c 0\r\nEXEC\r\nXLEN a\r\n",
    );
    let text = String::from_utf8(client.take_until(b"_\r\n:1\r\n")).unwrap();
    let (queued, reply) = text.split_at(text.find('*').unwrap());
    assert_eq!(queued, format!("+OK\r\n{}", "+QUEUED\r\n".repeat(10)));
    let head = "*10\r\n$3\r\n1-1\r\n+PONG\r\n-ERR Invalid stream ID specified as stream command argument\r\n\
                $3\r\n1-1\r\n:1\r\n*1\r\n$4\r\nshop\r\n:2\r\n*-1\r\n%7\r\n";
    assert!(reply.starts_with(head), "{reply}");
    assert!(reply.ends_with("*0\r\n_\r\n:1\r\n"), "{reply}");
    drop(client);
    end(server);
}

#[test]
fn a_transaction_waits_where_it_has_to_and_goes_on() {
    let server = start(config(|_| ()), &[("shop", 1)]);
    let mut client = Client::connect(server.local_addrs().resp);
    client.send("MULTI\r\nQ.JOIN shop USER u\r\nQ.ZONE SET other LIMIT 5\r\nQ.STATS other\r\nXLEN a\r\nEXEC\r\nPING\r\n");
    let text = String::from_utf8(client.take_until(b"+PONG\r\n")).unwrap();
    assert!(text.contains("+OK\r\n*20\r\n$7\r\nwaiting\r\n:0\r\n"), "{text}");
    assert!(text.ends_with("\r\n:0\r\n+PONG\r\n"), "{text}");
    client.send("MULTI\r\nEXEC\r\nMULTI\r\nPING\r\nEXEC\r\n");
    assert_eq!(client.take(34), b"+OK\r\n*0\r\n+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n"[..34]);
    drop(client);
    end(server);
}

#[test]
fn a_group_of_consumers_is_served() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    assert_eq!(client.ask("XGROUP CREATE s g $ MKSTREAM"), "+OK\r\n");
    assert!(client.ask("XGROUP CREATE s g $").starts_with("-BUSYGROUP "));
    client.ask("XADD s 1-1 f v");
    let entry = "*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
    assert_eq!(
        client.ask("XREADGROUP GROUP g c STREAMS s >"),
        format!("*1\r\n*2\r\n$1\r\ns\r\n*1\r\n{entry}")
    );
    assert_eq!(client.ask("XACK s g 1-1 2-2"), ":1\r\n");
    assert!(client.ask("XREADGROUP GROUP g c STREAMS s nosuch > >").starts_with("-NOGROUP "));
    drop(client);
    end(server);
}
