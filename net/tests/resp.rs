//! RESP over real sockets: joins, polls, order of replies, reads after the connection's own writes.

mod support;

use sluice_net::resp::reply::{Reply, Value, decode};
use std::collections::BTreeSet;
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

/// Every name in the maps of a reply, however deep, once.
fn names_are_distinct(reply: &Value<'_>, command: &str) {
    match reply {
        Value::Map(pairs) => {
            let mut names = BTreeSet::new();
            for (name, value) in pairs {
                assert!(names.insert(format!("{name:?}")), "{command} says {name:?} twice");
                names_are_distinct(value, command);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| names_are_distinct(item, command)),
        _ => {}
    }
}

#[test]
fn no_map_says_a_name_twice() {
    let server = start(config(|_| ()), &[("shop", 60)]);
    let mut client = Client::connect(server.local_addrs().resp);
    client.ask("HELLO 3");
    client.ask("XADD s * a b");
    client.ask("XGROUP CREATE s g 0");
    client.ask("X.NAMESPACE SET s MAXLEN 5");
    let maps = [
        "CONFIG GET *",
        "CONFIG GET * save",
        "CONFIG GET save SAVE s* maxmemory-policy appendonly databases",
        "HELLO 3",
        "Q.ZONE GET shop",
        "Q.STATS shop",
        "Q.JOIN shop",
        "RAFT STATUS",
        "XINFO STREAM s FULL",
        "XINFO GROUPS s",
        "X.NAMESPACE GET s",
        "X.NAMESPACE LIST",
        "COMMAND DOCS",
        "COMMAND INFO",
        "CLUSTER SHARDS",
        "Q.KEY LIST",
    ];
    for command in maps {
        client.send(format!("{command}\r\n"));
        let bytes = client.reply();
        let Reply::Value { value, .. } = decode(&bytes).unwrap() else { panic!("{command} is answered") };
        assert!(matches!(value, Value::Map(_) | Value::Array(_)), "{command}: {value:?}");
        names_are_distinct(&value, command);
    }
    for section in ["", " all", " server Server everything"] {
        let info = client.ask(&format!("INFO{section}"));
        let mut names = BTreeSet::new();
        for (name, _) in info.lines().skip(1).filter_map(|line| line.split_once(':')) {
            assert!(names.insert(name), "INFO{section} says {name} twice");
        }
    }
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

/// Everywhere where a pattern is taken: what it is compared with must not cost more than is known before.
#[test]
fn no_command_takes_a_pattern_beyond_its_bound() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    let longest = "a".repeat(sluice_net::resp::limit::PATTERN_BYTES_MAX);
    let commands = [
        "KEYS {}",
        "SCAN 0 MATCH {}",
        "CONFIG GET {}",
        "COMMAND LIST FILTERBY PATTERN {}",
        "PUBSUB CHANNELS {}",
        "PSUBSCRIBE {}",
    ];
    for command in commands {
        let long = client.ask(&command.replace("{}", &format!("{longest}a")));
        assert_eq!(long, "-ERR a pattern has at most 1024 bytes\r\n", "{command}");
        assert!(!client.ask(&command.replace("{}", &longest)).starts_with('-'), "{command}");
    }
}

/// Keys of the largest size, and a pattern that fits none of them until the last byte.
#[test]
fn a_scan_gets_through_whatever_the_pattern_and_keys_says_where_it_would_take_too_long() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    for number in 0..40 {
        let key = format!("{}{number:02}", "a".repeat(60_000));
        client.send(format!(
            "*5\r\n$4\r\nXADD\r\n${}\r\n{key}\r\n$1\r\n*\r\n$1\r\nf\r\n$1\r\nv\r\n",
            key.len()
        ));
        client.reply();
    }
    let pattern = format!("*{}b*", "a".repeat(1_000));
    let all = client.ask(&format!("KEYS {pattern}"));
    assert!(all.starts_with("-ERR ") && all.ends_with(", use SCAN\r\n"), "{all}");
    let (mut cursor, mut steps) = ("0".to_owned(), 0);
    loop {
        let step = client.ask(&format!("SCAN {cursor} COUNT 10000 MATCH {pattern}"));
        cursor = step.split("\r\n").nth(2).unwrap().to_owned();
        steps += 1;
        assert!(step.ends_with("*0\r\n"), "{step}");
        if cursor == "0" {
            break;
        }
    }
    assert!(steps >= 40 * 60_000 / (256 * 1_024 + 65_536), "{steps} steps");
    // Each group's keys are more than one step looks at, whatever the pattern.
    let all = client.ask("KEYS nothing*");
    assert!(all.starts_with("-ERR ") && all.ends_with(", use SCAN\r\n"), "{all}");
}
