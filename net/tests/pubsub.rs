//! Publish and subscribe through sockets: what subscribers are sent and in which order, on one worker, on several, and
//! between servers. The bytes are those of Redis 7.0.15, except where the names say otherwise.

mod support;

use sluice_net::cluster::Done;
use sluice_net::limit;
use support::member::node;
use support::{Client, config, start, until};

/// Sends an inline command and takes exactly what is expected of it.
fn tell(client: &mut Client, command: &str, expected: &str) {
    client.send(format!("{command}\r\n"));
    took(client, command, expected);
}

fn took(client: &mut Client, what: &str, expected: &str) {
    let taken = client.take(expected.len());
    assert_eq!(String::from_utf8_lossy(&taken), expected, "{what}");
}

/// A push of these words, as RESP2 has it; a word that opens with `:` is a number, `~` is nothing.
fn push2(words: &[&str]) -> String {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        match word {
            &"~" => text.push_str("$-1\r\n"),
            number if number.starts_with(':') => text.push_str(&format!("{number}\r\n")),
            word => text.push_str(&format!("${}\r\n{word}\r\n", word.len())),
        }
    }
    text
}

fn push3(words: &[&str]) -> String {
    push2(words).replacen('*', ">", 1).replace("$-1", "_")
}

/// Asks for RESP3 and reads the greeting.
fn resp3(client: &mut Client) {
    assert!(client.ask("HELLO 3").starts_with("%7\r\n"));
}

#[test]
fn resp2_listeners_are_told_by_arrays() {
    let server = start(config(|_| ()), &[]);
    let at = server.local_addrs().resp;
    let (mut listener, mut publisher) = (Client::connect(at), Client::connect(at));
    for (command, expected) in [
        ("UNSUBSCRIBE", push2(&["unsubscribe", "~", ":0"])),
        ("PUNSUBSCRIBE", push2(&["punsubscribe", "~", ":0"])),
        ("UNSUBSCRIBE a b", push2(&["unsubscribe", "a", ":0"]) + &push2(&["unsubscribe", "b", ":0"])),
        ("SUBSCRIBE a a", push2(&["subscribe", "a", ":1"]).repeat(2)),
        ("SUBSCRIBE b", push2(&["subscribe", "b", ":2"])),
        ("PSUBSCRIBE x* a", push2(&["psubscribe", "x*", ":3"]) + &push2(&["psubscribe", "a", ":4"])),
    ] {
        tell(&mut listener, command, &expected);
    }
    assert_eq!(publisher.ask("PUBLISH a one"), ":2\r\n");
    assert_eq!(publisher.ask("PUBLISH xy two"), ":1\r\n");
    assert_eq!(publisher.ask("PUBLISH A three"), ":0\r\n");
    let messages = push2(&["message", "a", "one"])
        + &push2(&["pmessage", "a", "a", "one"])
        + &push2(&["pmessage", "x*", "xy", "two"]);
    took(&mut listener, "messages", &messages);
    for (command, expected) in [
        ("UNSUBSCRIBE a", push2(&["unsubscribe", "a", ":3"])),
        ("UNSUBSCRIBE", push2(&["unsubscribe", "b", ":2"])),
        ("UNSUBSCRIBE", push2(&["unsubscribe", "~", ":2"])),
        ("PUNSUBSCRIBE", push2(&["punsubscribe", "a", ":1"]) + &push2(&["punsubscribe", "x*", ":0"])),
        ("ECHO free", "$4\r\nfree\r\n".to_owned()),
    ] {
        tell(&mut listener, command, &expected);
    }
    assert_eq!(publisher.ask("PUBLISH a four"), ":0\r\n");
}

#[test]
fn few_commands_are_open_to_a_resp2_listener() {
    let server = start(config(|_| ()), &[]);
    let mut listener = Client::connect(server.local_addrs().resp);
    tell(&mut listener, "SUBSCRIBE a", &push2(&["subscribe", "a", ":1"]));
    for command in ["echo", "publish", "hello", "q.join", "client|list", "pubsub|numpat"] {
        let refusal = format!(
            "-ERR Can't execute '{command}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are \
             allowed in this context\r\n"
        );
        let words = if command == "publish" { "publish a b" } else { &format!("{command} a") };
        let words = words.replace('|', " ").replace("list a", "list").replace("numpat a", "numpat");
        tell(&mut listener, &words, &refusal);
    }
    tell(&mut listener, "PING", &push2(&["pong", ""]));
    tell(&mut listener, "PING hi", &push2(&["pong", "hi"]));
    assert!(listener.ask("NOSUCH").starts_with("-ERR unknown command 'NOSUCH'"));
    tell(&mut listener, "RESET", "+RESET\r\n");
    tell(&mut listener, "ECHO free", "$4\r\nfree\r\n");
    assert_eq!(listener.ask("PUBLISH a b"), ":0\r\n", "RESET ends all subscriptions");
    tell(&mut listener, "SUBSCRIBE a", &push2(&["subscribe", "a", ":1"]));
    listener.send("QUIT\r\n");
    assert_eq!(listener.take_to_end(), b"+OK\r\n");
}

