//! `SLOWLOG GET|LEN|RESET`: requests that took long. Their arguments are left out, because tokens and user ids are in
//! them.

use super::execute::{Call, Step};
use super::fault::Fault;
use super::number::integer;
use super::spec::{Access, Argument, CommandSpec};
use crate::resp::encode::{Proto, Writer};
use crate::resp::server::{Role, SlowRow};

pub(super) static SPEC: CommandSpec = CommandSpec {
    summary: "A container for slow log commands.",
    since: "2.2.12",
    group: "server",
    complexity: "Depends on subcommand.",
    subcommands: &[&GET, &LEN, &RESET],
    ..CommandSpec::new("slowlog", -2)
};

static GET: CommandSpec = CommandSpec {
    summary: "Returns the slow log's entries.",
    complexity: "O(N) where N is the number of entries returned",
    arguments: &[Argument::integer("count").optional()],
    run: Some(get),
    ..slowlog("slowlog|get", -2)
};

static LEN: CommandSpec = CommandSpec {
    summary: "Returns the number of entries in the slow log.",
    run: Some(len),
    ..slowlog("slowlog|len", 2)
};

static RESET: CommandSpec = CommandSpec {
    access: Access::From(Role::Admin),
    summary: "Clears all entries from the slow log.",
    run: Some(reset),
    ..slowlog("slowlog|reset", 2)
};

const fn slowlog(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["admin", "loading", "stale"],
        categories: &["admin", "slow", "dangerous"],
        access: Access::From(Role::Operator),
        since: "2.2.12",
        group: "server",
        ..CommandSpec::new(name, arity)
    }
}

/// Entries that are returned where no number is given.
const COUNT_DEFAULT: usize = 10;

fn get<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let count = match (call.args.len(), call.args.get(2).map(integer)) {
        (2, _) => COUNT_DEFAULT,
        (3, Some(Some(-1))) => usize::MAX,
        (3, Some(Some(count))) => usize::try_from(count).map_err(|_| Fault::SlowlogCount)?,
        (3, _) => return Err(Fault::SlowlogCount),
        _ => return Err(Fault::WrongArity("slowlog|get")),
    };
    let (mut rows, mut written) = (Vec::new(), 0);
    let server = call.server;
    let proto = call.session.proto();
    server.visit_slow(&mut |row| {
        if written < count {
            write_row(&mut rows, proto, row);
            written += 1;
        }
    });
    call.reply().array(written);
    call.out.extend_from_slice(&rows);
    Ok(Step::Replied)
}

fn write_row(out: &mut Vec<u8>, proto: Proto, row: &SlowRow<'_>) {
    let mut reply = Writer::new(out, proto);
    reply.array(6);
    for figure in [row.id, row.wall_s, row.took_us] {
        reply.count(figure);
    }
    reply.array(1);
    reply.bulk(row.command.as_bytes());
    reply.bulk(row.peer.to_string().as_bytes());
    reply.bulk(row.name);
}

fn len<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let mut entries = 0;
    call.server.visit_slow(&mut |_| entries += 1);
    call.reply().count(entries);
    Ok(Step::Replied)
}

fn reset<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    call.server.reset_slow();
    call.ok()
}
