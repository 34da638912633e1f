//! What an operation looks at: in proportion to what it tells, or bounded. Steps are counted, see [`walked`].

use super::{Bench, add};
use crate::limit::{CLAIM_ATTEMPTS_MAX, PENDING_CHUNK, PENDING_TOLD_MAX, ROOM_BYTES_AN_ADD, SCAN_BYTES_MAX};
use crate::stream::fields::Fields;
use crate::stream::id::StreamId;
use crate::stream::op::{Add, After, AutoClaim, GroupOp, KeyOp, PendingRange, ReadGroup, Scan};
use crate::stream::policy::{OnFull, Policy};
use crate::stream::text::Text;
use crate::stream::value::Value;
use crate::stream::walked;
use crate::time::WallMs;

/// Entries of the long list, and steps that are few beside it.
const MANY: u64 = 40_000;
const FEW: u64 = 2 * (MANY / PENDING_CHUNK as u64) + 4 * PENDING_CHUNK as u64;

fn text(name: &str) -> Text {
    Text::from(name.as_bytes())
}

fn read(bench: &mut Bench, consumer: &str, after: Option<StreamId>, count: u64) -> u64 {
    let read = ReadGroup {
        group: text("g"),
        consumer: text(consumer),
        streams: vec![(text("s"), after)],
        count,
        no_ack: false,
        waits: false,
    };
    match bench.run(KeyOp::ReadGroup(read)) {
        Value::Streams(found) => found[0].1.len() as u64,
        _ => 0,
    }
}

/// Bob was given the first entry and Ann the others, Cyd nothing.
fn bench() -> Bench {
    let mut bench = Bench::new();
    (0..MANY).for_each(|_| drop(bench.add(b"s")));
    let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: false, read: None };
    bench.run(KeyOp::Group(text("s"), text("g"), create));
    bench.run(KeyOp::Group(text("s"), text("g"), GroupOp::AddConsumer(text("cyd"))));
    assert_eq!(read(&mut bench, "bob", None, 1), 1);
    let mut given = 1;
    while given < MANY {
        given += read(&mut bench, "ann", None, 0);
    }
    bench
}

fn range(idle_ms: u64, consumer: Option<&str>) -> KeyOp {
    let (start, end) = (StreamId::MIN, StreamId::MAX);
    let count = PENDING_TOLD_MAX as u64;
    let range = PendingRange { idle_ms, start, end, count, consumer: consumer.map(text) };
    KeyOp::Pending(text("s"), text("g"), Some(range))
}