#[test]
fn a_resp3_listener_does_as_it_likes_and_hears_itself_first() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    resp3(&mut client);
    tell(&mut client, "SUBSCRIBE a", &push3(&["subscribe", "a", ":1"]));
    tell(
        &mut client,
        "PSUBSCRIBE a* b*",
        &(push3(&["psubscribe", "a*", ":2"]) + &push3(&["psubscribe", "b*", ":3"])),
    );
    let own = push3(&["message", "a", "x"]) + &push3(&["pmessage", "a*", "a", "x"]) + ":2\r\n";
    tell(&mut client, "PUBLISH a x\r\nPUBLISH a x\r\nPING", &(own.repeat(2) + "+PONG\r\n"));
    tell(&mut client, "PING hi", "$2\r\nhi\r\n");
    let info = client.ask("CLIENT INFO");
    assert!(info.contains(" flags=P ") && info.contains(" sub=1 psub=2 "), "{info}");
    assert!(client.ask("CLIENT LIST TYPE pubsub").contains(" sub=1 psub=2 "));
    tell(&mut client, "CLIENT LIST TYPE normal", "=4\r\ntxt:\r\n");
    assert!(client.ask("HELLO 2").starts_with("*14\r\n"));
    tell(&mut client, "PING", &push2(&["pong", ""]));
    tell(
        &mut client,
        "RESET\r\nUNSUBSCRIBE",
        &("+RESET\r\n".to_owned() + &push2(&["unsubscribe", "~", ":0"])),
    );
}

#[test]
fn what_is_listened_to_can_be_asked() {
    let server = start(config(|config| config.workers = 2), &[]);
    let at = server.local_addrs().resp;
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(at)).collect();
    for client in &mut clients {
        tell(client, "SUBSCRIBE aa", &push2(&["subscribe", "aa", ":1"]));
        tell(
            client,
            "PSUBSCRIBE p* P*",
            &(push2(&["psubscribe", "p*", ":2"]) + &push2(&["psubscribe", "P*", ":3"])),
        );
    }
    let mut asker = Client::connect(at);
    for (command, expected) in [
        ("PUBSUB CHANNELS", "*1\r\n$2\r\naa\r\n"),
        ("PUBSUB CHANNELS a?", "*1\r\n$2\r\naa\r\n"),
        ("PUBSUB CHANNELS A?", "*0\r\n"),
        ("PUBSUB NUMSUB", "*0\r\n"),
        ("PUBSUB NUMSUB aa b", "*4\r\n$2\r\naa\r\n:3\r\n$1\r\nb\r\n:0\r\n"),
        ("PUBSUB NUMPAT", ":2\r\n"),
        ("PUBSUB", "-ERR wrong number of arguments for 'pubsub' command\r\n"),
        ("PUBSUB FOO", "-ERR unknown subcommand 'FOO'. Try PUBSUB HELP.\r\n"),
        (
            "PUBSUB CHANNELS x y",
            "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.\r\n",
        ),
        ("PUBLISH aa x", ":3\r\n"),
        ("PUBLISH pp x", ":3\r\n"),
    ] {
        tell(&mut asker, command, expected);
    }
    let info = asker.ask("INFO stats");
    assert!(info.contains("pubsub_channels:1\r\npubsub_patterns:2\r\npubsub_subscriptions:9\r\n"), "{info}");
}

