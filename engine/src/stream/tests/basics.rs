//! Appends, trims, deadlines, and who follows.

use super::{Bench, add};
use crate::id::RequestHash;
use crate::stream::id::StreamId;
use crate::stream::op::{
    Add, Clock, Expire, ExpireWhen, Follow, FollowFrom, Keep, KeyOp, NewId, Scan, Trim, Unit,
};
use crate::stream::text::Text;
use crate::stream::value::{Added, Followed, Reset, Value};

fn id(ms: u64, seq: u64) -> StreamId {
    StreamId { ms, seq }
}

fn says(text: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(text).contains(word)
}

fn follow(bench: &mut Bench, epoch: Option<u64>, after: Option<u64>) -> Followed {
    let from = after.map_or(FollowFrom::Newest, FollowFrom::After);
    follow_from(bench, epoch, from)
}

fn follow_from(bench: &mut Bench, epoch: Option<u64>, from: FollowFrom) -> Followed {
    let follow = Follow { key: Text::from(b"s"), epoch, from, limit: 100, bytes_max: 1 << 20 };
    match bench.run(KeyOp::Follow(follow)) {
        Value::Followed(followed) => *followed,
        other => panic!("{other:?}"),
    }
}

fn numbers(followed: &Followed) -> Vec<u64> {
    followed.entries.iter().map(|entry| entry.dense).collect()
}

#[test]
fn ids_never_go_back_and_numbers_have_no_gaps() {
    let mut bench = Bench::new();
    let added = |ms, seq, dense| Value::Added(Added { id: id(ms, seq), epoch: 1, dense });
    assert_eq!(bench.add(b"s"), added(1_000, 0, 1));
    assert_eq!(bench.add(b"s"), added(1_000, 1, 2));
    bench.wall = 500;
    assert_eq!(bench.add(b"s"), added(1_000, 2, 3));
    let exact = |id| KeyOp::Add(Add { id, ..add(b"s") });
    assert_eq!(bench.run(exact(NewId::Within(1_000))), added(1_000, 3, 4));
    assert!(matches!(bench.run(exact(NewId::Within(999))), Value::Error(text) if says(&text, "smaller")));
    assert!(matches!(bench.run(exact(NewId::Exact(id(0, 0)))), Value::Error(text) if says(&text, "0-0")));
    bench.run(exact(NewId::Exact(StreamId::MAX)));
    assert!(matches!(bench.add(b"s"), Value::Error(text) if says(&text, "exhausted")));
}

#[test]
fn a_trim_is_exact_and_leaves_an_empty_stream() {
    let mut bench = Bench::new();
    (0..10).for_each(|_| drop(bench.add(b"s")));
    let trim = |keep, limit| KeyOp::Trim(Text::from(b"s"), Trim { keep, limit });
    assert_eq!(bench.run(trim(Keep::Newest(4), 0)), Value::Integer(6));
    assert_eq!(bench.run(trim(Keep::Newest(0), 1)), Value::Integer(1));
    assert_eq!(bench.run(trim(Keep::From(id(1_000, 9)), 0)), Value::Integer(2));
    assert_eq!(bench.run(trim(Keep::Newest(0), 0)), Value::Integer(1));
    assert_eq!(bench.run(KeyOp::Len(Text::from(b"s"))), Value::Integer(0));
    assert_eq!(bench.run(KeyOp::Size), Value::Integer(1));
}

#[test]
fn a_key_is_gone_at_its_deadline_and_comes_back_as_another_stream() {
    let mut bench = Bench::new();
    bench.run(KeyOp::Add(Add { ttl_ms: Some(10), ..add(b"s") }));
    bench.wall = 1_009;
    assert_eq!(bench.run(KeyOp::Ttl(Text::from(b"s"), Unit::Ms, Clock::Relative)), Value::Integer(1));
    bench.wall = 1_010;
    assert_eq!(bench.run(KeyOp::Type(Text::from(b"s"))), Value::Simple("none".to_owned()));
    assert_eq!(bench.run(KeyOp::Size), Value::Integer(0), "nothing removed it yet, and it does not count");
    assert_eq!(bench.keys.slot_count(), 1);
    let Value::Added(added) = bench.add(b"s") else { panic!("it is made anew") };
    assert_eq!((added.dense, added.epoch), (1, 5));
    assert_eq!(follow(&mut bench, Some(1), Some(1)).reset, Some(Reset::Epoch));
    let past = Expire {
        key: Text::from(b"s"),
        time: -1,
        unit: Unit::Seconds,
        clock: Clock::Relative,
        when: ExpireWhen::default(),
    };
    assert_eq!(bench.run(KeyOp::Expire(past)), Value::Integer(1));
    assert_eq!(bench.run(KeyOp::Size), Value::Integer(0));
    assert_eq!(bench.keys.bytes(), 0);
}

