//! Streams over one connection of server-sent events: one stream, or several with a cursor each.
//!
//! The head of the response waits until the first of them has said something: who comes back to streams that have all
//! ended is answered 204, which is what stops a browser.

use super::json::Object;
use super::respond::Shape;
use super::sse;
use crate::cursor::{Cursor, Position};
use crate::hub::{Entry, Tell};
use crate::limit;
use crate::worker::desk::Desk;
use bytes::Bytes;
use sluice_engine::account::Charge;
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::{Extent, Reset};

/// Whether more will be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opening {
    /// Yes.
    On,
    /// No: the connection ends.
    Over,
}

/// The streams of one connection.
#[derive(Debug)]
pub(crate) struct Following {
    /// Where each has come to, in the order of the request.
    cursors: Vec<Option<Cursor>>,
    /// One stream by its own address: its frames are shared by all its readers.
    is_single: bool,
    /// The client has been here before.
    returns: bool,
    /// How the head is to be written, until it is.
    head: Option<Shape>,
    ended: usize,
    /// Streams whose end was told before the head was written.
    early: Vec<(usize, Text)>,
    /// For the names of the streams.
    _charge: Charge,
}

impl Following {
    /// Of streams that were read as far as `cursors` say.
    pub(crate) fn new(
        cursors: Vec<Option<Cursor>>,
        is_single: bool,
        returns: bool,
        head: Shape,
        charge: Charge,
    ) -> Following {
        let early = Vec::new();
        Following { cursors, is_single, returns, head: Some(head), ended: 0, early, _charge: charge }
    }

    /// Where each of its readers begins.
    pub(crate) fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        self.cursors.iter().map(|cursor| match *cursor {
            Some(cursor) => Position::After(cursor),
            None => Position::Start,
        })
    }

    pub(crate) fn reads(&self, number: u32) -> bool {
        (number as usize) < self.cursors.len()
    }

    /// Says what a hub told of the stream of this number.
    pub(crate) fn tell(&mut self, number: u32, key: &Text, tell: Tell<'_>, desk: &mut Desk) -> Opening {
        let at = number as usize;
        if let Tell::End(cursor) = tell {
            self.ended += 1;
            self.cursors[at] = Some(cursor);
            let all = self.ended == self.cursors.len();
            if all
                && self.returns
                && let Some(shape) = self.head.take()
            {
                desk.responder().send(
                    204,
                    super::respond::Media::Text,
                    Shape { keep_alive: false, ..shape },
                    &[],
                );
                return Opening::Over;
            }
            if self.head.is_some() && self.returns {
                // Others may have ended as well: the head waits for them.
                self.early.push((at, key.clone()));
            } else {
                self.open(desk);
                self.end(at, key, &mut desk.out);
            }
            return if all { Opening::Over } else { Opening::On };
        }
        self.open(desk);
        match tell {
            Tell::Current | Tell::End(_) => {}
            Tell::Entry { epoch, entry } => {
                self.cursors[at] = Some(Cursor { epoch, dense: entry.dense });
                self.entry(key, epoch, entry, &mut desk.out);
            }
            Tell::Reset { reason, stream } => {
                let before =
                    |stream: Extent| Cursor { epoch: stream.epoch, dense: stream.oldest.saturating_sub(1) };
                // What was deleted lies ahead: what the reader has, it has.
                if reason != Reset::Deleted {
                    self.cursors[at] = stream.map(before);
                }
                self.reset(key, reason, stream, &mut desk.out);
            }
        }
        Opening::On
    }

    /// Writes the head, unless that was done.
    pub(crate) fn open(&mut self, desk: &mut Desk) {
        let Some(shape) = self.head.take() else { return };
        let range = if desk.closing { limit::DRAIN_RETRY_MS } else { limit::RETRY_MS };
        let retry_ms = desk.jitter.between(range.start, range.end);
        desk.responder().open_events(shape);
        sse::retry(&mut desk.out, retry_ms);
        for (at, key) in std::mem::take(&mut self.early) {
            self.end(at, &key, &mut desk.out);
        }
    }

    fn entry(&self, key: &Text, epoch: u64, entry: &Entry, out: &mut Vec<u8>) {
        if self.is_single {
            out.extend_from_slice(entry.frame(|entry| frame(epoch, entry)));
            return;
        }
        let mut data = Vec::new();
        let mut object = Object::open(&mut data);
        object.text("key", key).text("cursor", Cursor { epoch, dense: entry.dense }.to_string().as_bytes());
        object.text("id", entry.id.to_string().as_bytes());
        object.object("fields", |inner| fields(entry, inner));
        object.close();
        sse::message(out, Some(self.vector().as_bytes()), &data);
    }

    fn reset(&self, key: &Text, reason: Reset, stream: Option<Extent>, out: &mut Vec<u8>) {
        let mut data = Vec::new();
        let mut object = Object::open(&mut data);
        self.name(key, &mut object);
        object.text("reason", reason.word().as_bytes());
        if let Some(stream) = stream {
            object
                .text("oldest", Cursor { epoch: stream.epoch, dense: stream.oldest }.to_string().as_bytes());
            object
                .text("newest", Cursor { epoch: stream.epoch, dense: stream.newest }.to_string().as_bytes());
        }
        object.close();
        sse::event(out, "reset", None, &data);
    }

    fn end(&self, at: usize, key: &Text, out: &mut Vec<u8>) {
        let Some(cursor) = self.cursors[at] else { return };
        let mut data = Vec::new();
        let mut object = Object::open(&mut data);
        self.name(key, &mut object);
        object.text("cursor", cursor.to_string().as_bytes());
        object.close();
        let id = if self.is_single { cursor.to_string() } else { self.vector() };
        sse::event(out, "end", Some(id.as_bytes()), &data);
    }

    fn name(&self, key: &Text, object: &mut Object<'_>) {
        if !self.is_single {
            object.text("key", key);
        }
    }

    /// Every stream's cursor, in the order of the request.
    fn vector(&self) -> String {
        let cursor =
            |cursor: &Option<Cursor>| cursor.map_or_else(|| "-".to_owned(), |cursor| cursor.to_string());
        self.cursors.iter().map(cursor).collect::<Vec<_>>().join(",")
    }
}

/// The frame of an entry that all readers of its stream share.
fn frame(epoch: u64, entry: &Entry) -> Bytes {
    let mut data = Vec::new();
    let mut object = Object::open(&mut data);
    fields(entry, &mut object);
    object.close();
    let mut out = Vec::with_capacity(data.len() + 64);
    sse::message(&mut out, Some(Cursor { epoch, dense: entry.dense }.to_string().as_bytes()), &data);
    out.into()
}

fn fields(entry: &Entry, object: &mut Object<'_>) {
    let mut texts = entry.fields().texts();
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        object.pair(name, value);
    }
}
