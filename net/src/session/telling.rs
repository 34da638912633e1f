//! A long reply on its way: written piece by piece as its reader takes it, so that no turn is spent on one reply, and its wire form
//! is never there whole.
//!
//! ```text
//! front ─▶ bytes that are encoded │ entries, from a place on │ the rest of an array │ … │ tail ◀─ what is short is appended here
//! ```
//! What is long stays as it was made, and keeps its charge until the last of it is written.

use crate::limit::TELLING_BYTES_SHORT;
use crate::resp::command::encode_value;
use crate::resp::command::value::{encode_entry, encode_stream_head, encode_streams_head};
use crate::resp::encode::{Proto, Writer};
use sluice_engine::account::Charge;
use sluice_engine::stream::entries::Entries;
use sluice_engine::stream::value::Value;
use std::collections::VecDeque;

/// The rest of a reply.
#[derive(Default)]
pub(crate) struct Telling {
    pieces: VecDeque<Piece>,
    tail: Vec<u8>,
    /// Bytes of the tail that are no part of the reply.
    behind: usize,
    charge: Charge,
}

enum Piece {
    /// Bytes from this place on.
    Bytes(Vec<u8>, usize),
    /// Entries from this place on.
    Entries(Entries, usize, Proto),
    /// Values of an array whose head was written.
    Values(VecDeque<Value>, Proto),
}

impl Telling {
    /// Takes over what was charged for the answers that it tells.
    pub(crate) fn charged(mut self, charge: Charge) -> Telling {
        self.charge.join(charge);
        self
    }

    /// Bytes that are charged for it.
    pub(crate) fn bytes(&self) -> usize {
        self.charge.bytes() as usize
    }

    /// What it holds beside the values that were charged for.
    pub(crate) fn held_bytes(&self) -> usize {
        let encoded = |piece: &Piece| if let Piece::Bytes(bytes, _) = piece { bytes.capacity() } else { 0 };
        let encoded = self.pieces.iter().map(encoded).sum::<usize>() + self.tail.capacity();
        encoded + self.pieces.capacity() * size_of::<Piece>()
    }

    /// Appends what is sent behind it, though it answers no request.
    pub(crate) fn push_behind(&mut self, bytes: &[u8]) {
        self.tail.extend_from_slice(bytes);
        self.behind += bytes.len();
    }

    /// Bytes of that.
    pub(crate) fn behind_bytes(&self) -> usize {
        self.behind
    }

    /// Where what is short is appended.
    pub(crate) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Appends a value as it is.
    pub(crate) fn push(&mut self, value: Value, proto: Proto) {
        match value {
            value if is_short(&value) => self.push_short(value, proto),
            Value::Entries(entries) => self.push_entries(entries, proto),
            Value::Streams(streams) => {
                encode_streams_head(streams.len(), proto, &mut self.tail);
                for (key, entries) in streams {
                    encode_stream_head(&key, proto, &mut self.tail);
                    self.push_entries(entries, proto);
                }
            }
            Value::Array(values) => {
                Writer::new(&mut self.tail, proto).array(values.len());
                self.add(Piece::Values(values.into(), proto));
            }
            Value::Map(pairs) => {
                Writer::new(&mut self.tail, proto).map(pairs.len());
                for (name, value) in pairs {
                    self.push(name, proto);
                    self.push(value, proto);
                }
            }
            value => encode_value(&value, proto, &mut self.tail),
        }
    }

    /// Many short ones are long together: behind one that was not encoded none is.
    fn push_short(&mut self, value: Value, proto: Proto) {
        match self.pieces.back_mut() {
            Some(Piece::Values(values, same)) if self.tail.is_empty() && *same == proto => {
                values.push_back(value);
            }
            _ if self.tail.len() < TELLING_BYTES_SHORT => encode_value(&value, proto, &mut self.tail),
            _ => self.add(Piece::Values([value].into(), proto)),
        }
    }

    fn push_entries(&mut self, entries: Entries, proto: Proto) {
        Writer::new(&mut self.tail, proto).array(entries.len());
        self.add(Piece::Entries(entries, 0, proto));
    }

    fn add(&mut self, piece: Piece) {
        let before = std::mem::take(&mut self.tail);
        self.pieces.extend([Piece::Bytes(before, 0), piece]);
    }

