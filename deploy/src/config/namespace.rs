//! The `[[namespace]]` tables of a configuration file.

use sluice_engine::limit::NAMESPACES_MAX;
use sluice_engine::stream::policy::{OnFull, Policy};
use toml::Spanned;
use toml::de::DeValue;

use super::value::Read;
use super::{Config, ConfigError, Origin, Value};

/// A namespace as configured.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct NamespaceEntry {
    /// What the keys of its streams begin with.
    pub(crate) prefix: String,
    /// What holds for them in all groups together.
    pub(crate) policy: Policy,
    origin: Origin,
}

struct Key {
    name: &'static str,
    set: fn(&mut NamespaceEntry, &Value) -> Read<()>,
}

const KEYS: &[Key] = &[
    Key { name: "prefix", set: |entry, value| value.text().map(|prefix| entry.prefix = prefix) },
    Key { name: "maxlen", set: |entry, value| bound(&mut entry.policy.maxlen, value) },
    Key { name: "ttl_ms", set: |entry, value| bound(&mut entry.policy.ttl_ms, value) },
    Key { name: "memory_bytes", set: |entry, value| size(&mut entry.policy.memory_bytes, value) },
    Key { name: "on_full", set: |entry, value| on_full(value).map(|word| entry.policy.on_full = word) },
];

fn bound(field: &mut Option<u64>, value: &Value) -> Read<()> {
    *field = Some(value.number(1..=i64::MAX.unsigned_abs())?);
    Ok(())
}

fn size(field: &mut Option<u64>, value: &Value) -> Read<()> {
    *field = Some(value.bytes(1..=i64::MAX.unsigned_abs())?);
    Ok(())
}

fn on_full(value: &Value) -> Read<OnFull> {
    value.one_of(&[OnFull::Refuse, OnFull::DropOldest].map(|word| (word.word(), word)))
}

/// Reads every `[[namespace]]`. `origin` turns an offset in the file into a place that an error can name.
pub(super) fn read_all(
    value: &DeValue<'_>,
    at: Origin,
    origin: &impl Fn(usize) -> Origin,
) -> Result<Vec<NamespaceEntry>, ConfigError> {
    let bad = |origin: Origin, why: &str| ConfigError::BadValue {
        origin,
        key: "namespace".to_owned(),
        why: why.to_owned(),
    };
    const SHAPE: &str = "must be written as [[namespace]] tables";
    let DeValue::Array(items) = value else { return Err(bad(at, SHAPE)) };
    if items.len() > NAMESPACES_MAX {
        return Err(bad(at, &format!("lists more than {NAMESPACES_MAX} namespaces")));
    }
    let mut entries: Vec<NamespaceEntry> = Vec::with_capacity(items.len());
    for item in items {
        let entry = read_one(item, origin)?.ok_or_else(|| bad(origin(item.span().start), SHAPE))?;
        if entries.iter().any(|known| known.prefix == entry.prefix) {
            return Err(refused(&entry, "is listed twice".to_owned()));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn read_one(
    item: &Spanned<DeValue<'_>>,
    origin: &impl Fn(usize) -> Origin,
) -> Result<Option<NamespaceEntry>, ConfigError> {
    let DeValue::Table(table) = item.get_ref() else { return Ok(None) };
    let (prefix, policy) = (String::new(), Policy::default());
    let mut entry = NamespaceEntry { prefix, policy, origin: origin(item.span().start) };
    for (key, value) in table {
        let (at, name) = (origin(key.span().start), key.get_ref().as_ref());
        let full = format!("namespace.{name}");
        let Some(known) = KEYS.iter().find(|known| known.name == name) else {
            let known = KEYS.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
            return Err(ConfigError::UnknownKey { origin: at, key: full, known });
        };
        let set = (known.set)(&mut entry, &Value::from_toml(value.get_ref()));
        set.map_err(|why| ConfigError::BadValue { origin: at, key: full, why })?;
    }
    Ok(Some(entry))
}

/// Whether every group could keep its share. Only the whole configuration says how many groups there are.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let groups = config.cluster.groups;
    config.namespaces.iter().try_for_each(|entry| {
        let share = entry.policy.share(groups.saturating_sub(1), groups);
        let why = |why: &str| refused(entry, format!("is refused: {why}"));
        share.check(entry.prefix.as_bytes()).map_err(why)
    })
}

fn refused(entry: &NamespaceEntry, why: String) -> ConfigError {
    ConfigError::BadValue { origin: entry.origin.clone(), key: format!("namespace {:?}", entry.prefix), why }
}
