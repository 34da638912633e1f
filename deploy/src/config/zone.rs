//! The `[[zone]]` tables of a configuration file.

use sluice_engine::error::Refusal;
use sluice_engine::zone::settings::{Mode, Texts, ZoneName, ZonePatch};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::Read;
use super::{ConfigError, Origin, Value};
use crate::limit;

/// A zone as configured: valid for a zone that does not exist yet.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct ZoneEntry {
    pub(crate) name: ZoneName,
    pub(crate) patch: ZonePatch,
}

struct Key {
    name: &'static str,
    set: fn(&mut ZonePatch, &Value) -> Read<()>,
}

/// Ranges and relations are the engine's to check; here only the type is.
const KEYS: &[Key] = &[
    Key { name: "limit", set: |zone, value| put(&mut zone.limit, number(value)) },
    Key { name: "window_ms", set: |zone, value| put(&mut zone.window_ms, number(value)) },
    Key { name: "slice_ms", set: |zone, value| put(&mut zone.slice_ms, number(value)) },
    Key { name: "poll_ms", set: |zone, value| put(&mut zone.poll_ms, number(value)) },
    Key { name: "abandon_ms", set: |zone, value| put(&mut zone.abandon_ms, number(value)) },
    Key { name: "max_waiting", set: |zone, value| put(&mut zone.max_waiting, value.number(0..=u64::MAX)) },
    Key { name: "pass_ttl_ms", set: |zone, value| put(&mut zone.pass_ttl_ms, number(value)) },
    Key { name: "mode", set: |zone, value| put(&mut zone.mode, mode(value)) },
    Key { name: "title", set: |zone, value| texts(value).map(|texts| zone.title = texts) },
    Key { name: "message", set: |zone, value| texts(value).map(|texts| zone.message = texts) },
    Key { name: "target_url", set: |zone, value| put(&mut zone.target_url, url(value)) },
];

fn put<T>(field: &mut Option<T>, read: Read<T>) -> Read<()> {
    *field = Some(read?);
    Ok(())
}

fn number(value: &Value) -> Read<u32> {
    value.number_u32(0..=u32::MAX)
}

fn mode(value: &Value) -> Read<Mode> {
    let modes = [Mode::Auto, Mode::Paused, Mode::Open, Mode::Closed].map(|mode| (mode.word(), mode));
    value.one_of(&modes)
}

/// The language tag of a text whose language nobody said (BCP 47: undetermined).
const ANY_LANGUAGE: &str = "und";

/// One text for everybody, or a table of texts by language.
fn texts(value: &Value) -> Read<Texts> {
    match value {
        Value::Text(text) => Ok(vec![(ANY_LANGUAGE.to_owned(), text.clone())]),
        Value::Table(entries) => {
            entries.iter().map(|(tag, text)| Ok((language(tag)?, text.text()?))).collect()
        }
        _ => Err("must be text, or a table of texts by language: { en = \"…\", ko = \"…\" }".to_owned()),
    }
}

fn language(tag: &str) -> Read<String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !tag.is_empty() && tag.len() <= limit::LANGUAGE_BYTES_MAX && tag.bytes().all(is_part) {
        Ok(tag.to_owned())
    } else {
        Err(format!("has {tag:?} where a language tag such as \"en\" or \"pt-BR\" belongs"))
    }
}

/// The admitted are sent there by a page, so it must not be a script.
fn url(value: &Value) -> Read<String> {
    let url = value.text()?;
    let scheme = url.get(..8).unwrap_or(&url).to_ascii_lowercase();
    if url.is_empty() || scheme.starts_with("http://") || scheme.starts_with("https://") {
        Ok(url)
    } else {
        Err("must begin with https:// or http://".to_owned())
    }
}

/// Reads every `[[zone]]`. `origin` turns an offset in the file into a place that an error can name.
pub(super) fn read_all(
    value: &DeValue<'_>,
    at: Origin,
    origin: &impl Fn(usize) -> Origin,
) -> Result<Vec<ZoneEntry>, ConfigError> {
    let bad = |why: String| ConfigError::BadValue { origin: at.clone(), key: "zone".to_owned(), why };
    let DeValue::Array(items) = value else {
        return Err(bad("must be written as [[zone]] tables".to_owned()));
    };
    if items.len() > limit::ZONES_MAX {
        return Err(bad(format!("lists more than {} zones", limit::ZONES_MAX)));
    }
    let mut entries = Vec::with_capacity(items.len());
    let mut names = std::collections::HashSet::new();
    for item in items {
        let entry = read_one(item, &bad, origin)?;
        if !names.insert(entry.name.clone()) {
            return Err(ConfigError::BadValue {
                origin: origin(item.span().start),
                key: format!("zone.{}", entry.name),
                why: "is listed twice".to_owned(),
            });
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn read_one(
    item: &Spanned<DeValue<'_>>,
    bad: &impl Fn(String) -> ConfigError,
    origin: &impl Fn(usize) -> Origin,
) -> Result<ZoneEntry, ConfigError> {
    let DeValue::Table(table) = item.get_ref() else {
        return Err(bad("must be written as [[zone]] tables".to_owned()));
    };
    let at = || origin(item.span().start);
    let refused = |key: &str, why: String| ConfigError::BadValue { origin: at(), key: key.to_owned(), why };
    let named = table.iter().find(|(key, _)| key.get_ref().as_ref() == "name");
    let (_, name) = named.ok_or_else(|| refused("zone.name", "is missing".to_owned()))?;
    let name_at = |why: String| ConfigError::BadValue {
        origin: origin(name.span().start),
        key: "zone.name".to_owned(),
        why,
    };
    let text = Value::from_toml(name.get_ref()).text().map_err(name_at)?;
    let name = ZoneName::parse(text.as_bytes()).map_err(|why| name_at(format!("{text:?}: {why}")))?;
    let patch = read_patch(table, &name, origin)?;
    match patch.applied_to(None) {
        Ok(_) => Ok(ZoneEntry { name, patch }),
        // The engine's sentence opens with the setting's own name.
        Err(Refusal::BadSetting(why)) => Err(refused(&format!("zone.{name}"), format!("is refused: {why}"))),
        Err(other) => Err(refused(&format!("zone.{name}"), other.to_string())),
    }
}

fn read_patch(
    table: &DeTable<'_>,
    name: &ZoneName,
    origin: &impl Fn(usize) -> Origin,
) -> Result<ZonePatch, ConfigError> {
    let mut patch = ZonePatch { only_create: true, ..ZonePatch::default() };
    for (key, value) in table {
        let at = || origin(key.span().start);
        let field = key.get_ref().as_ref();
        let full = format!("zone.{name}.{field}");
        match KEYS.iter().find(|known| known.name == field) {
            Some(known) => {
                let set = (known.set)(&mut patch, &Value::from_toml(value.get_ref()));
                set.map_err(|why| ConfigError::BadValue { origin: at(), key: full, why })?;
            }
            None if field == "name" => {}
            None => {
                let known = KEYS.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
                return Err(ConfigError::UnknownKey {
                    origin: at(),
                    key: full,
                    known: format!("name, {known}"),
                });
            }
        }
    }
    Ok(patch)
}
