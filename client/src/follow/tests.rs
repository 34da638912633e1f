//! The table of what is followed, without a connection.

use sluice_net::resp::reply::Value;

use super::table::{Outcome, Table};
use super::{After, Event};
use crate::cursor::Cursor;
use crate::limit::ASKED_MAX;

fn entry<'a>(key: &'a [u8], cursor: &'a [u8]) -> Value<'a> {
    let fields = Value::Array(vec![Value::Bulk(b"n"), Value::Bulk(b"v")]);
    Value::Push(vec![
        Value::Bulk(b"x.entry"),
        Value::Bulk(key),
        Value::Bulk(cursor),
        Value::Bulk(b"7-0"),
        fields,
    ])
}

fn asked(table: &mut Table) -> usize {
    let mut output = Vec::new();
    while table.ask(&mut output).is_some() {}
    output.windows(5).filter(|window| window == b"X.SUB").count()
}

#[test]
fn only_so_much_is_asked_at_once() {
    let mut table = Table::default();
    for key in 0..ASKED_MAX + 10 {
        table.add(key.to_string().as_bytes(), After::Oldest).expect("there is room");
    }
    assert_eq!(asked(&mut table), ASKED_MAX);
    for _ in 0..4 {
        assert_eq!(table.hear(&Value::Integer(1)), Ok(Outcome::Quiet));
    }
    assert_eq!(asked(&mut table), 4);
    table.restart();
    assert_eq!(asked(&mut table), ASKED_MAX, "a new connection is told everything");
}

#[test]
fn entries_count_from_the_reply_on() {
    let mut table = Table::default();
    table.add(b"s", After::Cursor(Cursor { epoch: 1, seq: 1 })).expect("there is room");
    asked(&mut table);
    assert_eq!(table.hear(&entry(b"s", b"1.2")), Ok(Outcome::Quiet));
    assert_eq!(table.hear(&Value::Integer(1)), Ok(Outcome::Quiet));
    assert!(matches!(table.hear(&entry(b"s", b"1.2")), Ok(Outcome::Told(Event::Entry { .. }))));
    assert_eq!(table.hear(&entry(b"t", b"1.2")), Ok(Outcome::Quiet), "nobody asked for it");
}

#[test]
fn what_is_no_push_of_a_stream_is_a_fault_of_the_server() {
    let mut table = Table::default();
    table.add(b"s", After::Oldest).expect("there is room");
    asked(&mut table);
    table.hear(&Value::Integer(1)).expect("is the reply");
    table.hear(&Value::Integer(1)).expect_err("answers nothing");
    table.hear(&entry(b"s", b"x")).expect_err("is no cursor");
    for len in 0..5 {
        let Value::Push(parts) = entry(b"s", b"1.1") else { unreachable!() };
        table.hear(&Value::Push(parts[..len].to_vec())).expect_err("is too short");
    }
    assert_eq!(table.hear(&Value::Push(vec![Value::Bulk(b"x.new"), Value::Bulk(b"s")])), Ok(Outcome::Quiet));
}

#[test]
fn keys_that_come_and_go_unread_take_no_more_room_than_all_there_may_be() {
    let mut table = Table::default();
    for _ in 0..3 * crate::limit::FOLLOWED_MAX {
        table.add(b"s", After::Oldest).expect("there is room");
        assert!(table.remove(b"s"));
    }
    assert!(table.is_overgrown());
    table.add(b"s", After::Oldest).expect("there is room");
    assert_eq!(asked(&mut table), 0, "a new connection has to be made");
    table.restart();
    assert!(!table.is_overgrown());
    assert_eq!(asked(&mut table), 1);
}