/// Every listener hears every publisher in that publisher's order, wherever the two are.
#[test]
fn workers_deliver_each_others_messages_in_order() {
    const MESSAGES: usize = 1_000;
    let server = start(config(|config| config.workers = 3), &[]);
    let at = server.local_addrs().resp;
    let mut listeners: Vec<Client> = (0..6).map(|_| Client::connect(at)).collect();
    for (number, listener) in listeners.iter_mut().enumerate() {
        if number % 2 == 0 {
            resp3(listener);
        }
        listener.ask("SUBSCRIBE news");
    }
    let mut publishers: Vec<Client> = (0..3).map(|_| Client::connect(at)).collect();
    for (number, publisher) in publishers.iter_mut().enumerate() {
        let commands = (0..MESSAGES).map(|message| format!("PUBLISH news {number}.{message}\r\n"));
        publisher.send(commands.collect::<String>());
    }
    for publisher in &mut publishers {
        took(publisher, "receivers", &":6\r\n".repeat(MESSAGES));
    }
    for listener in &mut listeners {
        let mut next = [0; 3];
        for _ in 0..3 * MESSAGES {
            let push = String::from_utf8(listener.reply()).unwrap();
            let (publisher, message) =
                push.trim_end().rsplit("\r\n").next().unwrap().split_once('.').unwrap();
            let expected = &mut next[publisher.parse::<usize>().unwrap()];
            assert_eq!(message, expected.to_string(), "of publisher {publisher}");
            *expected += 1;
        }
    }
    let facts = server.observer().facts();
    assert_eq!((facts.published_total, facts.messages_dropped), (3 * MESSAGES as u64, 0));
}

#[test]
fn who_is_gone_no_longer_listens() {
    let server = start(config(|config| config.workers = 2), &[]);
    let at = server.local_addrs().resp;
    let mut witness = Client::connect(at);
    let mut listeners: Vec<Client> = (0..8).map(|_| Client::connect(at)).collect();
    for listener in &mut listeners {
        listener.ask("SUBSCRIBE news");
        listener.ask("PSUBSCRIBE n*");
    }
    assert_eq!(witness.ask("PUBLISH news x"), ":16\r\n");
    drop(listeners);
    until("nobody listens", || witness.ask("PUBLISH news x") == ":0\r\n");
    let facts = server.observer().facts();
    assert_eq!((facts.subscriptions, facts.channels, facts.patterns), (0, 0, 0));
}

#[test]
fn silence_does_not_end_a_listener() {
    let server = start(config(|config| config.resp_idle_ms = 20), &[]);
    let at = server.local_addrs().resp;
    let mut listener = Client::connect(at);
    listener.ask("SUBSCRIBE news");
    // Whoever came later and is closed shows that the earlier one was looked at.
    for _ in 0..2 {
        assert_eq!(Client::connect(at).take_to_end(), b"");
    }
    assert_eq!(Client::connect(at).ask("PUBLISH news x"), ":1\r\n");
    took(&mut listener, "the message", &push2(&["message", "news", "x"]));
}

#[test]
fn who_does_not_read_is_closed_and_others_are_served() {
    let server = start(config(|config| config.workers = 2), &[]);
    let at = server.local_addrs().resp;
    let (mut deaf, mut reader) = (Client::connect(at), Client::connect(at));
    deaf.ask("SUBSCRIBE news");
    reader.ask("SUBSCRIBE news");
    let payload = "x".repeat(60_000);
    let command = format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n${}\r\n{payload}\r\n", payload.len());
    let message = push2(&["message", "news", &payload]);
    let mut publisher = Client::connect(at);
    let mut sent = 0;
    loop {
        publisher.send(&command);
        sent += 1;
        took(&mut reader, "every message", &message);
        if publisher.reply() == b":1\r\n" {
            break;
        }
    }
    // What the kernels hold is no bound of ours; what we hold is.
    assert!(sent * message.len() > limit::PUSHED_BYTES_MAX, "closed after {sent} messages");
    assert_eq!(server.observer().facts().subscribers_closed, 1);
}

/// More than are pushed a message before the clock is looked at.
#[test]
fn very_many_listeners_hear_each_message_once_and_in_order() {
    const MESSAGES: usize = 20;
    let server = start(config(|_| ()), &[]);
    let at = server.local_addrs().resp;
    let mut listeners: Vec<Client> = (0..limit::PUSHES_PER_LOOK + 44).map(|_| Client::connect(at)).collect();
    for listener in &mut listeners {
        tell(listener, "SUBSCRIBE news", &push2(&["subscribe", "news", ":1"]));
    }
    listeners[0].ask("PSUBSCRIBE n*");
    let mut publishers = [Client::connect(at), Client::connect(at)];
    let commands: String = (0..MESSAGES).map(|number| format!("PUBLISH news {number}\r\n")).collect();
    for publisher in &mut publishers {
        publisher.send(&commands);
        took(publisher, "the receivers", &format!(":{}\r\n", listeners.len() + 1).repeat(MESSAGES));
    }
    for (number, listener) in listeners.iter_mut().enumerate() {
        for message in (0..MESSAGES).chain(0..MESSAGES).map(|message| message.to_string()) {
            let mut expected = push2(&["message", "news", &message]);
            if number == 0 {
                expected.push_str(&push2(&["pmessage", "n*", "news", &message]));
            }
            took(listener, "once and in order", &expected);
        }
    }
}

