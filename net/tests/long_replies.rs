//! Replies that are longer than anybody takes at once: written in pieces, whole and in order all the same.

mod support;

use support::{Client, config, start};

/// Entries of a stream of about 16 MB: more than the system takes in for who does not read.
const ENTRIES: usize = 16_000;
/// Entries of one page, which is short enough to be copied.
const PAGE: usize = 500;

/// Fills a stream, and returns its entries as a page has them on the wire, one by one.
fn fill(client: &mut Client) -> Vec<String> {
    let value = "v".repeat(1_000);
    for first in (1..=ENTRIES).step_by(PAGE) {
        let appends: String = (first..first + PAGE)
            .map(|number| {
                format!(
                    "*5\r\n$4\r\nXADD\r\n$1\r\ns\r\n${}\r\n{number}-1\r\n$1\r\nf\r\n$1000\r\n{value}\r\n",
                    number.to_string().len() + 2
                )
            })
            .collect();
        client.send(appends);
        (0..PAGE).for_each(|_| assert!(client.reply().starts_with(b"$")));
    }
    let entry = |number: usize| {
        let id = format!("{number}-1");
        format!("*2\r\n${}\r\n{id}\r\n*2\r\n$1\r\nf\r\n$1000\r\n{value}\r\n", id.len())
    };
    (1..=ENTRIES).map(entry).collect()
}

fn array(entries: &[String]) -> String {
    format!("*{}\r\n{}", entries.len(), entries.concat())
}

fn told(what: &str, client: &mut Client, expected: &str) {
    let reply = client.take(expected.len());
    let same = reply.iter().zip(expected.as_bytes()).take_while(|(one, other)| one == other).count();
    assert!(
        reply == expected.as_bytes(),
        "{what}: {} bytes of {}, the same up to {same}",
        reply.len(),
        expected.len()
    );
}

#[test]
fn ranges_of_any_length_are_told_as_their_pages_are() {
    let server = start(config(|config| config.memory_max_bytes = 4 << 30), &[]);
    let mut client = Client::connect(server.local_addrs().resp);
    let entries = fill(&mut client);
    let back: Vec<String> = entries.iter().rev().cloned().collect();
    let (from, to, count) = (3_000, 12_000, 7_777);
    let asked = [
        ("XRANGE s - +".to_owned(), array(&entries)),
        ("XREVRANGE s + -".to_owned(), array(&back)),
        (format!("XRANGE s {from} {to} COUNT {count}"), array(&entries[from - 1..from - 1 + count])),
        (format!("XREVRANGE s {to} {from} COUNT {count}"), array(&back[ENTRIES - to..ENTRIES - to + count])),
        (format!("XRANGE s {from} + COUNT {PAGE}"), array(&entries[from - 1..from - 1 + PAGE])),
        ("XLEN s".to_owned(), format!(":{ENTRIES}\r\n")),
    ];
    for hello in ["HELLO 2", "HELLO 3"] {
        client.ask(hello);
        // Each by itself, and all of them behind each other.
        for (command, expected) in &asked {
            client.send(format!("{command}\r\n"));
            told(command, &mut client, expected);
        }
        client.send(asked.iter().map(|(command, _)| format!("{command}\r\n")).collect::<String>());
        asked.iter().for_each(|(command, expected)| told(command, &mut client, expected));
        // And in one transaction.
        let queued: String = asked.iter().map(|(command, _)| format!("{command}\r\n")).collect();
        client.send(format!("MULTI\r\n{queued}EXEC\r\n"));
        (0..=asked.len()).for_each(|_| assert!(client.reply().starts_with(b"+")));
        let all: String = asked.iter().map(|(_, expected)| expected.as_str()).collect();
        told("EXEC", &mut client, &format!("*{}\r\n{all}", asked.len()));
    }
}

#[test]
fn what_is_published_meanwhile_comes_behind_a_long_reply_and_none_is_lost() {
    const MESSAGES: usize = 50;
    let server = start(config(|config| config.memory_max_bytes = 4 << 30), &[]);
    let at = server.local_addrs().resp;
    let (mut client, mut other) = (Client::connect(at), Client::connect(at));
    let whole = array(&fill(&mut client));
    client.ask("HELLO 3");
    client.ask("SUBSCRIBE news");
    client.ask("X.SUB s AFTER $");
    client.send("XRANGE s - +\r\nPING\r\n");
    // The reply has begun, and does not go on until it is read.
    client.pull(100_000);
    for number in 0..MESSAGES {
        assert_eq!(other.ask(&format!("PUBLISH news {number}")), ":1\r\n");
    }
    other.ask("XADD s 1000000-1 f last");
    told("the range", &mut client, &whole);
    let (mut heard, mut followed, mut pongs) = (0, 0, 0);
    while heard < MESSAGES || followed == 0 || pongs == 0 {
        let push = String::from_utf8(client.reply()).unwrap();
        match &push {
            pong if pong == "+PONG\r\n" => pongs += 1,
            message if message.contains("$7\r\nmessage\r\n") => {
                assert!(message.ends_with(&format!("\r\n{heard}\r\n")), "{heard} is next: {message}");
                heard += 1;
            }
            news => {
                assert!(news.starts_with('>') && news.contains("last"), "{news}");
                followed += 1;
            }
        }
    }
    assert_eq!((followed, pongs, client.ask("XLEN s")), (1, 1, format!(":{}\r\n", ENTRIES + 1)));
}

#[test]
fn who_leaves_in_the_middle_of_a_long_reply_disturbs_nobody() {
    let server = start(config(|config| config.memory_max_bytes = 4 << 30), &[]);
    let at = server.local_addrs().resp;
    let mut client = Client::connect(at);
    let whole = array(&fill(&mut client));
    for _ in 0..20 {
        let mut leaver = Client::connect(at);
        leaver.send("XRANGE s - +\r\n".repeat(5));
        leaver.pull(70_000);
    }
    // Who closes its sending side alone is answered whole.
    let mut closer = Client::connect(at);
    closer.send("XRANGE s - +\r\nPING\r\n");
    closer.stream().shutdown(std::net::Shutdown::Write).unwrap();
    told("the range", &mut closer, &whole);
    assert_eq!((closer.reply(), closer.take_to_end()), (b"+PONG\r\n".to_vec(), Vec::new()));
    client.send("XRANGE s - +\r\n");
    told("the range", &mut client, &whole);
}
