//! A reader that asks for what is behind its place again and again, as JSON.

use std::io::{ErrorKind, Read as _, Result, Write as _};

use serde_json::Value;

use super::{Fortune, cursor_of};
use crate::history::History;
use crate::plan::Plan;
use crate::wire::{connect, lost};

pub(super) fn read(history: &mut History, fortune: &mut Fortune<'_>) {
    let mut seen = 0;
    while history.end.is_none() {
        let limit = 1 + fortune.dice.below(30);
        let after = history.cursor().map(|cursor| format!("&after={cursor}")).unwrap_or_default();
        let path = format!("/v1/streams/{}/events?limit={limit}{after}", Plan::key(history.stream));
        let at = fortune.place().http.clone();
        match get(&at, &path) {
            Ok((200, body)) if !took(history, &body) => seen = fortune.stage.next_append(seen),
            Ok((200, _)) => {}
            Ok((410, body)) => lapsed(history, &body),
            // Not there yet, or removed: a place in it is lost, and then that was said.
            Ok((404 | 429 | 503, _)) => seen = fortune.stage.next_append(seen),
            Ok((status, body)) => panic!("{path}: {status} {body}"),
            Err(_) => std::thread::yield_now(),
        }
    }
}

/// Status and body of one request on a connection of its own.
fn get(at: &str, path: &str) -> Result<(u16, Value)> {
    let mut stream = connect(at)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(lost)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
    status.zip(body).ok_or_else(|| ErrorKind::UnexpectedEof.into())
}

/// Whether there is more at once.
fn took(history: &mut History, body: &Value) -> bool {
    for entry in body["entries"].as_array().expect("entries") {
        let number = |name: &str| entry[name].as_u64().expect("a number");
        let at = sluice_net::cursor::Cursor { epoch: number("epoch"), dense: number("seq") };
        history.entry(at, super::sse::payload(&entry["fields"]));
    }
    let next = cursor_of(body["next"].as_str().expect("a cursor"));
    let stands = history.cursor().is_none_or(|cursor| cursor == next);
    assert!(stands, "it is to go on at {next}: {history:?}");
    if body["ended"] == true {
        history.ended(next);
    }
    body["upToDate"] == false
}

fn lapsed(history: &mut History, body: &Value) {
    history.reset(body["reason"].as_str().expect("a reason"), body["oldest"].as_str().map(cursor_of));
}
