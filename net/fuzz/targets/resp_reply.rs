//! Replies in RESP. For every input:
//!
//! - a reply lies inside the input, and each part of it is incomplete and asks for no more than the whole;
//! - written again, it is read as what was written, and writes the same bytes once more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluice_net::resp::encode::{Proto, Writer};
use sluice_net::resp::reply::{Reply, Value, decode};

fuzz_target!(|input: &[u8]| {
    let [share, input @ ..] = input else { return };
    match decode(input) {
        Ok(Reply::Value { value, consumed }) => {
            assert!(consumed > 0 && consumed <= input.len());
            check_part(input, consumed, consumed * usize::from(*share) / 256);
            check_rewritten(&value);
        }
        Ok(Reply::Incomplete { needed }) => assert!(needed > input.len()),
        Err(malformed) => assert!(!malformed.to_string().is_empty()),
    }
});

fn check_part(input: &[u8], consumed: usize, cut: usize) {
    match decode(&input[..cut]) {
        Ok(Reply::Incomplete { needed }) => assert!(needed > cut && needed <= consumed),
        other => panic!("the first {cut} of {consumed} bytes are {other:?}"),
    }
}

fn check_rewritten(value: &Value<'_>) {
    for proto in [Proto::Resp2, Proto::Resp3] {
        let first = written(value, proto);
        match decode(&first) {
            Ok(Reply::Value { value, consumed }) => {
                assert_eq!(consumed, first.len());
                assert_eq!(written(&value, proto), first);
            }
            other => panic!("{:?}: {other:?}", String::from_utf8_lossy(&first)),
        }
    }
}

fn written(value: &Value<'_>, proto: Proto) -> Vec<u8> {
    let mut out = Vec::new();
    write(value, &mut Writer::new(&mut out, proto));
    out
}

/// What the writer has no type for is written as a string.
fn write(value: &Value<'_>, writer: &mut Writer<'_>) {
    match value {
        Value::Simple(bytes) | Value::BigNumber(bytes) | Value::Bulk(bytes) => writer.bulk(bytes),
        Value::Error(bytes) => writer.error(bytes),
        Value::Integer(value) => writer.integer(*value),
        Value::Null => writer.null(),
        Value::Boolean(value) => writer.boolean(*value),
        Value::Double(value) => writer.double(*value),
        Value::Verbatim { format, text } => writer.verbatim(*format, text),
        Value::Array(values) => {
            writer.array(values.len());
            values.iter().for_each(|value| write(value, writer));
        }
        Value::Set(values) => {
            writer.set(values.len());
            values.iter().for_each(|value| write(value, writer));
        }
        Value::Push(values) => {
            writer.push(values.len());
            values.iter().for_each(|value| write(value, writer));
        }
        Value::Map(pairs) => {
            writer.map(pairs.len());
            for (key, value) in pairs {
                write(key, writer);
                write(value, writer);
            }
        }
    }
}
