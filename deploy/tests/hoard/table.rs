//! Each command, and each call over HTTP, sent again and again by fifty connections that read nothing.
//!
//! The list is the server's own: a command or a call without a row here fails the test.

use crate::hoarder::{Hoarder, request};
use crate::memory;
use crate::rows::{CALLS, ROWS};
use crate::stage::{RESIDENT_MAX, Stage, VALUE_BYTES};
use sluice_net::resp::command::COMMANDS;
use std::collections::BTreeSet;

const CONNECTIONS: usize = 50;
/// Bytes that a connection sends, and requests.
const SENT_BYTES: usize = 256_000;
const SENT_REQUESTS: usize = 300;

/// The requests of a row, as a connection sends them.
fn requests(row: &str, connection: usize) -> Vec<u8> {
    let one = |row: &str| {
        let words = words(row, connection);
        request(&words.iter().map(Vec::as_slice).collect::<Vec<_>>())
    };
    row.split(" ; ").flat_map(one).collect()
}

/// Words of a request.
fn words(row: &str, connection: usize) -> Vec<Vec<u8>> {
    let long = |name: &str| {
        let mut text = format!("{name}{connection}").into_bytes();
        text.resize(VALUE_BYTES, b'n');
        text
    };
    let word = |word: &str| match word {
        "{V}" => vec![b'v'; VALUE_BYTES],
        "{K}" => format!("long:{}", connection % 6).into_bytes(),
        "{G}" => [b"g".as_slice(), &vec![b'g'; VALUE_BYTES - 1]].concat(),
        "{N}" => long("name"),
        "{C}" => format!("channel{connection}").into_bytes(),
        word => word.as_bytes().to_vec(),
    };
    row.split(' ').map(word).collect()
}

fn repeated(one: &[u8], most: usize) -> Vec<u8> {
    one.repeat((SENT_BYTES / one.len()).clamp(1, most))
}

/// The pipeline of a row: as it is, or a transaction of it again and again.
fn pipeline(row: &str, connection: usize, in_transaction: bool) -> Vec<u8> {
    let one = requests(row, connection);
    let hello = request(&[b"HELLO", b"3"]);
    if !in_transaction {
        return [hello, repeated(&one, SENT_REQUESTS)].concat();
    }
    let inside = one.repeat((100_000 / one.len()).clamp(1, 200));
    [hello, repeated(&[request(&[b"MULTI"]), inside, request(&[b"EXEC"])].concat(), 20)].concat()
}

/// What a row did wrong, if anything.
fn hoard(stage: &mut Stage, what: &str, mut hoarders: Vec<Hoarder>) -> Option<String> {
    // Shown where the server does not answer, or ends.
    println!("{what}");
    stage.rest(&mut hoarders);
    drop(hoarders);
    let peak = stage.peak();
    (peak >= RESIDENT_MAX).then(|| format!("{what}: {} MB of {} MB", peak >> 20, RESIDENT_MAX >> 20))
}

#[test]
fn every_command_has_a_row() {
    let leaves = COMMANDS.iter().flat_map(|spec| {
        let own = spec.run.is_some().then_some(spec.name);
        own.into_iter().chain(spec.subcommands.iter().map(|sub| sub.name))
    });
    let known: BTreeSet<&str> = ROWS.iter().map(|(name, _)| *name).collect();
    let missing: Vec<&str> = leaves.filter(|name| !known.contains(name)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

#[test]
fn every_command_that_nobody_reads_stays_within_the_bound() {
    let mut stage = Stage::new();
    stage.fill();
    let mut faults = Vec::new();
    for (name, row) in ROWS {
        for in_transaction in [false, true] {
            stage.peak();
            let at = stage.server.resp;
            let pipelines = (0..CONNECTIONS).map(|connection| pipeline(row, connection, in_transaction));
            let hoarders = pipelines.map(|bytes| Hoarder::new(at, bytes)).collect();
            let what = if in_transaction { format!("MULTI {name}") } else { (*name).to_owned() };
            faults.extend(hoard(&mut stage, &what, hoarders));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(memory::resident(stage.server.id()) < RESIDENT_MAX);
}

#[test]
fn every_call_over_http_that_nobody_reads_stays_within_the_bound() {
    let mut stage = Stage::new();
    let (_, text) = stage.server.http("GET", "/openapi.json", "");
    let api: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    for (path, calls) in api["paths"].as_object().expect("paths") {
        for method in calls.as_object().expect("calls").keys().filter(|method| *method != "parameters") {
            let has_row = CALLS
                .iter()
                .any(|(of, row)| of == path && row.to_ascii_lowercase().starts_with(&format!("{method} ")));
            assert!(has_row, "no row for {method} {path}");
        }
    }
    let mut faults = Vec::new();
    for (path, row) in CALLS {
        stage.peak();
        let at = stage.server.http;
        let calls = (0..CONNECTIONS).map(|connection| {
            let row = row.replace("{K}", &format!("long:{}", connection % 6));
            let (head, body) = row.split_once(" < ").unwrap_or((&row, ""));
            let body = body.replace("{V}", &"v".repeat(15_000));
            let (line, accept) = head.split_once(" | ").unwrap_or((head, "*/*"));
            let call = format!(
                "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            Hoarder::new(at, repeated(call.as_bytes(), 1_000))
        });
        let hoarders = calls.collect();
        faults.extend(hoard(&mut stage, &format!("{row} ({path})"), hoarders));
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
