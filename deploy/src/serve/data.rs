//! The data folder: one process at a time. What lies in it is the node's.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// What builds before replication left behind at a clean stop.
const OLD_STATE: &str = "state";
const LOCK: &str = "lock";

/// Why the folder cannot be used. The operator's move.
#[derive(Debug)]
pub(crate) enum DataError {
    /// The folder cannot be made, read or written.
    Unusable { path: PathBuf, why: io::Error },
    /// Another process holds it.
    Locked { path: PathBuf },
    /// A build without a log wrote it.
    Old { path: PathBuf },
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataError::Unusable { path, why } => {
                write!(
                    f,
                    "data folder: {}: {why}; make it writable or name another with --data",
                    path.display()
                )
            }
            DataError::Locked { path } => write!(
                f,
                "data folder {} is in use by another process: stop that one or name another with --data",
                path.display()
            ),
            DataError::Old { path } => write!(
                f,
                "{} was written by a build without a log, which this one does not read: move it away to start empty, or name another folder with --data",
                path.display()
            ),
        }
    }
}

impl std::error::Error for DataError {}

/// A folder that this process holds until the value is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    /// The lock lives as long as this file is open, however the process ends.
    _lock: File,
}

impl DataDir {
    /// Makes the folder if there is none, and takes it.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |why| DataError::Unusable { path, why }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable(path))?;
        let old = path.join(OLD_STATE);
        if old.exists() {
            return Err(DataError::Old { path: old });
        }
        let lock_path = path.join(LOCK);
        let options = || OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).to_owned();
        let lock = options().open(&lock_path).map_err(unusable(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(DataError::Locked { path: path.to_owned() }),
            Err(std::fs::TryLockError::Error(why)) => Err(unusable(&lock_path)(why)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DataDir, DataError};

    #[test]
    fn a_folder_has_one_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        let first = DataDir::open(&path).expect("is free");
        assert!(matches!(DataDir::open(&path), Err(DataError::Locked { .. })));
        drop(first);
        DataDir::open(&path).expect("is free again");
    }

    #[test]
    fn what_an_older_build_left_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("state"), b"sluice").expect("is written");
        let refused = DataDir::open(folder.path()).expect_err("is old").to_string();
        assert!(refused.contains("move it away"), "{refused}");
    }

    #[test]
    fn a_place_that_cannot_be_used_is_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let refused = DataDir::open(file.path()).expect_err("not a folder").to_string();
        assert!(refused.contains(&file.path().display().to_string()), "{refused}");
    }
}
