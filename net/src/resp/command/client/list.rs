//! `CLIENT LIST [TYPE t] [ID id …]` and `CLIENT INFO`, in Redis's lines.
//!
//! Fields that tell of something that does not exist here (databases, transactions, Redis's own buffers) have the value
//! of a connection that never used it.

use super::client;
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::whole;
use crate::resp::command::spec::{Access, Argument, CommandSpec, Replies};
use crate::resp::server::{ClientRow, Role};
use std::io::Write;

pub(super) static LIST: CommandSpec = CommandSpec {
    replies: Replies::Clients,
    flags: &["admin", "noscript", "loading", "stale"],
    categories: &["admin", "slow", "dangerous", "connection"],
    access: Access::From(Role::Operator),
    summary: "Lists open connections.",
    since: "2.4.0",
    complexity: "O(N) where N is the number of client connections",
    arguments: &[
        Argument::one_of("client-type", TYPES).after("TYPE").optional(),
        Argument::integer("client-id").after("ID").optional().multiple(),
    ],
    run: Some(list),
    ..client("client|list", -2)
};

pub(super) static INFO: CommandSpec = CommandSpec {
    summary: "Returns information about the connection.",
    since: "6.2.0",
    run: Some(info),
    ..client("client|info", 2)
};

pub(super) const TYPES: &[Argument] = &[
    Argument::word("normal", "NORMAL"),
    Argument::word("master", "MASTER"),
    Argument::word("replica", "REPLICA"),
    Argument::word("pubsub", "PUBSUB"),
];

/// Bytes of a list; connections beyond it are left out, so that a reply stays bounded.
const LIST_BYTES_MAX: usize = 16 << 20;

/// A type of connections.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientType {
    /// Listens to no channel.
    Normal,
    /// Listens to channels.
    Listener,
    /// Redis has such; here there are none.
    Other,
}

impl ClientType {
    /// Reads its name.
    pub(super) fn parse(kind: &[u8]) -> Result<ClientType, Fault<'_>> {
        let known: [(&[u8], ClientType); 5] = [
            (b"normal", ClientType::Normal),
            (b"pubsub", ClientType::Listener),
            (b"master", ClientType::Other),
            (b"replica", ClientType::Other),
            (b"slave", ClientType::Other),
        ];
        let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
        found.map(|(_, found)| *found).ok_or(Fault::ClientType(kind))
    }

    /// The type of a connection.
    pub(super) fn of(row: &ClientRow<'_>) -> ClientType {
        if row.channels + row.patterns > 0 { ClientType::Listener } else { ClientType::Normal }
    }
}

fn list<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let mut lines = Vec::new();
    match (call.args.len(), call.args.get(2)) {
        (2, _) => write_all(call, None, &mut lines),
        (4, Some(word)) if word.eq_ignore_ascii_case(b"TYPE") => {
            let kind = ClientType::parse(call.arg(3))?;
            write_all(call, Some(kind), &mut lines);
        }
        (4.., Some(word)) if word.eq_ignore_ascii_case(b"ID") => write_chosen(call, &mut lines)?,
        _ => return Err(Fault::Syntax),
    }
    call.reply().verbatim(*b"txt", &lines);
    Ok(Step::Replied)
}

fn write_all(call: &Call<'_, '_>, kind: Option<ClientType>, lines: &mut Vec<u8>) {
    call.server.visit_clients(&mut |row| {
        if lines.len() < LIST_BYTES_MAX && kind.is_none_or(|kind| kind == ClientType::of(row)) {
            write_row(call, row, lines);
        }
    });
}

fn write_chosen<'a>(call: &Call<'a, '_>, lines: &mut Vec<u8>) -> Result<(), Fault<'a>> {
    for id in call.args.from(3).iter() {
        let id = whole(id).filter(|id| *id > 0).ok_or(Fault::ClientId)?;
        if lines.len() < LIST_BYTES_MAX {
            call.server.visit_client(id, &mut |row| write_row(call, row, lines));
        }
    }
    Ok(())
}

fn info<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let mut line = Vec::new();
    call.server.visit_client(call.session.id(), &mut |row| write_row(call, row, &mut line));
    call.reply().verbatim(*b"txt", &line);
    Ok(Step::Replied)
}

fn write_row(call: &Call<'_, '_>, row: &ClientRow<'_>, lines: &mut Vec<u8>) {
    if row.id == call.session.id() {
        write_line(&call.session.overlaid(row), lines);
    } else {
        write_line(row, lines);
    }
}

/// Writing to a vector cannot fail, so its results are let go.
fn write_line(row: &ClientRow<'_>, lines: &mut Vec<u8>) {
    let _ = write!(lines, "id={} addr={} laddr={} fd={} name=", row.id, row.peer, row.local, row.fd);
    lines.extend_from_slice(row.name);
    let _ = write!(
        lines,
        " age={} idle={} flags={} db=0 sub={} psub={} ssub=0 multi=-1 qbuf={} qbuf-free=0 argv-mem=0 multi-mem=0 \
         rbs=0 rbp=0 obl={} oll=0 omem={} tot-mem={} events=r cmd={} user=",
        row.age_s,
        row.idle_s,
        if ClientType::of(row) == ClientType::Listener { "P" } else { "N" },
        row.channels,
        row.patterns,
        row.input_bytes,
        row.output_bytes,
        row.output_bytes,
        row.memory_bytes,
        row.command
    );
    lines.extend_from_slice(row.user);
    let _ = write!(lines, " redir=-1 resp={} lib-name=", row.proto.number());
    lines.extend_from_slice(row.lib_name);
    lines.extend_from_slice(b" lib-ver=");
    lines.extend_from_slice(row.lib_version);
    lines.push(b'\n');
}
