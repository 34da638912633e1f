//! `CLIENT KILL addr:port`, and `CLIENT KILL [ID id] [ADDR addr:port] [LADDR addr:port] [USER name] [TYPE t] [SKIPME y]`.
//!
//! A connection that is on another thread is told to close and does so at its next turn.

use super::client;
use super::list::{ClientType, TYPES};
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::whole;
use crate::resp::command::spec::{Access, Argument, CommandSpec};
use crate::resp::server::{ClientRow, Role};
use std::net::SocketAddr;

pub(super) static SPEC: CommandSpec = CommandSpec {
    flags: &["admin", "noscript", "loading", "stale"],
    categories: &["admin", "slow", "dangerous", "connection"],
    access: Access::From(Role::Admin),
    summary: "Terminates open connections.",
    since: "2.4.0",
    complexity: "O(N) where N is the number of client connections",
    arguments: &[Argument::one_of(
        "filter",
        &[Argument::string("ip:port"), Argument::one_of("new-format", FILTERS).multiple()],
    )],
    run: Some(run),
    ..client("client|kill", -3)
};

const FILTERS: &[Argument] = &[
    Argument::integer("client-id").after("ID").optional(),
    Argument::one_of("client-type", TYPES).after("TYPE").optional(),
    Argument::string("username").after("USER").optional(),
    Argument::string("ip:port").after("ADDR").optional(),
    Argument::string("ip:port").after("LADDR").optional(),
    Argument::one_of("skipme", &[Argument::word("yes", "YES"), Argument::word("no", "NO")])
        .after("SKIPME")
        .optional(),
];

/// Which connections are meant: those that meet every condition given.
struct Filter<'a> {
    id: Option<u64>,
    peer: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    kind: Option<ClientType>,
    skip_me: bool,
}

fn run<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    if call.args.len() == 3 {
        let filter = Filter { peer: Some(call.arg(2)), skip_me: false, ..Filter::all() };
        let ids = chosen(call, &filter);
        if ids.is_empty() {
            return Err(Fault::NoSuchClient);
        }
        call.reply().ok();
        let (_, step) = kill(call, &ids);
        return Ok(step);
    }
    let filter = filter(call)?;
    let ids = chosen(call, &filter);
    let (killed, step) = kill(call, &ids);
    call.reply().count(killed);
    Ok(step)
}

impl Filter<'_> {
    fn all() -> Self {
        Filter { id: None, peer: None, local: None, user: None, kind: None, skip_me: true }
    }
}

fn filter<'a>(call: &Call<'a, '_>) -> Result<Filter<'a>, Fault<'a>> {
    let mut filter = Filter::all();
    let mut words = call.args.from(2).iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(Fault::Syntax)?;
        if word.eq_ignore_ascii_case(b"ID") {
            filter.id = Some(whole(value).filter(|id| *id > 0).ok_or(Fault::ClientIdPositive)?);
        } else if word.eq_ignore_ascii_case(b"TYPE") {
            filter.kind = Some(ClientType::parse(value)?);
        } else if word.eq_ignore_ascii_case(b"ADDR") {
            filter.peer = Some(value);
        } else if word.eq_ignore_ascii_case(b"LADDR") {
            filter.local = Some(value);
        } else if word.eq_ignore_ascii_case(b"USER") {
            filter.user = Some(value);
        } else if word.eq_ignore_ascii_case(b"SKIPME") {
            filter.skip_me = yes_or_no(value)?;
        } else {
            return Err(Fault::Syntax);
        }
    }
    Ok(filter)
}

fn yes_or_no(word: &[u8]) -> Result<bool, Fault<'_>> {
    match (word.eq_ignore_ascii_case(b"yes"), word.eq_ignore_ascii_case(b"no")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(Fault::Syntax),
    }
}

fn chosen(call: &Call<'_, '_>, filter: &Filter<'_>) -> Vec<u64> {
    let me = call.session.id();
    let mut ids = Vec::new();
    let mut look = |row: &ClientRow<'_>| {
        let row = if row.id == me { call.session.overlaid(row) } else { *row };
        if !(filter.skip_me && row.id == me) && meets(filter, &row) {
            ids.push(row.id);
        }
    };
    match filter.id {
        Some(id) => call.server.visit_client(id, &mut look),
        None => call.server.visit_clients(&mut look),
    }
    ids
}

fn meets(filter: &Filter<'_>, row: &ClientRow<'_>) -> bool {
    filter.id.is_none_or(|id| id == row.id)
        && filter.kind.is_none_or(|kind| kind == ClientType::of(row))
        && filter.user.is_none_or(|user| user == row.user)
        && filter.peer.is_none_or(|text| is_address(text, row.peer))
        && filter.local.is_none_or(|text| is_address(text, row.local))
}

fn is_address(text: &[u8], address: SocketAddr) -> bool {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) == Some(address)
}

/// How many were killed, and what follows for the connection that asked.
fn kill<'a>(call: &Call<'_, '_>, ids: &[u64]) -> (u64, Step<'a>) {
    let me = call.session.id();
    let mut killed = 0;
    let mut step = Step::Replied;
    for id in ids {
        if *id == me {
            step = Step::Close;
            killed += 1;
        } else if call.server.kill_client(*id) {
            killed += 1;
        }
    }
    (killed, step)
}
