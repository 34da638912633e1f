//! Reads a snapshot file chunk by chunk.

use super::format::{CHUNK_HEAD_BYTES, chunk_bytes, chunk_head};
use crate::disk::File;
use crate::limit::SNAPSHOT_CHUNK_BYTES_MAX;
use crate::log::LogError;
use bytes::Bytes;
use std::io;
use std::sync::Arc;

/// Reads a snapshot from its first chunk to its last, one chunk in memory at a time.
pub struct SnapshotReader {
    file: Arc<dyn File>,
    path: String,
    position: u64,
    bytes: u64,
}

impl SnapshotReader {
    pub(super) fn new(file: Arc<dyn File>, path: String, position: u64, bytes: u64) -> SnapshotReader {
        SnapshotReader { file, path, position, bytes }
    }

    /// The next chunk, as it was given to the writer. None after the last.
    ///
    /// # Errors
    /// Those of the disk; `InvalidData` when a chunk is not what was written.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        let mut head = [0; CHUNK_HEAD_BYTES];
        if self.file.read_at(&mut head, self.position).await? < CHUNK_HEAD_BYTES {
            return Err(self.damaged());
        }
        let size = chunk_bytes(&head);
        if size > SNAPSHOT_CHUNK_BYTES_MAX {
            return Err(self.damaged());
        }
        let mut chunk = vec![0; size];
        let count = self.file.read_at(&mut chunk, self.position + CHUNK_HEAD_BYTES as u64).await?;
        if count < size || chunk_head(self.position, &chunk) != head {
            return Err(self.damaged());
        }
        let end = self.position + (CHUNK_HEAD_BYTES + size) as u64;
        if size == 0 {
            return if end == self.bytes { Ok(None) } else { Err(self.damaged()) };
        }
        self.position = end;
        Ok(Some(Bytes::from(chunk)))
    }

    fn damaged(&self) -> io::Error {
        let what = "a chunk does not match its checksum";
        let error = LogError::Corrupt { file: self.path.clone(), offset: self.position, what };
        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
    }
}
