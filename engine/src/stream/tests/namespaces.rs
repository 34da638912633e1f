//! Policies by prefix: whose bound it is, and what goes when it is reached.

use super::{Bench, add};
use crate::limit::NAMESPACES_MAX;
use crate::stream::id::StreamId;
use crate::stream::op::{Add, After, Clock, GroupOp, KeyOp, ReadGroup, Unit};
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
fn a_full_namespace_refuses_groups_and_consumers_and_lets_its_readers_read() {
    let mut bench = Bench::new();
    let text = |name: &str| Text::from(name.as_bytes());
    bench.keys.set_namespace(text("job:"), bounded(OnFull::Refuse)).unwrap();
    let create = |key: &str, group: &str| {
        let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: true, read: None };
        KeyOp::Group(text(key), text(group), create)
    };
    let consumer = |name: &str| KeyOp::Group(text("job:1"), text("g"), GroupOp::AddConsumer(text(name)));
    let is_full = |value: &Value| matches!(value, Value::Error(text) if text.starts_with(b"OOM namespace"));
    assert_eq!(bench.run(create("job:1", "g")), Value::Done);
    assert_eq!(bench.run(consumer("ann")), Value::Integer(1));
    while !is_full(&bench.add(b"job:1")) {}
    let fill = (0..1_000).map(|number| bench.run(consumer(&format!("c{number}"))));
    assert!(fill.filter(is_full).count() > 0);
    assert!(usage(&mut bench, 0).1 <= 8_192);
    assert!(is_full(&bench.run(create("job:2", "g"))) && is_full(&bench.run(create("job:1", "h"))));
    assert_eq!(bench.run(KeyOp::Exists(vec![text("job:2")])), Value::Integer(0), "nothing was made");
    assert_eq!(bench.run(consumer("ann")), Value::Integer(0), "who is there stays");
    let read = ReadGroup {
        group: text("g"),
        consumer: text("ann"),
        streams: vec![(text("job:1"), None)],
        count: 1,
        no_ack: false,
        waits: false,
    };
    assert!(matches!(bench.run(KeyOp::ReadGroup(read)), Value::Streams(_)));
    assert_eq!(bench.run(create("order:1", "g")), Value::Done, "others do not notice");
    assert_eq!(bench.keys.bytes(), bench.keys.recount());
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
