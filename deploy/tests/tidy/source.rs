//! The files that the rules read: what git tracks, and what it would track.

use std::path::PathBuf;
use std::process::Command;

use crate::Breach;

/// One Rust file, parsed.
pub(crate) struct Source {
    /// Relative to the top of the project, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
}

impl Source {
    pub(crate) fn new(path: &str, text: String) -> Self {
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: not Rust: {error}"));
        Self { path: path.to_owned(), text, syntax }
    }

    /// `line` counts from one, as compilers print it.
    pub(crate) fn breach(&self, line: usize, what: &str) -> Breach {
        format!("{}:{line}: {what}", self.path)
    }

    /// Whether the whole file is compiled for tests only.
    pub(crate) fn is_test_file(&self) -> bool {
        let mut parts = self.path.split('/');
        parts.any(|part| matches!(part, "tests" | "tests.rs")) || self.path.ends_with("_test.rs")
    }
}

pub(crate) fn top() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Tracked files and new ones that no ignore rule covers.
pub(crate) fn all() -> Vec<Source> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.rs"];
    let output = Command::new("git").args(arguments).current_dir(top()).output().expect("git runs");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let read = |path: &str| {
        // A file deleted but not yet staged is still listed; it has nothing to check.
        let text = std::fs::read_to_string(top().join(path)).ok()?;
        Some(Source::new(path, text))
    };
    listed.lines().filter_map(read).collect()
}
