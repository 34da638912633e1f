//! Our codec against the `redis-protocol` crate, on generated values: what either writes, both read as the same.

use crate::resp::args::ArgsBuf;
use crate::resp::decode::{Decoded, RequestBounds, decode as decode_request};
use crate::resp::encode::{Proto, Writer};
use crate::resp::reply::{Reply, Value, decode};
use redis_protocol::resp2::{
    decode::decode as peer_decode2,
    encode::encode as peer_encode2,
    types::{OwnedFrame as Frame2, Resp2Frame},
};
use redis_protocol::resp3::{
    decode::complete::decode as peer_decode3,
    encode::complete::encode as peer_encode3,
    types::{OwnedFrame as Frame3, Resp3Frame, VerbatimStringFormat},
};

const ROUNDS: u64 = 3_000;

/// SplitMix64: a fixed seed gives the same values on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }

    fn bytes(&mut self, max: u64) -> Vec<u8> {
        (0..self.below(max + 1)).map(|_| self.roll() as u8).collect()
    }

    fn word(&mut self) -> String {
        (0..self.below(12)).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    fn number(&mut self) -> i64 {
        let bits = self.below(64);
        (self.roll() as i64) >> bits
    }
}

fn frame2(dice: &mut Dice, depth: u64) -> Frame2 {
    match dice.below(if depth == 0 { 5 } else { 6 }) {
        0 => Frame2::SimpleString(dice.word().into_bytes()),
        1 => Frame2::Error(format!("ERR {}", dice.word())),
        2 => Frame2::Integer(dice.number()),
        3 => Frame2::BulkString(dice.bytes(300)),
        4 => Frame2::Null,
        _ => Frame2::Array((0..dice.below(130)).map(|_| frame2(dice, depth - 1)).collect()),
    }
}

fn write2(frame: &Frame2, writer: &mut Writer<'_>) {
    match frame {
        Frame2::SimpleString(text) => writer.simple(&String::from_utf8_lossy(text)),
        Frame2::Error(text) => writer.error(text.as_bytes()),
        Frame2::Integer(value) => writer.integer(*value),
        Frame2::BulkString(bytes) => writer.bulk(bytes),
        Frame2::Null => writer.null(),
        Frame2::Array(frames) => {
            writer.array(frames.len());
            frames.iter().for_each(|frame| write2(frame, writer));
        }
    }
}

fn as_frame2(value: &Value<'_>) -> Frame2 {
    match value {
        Value::Simple(text) => Frame2::SimpleString(text.to_vec()),
        Value::Error(text) => Frame2::Error(String::from_utf8_lossy(text).into_owned()),
        Value::Integer(value) => Frame2::Integer(*value),
        Value::Bulk(bytes) => Frame2::BulkString(bytes.to_vec()),
        Value::Null => Frame2::Null,
        Value::Array(values) => Frame2::Array(values.iter().map(as_frame2).collect()),
        other => panic!("RESP2 has no {other:?}"),
    }
}

fn read(bytes: &[u8]) -> Value<'_> {
    match decode(bytes) {
        Ok(Reply::Value { value, consumed }) if consumed == bytes.len() => value,
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(bytes)),
    }
}

#[test]
fn resp2_replies_agree() {
    let mut dice = Dice(2);
    for _ in 0..ROUNDS / 10 {
        let frame = frame2(&mut dice, 2);
        let mut ours = Vec::new();
        write2(&frame, &mut Writer::new(&mut ours, Proto::Resp2));
        let peer = peer_decode2(&ours).ok().flatten();
        assert_eq!(peer, Some((frame.clone(), ours.len())), "the peer reads what we wrote");
        assert_eq!(as_frame2(&read(&ours)), frame, "we read what we wrote");
    }
}

