//! How much a server has written to the files of a folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{BenchError, Result};

/// Bytes looked at in one read.
const LOOK_BYTES: usize = 256 << 10;

/// What a folder's files held at some moment.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// Up to the last byte of each that is not zero. Logs are preallocated, so their length says nothing.
    pub(crate) bytes: u64,
    /// The first of their names, which is the oldest of a log's segments.
    oldest: Option<OsString>,
}

impl Written {
    /// Bytes written since `before`; `None` where the oldest file went meanwhile and took its bytes along.
    pub(crate) fn since(&self, before: &Written) -> Option<u64> {
        (self.oldest == before.oldest).then(|| self.bytes.saturating_sub(before.bytes))
    }
}

/// Looks at all files of `folder`, not at those of folders in it.
pub(crate) fn written(folder: &Path) -> Result<Written> {
    let failed = || BenchError::io(format!("reading {}", folder.display()));
    let mut found = Written::default();
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if entry.file_type().map_err(failed())?.is_file() {
            found.bytes += used(&entry.path()).map_err(failed())?;
            let name = entry.file_name();
            found.oldest = Some(found.oldest.take().map_or(name.clone(), |oldest| oldest.min(name)));
        }
    }
    Ok(found)
}

/// Looks from the end, so that only the zeros behind the last byte are read, and a little more.
fn used(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    let mut buffer = vec![0; LOOK_BYTES];
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(LOOK_BYTES as u64);
        let look = &mut buffer[..(end - start) as usize];
        file.read_exact_at(look, start)?;
        if let Some(last) = look.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::{LOOK_BYTES, written};

    #[test]
    fn zeros_behind_what_was_written_do_not_count() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut segment = vec![0; 3 * LOOK_BYTES];
        segment[LOOK_BYTES - 1] = 7;
        std::fs::write(folder.path().join("0000000001.seg"), &segment).expect("is written");
        std::fs::write(folder.path().join("spare"), vec![0; 100]).expect("is written");
        let before = written(folder.path()).expect("reads");
        assert_eq!(before.bytes, LOOK_BYTES as u64);
        std::fs::write(folder.path().join("0000000002.seg"), b"a\0b\0\0").expect("is written");
        assert_eq!(written(folder.path()).expect("reads").since(&before), Some(3));
        std::fs::remove_file(folder.path().join("0000000001.seg")).expect("is there");
        assert_eq!(written(folder.path()).expect("reads").since(&before), None);
    }
}
