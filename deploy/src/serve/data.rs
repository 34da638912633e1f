//! The data folder before the node takes it.

use std::fmt;
use std::path::{Path, PathBuf};

/// What builds before replication left behind at a clean stop.
const OLD_STATE: &str = "state";

/// The folder holds what a build without a log wrote. The operator's move.
#[derive(Debug)]
pub(crate) struct OldData {
    path: PathBuf,
}

impl fmt::Display for OldData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} was written by a build without a log, which this one does not read: move it away to start empty, or name another folder with --data",
            self.path.display()
        )
    }
}

impl std::error::Error for OldData {}

/// Refuses a folder whose data would be taken for none.
pub(crate) fn check(folder: &Path) -> Result<(), OldData> {
    let path = folder.join(OLD_STATE);
    if path.exists() { Err(OldData { path }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn what_an_older_build_left_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        check(folder.path()).expect("is empty");
        std::fs::write(folder.path().join("state"), b"sluice").expect("is written");
        let refused = check(folder.path()).expect_err("is old").to_string();
        assert!(refused.contains("move it away"), "{refused}");
    }
}