fn frame3(dice: &mut Dice, depth: u64) -> Frame3 {
    let attributes = None;
    match dice.below(if depth == 0 { 10 } else { 14 }) {
        0 => Frame3::SimpleString { data: dice.word().into_bytes(), attributes },
        1 => Frame3::SimpleError { data: format!("ERR {}", dice.word()), attributes },
        2 => Frame3::Number { data: dice.number(), attributes },
        3 => Frame3::BlobString { data: dice.bytes(300), attributes },
        4 => Frame3::Null,
        5 => Frame3::Boolean { data: dice.below(2) == 0, attributes },
        6 => Frame3::Double { data: dice.number() as f64 / 64.0, attributes },
        7 => {
            let text = dice.word().into_bytes();
            Frame3::VerbatimString { data: text, format: VerbatimStringFormat::Text, attributes }
        }
        8 => {
            Frame3::BigNumber { data: format!("{}{:020}", dice.below(9) + 1, dice.roll()).into(), attributes }
        }
        9 => Frame3::BlobError { data: b"ERR ".iter().copied().chain(dice.bytes(40)).collect(), attributes },
        10 => Frame3::Array { data: list3(dice, depth), attributes },
        11 => Frame3::Push { data: list3(dice, depth), attributes },
        12 => {
            let numbers = (0..dice.below(9)).map(|n| Frame3::Number { data: n as i64, attributes: None });
            Frame3::Set { data: numbers.collect(), attributes }
        }
        _ => {
            let key = |n: u64| Frame3::BlobString { data: format!("key {n}").into(), attributes: None };
            let data = (0..dice.below(120)).map(|n| (key(n), frame3(dice, depth - 1))).collect();
            Frame3::Map { data, attributes }
        }
    }
}

fn list3(dice: &mut Dice, depth: u64) -> Vec<Frame3> {
    // A push of fewer than two elements is no message to the peer.
    (0..2 + dice.below(8)).map(|_| frame3(dice, depth - 1)).collect()
}

fn write3(frame: &Frame3, writer: &mut Writer<'_>) {
    match frame {
        Frame3::SimpleString { data, .. } => writer.simple(&String::from_utf8_lossy(data)),
        Frame3::SimpleError { data, .. } => writer.error(data.as_bytes()),
        Frame3::Number { data, .. } => writer.integer(*data),
        Frame3::BlobString { data, .. } => writer.bulk(data),
        Frame3::Null => writer.null(),
        Frame3::Boolean { data, .. } => writer.boolean(*data),
        Frame3::Double { data, .. } => writer.double(*data),
        Frame3::VerbatimString { data, .. } => writer.verbatim(*b"txt", data),
        Frame3::Array { data, .. } => {
            writer.array(data.len());
            data.iter().for_each(|frame| write3(frame, writer));
        }
        Frame3::Push { data, .. } => {
            writer.push(data.len());
            data.iter().for_each(|frame| write3(frame, writer));
        }
        Frame3::Set { data, .. } => {
            writer.set(data.len());
            data.iter().for_each(|frame| write3(frame, writer));
        }
        Frame3::Map { data, .. } => {
            writer.map(data.len());
            for (key, value) in data {
                write3(key, writer);
                write3(value, writer);
            }
        }
        other => panic!("nothing here writes {other:?}"),
    }
}

fn as_frame3(value: &Value<'_>) -> Frame3 {
    let attributes = None;
    match value {
        Value::Simple(text) => Frame3::SimpleString { data: text.to_vec(), attributes },
        // Either kind of error is an error here; the peer tells them apart.
        Value::Error(text) => Frame3::BlobError { data: text.to_vec(), attributes },
        Value::Integer(value) => Frame3::Number { data: *value, attributes },
        Value::Bulk(bytes) => Frame3::BlobString { data: bytes.to_vec(), attributes },
        Value::Null => Frame3::Null,
        Value::Boolean(value) => Frame3::Boolean { data: *value, attributes },
        Value::Double(value) => Frame3::Double { data: *value, attributes },
        Value::BigNumber(digits) => Frame3::BigNumber { data: digits.to_vec(), attributes },
        Value::Verbatim { text, .. } => {
            Frame3::VerbatimString { data: text.to_vec(), format: VerbatimStringFormat::Text, attributes }
        }
        Value::Array(values) => Frame3::Array { data: values.iter().map(as_frame3).collect(), attributes },
        Value::Push(values) => Frame3::Push { data: values.iter().map(as_frame3).collect(), attributes },
        Value::Set(values) => Frame3::Set { data: values.iter().map(as_frame3).collect(), attributes },
        Value::Map(pairs) => {
            let data = pairs.iter().map(|(key, value)| (as_frame3(key), as_frame3(value))).collect();
            Frame3::Map { data, attributes }
        }
    }
}

