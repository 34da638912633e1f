//! `DEL UNLINK EXISTS TOUCH TYPE`

use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::spec::{Argument, CommandSpec, KeySpec, MoreKeys};
use sluice_engine::stream::op::KeyOp;
use sluice_engine::stream::text::Text;

pub(crate) static DEL: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["keyspace", "write", "slow"],
    summary: "Removes keys, and returns how many there were.",
    since: "1.0.0",
    run: Some(delete),
    ..several("del", true)
};

pub(crate) static UNLINK: CommandSpec = CommandSpec {
    flags: &["write", "fast"],
    categories: &["keyspace", "write", "fast"],
    summary: "Removes keys, and returns how many there were; here the same as DEL.",
    since: "4.0.0",
    run: Some(delete),
    ..several("unlink", true)
};

pub(crate) static EXISTS: CommandSpec = CommandSpec {
    summary: "Returns how many of the keys exist.",
    since: "1.0.0",
    run: Some(exists),
    ..several("exists", false)
};

pub(crate) static TOUCH: CommandSpec = CommandSpec {
    summary: "Returns how many of the keys exist; here the same as EXISTS.",
    since: "3.2.1",
    run: Some(exists),
    ..several("touch", false)
};

pub(crate) static TYPE: CommandSpec = CommandSpec {
    flags: &["readonly", "fast"],
    categories: &["keyspace", "read", "fast"],
    summary: "Returns what a key names: stream, or none.",
    since: "1.0.0",
    group: "generic",
    key: Some(KeySpec { index: 1, writes: false }),
    arguments: &[Argument::key("key")],
    run: Some(kind),
    ..CommandSpec::new("type", 2)
};

const KEYS: &[Argument] = &[Argument::key("key").multiple()];

const fn several(name: &'static str, writes: bool) -> CommandSpec {
    CommandSpec {
        flags: &["readonly", "fast"],
        categories: &["keyspace", "read", "fast"],
        group: "generic",
        complexity: "O(N) with N being the number of keys",
        key: Some(KeySpec { index: 1, writes }),
        more_keys: MoreKeys::Rest,
        arguments: KEYS,
        ..CommandSpec::new(name, -2)
    }
}

fn keys(call: &Call<'_, '_>) -> Vec<Text> {
    call.args.from(1).iter().map(Text::from).collect()
}

fn delete<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::Delete(keys(call))))
}

fn exists<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::Exists(keys(call))))
}

fn kind<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::Type(call.text(1))))
}
