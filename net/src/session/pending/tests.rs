//! Replies leave in the order of their requests, each whole.

use super::{Awaited, Cost, Gather, Pending, Ready};
use crate::request::RequestKind;
use crate::resp::encode::Proto;
use crate::session::settled::Settled;
use crate::session::telling::Telling;
use sluice_engine::reply::{Departure, Reply};
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::Value;
use sluice_engine::time::MonoMs;
use std::collections::VecDeque;

const NOW: MonoMs = MonoMs(0);

fn left(count: bool) -> Settled {
    Settled::Reply(Reply::Left(if count { Departure::Left } else { Departure::Gone }))
}

fn ask(pending: &mut Pending) -> u16 {
    let number = pending.next_number();
    pending.push_asked(Awaited::Resp(RequestKind::Leave, Proto::Resp2), Cost::Change(10), NOW);
    number
}

fn drain(pending: &mut Pending) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(ready) = pending.next_ready() {
        match ready {
            Ready::Settled { settled, .. } => seen.push(format!("{settled:?}")),
            Ready::Part(settled) => pending.keep_part(settled),
            Ready::Gathered { parts, .. } => seen.push(format!("{parts:?}")),
            Ready::Telling(mut telling) => {
                let mut out = Vec::new();
                assert!(telling.write(usize::MAX, &mut out));
                seen.push(String::from_utf8(out).unwrap());
            }
            Ready::Written(len) => {
                let mut out = Vec::new();
                pending.take_written(len, &mut out);
                seen.push(String::from_utf8(out).unwrap());
            }
        }
    }
    seen
}

#[test]
fn replies_leave_in_the_order_of_their_requests() {
    let mut pending = Pending::default();
    pending.start_at(u16::MAX);
    let first = ask(&mut pending);
    pending.push_written(b"pong");
    let third = ask(&mut pending);
    assert!(pending.settle(third, left(true)));
    assert!(drain(&mut pending).is_empty(), "the first reply is not there");
    assert!(pending.settle(first, left(false)));
    let expected = [format!("{:?}", left(false)), "pong".to_owned(), format!("{:?}", left(true))];
    assert_eq!(drain(&mut pending), expected);
    assert!(pending.is_empty() && !pending.has_writes() && pending.written_bytes() == 0);
}

#[test]
fn what_answers_no_request_takes_at_most_one_place_between_two_requests() {
    let mut pending = Pending::default();
    let first = ask(&mut pending);
    for text in ["subscribed", "one", "two"] {
        pending.extend_written(text.as_bytes());
    }
    let second = ask(&mut pending);
    pending.extend_written(b"three");
    assert_eq!(pending.len(), 4);
    assert!(pending.settle(first, left(true)));
    assert_eq!(drain(&mut pending), [format!("{:?}", left(true)), "subscribedonetwo".to_owned()]);
    assert!(pending.settle(second, left(true)), "numbers are still those of their requests");
    assert_eq!(drain(&mut pending), [format!("{:?}", left(true)), "three".to_owned()]);
}

#[test]
fn news_never_lands_within_a_long_reply() {
    let mut pending = Pending::default();
    assert!(!pending.keep_behind(b"at once"));
    let first = ask(&mut pending);
    let second = ask(&mut pending);
    assert!(!pending.keep_behind(b"ahead"), "the reply may be long in coming");
    assert!(pending.settle(first, left(true)) && pending.next_ready().is_some());
    let mut telling = Box::new(Telling::default());
    let long = Value::Array(vec![Value::Text(Text::from(&[b't'; 20_000][..])); 2]);
    telling.push(long, Proto::Resp2);
    telling.out().extend_from_slice(&[b'x'; 20_000]);
    let mut out = Vec::new();
    assert!(!telling.write(1, &mut out));
    pending.put_back(telling);
    assert!(pending.keep_behind(b"one") && pending.keep_behind(b"two") && pending.written_bytes() == 6);
    assert!(pending.held_bytes() > 20_000, "{} bytes", pending.held_bytes());
    assert!(pending.settle(second, left(true)) && pending.awaited(first).is_none());
    let Some(Ready::Telling(mut telling)) = pending.next_ready() else { panic!("the rest comes first") };
    assert!(telling.write(usize::MAX, &mut out) && out.ends_with(b"xxonetwo"));
    assert_eq!(pending.coming_bytes(), 0, "nothing of it is counted any more");
    assert_eq!((pending.written_bytes(), drain(&mut pending)), (0, vec![format!("{:?}", left(true))]));
}

#[test]
fn a_reply_of_several_answers_leaves_when_all_are_there_and_in_its_turn() {
    let mut pending = Pending::default();
    pending.start_at(u16::MAX);
    let first = pending.next_number();
    pending.push_part(None, Cost::Change(10), NOW);
    pending.push_part(Some(left(true)), Cost::Question(10), NOW);
    let third = pending.next_number();
    pending.push_part(None, Cost::Question(10), NOW);
    pending.push_gather(Gather::Exec(Box::default()), NOW);
    let last = ask(&mut pending);
    assert!(!pending.settle(third.wrapping_add(1), left(false)), "nobody answers the last place");
    assert!(pending.settle(last, left(true)) && pending.settle(first, left(false)));
    assert!(drain(&mut pending).is_empty() && !pending.has_writes(), "a part is missing");
    assert!(!pending.is_empty(), "answers are kept");
    assert!(pending.settle(third, left(true)));
    let expected = format!("{:?}", [left(false), left(true), left(true)]);
    assert_eq!(drain(&mut pending), [expected, format!("{:?}", left(true))]);
    assert!(pending.is_empty());
}

#[test]
fn what_was_taken_is_given_up_though_something_is_always_behind_it() {
    let mut pending = Pending::default();
    let mut waits = VecDeque::from([ask(&mut pending)]);
    for round in 0..1_000 {
        pending.push_written(&[b'x'; 1_000]);
        waits.push_back(ask(&mut pending));
        pending.push_written(b"behind");
        assert!(pending.settle(waits.pop_front().unwrap(), left(true)));
        let seen: usize = drain(&mut pending).iter().map(String::len).sum();
        assert!(seen > 1_000 && pending.front() == waits[0], "{seen} bytes in round {round}");
        assert!(pending.held_bytes() < 64 * 1_024, "{} bytes in round {round}", pending.held_bytes());
    }
}

#[test]
fn an_answer_settles_one_request_once() {
    let mut pending = Pending::default();
    let number = ask(&mut pending);
    assert!(!pending.settle(number.wrapping_add(1), left(true)), "no such request");
    assert!(pending.settle(number, left(true)));
    assert!(!pending.settle(number, left(false)), "answered already");
    assert_eq!(drain(&mut pending).len(), 1);
    assert!(!pending.settle(number, left(true)), "sent already");
}
