//! Why a configuration is refused: always one line that names the place and the key.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// A configuration file; lines count from one.
    File { path: PathBuf, line: usize },
    /// A variable of the environment.
    Environment { name: String },
    /// A flag of the command line, dashes included.
    Flag { name: &'static str },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Environment { name } => f.write_str(name),
            Origin::Flag { name } => f.write_str(name),
        }
    }
}

/// A refused configuration. The operator's move, every time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    Unreadable { path: PathBuf, why: String },
    /// The file is not TOML.
    Syntax { origin: Origin, why: String },
    /// No such key.
    UnknownKey { origin: Origin, key: String, known: String },
    /// The key's value has the wrong type, is out of range, or contradicts another.
    BadValue { origin: Origin, key: String, why: String },
    /// The key's value contradicts another, wherever both were set.
    Contradiction { key: &'static str, why: String },
    /// A file that a key names; `named` is which key, where it was set, and the file.
    BadFile { named: String, why: String },
    /// A line of a file of credentials.
    BadCredential { path: PathBuf, line: usize, why: &'static str },
    /// A listener that other machines reach, and nothing that asks them who they are.
    Exposed { key: &'static str, address: String, remedy: &'static str },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Unreadable { path, why } => write!(f, "{}: {why}", path.display()),
            ConfigError::Syntax { origin, why } => write!(f, "{origin}: {why}"),
            ConfigError::UnknownKey { origin, key, known } => {
                write!(f, "{origin}: unknown key `{key}`; known here: {known}")
            }
            ConfigError::BadValue { origin, key, why } => write!(f, "{origin}: `{key}` {why}"),
            ConfigError::Contradiction { key, why } => write!(f, "`{key}` {why}"),
            ConfigError::BadFile { named, why } => write!(f, "{named}: {why}"),
            ConfigError::BadCredential { path, line, why } => write!(f, "{}:{line}: {why}", path.display()),
            ConfigError::Exposed { key, address, remedy } => {
                write!(f, "`{key}` = {address} is open to other machines without credentials: {remedy}")
            }
        }
    }
}

impl std::error::Error for ConfigError {}

/// A path as an operator finds it: one that is relative begins at the working directory, not at the file that names it.
pub(crate) struct Place<'p>(pub(crate) &'p Path);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.display())?;
        match std::env::current_dir() {
            Ok(folder) if self.0.is_relative() => {
                write!(f, " (from the working directory {})", folder.display())
            }
            _ => Ok(()),
        }
    }
}
