//! Writes a snapshot file.

use super::format::{self, Head};
use super::{SnapshotFile, SnapshotMeta, Snapshots};
use crate::disk::File;
use crate::limit::{SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_SYNC_BYTES};
use futures_util::FutureExt;
use sluice_engine::id::GroupId;
use std::io;
use std::sync::Arc;

/// A snapshot on its way to disk. One that is dropped unfinished is removed.
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
    is_over: bool,
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
        let start = bytes.len() as u64;
        let mut writer = SnapshotWriter {
            snapshots,
            path,
            group: head.group,
            meta,
            file,
            start,
            position: start,
            synced: 0,
            buffer: Vec::new(),
            is_over: false,
        };
        match writer.file.write_at(&bytes, 0).await {
            Ok(()) => Ok(writer),
            Err(error) => {
                writer.discard().await;
                Err(error)
            }
        }
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
        let written = self.append(chunk).await;
        if written.is_err() {
            self.discard().await;
        }
        written
    }

    async fn append(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.put(chunk).await?;
        if self.position - self.synced >= SNAPSHOT_SYNC_BYTES {
            self.file.sync().await?;
            self.synced = self.position;
        }
        Ok(())
    }

    /// Gives the room back. A full disk needs it; what cannot be removed now, the next start removes.
    async fn discard(&mut self) {
        let removed = self.snapshots.shared.disk.remove(&self.path).await;
        tracing::warn!(path = self.path, ?removed, "dropped an unfinished snapshot");
        self.is_over = true;
    }

    /// Nobody needs it any more.
    pub(crate) async fn abandon(mut self) {
        self.discard().await;
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
        let finished = self.complete().await;
        match &finished {
            Ok(_) => self.is_over = true,
            Err(_) => self.discard().await,
        }
        finished
    }

    async fn complete(&mut self) -> io::Result<SnapshotFile> {
        self.put(&[]).await?;
        self.file.sync().await?;
        let file = SnapshotFile {
            group: self.group,
            meta: self.meta.clone(),
            bytes: self.position,
            file: self.file.clone(),
            start: self.start,
            checked: None,
        };
        self.snapshots.adopt(&self.path, file).await
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.is_over {
            // Begun here at least: the disk goes on by itself.
            let removed = self.snapshots.shared.disk.remove(&self.path).now_or_never();
            tracing::warn!(path = self.path, ?removed, "dropped an unfinished snapshot");
        }
    }
}
