//! Groups of consumers: who gets what, what is pending, and how much is left.

use super::Bench;
use crate::limit::CONSUMERS_PER_GROUP_MAX;
use crate::stream::id::StreamId;
use crate::stream::op::{
    After, AutoClaim, Claim, Delivered, GroupOp, Keep, KeyOp, PendingRange, ReadGroup, Trim,
};
use crate::stream::text::Text;
use crate::stream::value::Value;

fn text(name: &str) -> Text {
    Text::from(name.as_bytes())
}

fn id(seq: u64) -> StreamId {
    StreamId { ms: 1_000, seq }
}

/// A stream of five entries with a group at its beginning.
fn bench() -> Bench {
    let mut bench = Bench::new();
    (0..5).for_each(|_| drop(bench.add(b"s")));
    let create = GroupOp::Create { from: After::Id(StreamId::MIN), make: false, read: None };
    assert_eq!(bench.run(KeyOp::Group(text("s"), text("g"), create.clone())), Value::Done);
    let again = bench.run(KeyOp::Group(text("s"), text("g"), create));
    assert_eq!(again, Value::error("BUSYGROUP Consumer Group name already exists"));
    bench
}

/// Seconds of the ids that were read, `None` in place of an entry that is gone.
fn read(bench: &mut Bench, consumer: &str, after: Option<StreamId>, count: u64) -> Vec<(u64, bool)> {
    let read = ReadGroup {
        group: text("g"),
        consumer: text(consumer),
        streams: vec![(text("s"), after)],
        count,
        no_ack: false,
        waits: false,
    };
    match bench.run(KeyOp::ReadGroup(read)) {
        Value::Streams(found) => {
            found[0].1.iter().map(|entry| (entry.id.seq, entry.fields.is_some())).collect()
        }
        Value::NullArray => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn pending(bench: &mut Bench) -> Vec<(u64, String, i64)> {
    let range =
        PendingRange { idle_ms: 0, start: StreamId::MIN, end: StreamId::MAX, count: 10, consumer: None };
    let Value::Array(told) = bench.run(KeyOp::Pending(text("s"), text("g"), Some(range))) else { panic!() };
    let one = |told: Value| match told {
        Value::Array(parts) => match &parts[..] {
            [Value::Id(id), Value::Text(name), Value::Integer(_), Value::Integer(count)] => {
                (id.seq, String::from_utf8_lossy(name).into_owned(), *count)
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    told.into_iter().map(one).collect()
}

fn lag(bench: &mut Bench) -> Value {
    let Value::Array(groups) = bench.run(KeyOp::InfoGroups(text("s"))) else { panic!() };
    let Value::Map(fields) = &groups[0] else { panic!() };
    fields.last().map(|(_, lag)| lag.clone()).unwrap()
}

#[test]
fn an_entry_goes_to_one_consumer_and_is_pending_until_it_is_acknowledged() {
    let mut bench = bench();
    assert_eq!(read(&mut bench, "ann", None, 2), [(0, true), (1, true)]);
    assert_eq!(read(&mut bench, "bob", None, 2), [(2, true), (3, true)]);
    assert_eq!(lag(&mut bench), Value::Integer(1));
    assert_eq!(bench.run(KeyOp::Ack(text("s"), text("g"), vec![id(1), id(4)])), Value::Integer(1));
    let held = [(0, "ann".to_owned(), 1), (2, "bob".to_owned(), 1), (3, "bob".to_owned(), 1)];
    assert_eq!(pending(&mut bench), held);
    bench.run(KeyOp::Remove(text("s"), vec![id(2)]));
    assert_eq!(read(&mut bench, "bob", Some(StreamId::MIN), 0), [(2, false), (3, true)]);
    assert_eq!(pending(&mut bench)[1..], [(2, "bob".to_owned(), 1), (3, "bob".to_owned(), 2)]);
    let gone = bench.run(KeyOp::Group(text("s"), text("g"), GroupOp::RemoveConsumer(text("bob"))));
    assert_eq!((gone, pending(&mut bench)), (Value::Integer(2), vec![(0, "ann".to_owned(), 1)]));
}

#[test]
fn a_claim_takes_over_what_was_idle_long_enough() {
    let mut bench = bench();
    read(&mut bench, "ann", None, 0);
    bench.wall += 100;
    let claim = |idle_ms, force| Claim {
        key: text("s"),
        group: text("g"),
        consumer: text("bob"),
        idle_ms,
        ids: vec![id(0), id(9)],
        delivered: Delivered::Now,
        retries: None,
        force,
        just_id: true,
        last_id: None,
    };
    assert_eq!(bench.run(KeyOp::Claim(claim(101, true))), Value::Array(Vec::new()));
    assert_eq!(bench.run(KeyOp::Claim(claim(100, true))), Value::Array(vec![Value::Id(id(0))]));
    assert_eq!(pending(&mut bench)[0], (0, "bob".to_owned(), 1), "ids alone are no delivery");
    bench.run(KeyOp::Trim(text("s"), Trim { keep: Keep::Newest(3), limit: 0 }));
    let auto = AutoClaim {
        key: text("s"),
        group: text("g"),
        consumer: text("cyd"),
        idle_ms: 0,
        start: StreamId::MIN,
        count: 3,
        just_id: true,
    };
    let ids = |ids: &[u64]| Value::Array(ids.iter().map(|seq| Value::Id(id(*seq))).collect());
    let claimed = Value::Array(vec![Value::Id(id(3)), ids(&[2]), ids(&[0, 1])]);
    assert_eq!(bench.run(KeyOp::AutoClaim(auto)), claimed, "what is gone is no longer pending");
}

#[test]
fn a_lag_is_unknown_where_entries_were_removed_ahead() {
    let mut bench = bench();
    read(&mut bench, "ann", None, 1);
    bench.run(KeyOp::Remove(text("s"), vec![id(3)]));
    assert_eq!(lag(&mut bench), Value::Null);
    read(&mut bench, "ann", None, 0);
    assert_eq!(lag(&mut bench), Value::Integer(0));
}

#[test]
fn a_read_that_waits_is_told_behind_which_id() {
    let mut bench = bench();
    read(&mut bench, "ann", None, 0);
    let wait = |key: &str| ReadGroup {
        group: text("g"),
        consumer: text("ann"),
        streams: vec![(text(key), None)],
        count: 0,
        no_ack: false,
        waits: true,
    };
    assert_eq!(bench.run(KeyOp::ReadGroup(wait("s"))), Value::Nothing(vec![id(4)]));
    let none = "NOGROUP No such key 't' or consumer group 'g' in XREADGROUP with GROUP option";
    assert_eq!(bench.run(KeyOp::ReadGroup(wait("t"))), Value::error(none));
}

#[test]
fn what_is_missing_is_said_before_what_is_wrong() {
    let mut bench = bench();
    let fault = Text::from(b"ERR wrong");
    let faulty = |op: KeyOp| KeyOp::Faulty(Box::new(op), fault.clone());
    let remove = |key: &str| faulty(KeyOp::Remove(text(key), Vec::new()));
    assert_eq!(bench.run(remove("s")), Value::error("ERR wrong"));
    assert_eq!(bench.run(remove("t")), Value::Integer(0));
    let ack = |group: &str| faulty(KeyOp::Ack(text("s"), text(group), Vec::new()));
    assert_eq!(bench.run(ack("g")), Value::error("ERR wrong"));
    assert_eq!(bench.run(ack("h")), Value::Integer(0));
    let read = |group: &str| ReadGroup {
        group: text(group),
        consumer: text("ann"),
        streams: vec![(text("s"), None)],
        count: 0,
        no_ack: false,
        waits: false,
    };
    assert_eq!(bench.run(faulty(KeyOp::ReadGroup(read("g")))), Value::error("ERR wrong"));
    let Value::Error(missing) = bench.run(faulty(KeyOp::ReadGroup(read("h\0i")))) else {
        panic!("no such group")
    };
    assert_eq!(
        missing[..],
        *b"NOGROUP No such key 's' or consumer group 'h' in XREADGROUP with GROUP option"
    );
    assert!(pending(&mut bench).is_empty(), "nothing was done");
}

#[test]
fn a_group_has_so_many_consumers_and_no_more() {
    let mut bench = bench();
    for number in 0..CONSUMERS_PER_GROUP_MAX {
        let consumer = GroupOp::AddConsumer(text(&format!("{number}")));
        assert_eq!(bench.run(KeyOp::Group(text("s"), text("g"), consumer)), Value::Integer(1));
    }
    let refused = Value::error("ERR a group has at most 65536 consumers, and this one has them");
    let new = || text("one more");
    let ids = vec![id(1)];
    let claim = Claim {
        key: text("s"),
        group: text("g"),
        consumer: new(),
        idle_ms: 0,
        ids,
        delivered: Delivered::Now,
        retries: None,
        force: true,
        just_id: false,
        last_id: Some(id(4)),
    };
    let auto_claim = AutoClaim {
        key: text("s"),
        group: text("g"),
        consumer: new(),
        idle_ms: 0,
        start: StreamId::MIN,
        count: 1,
        just_id: false,
    };
    let wanted = ReadGroup {
        group: text("g"),
        consumer: new(),
        streams: vec![(text("s"), None)],
        count: 1,
        no_ack: false,
        waits: true,
    };
    let more = GroupOp::AddConsumer(new());
    for op in [
        KeyOp::Group(text("s"), text("g"), more.clone()),
        KeyOp::Claim(claim),
        KeyOp::AutoClaim(auto_claim),
        KeyOp::ReadGroup(wanted),
    ] {
        assert_eq!(bench.run(op), refused);
    }
    assert_eq!(pending(&mut bench), [], "what is refused changes nothing");
    assert_eq!(read(&mut bench, "7", None, 9).len(), 5, "nor does it to those who are there");
    let gone = GroupOp::RemoveConsumer(text("9"));
    bench.run(KeyOp::Group(text("s"), text("g"), gone));
    assert_eq!(bench.run(KeyOp::Group(text("s"), text("g"), more)), Value::Integer(1), "there is room again");
}
