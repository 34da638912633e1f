//! Clients who fill the memory with what is to be kept: the process stays within its bound, with all that it has beside.

use crate::hoarder::{Client, request};
use crate::memory;
use crate::stage::{RESIDENT_MAX, Stage};

/// Commands on their way together.
const AT_ONCE: usize = 250;
/// Bytes that come back when all of it is removed: what is left is what the process keeps for the next clients.
const KEPT_BYTES: u64 = 64 << 20;

/// Sends commands until one is refused for want of memory; how many were not.
fn fill(client: &mut Client, command: impl Fn(usize) -> Vec<u8>) -> usize {
    let mut done = 0;
    loop {
        client.send(&(done..done + AT_ONCE).flat_map(&command).collect::<Vec<u8>>());
        let replies: Vec<Vec<u8>> = (0..AT_ONCE).map(|_| client.reply()).collect();
        let is_full = |reply: &&Vec<u8>| reply.starts_with(b"-OOM") || reply.starts_with(b"-FULL");
        if replies.iter().any(|reply| is_full(&reply)) {
            return done;
        }
        let refused = replies.iter().find(|reply| reply.starts_with(b"-"));
        assert_eq!(refused.map(|reply| reply.escape_ascii().to_string()), None);
        done += AT_ONCE;
    }
}

fn holds(what: &str, command: impl Fn(usize) -> Vec<u8>, remove: impl Fn(usize) -> Option<Vec<u8>>) {
    let mut stage = Stage::new();
    let before = memory::resident(stage.server.id());
    stage.peak();
    let done = fill(&mut stage.client, command);
    assert!(done > 0, "{what}: the first is not refused");
    let peak = stage.peak();
    assert!(peak < RESIDENT_MAX, "{what}: {} MB of {} MB for {done}", peak >> 20, RESIDENT_MAX >> 20);
    assert_eq!(stage.client.ask(&[b"FLUSHALL"]), b"+OK\r\n");
    (0..done).filter_map(remove).for_each(|command| {
        stage.client.send(&command);
        stage.client.reply();
    });
    while memory::resident(stage.server.id()) > before + KEPT_BYTES {
        stage.client.ask(&[b"PING"]);
    }
}

#[test]
fn many_short_streams_stay_within_the_bound() {
    let value = vec![b'v'; 900];
    holds(
        "short streams",
        |number| request(&[b"XADD", format!("s:{number}").as_bytes(), b"*", b"f", &value]),
        |_| None,
    );
}

#[test]
fn long_streams_stay_within_the_bound() {
    let value = vec![b'v'; 30_000];
    holds(
        "long streams",
        |number| request(&[b"XADD", format!("l:{}", number % 50).as_bytes(), b"*", b"f", &value]),
        |_| None,
    );
}

#[test]
fn groups_with_long_names_stay_within_the_bound() {
    let name = |number| format!("{number:05}{}", "n".repeat(3_000));
    holds(
        "groups",
        |number| {
            let key = format!("g:{}", number % 200);
            request(&[b"XGROUP", b"CREATE", key.as_bytes(), name(number).as_bytes(), b"$", b"MKSTREAM"])
        },
        |_| None,
    );
}

#[test]
fn zones_with_long_texts_stay_within_the_bound_and_are_given_back() {
    let text = vec![b't'; 1_900];
    let zone = |number: usize| format!("zone{number}").into_bytes();
    let set = |number| {
        let texts = [
            &b"TITLE"[..],
            b"en",
            &text,
            b"TITLE",
            b"ko",
            &text,
            b"MESSAGE",
            b"en",
            &text,
            b"MESSAGE",
            b"ko",
            &text,
        ];
        let name = zone(number);
        let words = [&b"Q.ZONE"[..], b"SET", &name, b"LIMIT", b"5"].into_iter().chain(texts);
        request(&words.collect::<Vec<_>>())
    };
    holds("zones", set, |number| Some(request(&[b"Q.ZONE", b"DEL", &zone(number)])));
}
