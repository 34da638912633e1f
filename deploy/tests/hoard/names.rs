//! What clients listen to stays within its part of the bound, and one message for very many is never there for all at once.

use crate::hoarder::{Client, request};
use crate::memory;
use crate::stage::{MEMORY_MAX, Stage};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Clients who listen to as much as they may.
const CLIENTS: usize = 20;
/// Names in one command, and commands.
const NAMES: usize = 500;
const COMMANDS: usize = 20;
/// What may come on top of the part for names: what the clients' connections take, and what the allocator keeps.
const SLACK_BYTES: u64 = 24 << 20;

/// A pattern whose table has a row for nearly every byte.
fn dear_pattern(number: usize) -> Vec<u8> {
    let rows = (1..=u8::MAX).filter(|byte| !b"*?[\\".contains(byte));
    let number = format!("{number:06}");
    [b"*"].into_iter().flatten().copied().chain(rows.take(240)).chain(number.bytes()).collect()
}

/// Listens to names until that is refused, or it has been asked `COMMANDS` times; how many it listens to.
fn listen(client: &mut Client, word: &str, name: impl Fn(usize) -> Vec<u8>) -> usize {
    let mut listens = 0;
    for command in 0..COMMANDS {
        let names: Vec<Vec<u8>> = (0..NAMES).map(|nth| name(command * NAMES + nth)).collect();
        let words = [word.as_bytes()].into_iter().chain(names.iter().map(Vec::as_slice));
        client.send(&request(&words.collect::<Vec<_>>()));
        // X.SUB has one reply for all.
        let replies = if word == "X.SUB" { 1 } else { NAMES };
        for _ in 0..replies {
            let mut reply = client.reply();
            while word == "X.SUB" && reply.starts_with(b">") {
                reply = client.reply();
            }
            if reply.starts_with(b"-") {
                return listens;
            }
            listens += NAMES / replies;
        }
    }
    listens
}

fn holds(word: &str, name: impl Fn(usize, usize) -> Vec<u8>) {
    let stage = Stage::new();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::new(stage.server.resp)).collect();
    clients.iter_mut().for_each(|client| drop(client.ask(&[b"HELLO", b"3"])));
    let before = memory::resident(stage.server.id());
    stage.peak();
    let listens: Vec<usize> = clients
        .iter_mut()
        .enumerate()
        .map(|(client, connection)| listen(connection, word, |nth| name(client, nth)))
        .collect();
    assert!(listens[0] > 0, "the first is not refused at once");
    assert!(
        listens.iter().any(|listens| *listens < NAMES * COMMANDS),
        "they are refused in the end: {listens:?}"
    );
    let grown = stage.peak().saturating_sub(before);
    let most = MEMORY_MAX / 16 + SLACK_BYTES;
    assert!(grown < most, "{word}: {} MB of {} MB, {listens:?}", grown >> 20, most >> 20);
}

#[test]
fn names_of_channels_stay_within_their_part() {
    holds("SUBSCRIBE", |client, nth| format!("{client}.{nth}").into_bytes());
    holds("SUBSCRIBE", |client, nth| format!("{client}.{nth}.{}", "n".repeat(200)).into_bytes());
}

#[test]
fn patterns_stay_within_their_part() {
    holds("PSUBSCRIBE", |client, nth| dear_pattern(client * NAMES * COMMANDS + nth));
}

#[test]
fn names_of_streams_stay_within_their_part() {
    holds("X.SUB", |client, nth| format!("{client}.{nth}").into_bytes());
}

#[test]
fn one_message_for_very_many_is_written_as_it_is_pushed() {
    const LISTENERS: usize = 3_000;
    // What a system takes in at once, also of who does not read yet.
    const PAYLOAD_BYTES: usize = 14_000;
    let limits = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits }).expect("what is allowed");
    let mut stage = Stage::new();
    let mut listeners: Vec<Client> = (0..LISTENERS).map(|_| Client::new(stage.server.resp)).collect();
    listeners.iter_mut().for_each(|client| drop(client.ask(&[b"SUBSCRIBE", b"news"])));
    let before = memory::resident(stage.server.id());
    stage.peak();
    let receivers = stage.client.ask(&[b"PUBLISH", b"news", &vec![b'v'; PAYLOAD_BYTES]]);
    assert_eq!(receivers, format!(":{LISTENERS}\r\n").into_bytes());
    for listener in &mut listeners {
        assert!(listener.reply().len() > PAYLOAD_BYTES);
    }
    let grown = stage.peak().saturating_sub(before);
    assert!(
        grown < SLACK_BYTES,
        "{} MB for {} MB of messages",
        grown >> 20,
        (LISTENERS * PAYLOAD_BYTES) >> 20
    );
}