fn told(value: &Value) -> u64 {
    match value {
        Value::Array(told) => told.len() as u64,
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_has_little_pending_is_told_of_it_without_a_look_at_the_others() {
    let mut bench = bench();
    for (consumer, held) in [("bob", 1), ("cyd", 0)] {
        let (found, steps) = walked::by(|| read(&mut bench, consumer, Some(StreamId::MIN), 0));
        assert!(found == held && steps < FEW, "{steps} steps to read again what {consumer} has");
        let (value, steps) = walked::by(|| bench.run(range(0, Some(consumer))));
        assert!(told(&value) == held && steps < FEW, "{steps} steps to tell what {consumer} has");
    }
    let (value, steps) = walked::by(|| bench.run(range(1, None)));
    assert!(told(&value) == 0 && steps < FEW, "{steps} steps to find that nothing is old");
    assert_eq!(told(&bench.run(range(0, Some("ann")))), MANY - 1);
}

#[test]
fn all_of_a_group_is_told_in_one_pass() {
    let mut bench = bench();
    // A thousand others have one entry each, behind all that Ann has.
    for number in 0..1_000 {
        bench.add(b"s");
        assert_eq!(read(&mut bench, &format!("c{number}"), None, 1), 1);
    }
    let all = MANY + 1_000;
    let (value, steps) = walked::by(|| bench.run(KeyOp::InfoStream(text("s"), Some(0))));
    assert!(matches!(value, Value::Map(_)) && steps <= 2 * all + FEW, "{steps} steps");
    let (_, steps) = walked::by(|| bench.run(KeyOp::InfoStream(text("s"), Some(1))));
    assert!(steps <= all + FEW, "{steps} steps for the first one of each");
}

#[test]
fn a_price_is_found_without_a_look_at_what_is_priced() {
    let bench = bench();
    let price = |op: KeyOp| walked::by(|| bench.keys.price(&op, WallMs(bench.wall)));
    for op in [range(0, None), range(9, Some("ann")), KeyOp::InfoStream(text("s"), Some(0))] {
        let (bytes, steps) = price(op);
        assert!(bytes > MANY && steps < FEW, "{steps} steps for a price of {bytes}");
    }
    let price = |consumer| bench.keys.price(&range(0, Some(consumer)), WallMs(bench.wall));
    assert!(price("cyd") < price("bob") && price("bob") < 2_048 && price("ann") > MANY);
    let walk = |op: &KeyOp| bench.keys.walk(op, WallMs(bench.wall));
    assert_eq!([range(0, None), range(9, None), range(0, Some("cyd"))].each_ref().map(walk), [0, MANY, 0]);
    assert_eq!(walk(&KeyOp::Group(text("s"), text("g"), GroupOp::RemoveConsumer(text("bob")))), MANY);
}

#[test]
fn what_a_group_would_be_given_is_found_in_few_steps_however_sparse_the_stream() {
    let mut bench = Bench::new();
    let large = Fields::pack([&b"f"[..], &[b'v'; 3_000]]);
    (0..2_000).for_each(|_| drop(bench.run(KeyOp::Add(Add { fields: large.clone(), ..add(b"s") }))));
    let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: false, read: None };
    bench.run(KeyOp::Group(text("s"), text("g"), create));
    let read = |times, count| {
        KeyOp::ReadGroup(ReadGroup {
            group: text("g"),
            consumer: text("ann"),
            streams: vec![(text("s"), None); times],
            count,
            no_ack: false,
            waits: false,
        })
    };
    let walk = |op: KeyOp| walked::by(|| bench.keys.walk(&op, WallMs(bench.wall)));
    // One read ends after 1 MiB, some 350 of these entries.
    let (one, steps) = walk(read(1, 0));
    assert!(steps < 400 && one > 80 * 256 && one < 160 * 256, "{steps} steps to find {one}");
    let (much, steps) = walk(read(500, 0));
    assert!(steps < 500 * 400 && much > 9 << 20, "{steps} steps to find {much}");
    assert_eq!(walk(read(500, 1)).0, 500 + (500 - 256) * 256, "a few of each");
    assert_eq!(walk(read(1, 1)).0, 1);
}

#[test]
fn a_scan_is_priced_as_far_as_it_goes() {
    let mut bench = Bench::new();
    let name = |number: u32| format!("{number:0>1000}");
    (0..2_000).for_each(|number| drop(bench.add(name(number).as_bytes())));
    let scan = KeyOp::Scan(Scan { from: 0, count: 2_000 });
    let price = bench.keys.price(&scan, WallMs(bench.wall)) as usize;
    let value = bench.run(scan);
    assert!(value.bytes() <= price && price < SCAN_BYTES_MAX * 5 / 4, "{price} for {}", value.bytes());
}

#[test]
fn an_automatic_claim_ends_after_so_many_entries_and_says_where() {
    let mut bench = bench();
    let mut start = StreamId::MIN;
    let mut step = |bench: &mut Bench, idle_ms: u64| {
        let (key, group, consumer) = (text("s"), text("g"), text("cyd"));
        let count = i64::MAX as u64;
        let claim = AutoClaim { key, group, consumer, idle_ms, start, count, just_id: true };
        let Value::Array(parts) = bench.run(KeyOp::AutoClaim(claim)) else { panic!() };
        let [Value::Id(cursor), Value::Array(claimed), _] = &parts[..] else { panic!() };
        start = *cursor;
        (start != StreamId::MIN, claimed.len() as u64)
    };
    assert_eq!(step(&mut bench, 1), (true, 0), "all are too young, and not all were looked at");
    let mut claimed = CLAIM_ATTEMPTS_MAX;
    while let (true, more) = step(&mut bench, 0) {
        assert_eq!(more, CLAIM_ATTEMPTS_MAX);
        claimed += more;
    }
    assert!(claimed > MANY - CLAIM_ATTEMPTS_MAX && claimed <= MANY, "the cursor leads through all of them");
}

#[test]
fn another_bound_of_a_namespace_leaves_its_keys_where_they_are() {
    let mut bench = Bench::new();
    let oldest = Policy { memory_bytes: Some(1 << 20), on_full: OnFull::DropOldest, ..Policy::default() };
    bench.keys.set_namespace(text("job:"), oldest).unwrap();
    (0..100).for_each(|number| drop(bench.add(format!("job:{number}").as_bytes())));
    let steps = |bench: &mut Bench, policy| walked::by(|| bench.keys.set_namespace(text("job:"), policy)).1;
    let other = Policy { maxlen: Some(5), ttl_ms: Some(9), memory_bytes: Some(9_000), ..oldest };
    assert_eq!(steps(&mut bench, other), 0);
    assert_eq!(steps(&mut bench, Policy { on_full: OnFull::Refuse, ..other }), 100, "an order comes or goes");
    assert_eq!(steps(&mut bench, Policy { memory_bytes: None, on_full: OnFull::Refuse, ..other }), 0);
    assert_eq!(steps(&mut bench, oldest), 100);
    super::model::check(&bench.keys);
    bench.keys.set_namespace(text("job:"), Policy { memory_bytes: Some(9_000), ..oldest }).unwrap();
    bench.add(b"job:new");
    assert!(bench.keys.usage().next().unwrap().bytes <= 9_000, "what was appended before is in its order");
}

#[test]
fn a_lower_bound_of_memory_is_reached_by_several_appends() {
    let mut bench = Bench::new();
    let policy = |memory_bytes| Policy {
        memory_bytes: Some(memory_bytes),
        on_full: OnFull::DropOldest,
        ..Policy::default()
    };
    let usage = |bench: &Bench| bench.keys.usage().next().unwrap().bytes;
    bench.keys.set_namespace(text("job:"), policy(1 << 30)).unwrap();
    let fields = Fields::pack([&b"f"[..], &[b'v'; 1_000]]);
    let long = |key: &[u8]| KeyOp::Add(Add { fields: fields.clone(), ..add(key) });
    (0..2_000).for_each(|_| drop(bench.run(long(b"job:long"))));
    (0..1_000).for_each(|number| drop(bench.add(format!("job:{number}").as_bytes())));
    let full = usage(&bench);
    assert!(full > 8 * ROOM_BYTES_AN_ADD);
    bench.keys.set_namespace(text("job:"), policy(8_192)).unwrap();
    let (mut before, mut appends) = (full, 0);
    while before > 8_192 {
        bench.add(b"job:new");
        let gone = before - usage(&bench);
        assert!((1..=ROOM_BYTES_AN_ADD + 8_192).contains(&gone), "{gone} bytes went at once");
        (before, appends) = (usage(&bench), appends + 1);
    }
    assert!(appends >= full / (ROOM_BYTES_AN_ADD + 8_192) && appends < 20, "{appends} appends");
    // What adds much lets go more than it adds, however small the others are.
    bench.keys.set_namespace(text("job:"), policy(1 << 30)).unwrap();
    (0..3_000).for_each(|number| drop(bench.add(format!("job:{number}").as_bytes())));
    bench.keys.set_namespace(text("job:"), policy(700_000)).unwrap();
    let large = Fields::pack([&b"f"[..], &vec![b'v'; 600_000]]);
    bench.run(KeyOp::Add(Add { fields: large, ..add(b"job:new") }));
    assert!(usage(&bench) <= 700_000, "{} bytes", usage(&bench));
    assert_eq!(bench.keys.bytes(), bench.keys.recount());
}
