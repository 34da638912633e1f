//! A reader by `XREAD BLOCK`, as Redis has it: it knows ids, and is not told what was removed.

use std::io::Result;

use sluice_net::resp::reply::Value;

use super::{Fortune, Told};
use crate::plan::Plan;
use crate::wire::{Wire, elements, text};
use crate::writer::LAST;

pub(super) fn read(stream: usize, fortune: &mut Fortune<'_>) -> Told {
    let mut entries: Vec<(String, u64)> = Vec::new();
    while entries.last().is_none_or(|(_, payload)| *payload != LAST) {
        let at = fortune.place().resp.clone();
        if follow(stream, &mut entries, fortune, &at).is_err() {
            std::thread::yield_now();
        }
    }
    Told::Payloads { stream, payloads: entries.into_iter().map(|(_, payload)| payload).collect() }
}

/// Reads until the connection is lost or given up.
fn follow(
    stream: usize,
    entries: &mut Vec<(String, u64)>,
    fortune: &mut Fortune<'_>,
    at: &str,
) -> Result<()> {
    let (key, mut wire) = (Plan::key(stream), Wire::connect(at)?);
    while fortune.holds() && entries.last().is_none_or(|(_, payload)| *payload != LAST) {
        let after = entries.last().map_or("0-0".to_owned(), |(id, _)| id.clone());
        let words = ["XREAD", "COUNT", "7", "BLOCK", "500", "STREAMS", &key, &after];
        let more = wire.ask(&words, told)?;
        let ascends = more.iter().chain(entries.last()).all(|(id, _)| parts(id) >= parts(&after));
        assert!(ascends, "{key} after {after}: {more:?}");
        entries.extend(more);
    }
    Ok(())
}

/// Ids and payloads; none where nothing came, or there is nobody to ask now.
fn told(reply: &Value<'_>) -> Vec<(String, u64)> {
    match reply {
        Value::Null => Vec::new(),
        Value::Error(error) if error.starts_with(b"NOLEADER") || error.starts_with(b"BUSY") => Vec::new(),
        reply => {
            let entries = &elements(&elements(reply)[0])[1];
            elements(entries).iter().map(entry).collect()
        }
    }
}

fn entry(entry: &Value<'_>) -> (String, u64) {
    let [id, fields] = elements(entry) else { panic!("{entry:?}") };
    (text(id), text(&elements(fields)[1]).parse().expect("a number"))
}

fn parts(id: &str) -> (u64, u64) {
    let (ms, seq) = id.split_once('-').expect("an id");
    (ms.parse().expect("a number"), seq.parse().expect("a number"))
}
