//! Policies by prefix: whose bound it is, and what goes when it is reached.

use super::{Bench, add};
use crate::limit::NAMESPACES_MAX;
use crate::stream::op::{Add, Clock, KeyOp, Unit};
use crate::stream::policy::{OnFull, Policy};
use crate::stream::text::Text;
use crate::stream::value::Value;

fn bounded(on_full: OnFull) -> Policy {
    Policy { memory_bytes: Some(8_192), on_full, ..Policy::default() }
}

fn usage(bench: &mut Bench, number: usize) -> (u64, u64) {
    bench.keys.usage().nth(number).map(|usage| (usage.keys, usage.bytes)).unwrap()
}

fn len(bench: &mut Bench, key: &[u8]) -> Value {
    bench.run(KeyOp::Len(Text::from(key)))
}

#[test]
fn the_longest_prefix_decides_also_for_keys_that_were_there() {
    let mut bench = Bench::new();
    bench.add(b"scan:events:1");
    let short = Policy { maxlen: Some(2), ttl_ms: Some(500), ..Policy::default() };
    assert_eq!(bench.keys.set_namespace(Text::from(b"scan:"), Policy::default()), Ok(true));
    assert_eq!(bench.keys.set_namespace(Text::from(b"scan:events:"), short), Ok(true));
    assert_eq!(bench.keys.set_namespace(Text::from(b"scan:events:"), short), Ok(false));
    (0..5).for_each(|_| drop(bench.add(b"scan:events:1")));
    (0..5).for_each(|_| drop(bench.add(b"scan:other")));
    assert_eq!(len(&mut bench, b"scan:events:1"), Value::Integer(2));
    assert_eq!(len(&mut bench, b"scan:other"), Value::Integer(5));
    let ttl = |key: &[u8]| KeyOp::Ttl(Text::from(key), Unit::Ms, Clock::Relative);
    assert_eq!(bench.run(ttl(b"scan:events:1")), Value::Integer(500));
    assert_eq!(bench.run(ttl(b"scan:other")), Value::Integer(-1));
    bench.run(KeyOp::Add(Add { ttl_ms: Some(90), ..add(b"scan:events:1") }));
    assert_eq!(bench.run(ttl(b"scan:events:1")), Value::Integer(90), "the append says its own");
    assert_eq!((usage(&mut bench, 0).0, usage(&mut bench, 1).0), (1, 1));
    assert!(bench.keys.delete_namespace(b"scan:events:"));
    assert_eq!(usage(&mut bench, 0).0, 2, "the shorter prefix takes over");
}

#[test]
fn a_full_namespace_refuses_and_others_do_not_notice() {
    let mut bench = Bench::new();
    bench.keys.set_namespace(Text::from(b"job:"), bounded(OnFull::Refuse)).unwrap();
    let refusal = loop {
        match bench.add(b"job:1") {
            Value::Added(_) => assert!(usage(&mut bench, 0).1 <= 8_192),
            other => break other,
        }
    };
    let Value::Error(text) = refusal else { panic!("{refusal:?}") };
    assert!(text.starts_with(b"OOM namespace 'job:' is full"), "{text:?}");
    assert!(matches!(bench.add(b"order:1"), Value::Added(_)));
    bench.run(KeyOp::Delete(vec![Text::from(b"job:1")]));
    assert!(matches!(bench.add(b"job:1"), Value::Added(_)));
}

#[test]
fn the_oldest_entries_of_the_stream_that_was_quiet_longest_go() {
    let mut bench = Bench::new();
    bench.keys.set_namespace(Text::from(b"job:"), bounded(OnFull::DropOldest)).unwrap();
    bench.add(b"order:1");
    (0..50).for_each(|_| drop(bench.add(b"job:quiet")));
    (0..50).for_each(|_| drop(bench.add(b"job:busy")));
    let mut before = len(&mut bench, b"job:quiet");
    for _ in 0..5_000 {
        assert!(matches!(bench.add(b"job:busy"), Value::Added(_)));
        assert!(usage(&mut bench, 0).1 <= 8_192);
        let now = len(&mut bench, b"job:quiet");
        assert!(matches!((&before, &now), (Value::Integer(before), Value::Integer(now)) if now <= before));
        before = now;
    }
    assert_eq!(bench.run(KeyOp::Exists(vec![Text::from(b"job:quiet")])), Value::Integer(0));
    assert_eq!(len(&mut bench, b"order:1"), Value::Integer(1), "another namespace's entries stay");
    assert_eq!(bench.keys.bytes(), bench.keys.recount());
}

#[test]
fn namespaces_are_bounded() {
    let mut bench = Bench::new();
    let name = |number: usize| Text::from(format!("n{number}:").as_bytes());
    for number in 0..NAMESPACES_MAX {
        assert_eq!(bench.keys.set_namespace(name(number), Policy::default()), Ok(true));
    }
    assert!(bench.keys.set_namespace(name(NAMESPACES_MAX), Policy::default()).is_err());
    assert!(bench.keys.set_namespace(Text::from(b""), Policy::default()).is_err());
    let tiny = Policy { memory_bytes: Some(1), ..Policy::default() };
    assert!(bench.keys.set_namespace(name(0), tiny).is_err());
}
