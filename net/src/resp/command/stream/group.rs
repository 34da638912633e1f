//! `XGROUP CREATE|SETID|DESTROY|CREATECONSUMER|DELCONSUMER`: groups of consumers.

use super::id;
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec};
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::{After, GroupOp, KeyOp};

pub(crate) static XGROUP: CommandSpec = CommandSpec {
    categories: &["slow"],
    summary: "A container for commands about groups of consumers.",
    since: "5.0.0",
    group: "stream",
    complexity: "Depends on subcommand.",
    subcommands: &[&CREATE, &SETID, &DESTROY, &CREATECONSUMER, &DELCONSUMER],
    ..CommandSpec::new("xgroup", -2)
};

const KEY: Argument = Argument::key("key");
const GROUP: Argument = Argument::string("groupname");
const CONSUMER: Argument = Argument::string("consumername");
const FROM: Argument = Argument::one_of("id", &[Argument::string("id"), Argument::word("new_id", "$")]);
const READ: Argument = Argument::integer("entries_read").after("ENTRIESREAD").optional();

static CREATE: CommandSpec = CommandSpec {
    flags: &["write", "denyoom"],
    summary: "Creates a group of consumers.",
    arguments: &[KEY, GROUP, FROM, Argument::word("mkstream", "MKSTREAM").optional(), READ],
    run: Some(create),
    ..about_group("xgroup|create", -5)
};
static SETID: CommandSpec = CommandSpec {
    summary: "Sets the id up to which a group has read.",
    arguments: &[KEY, GROUP, FROM, READ],
    run: Some(set_id),
    ..about_group("xgroup|setid", -5)
};
static DESTROY: CommandSpec = CommandSpec {
    summary: "Removes a group of consumers.",
    complexity: "O(N) with N being the number of pending entries",
    arguments: &[KEY, GROUP],
    run: Some(destroy),
    ..about_group("xgroup|destroy", 4)
};
static CREATECONSUMER: CommandSpec = CommandSpec {
    flags: &["write", "denyoom"],
    summary: "Creates a consumer in a group.",
    since: "6.2.0",
    arguments: &[KEY, GROUP, CONSUMER],
    run: Some(add_consumer),
    ..about_group("xgroup|createconsumer", 5)
};
static DELCONSUMER: CommandSpec = CommandSpec {
    summary: "Removes a consumer from a group.",
    arguments: &[KEY, GROUP, CONSUMER],
    run: Some(remove_consumer),
    ..about_group("xgroup|delconsumer", 5)
};

const fn about_group(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["write"],
        categories: &["write", "stream", "slow"],
        since: "5.0.0",
        group: "stream",
        key: Some(KeySpec { index: 2, writes: true }),
        ..CommandSpec::new(name, arity)
    }
}

/// Words of the longest `XGROUP CREATE`, and of the longest `XGROUP SETID`: repeated options are too many.
const CREATE_WORDS_MAX: usize = 8;
const SETID_WORDS_MAX: usize = 7;

const READ_NEGATIVE: Fault<'static> = Fault::Text("ERR value for ENTRIESREAD must be positive or -1");

fn create<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let (make, read) = options(call, true)?;
    let from = match call.args.len() {
        ..=CREATE_WORDS_MAX => from(call.arg(4), id::id),
        _ => Err(Fault::SubcommandSyntax { container: "xgroup", word: call.arg(1) }),
    };
    group_op_from(call, from, |from| GroupOp::Create { from, make, read })
}

fn set_id<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let (_, read) = options(call, false)?;
    let from = match call.args.len() {
        ..=SETID_WORDS_MAX => from(call.arg(4), id::id_or_end),
        _ => Err(Fault::SubcommandSyntax { container: "xgroup", word: call.arg(1) }),
    };
    group_op_from(call, from, |from| GroupOp::SetId { from, read })
}

fn destroy<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    group_op(call, GroupOp::Destroy)
}

fn add_consumer<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let consumer = call.text(4);
    group_op(call, GroupOp::AddConsumer(consumer))
}

fn remove_consumer<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let consumer = call.text(4);
    group_op(call, GroupOp::RemoveConsumer(consumer))
}

fn group_op<'a>(call: &Call<'a, '_>, op: GroupOp) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::Group(call.text(2), call.text(3), op)))
}

/// What is wrong with the id is said only where the key and the group are there.
fn group_op_from<'a>(
    call: &Call<'a, '_>,
    from: Result<After, Fault<'a>>,
    op: impl Fn(After) -> GroupOp,
) -> Result<Step<'a>, Fault<'a>> {
    match from {
        Ok(from) => group_op(call, op(from)),
        Err(fault) => {
            let op = KeyOp::Group(call.text(2), call.text(3), op(After::Last));
            Ok(Step::faulty(op, &fault))
        }
    }
}

type ParseId = fn(&[u8]) -> Result<StreamId, Fault<'static>>;

fn from(bytes: &[u8], id: ParseId) -> Result<After, Fault<'_>> {
    if bytes == b"$" { Ok(After::Last) } else { id(bytes).map(After::Id) }
}

/// Whether the stream is made, and how many entries count as read.
fn options<'a>(call: &Call<'a, '_>, makes: bool) -> Result<(bool, Option<i64>), Fault<'a>> {
    let (mut make, mut read, mut at) = (false, None, 5);
    while let Some(word) = call.args.get(at) {
        match call.args.get(at + 1) {
            _ if makes && word.eq_ignore_ascii_case(b"MKSTREAM") => (make, at) = (true, at + 1),
            Some(count) if word.eq_ignore_ascii_case(b"ENTRIESREAD") => {
                let count = integer(count).ok_or(Fault::NotInteger)?;
                if count < -1 {
                    return Err(READ_NEGATIVE);
                }
                (read, at) = (Some(count), at + 2);
            }
            _ => return Err(Fault::SubcommandSyntax { container: "xgroup", word: call.arg(1) }),
        }
    }
    Ok((make, read))
}
