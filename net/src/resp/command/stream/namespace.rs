//! `X.NAMESPACE SET prefix [MAXLEN n] [TTL_MS n] [MEMORY_BYTES n] [ON_FULL refuse|drop-oldest] | GET prefix | LIST | DEL prefix`
//!
//! Keys of one prefix are in all groups, so every group is told; of a bound of memory each gets its share. `SET` says the
//! whole policy: what it does not name is not bounded.

use crate::resp::command::execute::{Call, Step};
use crate::resp::command::fault::Fault;
use crate::resp::command::key_call::{KeyCall, Shape};
use crate::resp::command::number::whole;
use crate::resp::command::spec::{Access, Argument, CommandSpec};
use crate::resp::server::Role;
use sluice_engine::stream::op::KeyOp;
use sluice_engine::stream::policy::{OnFull, Policy};
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::Value;
use std::collections::BTreeMap;

pub(crate) static SPEC: CommandSpec = CommandSpec {
    summary: "A container for commands about namespaces.",
    group: "stream",
    complexity: "Depends on subcommand.",
    subcommands: &[&SET, &GET, &LIST, &DEL],
    ..CommandSpec::new("x.namespace", -2)
};

static SET: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "stream", "slow"],
    access: Access::From(Role::Operator),
    summary: "Says what holds for all streams whose keys begin with the prefix.",
    group: "stream",
    complexity: "O(N) with N being the number of keys",
    arguments: &[
        Argument::string("prefix"),
        Argument::integer("entries").after("MAXLEN").optional(),
        Argument::integer("milliseconds").after("TTL_MS").optional(),
        Argument::integer("bytes").after("MEMORY_BYTES").optional(),
        Argument::one_of(
            "on-full",
            &[Argument::word("refuse", "REFUSE"), Argument::word("drop-oldest", "DROP-OLDEST")],
        )
        .after("ON_FULL")
        .optional(),
    ],
    run: Some(set),
    ..CommandSpec::new("x.namespace|set", -3)
};

static GET: CommandSpec = CommandSpec {
    flags: &["readonly"],
    categories: &["read", "stream", "slow"],
    summary: "Returns the policy of a namespace, and what is in it.",
    group: "stream",
    complexity: "O(N) with N being the number of namespaces",
    arguments: &[Argument::string("prefix")],
    run: Some(get),
    ..CommandSpec::new("x.namespace|get", 3)
};

static LIST: CommandSpec = CommandSpec {
    flags: &["readonly"],
    categories: &["read", "stream", "slow"],
    summary: "Returns the policies of all namespaces by prefix, and what is in them.",
    group: "stream",
    complexity: "O(N) with N being the number of namespaces",
    run: Some(list),
    ..CommandSpec::new("x.namespace|list", 2)
};

static DEL: CommandSpec = CommandSpec {
    flags: &["write"],
    categories: &["write", "stream", "slow"],
    access: Access::From(Role::Operator),
    summary: "Removes a namespace; its streams stay.",
    group: "stream",
    complexity: "O(N) with N being the number of keys",
    arguments: &[Argument::string("prefix")],
    run: Some(del),
    ..CommandSpec::new("x.namespace|del", 3)
};

fn set<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let mut policy = Policy::default();
    let mut on_full = None;
    let mut rest = call.args.from(3).iter();
    while let Some(word) = rest.next() {
        let value = rest.next().ok_or(Fault::Syntax)?;
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if is("MAXLEN") => once("MAXLEN", &mut policy.maxlen, number(value)?)?,
            () if is("TTL_MS") => once("TTL_MS", &mut policy.ttl_ms, number(value)?)?,
            () if is("MEMORY_BYTES") => once("MEMORY_BYTES", &mut policy.memory_bytes, number(value)?)?,
            () if is("ON_FULL") => once("ON_FULL", &mut on_full, word_of(value)?)?,
            () => return Err(Fault::Syntax),
        }
    }
    policy.on_full = on_full.unwrap_or_default();
    Ok(Step::key(KeyOp::SetNamespace(call.text(2), policy)))
}

