//! Writes a snapshot file.

use super::format::{self, Head};
use super::{SnapshotFile, SnapshotMeta, Snapshots};
use crate::disk::File;
use crate::limit::{SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_SYNC_BYTES};
use sluice_engine::id::GroupId;
use std::io;
use std::sync::Arc;

/// A snapshot on its way to disk. One that is dropped unfinished is removed by the next start.
pub struct SnapshotWriter {
    snapshots: Snapshots,
    path: String,
    group: GroupId,
    meta: SnapshotMeta,
    file: Arc<dyn File>,
    start: u64,
    position: u64,
    synced: u64,
    buffer: Vec<u8>,
}

impl SnapshotWriter {
    pub(super) async fn create(
        snapshots: Snapshots,
        path: String,
        head: Head,
        meta: SnapshotMeta,
    ) -> io::Result<SnapshotWriter> {
        let file = snapshots.shared.disk.create(&path, 0).await?;
        let bytes = format::head(&head, &meta)?;
        file.write_at(&bytes, 0).await?;
        let start = bytes.len() as u64;
        let group = head.group;
        let buffer = Vec::new();
        Ok(SnapshotWriter { snapshots, path, group, meta, file, start, position: start, synced: 0, buffer })
    }

    /// Appends a chunk, and from time to time makes what is there durable, so that the end does not do it all at once.
    ///
    /// # Errors
    /// Those of the disk; `InvalidInput` for a chunk that is empty or over [`SNAPSHOT_CHUNK_BYTES_MAX`].
    pub async fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        if chunk.is_empty() || chunk.len() > SNAPSHOT_CHUNK_BYTES_MAX {
            let text = format!("a snapshot's chunk of {} bytes", chunk.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.put(chunk).await?;
        if self.position - self.synced >= SNAPSHOT_SYNC_BYTES {
            self.file.sync().await?;
            self.synced = self.position;
        }
        Ok(())
    }

    async fn put(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&format::chunk_head(self.position, chunk));
        self.buffer.extend_from_slice(chunk);
        self.file.write_at(&self.buffer, self.position).await?;
        self.position += self.buffer.len() as u64;
        Ok(())
    }

    /// Ends the file. When this returns it is durable, and the newest of its group unless a newer one is there already.
    ///
    /// # Errors
    /// Those of the disk. The file is not found by a start then.
    pub async fn finish(mut self) -> io::Result<SnapshotFile> {
        self.put(&[]).await?;
        self.file.sync().await?;
        let file = SnapshotFile {
            group: self.group,
            meta: self.meta,
            bytes: self.position,
            file: self.file,
            start: self.start,
        };
        self.snapshots.adopt(&self.path, file).await
    }

    /// Gives up, and removes what was written.
    ///
    /// # Errors
    /// Those of the disk.
    pub async fn abandon(self) -> io::Result<()> {
        self.snapshots.shared.disk.remove(&self.path).await
    }
}
