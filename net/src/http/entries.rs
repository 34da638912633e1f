//! What became of an append to a stream, and entries of a stream, as JSON.

use super::json::Object;
use super::problem::{Detail, Problem};
use super::recall::Purpose;
use super::respond::{Media, Responder, Shape};
use crate::cursor::Cursor;
use sluice_engine::stream::entries::EntryRef;
use sluice_engine::stream::value::{Added, ENDED, Extent, Followed, Reset, Value};

const NO_STREAM: Problem = Problem::new(404, "NOSTREAM", "there is no such stream");
/// Of a place in a stream: what follows it is not there any more.
const LAPSED: Problem = Problem::new(410, "GONE", "the entries behind this place cannot be had");

/// Writes the response. True where it is an error.
pub(super) fn write(purpose: Purpose, shape: Shape, value: &Value, to: &mut Responder<'_>) -> bool {
    match (purpose, value) {
        (Purpose::Append, Value::Added(added)) => {
            write_added(added, to.body);
            to.send(201, Media::Json, shape, &[]);
        }
        (Purpose::End, Value::Integer(new)) => {
            let mut object = Object::open(to.body);
            object.truth("marked", *new > 0);
            object.close();
            to.send(200, Media::Json, shape, &[]);
        }
        (Purpose::Range, Value::Followed(followed)) => return write_followed(followed, shape, to),
        (_, Value::Error(text)) => {
            write_error(text, shape, to);
            return true;
        }
        // The owner answers what it was asked; anything else is our own fault.
        _ => {
            Problem::new(500, "ERR", "the answer does not fit the question").send(to, shape);
            return true;
        }
    }
    false
}

fn write_added(added: &Added, body: &mut Vec<u8>) {
    let cursor = Cursor { epoch: added.epoch, dense: added.dense };
    let mut object = Object::open(body);
    object.text("id", added.id.to_string().as_bytes());
    object.count("epoch", added.epoch).count("seq", added.dense);
    object.text("cursor", cursor.to_string().as_bytes());
    object.close();
}

fn write_followed(followed: &Followed, shape: Shape, to: &mut Responder<'_>) -> bool {
    match (followed.stream, followed.reset) {
        (None, None) => {
            NO_STREAM.send(to, shape);
            true
        }
        (stream, Some(reset)) => {
            let there = followed.entries.iter().next().map(|entry| entry.dense);
            LAPSED.send_with(to, shape, |object| write_reset(reset, stream, there, object));
            true
        }
        (Some(stream), None) => {
            let dense = followed.entries.iter().last().map_or(stream.newest, |entry| entry.dense);
            let is_current = dense >= stream.newest;
            let mut object = Object::open(to.body);
            object.objects("entries", followed.entries.iter(), |entry, object| {
                write_entry(stream.epoch, &entry, object);
            });
            object.text("next", Cursor { epoch: stream.epoch, dense }.to_string().as_bytes());
            object.truth("upToDate", is_current).truth("ended", is_current && stream.ended);
            object.close();
            to.send(200, Media::Json, shape, &[]);
            false
        }
    }
}

fn write_entry(epoch: u64, entry: &EntryRef<'_>, object: &mut Object<'_>) {
    object.text("id", entry.id.to_string().as_bytes());
    object.count("epoch", epoch).count("seq", entry.dense);
    object.object("fields", |inner| {
        let Some(fields) = entry.fields else { return };
        let mut texts = fields.texts();
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            inner.pair(name, value);
        }
    });
}

/// Why there is nothing behind the place, how far the stream reaches, and where a reader may go on. `there`: number of the first
/// entry behind a hole.
fn write_reset(reset: Reset, stream: Option<Extent>, there: Option<u64>, object: &mut Object<'_>) {
    object.text("reason", reset.word().as_bytes());
    let Some(stream) = stream else { return };
    let mut cursor = |name, dense| {
        object.text(name, Cursor { epoch: stream.epoch, dense }.to_string().as_bytes());
    };
    cursor("oldest", stream.oldest);
    cursor("newest", stream.newest);
    let first = match reset {
        Reset::Deleted => there.unwrap_or_else(|| stream.newest.saturating_add(1)),
        Reset::Trimmed | Reset::Epoch | Reset::Unknown => stream.oldest,
    };
    cursor("next", first.saturating_sub(1));
}

/// A refusal in the engine's words, the code first.
fn write_error(text: &[u8], shape: Shape, to: &mut Responder<'_>) {
    let text = String::from_utf8_lossy(text);
    let (code, words) = text.split_once(' ').unwrap_or(("ERR", &text));
    let problem = match code {
        _ if text == ENDED => Problem::new(409, "ENDED", ""),
        "OOM" => Problem::new(503, "OOM", ""),
        "NOPERM" => Problem::new(403, "NOPERM", ""),
        _ => Problem::new(400, "ERR", ""),
    };
    let problem = Problem { detail: Detail::Told, ..problem };
    problem.send_with(to, shape, |object| {
        object.text("detail", words.as_bytes());
    });
}