fn get<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    let shape = Shape::Namespace(call.arg(2).into());
    Ok(Step::Key(KeyCall { shape, ..KeyCall::new(KeyOp::Namespaces) }))
}

fn list<'a>(_: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::Namespaces))
}

fn del<'a>(call: &mut Call<'a, '_>) -> Result<Step<'a>, Fault<'a>> {
    Ok(Step::key(KeyOp::DeleteNamespace(call.text(2))))
}

fn once<'a, T>(name: &'static str, slot: &mut Option<T>, value: T) -> Result<(), Fault<'a>> {
    match slot.replace(value) {
        Some(_) => Err(Fault::Duplicate(name)),
        None => Ok(()),
    }
}

/// Replies hold signed numbers.
fn number(value: &[u8]) -> Result<u64, Fault<'_>> {
    whole(value).filter(|value| i64::try_from(*value).is_ok()).ok_or(Fault::NotInteger)
}

fn word_of(value: &[u8]) -> Result<OnFull, Fault<'_>> {
    let word = std::str::from_utf8(value).map_err(|_| Fault::Syntax)?;
    OnFull::parse(&word.to_ascii_lowercase()).ok_or(Fault::Syntax)
}

/// What all groups have of each namespace, by prefix: numbers of keys and bytes are added, bounds of memory too.
pub(in crate::resp::command) fn merge(values: Vec<Value>) -> Value {
    let mut merged: BTreeMap<Text, Vec<(Value, Value)>> = BTreeMap::new();
    let groups =
        values.into_iter().filter_map(|value| if let Value::Array(all) = value { Some(all) } else { None });
    for space in groups.flatten() {
        let Some(prefix) = prefix_of(&space).cloned() else { continue };
        let Value::Map(fields) = space else { continue };
        match merged.get_mut(&prefix) {
            None => drop(merged.insert(prefix, fields)),
            Some(known) => known.iter_mut().zip(fields).for_each(|(sum, part)| add(sum, part)),
        }
    }
    Value::Array(merged.into_values().map(Value::Map).collect())
}

fn add((name, sum): &mut (Value, Value), (_, part): (Value, Value)) {
    let is_added =
        matches!(name, Value::Text(name) if [&b"memory_bytes"[..], b"keys", b"bytes"].contains(&&**name));
    if let (true, Value::Integer(sum), Value::Integer(part)) = (is_added, sum, part) {
        *sum = sum.saturating_add(part);
    }
}

/// Whether a namespace has this prefix.
pub(in crate::resp::command) fn is_of(space: &Value, prefix: &[u8]) -> bool {
    prefix_of(space).is_some_and(|known| **known == *prefix)
}

fn prefix_of(space: &Value) -> Option<&Text> {
    match space {
        Value::Map(fields) => match fields.first() {
            Some((_, Value::Text(prefix))) => Some(prefix),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::merge;
    use sluice_engine::stream::text::Text;
    use sluice_engine::stream::value::Value;

    fn space(prefix: &[u8], maxlen: i64, memory: Option<i64>, keys: i64, bytes: i64) -> Value {
        let fields = [
            ("prefix", Value::Text(Text::from(prefix))),
            ("maxlen", Value::Integer(maxlen)),
            ("memory_bytes", memory.map_or(Value::Null, Value::Integer)),
            ("keys", Value::Integer(keys)),
            ("bytes", Value::Integer(bytes)),
        ];
        let name = |name: &str| Value::Text(Text::from(name.as_bytes()));
        Value::Map(fields.into_iter().map(|(text, value)| (name(text), value)).collect())
    }

    #[test]
    fn what_groups_have_is_added_and_what_holds_in_each_is_not() {
        let one = Value::Array(vec![space(b"b", 50, Some(4_097), 1, 10)]);
        let other = Value::Array(vec![space(b"a", 9, None, 0, 0), space(b"b", 50, Some(4_096), 2, 30)]);
        let both = vec![space(b"a", 9, None, 0, 0), space(b"b", 50, Some(8_193), 3, 40)];
        assert_eq!(merge(vec![one, other]), Value::Array(both));
        assert_eq!(merge(vec![]), Value::Array(vec![]));
    }
}
