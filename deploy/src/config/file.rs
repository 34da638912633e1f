//! A configuration file: TOML with the lines kept, so that an error can point at one.

use std::io::Read as _;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Layer, NamespaceEntry, Origin, Value, ZoneEntry, keys, namespace, zone};
use crate::limit;

/// What a file lists.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) zones: Vec<ZoneEntry>,
    pub(super) namespaces: Vec<NamespaceEntry>,
}

/// Reads the values of `path`, and what it lists.
pub(super) fn read(path: &Path) -> Result<(Layer, Tables), ConfigError> {
    let text = read_text(path)?;
    parse(path, &text)
}

/// Reads a small text file; what is no such thing is refused with a reason.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |why: String| ConfigError::Unreadable { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    let mut text = String::new();
    let read = file.take(limit::FILE_BYTES_MAX + 1).read_to_string(&mut text);
    let bytes = read.map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if u64::try_from(bytes).is_ok_and(|bytes| bytes <= limit::FILE_BYTES_MAX) {
        Ok(text)
    } else {
        Err(unreadable(format!("is larger than {} bytes", limit::FILE_BYTES_MAX)))
    }
}

fn parse(path: &Path, text: &str) -> Result<(Layer, Tables), ConfigError> {
    let origin = |offset: usize| {
        let before = text.get(..offset).unwrap_or(text);
        Origin::File { path: path.to_owned(), line: before.matches('\n').count() + 1 }
    };
    let document = DeTable::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        ConfigError::Syntax { origin: origin(offset), why: error.message().replace('\n', "; ") }
    })?;
    let mut layer = Layer::default();
    let mut tables = Tables::default();
    for (name, value) in document.get_ref() {
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("zone", value) => tables.zones = zone::read_all(value, origin(name.span().start), &origin)?,
            ("namespace", value) => {
                tables.namespaces = namespace::read_all(value, origin(name.span().start), &origin)?;
            }
            (key, _) => push(&mut layer, key, value, name.span().start, &origin),
        }
    }
    Ok((layer, tables))
}

/// Adds a value, or those of a section and of the sections within it.
fn push(
    layer: &mut Layer,
    key: &str,
    value: &Spanned<DeValue<'_>>,
    offset: usize,
    origin: &impl Fn(usize) -> Origin,
) {
    match value.get_ref() {
        // Bounded: a name that opens no section ends the descent, and names have few parts.
        DeValue::Table(table) if keys::is_section(key) => {
            for (name, value) in table {
                push(layer, &format!("{key}.{}", name.get_ref()), value, name.span().start, origin);
            }
        }
        _ => layer.push(key, Value::from_toml(value.get_ref()), origin(offset)),
    }
}
