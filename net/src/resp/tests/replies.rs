//! The writer and the reply decoder.

use crate::resp::encode::{Proto, Writer};
use crate::resp::limit;
use crate::resp::malformed::Malformed;
use crate::resp::reply::{Reply, Value, decode};

/// Writes something, and how it looks in RESP2 and in RESP3.
type Case = (fn(&mut Writer<'_>), &'static [u8], &'static [u8]);

const WRITTEN: &[Case] = &[
    (|w| w.ok(), b"+OK\r\n", b"+OK\r\n"),
    (|w| w.simple("PONG"), b"+PONG\r\n", b"+PONG\r\n"),
    (|w| w.error(b"ERR a\r\n+OK"), b"-ERR a  +OK\r\n", b"-ERR a  +OK\r\n"),
    (|w| w.integer(0), b":0\r\n", b":0\r\n"),
    (|w| w.integer(9), b":9\r\n", b":9\r\n"),
    (|w| w.integer(10), b":10\r\n", b":10\r\n"),
    (|w| w.integer(99), b":99\r\n", b":99\r\n"),
    (|w| w.integer(100), b":100\r\n", b":100\r\n"),
    (|w| w.integer(-1), b":-1\r\n", b":-1\r\n"),
    (|w| w.integer(i64::MIN), b":-9223372036854775808\r\n", b":-9223372036854775808\r\n"),
    (|w| w.count(u64::MAX), b":9223372036854775807\r\n", b":9223372036854775807\r\n"),
    (|w| w.bulk(b""), b"$0\r\n\r\n", b"$0\r\n\r\n"),
    (|w| w.bulk(b"a\r\nb"), b"$4\r\na\r\nb\r\n", b"$4\r\na\r\nb\r\n"),
    (|w| w.null(), b"$-1\r\n", b"_\r\n"),
    (|w| w.null_array(), b"*-1\r\n", b"_\r\n"),
    (|w| w.array(12), b"*12\r\n", b"*12\r\n"),
    (|w| w.array(1_000), b"*1000\r\n", b"*1000\r\n"),
    (|w| w.map(2), b"*4\r\n", b"%2\r\n"),
    (|w| w.map(60), b"*120\r\n", b"%60\r\n"),
    (|w| w.set(3), b"*3\r\n", b"~3\r\n"),
    (|w| w.push(3), b"*3\r\n", b">3\r\n"),
    (|w| w.boolean(true), b":1\r\n", b"#t\r\n"),
    (|w| w.boolean(false), b":0\r\n", b"#f\r\n"),
    (|w| w.double(1.5), b"$3\r\n1.5\r\n", b",1.5\r\n"),
    (|w| w.double(-0.25), b"$5\r\n-0.25\r\n", b",-0.25\r\n"),
    (|w| w.double(f64::INFINITY), b"$3\r\ninf\r\n", b",inf\r\n"),
    (|w| w.double(f64::NEG_INFINITY), b"$4\r\n-inf\r\n", b",-inf\r\n"),
    (|w| w.double(f64::NAN), b"$3\r\nnan\r\n", b",nan\r\n"),
    (|w| w.verbatim(*b"txt", b"hi"), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
];

#[test]
fn each_type_is_written_as_each_version_has_it() {
    for (write, resp2, resp3) in WRITTEN {
        for (proto, expected) in [(Proto::Resp2, resp2), (Proto::Resp3, resp3)] {
            let mut out = b"before".to_vec();
            write(&mut Writer::new(&mut out, proto));
            assert_eq!(out, [b"before", *expected].concat(), "{:?}", String::from_utf8_lossy(expected));
        }
    }
}

fn read(input: &[u8]) -> Value<'_> {
    match decode(input) {
        Ok(Reply::Value { value, consumed }) => {
            assert_eq!(consumed, input.len(), "{:?}", String::from_utf8_lossy(input));
            value
        }
        other => panic!("{:?}: {other:?}", String::from_utf8_lossy(input)),
    }
}

const READ: &[(&[u8], Value<'static>)] = &[
    (b"+OK\r\n", Value::Simple(b"OK")),
    (b"+\r\n", Value::Simple(b"")),
    (b"-ERR no\r\n", Value::Error(b"ERR no")),
    (b"!5\r\nERR a\r\n", Value::Error(b"ERR a")),
    (b":-42\r\n", Value::Integer(-42)),
    (b":+42\r\n", Value::Integer(42)),
    (b"$2\r\nab\r\n", Value::Bulk(b"ab")),
    (b"$0\r\n\r\n", Value::Bulk(b"")),
    (b"$-1\r\n", Value::Null),
    (b"*-1\r\n", Value::Null),
    (b"_\r\n", Value::Null),
    (b"#t\r\n", Value::Boolean(true)),
    (b"#f\r\n", Value::Boolean(false)),
    (b",1.25\r\n", Value::Double(1.25)),
    (b",-1e3\r\n", Value::Double(-1000.0)),
    (b",inf\r\n", Value::Double(f64::INFINITY)),
    (b",-inf\r\n", Value::Double(f64::NEG_INFINITY)),
    (b"(-123456789012345678901\r\n", Value::BigNumber(b"-123456789012345678901")),
    (b"=6\r\ntxt:hi\r\n", Value::Verbatim { format: *b"txt", text: b"hi" }),
    (b"*0\r\n", Value::Array(Vec::new())),
    (b"%0\r\n", Value::Map(Vec::new())),
    (b"~0\r\n", Value::Set(Vec::new())),
    (b">0\r\n", Value::Push(Vec::new())),
    (b"|1\r\n+ttl\r\n:3\r\n+OK\r\n", Value::Simple(b"OK")),
];

#[test]
fn each_type_is_read() {
    for (input, expected) in READ {
        assert_eq!(read(input), *expected);
    }
    let nested = read(b"*2\r\n%1\r\n+k\r\n~1\r\n_\r\n>1\r\n|1\r\n+a\r\n+b\r\n:1\r\n");
    let map = Value::Map(vec![(Value::Simple(b"k"), Value::Set(vec![Value::Null]))]);
    assert_eq!(nested, Value::Array(vec![map, Value::Push(vec![Value::Integer(1)])]));
    assert!(matches!(read(b",nan\r\n"), Value::Double(value) if value.is_nan()));
}

#[test]
fn a_part_of_a_reply_is_incomplete_and_asks_for_no_more_than_the_whole() {
    let nested: &[u8] =
        b"*3\r\n%2\r\n+k\r\n~1\r\n_\r\n$1\r\nx\r\n,1.5\r\n>1\r\n|1\r\n+a\r\n+b\r\n:1\r\n=6\r\ntxt:hi\r\n";
    for input in READ.iter().map(|(input, _)| *input).chain([nested]) {
        read(input);
        for cut in 0..input.len() {
            match decode(&input[..cut]) {
                Ok(Reply::Incomplete { needed }) => {
                    assert!(needed > cut && needed <= input.len(), "{cut} of {input:?}: needed {needed}");
                }
                other => panic!("{cut} of {:?}: {other:?}", String::from_utf8_lossy(input)),
            }
        }
    }
}

const MALFORMED: &[(&[u8], Malformed)] = &[
    (b"x\r\n", Malformed::UnknownType(b'x')),
    (b"\r", Malformed::UnknownType(b'\r')),
    (b":\r\n", Malformed::BadLine),
    (b":1x\r\n", Malformed::BadLine),
    (b":9223372036854775808\r\n", Malformed::BadLine),
    (b"_x\r\n", Malformed::BadLine),
    (b"#x\r\n", Malformed::BadLine),
    (b",\r\n", Malformed::BadLine),
    (b",infinity\r\n", Malformed::BadLine),
    (b",1.2.3\r\n", Malformed::BadLine),
    (b"(12x\r\n", Malformed::BadLine),
    (b"(-\r\n", Malformed::BadLine),
    (b"+a\nb\r\n", Malformed::BadLine),
    (b"+a\rb\r\n", Malformed::BadLine),
    (b"$-2\r\n", Malformed::BadLine),
    (b"$+1\r\n", Malformed::BadLine),
    (b"$1x\r\n", Malformed::BadLine),
    (b"$99999999999999999999\r\n", Malformed::BadLine),
    (b"$2\r\nabXX", Malformed::BulkEnd),
    (b"=3\r\ntxt\r\n", Malformed::BadLine),
    (b"=5\r\ntxthi\r\n", Malformed::BadLine),
    (b"%-1\r\n", Malformed::BadLine),
    (b"~-1\r\n", Malformed::BadLine),
    (b"$?\r\n", Malformed::Streamed),
    (b"*?\r\n", Malformed::Streamed),
    (b"$67108865\r\n", Malformed::ReplyTooBig),
    (b"*1048577\r\n", Malformed::ReplyTooBig),
    (b"%524289\r\n", Malformed::ReplyTooBig),
    (b"%18446744073709551615\r\n", Malformed::ReplyTooBig),
];

#[test]
fn malformed_replies_are_told_by_name() {
    for (input, expected) in MALFORMED {
        assert_eq!(decode(input), Err(*expected), "{:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = |levels: usize| [b"*1\r\n".repeat(levels), b":1\r\n".to_vec()].concat();
    read(&deep(limit::REPLY_DEPTH_MAX));
    assert_eq!(decode(&deep(limit::REPLY_DEPTH_MAX + 1)), Err(Malformed::TooDeep));
    let noted = b"|0\r\n".repeat(100_000);
    assert_eq!(decode(&noted), Err(Malformed::TooDeep), "attributes nest too");
    // Elements are counted over all levels, so that many announcements do not add up.
    let many = b"*600000\r\n*600000\r\n";
    assert_eq!(decode(many), Err(Malformed::ReplyTooBig));
    let line = [&b"+"[..], &vec![b'x'; limit::REPLY_LINE_BYTES_MAX + 1]].concat();
    assert_eq!(decode(&line), Err(Malformed::ReplyTooBig));
}

#[test]
fn an_announcement_of_many_elements_reserves_only_for_what_has_come() {
    assert!(matches!(decode(b"*1000000\r\n:1\r\n"), Ok(Reply::Incomplete { needed }) if needed > 2_999_990));
}

#[test]
fn values_are_looked_into() {
    let map = read(b"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n$2\r\n77\r\n");
    assert_eq!(map.field(b"a").and_then(Value::integer), Some(1));
    assert_eq!(map.field(b"b").and_then(Value::integer), Some(77));
    assert_eq!(map.field(b"c"), None);
    assert_eq!(read(b":1\r\n").field(b"a"), None);
    assert_eq!(read(b"=6\r\ntxt:hi\r\n").bytes(), Some(&b"hi"[..]));
}
