//! One source of values, before the table of keys has judged them.

use super::{Config, ConfigError, Origin, Value, keys};

/// The prefix of every variable that the server reads.
const PREFIX: &str = "SLUICE_";

/// Variables that the command line reads itself.
const OF_THE_COMMAND_LINE: &[&str] = &["CONFIG", "RESP", "USER", "PASSWORD", "ADMIN", "TOKEN"];

/// Keys with their values, from one source.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Layer {
    entries: Vec<(String, Value, Origin)>,
}

impl Layer {
    /// `variables` is the environment. Unknown names are not refused: container platforms inject variables with the
    /// service's name in front (`SLUICE_SERVICE_HOST`). They are returned for a warning.
    pub(crate) fn from_environment(variables: impl Iterator<Item = (String, String)>) -> (Self, Vec<String>) {
        let mut layer = Self::default();
        let mut unknown = Vec::new();
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            match keys::by_variable(rest) {
                Some(key) => layer.push(key, Value::Untyped(text), Origin::Environment { name }),
                None if OF_THE_COMMAND_LINE.contains(&rest) => {}
                None => unknown.push(name),
            }
        }
        (layer, unknown)
    }

    /// Adds a value; the last one given for a key wins.
    pub(crate) fn push(&mut self, key: &str, value: Value, origin: Origin) {
        self.entries.push((key.to_owned(), value, origin));
    }

    /// Adds what a flag says, if it was given.
    pub(crate) fn push_flag(&mut self, flag: &'static str, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.push(key, Value::Untyped(text.to_owned()), Origin::Flag { name: flag });
        }
    }

    /// `ports` goes first, so that a single address of the same source may differ from it.
    pub(super) fn apply_to(&self, config: &mut Config) -> Result<(), ConfigError> {
        let (bases, others): (Vec<_>, Vec<_>) = self.entries.iter().partition(|(key, ..)| key == keys::PORTS);
        for (key, value, origin) in bases.into_iter().chain(others) {
            keys::set(config, key, value, origin)?;
        }
        Ok(())
    }
}