    /// Appends about so many bytes of it; whether that was all.
    pub(crate) fn write(&mut self, bytes: usize, output: &mut Vec<u8>) -> bool {
        let enough = output.len().saturating_add(bytes);
        loop {
            let Some(piece) = self.pieces.pop_front() else {
                if self.tail.is_empty() {
                    return true;
                }
                let tail = std::mem::take(&mut self.tail);
                self.pieces.push_back(Piece::Bytes(tail, 0));
                continue;
            };
            if let Some(rest) = self.write_piece(piece, enough, output) {
                self.pieces.push_front(rest);
                return false;
            }
        }
    }

    /// What of a piece is left when the output has come to this length.
    fn write_piece(&mut self, piece: Piece, enough: usize, output: &mut Vec<u8>) -> Option<Piece> {
        match piece {
            Piece::Bytes(bytes, at) => {
                let rest = bytes.get(at..).unwrap_or_default();
                let fits = rest.len().min(enough.saturating_sub(output.len()));
                output.extend_from_slice(&rest[..fits]);
                if fits < rest.len() {
                    return Some(Piece::Bytes(bytes, at + fits));
                }
            }
            Piece::Entries(entries, mut at, proto) => {
                for (entry, next) in entries.iter_from(at) {
                    if output.len() >= enough {
                        break;
                    }
                    encode_entry(entry, proto, output);
                    at = next;
                }
                if output.len() >= enough {
                    return Some(Piece::Entries(entries, at, proto));
                }
            }
            Piece::Values(mut values, proto) => loop {
                if output.len() >= enough {
                    return Some(Piece::Values(values, proto));
                }
                match values.pop_front() {
                    None => break,
                    Some(value) if is_short(&value) => encode_value(&value, proto, output),
                    Some(value) => {
                        self.pieces.push_front(Piece::Values(values, proto));
                        self.push_front(value, proto);
                        break;
                    }
                }
            },
        }
        None
    }

    /// A long value within another one.
    fn push_front(&mut self, value: Value, proto: Proto) {
        let mut inner = Telling::default();
        inner.push(value, proto);
        inner.pieces.push_back(Piece::Bytes(inner.tail, 0));
        inner.pieces.into_iter().rev().for_each(|piece| self.pieces.push_front(piece));
    }
}

/// Whether it is encoded at once.
fn is_short(value: &Value) -> bool {
    value.bytes() < TELLING_BYTES_SHORT
}

#[cfg(test)]
mod tests {
    use super::Telling;
    use crate::resp::command::encode_value;
    use crate::resp::encode::Proto;
    use sluice_engine::stream::entries::Entries;
    use sluice_engine::stream::fields::Fields;
    use sluice_engine::stream::id::StreamId;
    use sluice_engine::stream::text::Text;
    use sluice_engine::stream::value::Value;

    fn entries(count: u64) -> Entries {
        let mut entries = Entries::default();
        for ms in 0..count {
            let fields = Fields::pack([&b"field"[..], format!("value {ms}").as_bytes()]);
            entries.push(StreamId { ms, seq: ms % 3 }, ms + 1, Some(fields.as_ref()).filter(|_| ms % 7 > 0));
        }
        entries
    }

    /// Values of every shape, long and short, one within the other.
    fn value(long: u64) -> Value {
        let text = || Value::Text(Text::from(&vec![b't'; long as usize][..]));
        let row = |n| Value::Array(vec![Value::Integer(n), text(), Value::Null]);
        let rows = || Value::Array((0..long as i64 / 100).map(row).collect());
        Value::Array(vec![
            Value::Map(vec![
                (Value::Word("rows".into()), rows()),
                (text(), Value::Entries(entries(long))),
                (Value::Word("none".into()), Value::NullArray),
            ]),
            Value::Streams(vec![(Text::from(b"a"), entries(long)), (Text::from(b"b"), entries(1))]),
            Value::error("ERR no"),
        ])
    }

    #[test]
    fn pieces_of_any_length_make_the_same_bytes() {
        for (long, step) in [(1, 1), (1_000, 1), (1_000, 777), (5_000, 65_536), (1_000, usize::MAX)] {
            for proto in [Proto::Resp2, Proto::Resp3] {
                let (mut whole, mut told) = (Vec::new(), Vec::new());
                encode_value(&value(long), proto, &mut whole);
                let mut telling = Telling::default();
                telling.push(value(long), proto);
                let mut longest = 0;
                loop {
                    let before = told.len();
                    let is_all = telling.write(step, &mut told);
                    longest = longest.max(told.len() - before);
                    if is_all {
                        break;
                    }
                }
                assert_eq!(told, whole, "{long} in steps of {step}");
                assert!(longest < step.saturating_add(2 * 16_384), "{longest} bytes in a step of {step}");
            }
        }
    }
}