/// A connection may match its own message thousands of times.
#[test]
fn who_drowns_in_its_own_message_is_closed() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    resp3(&mut client);
    let patterns: String = (1..=300).map(|stars| format!(" {}", "*".repeat(stars))).collect();
    client.send("*301\r\n$10\r\nPSUBSCRIBE\r\n");
    for pattern in patterns.split_whitespace() {
        client.send(format!("${}\r\n{pattern}\r\n", pattern.len()));
    }
    (0..300).for_each(|_| drop(client.reply()));
    let payload = "x".repeat(60_000);
    client.send(format!("*3\r\n$7\r\nPUBLISH\r\n$4\r\nnews\r\n${}\r\n{payload}\r\n", payload.len()));
    let sent = client.take_to_end().len();
    assert!((limit::PUSHED_BYTES_MAX..limit::PUSHED_BYTES_MAX + 70_000).contains(&sent), "{sent} bytes");
    let facts = server.observer().facts();
    assert_eq!((facts.subscribers_closed, facts.subscriptions), (1, 0));
}

#[test]
fn subscriptions_are_bounded_and_refused_whole() {
    let server = start(config(|_| ()), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    let at_once = 512;
    for round in 0..limit::SUBSCRIPTIONS_PER_SESSION_MAX / at_once {
        let names: String = (0..at_once).map(|number| format!(" {round}.{number}")).collect();
        client.send(format!("SUBSCRIBE{names}\r\n"));
        (0..at_once).for_each(|_| drop(client.reply()));
    }
    let refusal = "-ERR too many subscriptions of this connection, or of all\r\n";
    tell(&mut client, "SUBSCRIBE more", refusal);
    tell(&mut client, "SUBSCRIBE 0.0", &push2(&["subscribe", "0.0", ":16384"]));
    tell(&mut client, "RESET", "+RESET\r\n");
    assert_eq!(server.observer().facts().subscriptions, 0);
    let long = "x".repeat(limit::CHANNEL_BYTES_MAX + 1);
    tell(&mut client, &format!("SUBSCRIBE {long}"), "-ERR channel is empty or too long\r\n");
    tell(&mut client, &format!("PUBLISH {long} x"), "-ERR channel is empty or too long\r\n");
}

#[test]
fn other_nodes_are_told_once_and_in_order() {
    let (here, told, _asks) = node(2);
    let (there, echoed, _asks) = node(2);
    let intake = there.intake();
    let mut far: Vec<Client> = (0..3).map(|_| Client::connect(there.local_addrs().resp)).collect();
    far.iter_mut().for_each(|client| drop(client.ask("SUBSCRIBE news")));
    let mut near = Client::connect(here.local_addrs().resp);
    near.ask("SUBSCRIBE news");
    let mut publisher = Client::connect(here.local_addrs().resp);
    let commands: String = (0..500).map(|number| format!("PUBLISH news {number}\r\n")).collect();
    publisher.send(commands);
    took(&mut publisher, "those of this node count", &":1\r\n".repeat(500));
    let messages: String = (0..500).map(|number| push2(&["message", "news", &number.to_string()])).collect();
    took(&mut near, "once", &messages);
    let mut left =
        500 * (8 + "news".len()) + (0..500).map(|number: u32| number.to_string().len()).sum::<usize>();
    while left > 0 {
        let batch = told.recv().unwrap();
        assert!(batch.len() <= limit::BATCH_BYTES_MAX);
        left -= batch.len();
        intake(&batch);
    }
    far.iter_mut().for_each(|client| took(client, "once", &messages));
    intake(b"\xff\xff\xff\xff nothing of ours");
    intake(&[0, 0, 0, 4, 0, 0, 0, 9, b'n']);
    assert_eq!(far[0].ask("PING"), push2(&["pong", ""]), "what cannot be read is dropped");
    assert!(echoed.try_recv().is_err(), "what came from another node is not handed on");
}

/// They are only copied where they come in, so many small ones at once find room.
#[test]
fn a_batch_of_another_node_is_taken_apart_by_a_worker() {
    const MESSAGES: usize = 2 * limit::PUBLISHED_IN_TRANSIT_MAX;
    let server = start(config(|_| ()), &[]);
    let mut listeners: Vec<Client> = (0..4).map(|_| Client::connect(server.local_addrs().resp)).collect();
    listeners.iter_mut().for_each(|client| drop(client.ask("SUBSCRIBE c")));
    let number = |number: usize| format!("{number:04}");
    let mut batch = Vec::new();
    for message in (0..MESSAGES).map(number) {
        batch.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 4, b'c']);
        batch.extend_from_slice(message.as_bytes());
    }
    assert!(batch.len() <= limit::BATCH_BYTES_MAX);
    server.intake()(&batch);
    let messages: String = (0..MESSAGES).map(|message| push2(&["message", "c", &number(message)])).collect();
    listeners.iter_mut().for_each(|client| took(client, "all of them", &messages));
    assert_eq!(server.observer().facts().messages_dropped, 0);
}