#[test]
fn a_follower_meets_every_entry_or_is_told_why_not() {
    let mut bench = Bench::new();
    assert_eq!(follow(&mut bench, Some(1), Some(0)).reset, Some(Reset::Epoch), "there is none");
    let first = follow(&mut bench, None, None);
    assert_eq!((first.stream, first.reset), (None, None));
    (0..6).for_each(|_| drop(bench.add(b"s")));
    let epoch = follow(&mut bench, None, None).stream.unwrap().epoch;
    assert_eq!(numbers(&follow(&mut bench, Some(epoch), Some(2))), [3, 4, 5, 6]);
    assert_eq!(follow(&mut bench, Some(epoch), Some(7)).reset, Some(Reset::Unknown));
    bench.run(KeyOp::Remove(Text::from(b"s"), vec![id(1_000, 3)]));
    assert_eq!(numbers(&follow(&mut bench, Some(epoch), Some(1))), [2, 3], "it stops before the hole");
    let hole = follow(&mut bench, Some(epoch), Some(3));
    assert_eq!((hole.reset, hole.entries.iter().next().unwrap().dense), (Some(Reset::Deleted), 5));
    assert_eq!(numbers(&follow(&mut bench, Some(epoch), Some(4))), [5, 6]);
    bench.run(KeyOp::Trim(Text::from(b"s"), Trim { keep: Keep::Newest(1), limit: 0 }));
    let lapped = follow(&mut bench, Some(epoch), Some(2));
    assert_eq!((lapped.reset, lapped.stream.unwrap().oldest), (Some(Reset::Trimmed), 6));
    let all = follow_from(&mut bench, None, FollowFrom::Oldest);
    assert_eq!((all.reset, numbers(&all)), (None, vec![6]), "who names no place begins with what is there");
}

#[test]
fn a_repeated_append_is_answered_as_the_first_one_also_without_the_stream() {
    let mut bench = Bench::new();
    let again = |key: &[u8]| KeyOp::Add(Add { request: Some(RequestHash(7)), end: true, ..add(key) });
    let first = bench.run(again(b"s"));
    assert_eq!(bench.run(again(b"s")), first);
    assert!(matches!(bench.add(b"s"), Value::Error(text) if text[..] == *b"ERR the stream has ended"));
    bench.run(KeyOp::Delete(vec![Text::from(b"s")]));
    assert_eq!(bench.run(again(b"s")), first);
    assert_ne!(bench.run(again(b"other")), first, "of another stream it is another request");
    assert_eq!(bench.run(KeyOp::End(Text::from(b"gone"))), Value::Integer(0));
}

#[test]
fn a_scan_meets_every_key_that_stays() {
    let mut bench = Bench::new();
    let name = |number: u64| format!("k{number}").into_bytes();
    (0..100).for_each(|number| drop(bench.add(&name(number))));
    let (mut from, mut met) = (0, Vec::new());
    loop {
        let Value::Array(step) = bench.run(KeyOp::Scan(Scan { from, count: 7 })) else { panic!() };
        let [Value::Integer(next), Value::Array(keys)] = &step[..] else { panic!("{step:?}") };
        met.extend(keys.clone());
        bench.run(KeyOp::Delete(vec![Text::from(&name(from)[..])]));
        bench.add(format!("new{from}").as_bytes());
        if *next == 0 {
            break;
        }
        from = *next as u64;
    }
    let stayed =
        (0..100).filter(|number| number % 7 != 0).map(|number| Value::Text(Text::from(&name(number)[..])));
    stayed.for_each(|key| assert!(met.contains(&key), "{key:?}"));
}
