//! `XLEN XDEL XSETID X.END`

use super::id;
use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::number::integer;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec};
use sluice_engine::stream::op::{KeyOp, SetId};

pub(crate) static XLEN: CommandSpec = CommandSpec {
    flags: &["readonly", "fast"],
    categories: &["read", "stream", "fast"],
    summary: "Returns the number of entries in a stream.",
    since: "5.0.0",
    group: "stream",
    key: Some(KeySpec { index: 1, writes: false }),
    arguments: &[Argument::key("key")],
    run: Some(len),
    ..CommandSpec::new("xlen", 2)
};

pub(crate) static XDEL: CommandSpec = CommandSpec {
    summary: "Removes entries of a stream by their ids, and returns how many.",
    arguments: &[Argument::key("key"), Argument::string("id").multiple()],
    run: Some(del),
    ..write("xdel", -3)
};

pub(crate) static XSETID: CommandSpec = CommandSpec {
    flags: &["write", "denyoom", "fast"],
    summary: "Sets the last id of a stream.",
    arguments: &[
        Argument::key("key"),
        Argument::string("last-id"),
        Argument::integer("entries_added").after("ENTRIESADDED").optional(),
        Argument::string("max_deleted_entry_id").after("MAXDELETEDID").optional(),
    ],
    run: Some(set_id),
    ..write("xsetid", -3)
};

pub(crate) static END: CommandSpec = CommandSpec {
    summary: "Marks a stream as complete: nothing follows, and its readers are told so.",
    since: "0.1.0",
    arguments: &[Argument::key("key")],
    run: Some(end),
    ..write("x.end", 2)
};

const fn write(name: &'static str, arity: i32) -> CommandSpec {
    CommandSpec {
        flags: &["write", "fast"],
        categories: &["write", "stream", "fast"],
        since: "5.0.0",
        group: "stream",
        key: Some(KeySpec { index: 1, writes: true }),
        ..CommandSpec::new(name, arity)
    }
}

const ADDED_NEGATIVE: Fault<'static> = Fault::Text("ERR entries_added must be positive");
const BELOW_DELETED: Fault<'static> =
    Fault::Text("ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");

fn len<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::Len(call.text(1))))
}

fn del<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let key = call.text(1);
    Ok(match call.args.from(2).iter().map(id::id).collect() {
        Ok(ids) => Step::key(KeyOp::Remove(key, ids)),
        Err(fault) => Step::faulty(KeyOp::Remove(key, Vec::new()), &fault),
    })
}

fn set_id<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let mut op = SetId { key: call.text(1), id: id::id(call.arg(2))?, added: None, max_deleted: None };
    let mut at = 3;
    while let Some(word) = call.args.get(at) {
        let value = call.args.get(at + 1).ok_or(Fault::Syntax)?;
        if word.eq_ignore_ascii_case(b"ENTRIESADDED") {
            let added = integer(value).ok_or(Fault::NotInteger)?;
            op.added = Some(u64::try_from(added).map_err(|_| ADDED_NEGATIVE)?);
        } else if word.eq_ignore_ascii_case(b"MAXDELETEDID") {
            let deleted = id::id(value)?;
            if op.id < deleted {
                return Err(BELOW_DELETED);
            }
            op.max_deleted = Some(deleted);
        } else {
            return Err(Fault::Syntax);
        }
        at += 2;
    }
    Ok(Step::key(KeyOp::SetId(op)))
}

fn end<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::End(call.text(1))))
}