#[test]
fn a_name_that_is_too_dear_for_the_patterns_is_not_published_to() {
    let (server, told, _asks) = node(1);
    let at = server.local_addrs().resp;
    let name = "a".repeat(limit::CHANNEL_BYTES_MAX);
    let mut named = Client::connect(at);
    named.ask(&format!("SUBSCRIBE {name}"));
    let mut dear = 0;
    let listeners: Vec<Client> = (0..8)
        .map(|client| {
            let mut listener = Client::connect(at);
            while listener.ask(&format!("PSUBSCRIBE *{}{client}.{dear}*", "a".repeat(900))).starts_with('*') {
                dear += 1;
            }
            listener
        })
        .collect();
    let most = limit::PATTERNS_PRICE_PER_SESSION_MAX * 8 / 16;
    assert!((most - 8..=most).contains(&dear), "each has its share: {dear}");
    let mut publisher = Client::connect(at);
    let refusal = "-ERR the channel's name is too long for the patterns that are listened to\r\n";
    tell(&mut publisher, &format!("PUBLISH {name} x"), refusal);
    assert_eq!(publisher.ask(&format!("PUBLISH {} x", &name[..limit::CHANNEL_BYTES_SURE])), ":0\r\n");
    let sent = told.recv().unwrap();
    assert!(sent.ends_with(b"ax") && sent.len() < 100, "the other nodes are told of the second alone");
    // What another node publishes is for those who named the channel.
    let head = [(name.len() as u32).to_be_bytes(), 1u32.to_be_bytes()].concat();
    server.intake()(&[&head, name.as_bytes(), b"y"].concat());
    took(&mut named, "the message", &push2(&["message", &name, "y"]));
    assert_eq!(server.observer().facts().messages_dropped, 1);
    drop(listeners);
}

#[test]
fn messages_keep_behind_confirmations_and_pass_replies_that_are_not_there() {
    let (server, _told, asks) = node(1);
    let at = server.local_addrs().resp;
    let done = || Ok(Done { message: String::new(), node: None });
    let mut publisher = Client::connect(at);
    let mut second = Client::connect(at);
    second.send("RAFT PROMOTE 2\r\nSUBSCRIBE news\r\n");
    let decide = asks.recv().unwrap();
    until("somebody listens", || publisher.ask("PUBLISH news one") == ":1\r\n");
    assert_eq!(publisher.ask("PUBLISH news two"), ":1\r\n");
    decide.tell(done());
    let confirmed = "+OK\r\n".to_owned() + &push2(&["subscribe", "news", ":1"]);
    let expected = confirmed + &push2(&["message", "news", "one"]) + &push2(&["message", "news", "two"]);
    took(&mut second, "in order", &expected);
    let mut third = Client::connect(at);
    resp3(&mut third);
    tell(&mut third, "SUBSCRIBE news", &push3(&["subscribe", "news", ":1"]));
    third.send("RAFT PROMOTE 2\r\n");
    let decide = asks.recv().unwrap();
    assert_eq!(publisher.ask("PUBLISH news three"), ":2\r\n");
    took(&mut third, "a push waits for no reply", &push3(&["message", "news", "three"]));
    decide.tell(done());
    took(&mut third, "the reply", "+OK\r\n");
}