/// The frame with its simple errors as blob errors, as `as_frame3` has them.
fn one_kind_of_error(frame: &Frame3) -> Frame3 {
    let all = |frames: &[Frame3]| frames.iter().map(one_kind_of_error).collect();
    let attributes = None;
    match frame {
        Frame3::SimpleError { data, .. } => Frame3::BlobError { data: data.clone().into(), attributes },
        Frame3::Array { data, .. } => Frame3::Array { data: all(data), attributes },
        Frame3::Push { data, .. } => Frame3::Push { data: all(data), attributes },
        Frame3::Map { data, .. } => {
            let data = data.iter().map(|(key, value)| (key.clone(), one_kind_of_error(value))).collect();
            Frame3::Map { data, attributes }
        }
        other => other.clone(),
    }
}

fn peer_bytes3(frame: &Frame3) -> Vec<u8> {
    let mut bytes = vec![0; frame.encode_len(false) + 64];
    let written = peer_encode3(&mut bytes, frame, false).expect("the peer writes its own frames");
    bytes.truncate(written);
    bytes
}

#[test]
fn we_read_what_the_peer_writes_in_resp3() {
    let mut dice = Dice(3);
    for _ in 0..ROUNDS {
        let frame = frame3(&mut dice, 2);
        let bytes = peer_bytes3(&frame);
        assert_eq!(
            as_frame3(&read(&bytes)),
            one_kind_of_error(&frame),
            "{}",
            String::from_utf8_lossy(&bytes)
        );
    }
}

/// Whether the writer has all that the frame consists of.
fn is_writable(frame: &Frame3) -> bool {
    match frame {
        Frame3::BigNumber { .. } | Frame3::BlobError { .. } => false,
        Frame3::Array { data, .. } | Frame3::Push { data, .. } => data.iter().all(is_writable),
        Frame3::Map { data, .. } => data.values().all(is_writable),
        _ => true,
    }
}

#[test]
fn the_peer_reads_what_we_write_in_resp3() {
    let (mut dice, mut checked) = (Dice(4), 0);
    for _ in 0..ROUNDS {
        let frame = frame3(&mut dice, 1);
        if !is_writable(&frame) {
            continue;
        }
        checked += 1;
        let mut ours = Vec::new();
        write3(&frame, &mut Writer::new(&mut ours, Proto::Resp3));
        let peer = peer_decode3(&ours).ok().flatten();
        assert_eq!(peer, Some((frame, ours.len())), "{}", String::from_utf8_lossy(&ours));
    }
    assert!(checked > ROUNDS / 3, "only {checked} frames could be written");
}

#[test]
fn we_read_the_requests_that_the_peer_writes() {
    let mut dice = Dice(5);
    let mut buf = ArgsBuf::new();
    for _ in 0..ROUNDS {
        let words: Vec<Vec<u8>> = (0..1 + dice.below(120)).map(|_| dice.bytes(200)).collect();
        let frame = Frame2::Array(words.iter().cloned().map(Frame2::BulkString).collect());
        let mut bytes = vec![0; frame.encode_len(false)];
        let written = peer_encode2(&mut bytes, &frame, false).expect("the peer writes its own frames");
        assert_eq!(written, bytes.len());
        match decode_request(&bytes, RequestBounds::ORDINARY, &mut buf) {
            Ok(Decoded::Request { args, consumed }) => {
                assert_eq!(consumed, bytes.len());
                assert!(args.iter().eq(words.iter().map(Vec::as_slice)));
            }
            other => panic!("{other:?}"),
        }
    }
}
