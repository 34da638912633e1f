//! `X.SUB key [AFTER epoch.seq] …`, `X.UNSUB key …`: many streams over one connection, pushed.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::spec::{Argument, CommandSpec, KeySpec};
use crate::cursor::{Cursor, Position};
use crate::resp::encode::Proto;
use sluice_engine::stream::text::Text;

pub(super) static SUB: CommandSpec = CommandSpec {
    flags: &["readonly"],
    categories: &["read", "stream"],
    summary: "Follows streams: what they hold behind a cursor, and whatever is appended, is pushed.",
    group: "stream",
    complexity: "O(N) with N being the number of entries behind the cursors",
    key: Some(KeySpec { index: 1, writes: false }),
    arguments: &[Argument::block(
        "stream",
        &[Argument::key("key"), Argument::string("epoch.seq").after("AFTER").optional()],
    )
    .multiple()],
    run: Some(subscribe),
    ..CommandSpec::new("x.sub", -2)
};

pub(super) static UNSUB: CommandSpec = CommandSpec {
    flags: &["readonly"],
    categories: &["read", "stream"],
    summary: "Follows these streams no longer.",
    group: "stream",
    key: Some(KeySpec { index: 1, writes: false }),
    arguments: &[Argument::key("key").multiple()],
    run: Some(unsubscribe),
    ..CommandSpec::new("x.unsub", -2)
};

fn subscribe<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    if call.session.proto() != Proto::Resp3 {
        return Err(Fault::NeedsResp3);
    }
    let mut wanted = Vec::new();
    let mut words = call.args.from(1).iter().peekable();
    while let Some(key) = words.next() {
        let mut position = Position::Start;
        if words.next_if(|word| word.eq_ignore_ascii_case(b"after")).is_some() {
            position = words.next().and_then(parse_position).ok_or(Fault::Cursor)?;
        }
        wanted.push((Text::from(key), position));
    }
    Ok(Step::Follow(wanted))
}

fn unsubscribe<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::Unfollow(call.args.from(1).iter().map(Text::from).collect()))
}

/// `epoch.seq`, `seq` of the present epoch, or `$`: behind everything that is there.
fn parse_position(word: &[u8]) -> Option<Position> {
    if word == b"$" {
        return Some(Position::Newest);
    }
    if let Some(cursor) = Cursor::parse(word) {
        return Some(Position::After(cursor));
    }
    let digits = word.iter().all(u8::is_ascii_digit);
    let dense = std::str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()?;
    Some(Position::Number(dense))
}

#[cfg(test)]
mod tests {
    use super::parse_position;
    use crate::cursor::{Cursor, Position};

    #[test]
    fn a_cursor_may_name_its_epoch() {
        assert_eq!(parse_position(b"3.9"), Some(Position::After(Cursor { epoch: 3, dense: 9 })));
        assert_eq!(parse_position(b"9"), Some(Position::Number(9)));
        assert_eq!(parse_position(b"$"), Some(Position::Newest));
        for bad in [&b""[..], b"x", b"-1", b"3.", b"1-1"] {
            assert_eq!(parse_position(bad), None, "{}", bad.escape_ascii());
        }
    }
}
