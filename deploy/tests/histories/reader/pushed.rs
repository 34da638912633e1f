//! A reader of several streams by `X.SUB`.

use std::io::Result;

use sluice_net::resp::reply::Value;

use super::{Fortune, cursor_of};
use crate::history::History;
use crate::plan::Plan;
use crate::wire::{Wire, elements, text};

pub(super) fn read(histories: &mut [History], fortune: &mut Fortune<'_>) {
    while histories.iter().any(|history| history.end.is_none()) {
        let at = fortune.place().resp.clone();
        if follow(histories, fortune, &at).is_err() {
            std::thread::yield_now();
        }
    }
}

/// Follows until the connection is lost or given up.
fn follow(histories: &mut [History], fortune: &mut Fortune<'_>, at: &str) -> Result<()> {
    let mut wire = Wire::connect(at)?;
    wire.ask(&["HELLO", "3"], |_| ())?;
    let mut words = vec!["X.SUB".to_owned()];
    for history in histories.iter_mut() {
        words.push(Plan::key(history.stream));
        let cursor = history.cursor();
        words.extend(cursor.iter().flat_map(|cursor| ["AFTER".to_owned(), cursor.to_string()]));
        history.resumes(cursor);
    }
    wire.send(&words.iter().map(|word| &**word).collect::<Vec<_>>())?;
    while histories.iter().any(|history| history.end.is_none()) {
        wire.next(|value| match value {
            Value::Push(push) => pushed(histories, push),
            Value::Integer(count) => assert_eq!(*count as usize, histories.len(), "all are followed"),
            other => panic!("{other:?}"),
        })?;
        if !fortune.holds() {
            break;
        }
    }
    Ok(())
}

fn pushed(histories: &mut [History], push: &[Value<'_>]) {
    let [kind, key, rest @ ..] = push else { panic!("{push:?}") };
    let stream = Plan::stream(&text(key));
    let of = |history: &&mut History| history.stream == stream;
    let history = histories.iter_mut().find(of).expect("one that was asked for");
    match (&*text(kind), rest) {
        ("x.entry", [cursor, _, fields]) => {
            let payload = text(&elements(fields)[1]).parse().expect("a number");
            history.entry(cursor_of(&text(cursor)), payload);
        }
        ("x.reset", [reason, oldest, _]) => {
            let oldest = oldest.bytes().map(|_| cursor_of(&text(oldest)));
            history.reset(&text(reason), oldest);
        }
        ("x.end", [cursor]) => history.ended(cursor_of(&text(cursor))),
        other => panic!("{other:?}"),
    }
}
