//! Snapshots of a group, between the owner of its shard and the files.
//!
//! The first chunk of a file is what the group knows beside its shard; the rest is the shard as the engine writes it.

use openraft::RaftSnapshotBuilder;
use openraft::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::async_runtime::AsyncRuntime;
use sluice_engine::id::GroupId;
use sluice_engine::node::Detached;
use sluice_engine::snapshot::SnapshotError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::slices::Slices;
use crate::cluster::Metadata;
use crate::limit::{SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_RETRY_MS};
use crate::log::Log;
use crate::queue::Queue;
use crate::snapshot::{Check, Checked, Loaded, SnapshotFile, Snapshots};
use crate::types::Types;

/// Something that takes long and must not hold up the raft runtime.
pub type Job = Box<dyn FnOnce() + Send>;
/// Runs jobs: each on a thread, or in a simulator at once.
pub type Background = Arc<dyn Fn(Job) + Send + Sync>;

/// Where snapshots are, and who has to know of them.
pub(crate) struct Files<R: AsyncRuntime> {
    pub(crate) snapshots: Snapshots,
    pub(crate) log: Log<R>,
    pub(crate) background: Background,
}

impl<R: AsyncRuntime> Clone for Files<R> {
    fn clone(&self) -> Self {
        let (snapshots, log) = (self.snapshots.clone(), self.log.clone());
        Files { snapshots, log, background: Arc::clone(&self.background) }
    }
}

impl<R: AsyncRuntime> Files<R> {
    /// Entries up to that of the file are in a snapshot.
    pub(crate) fn taken(&self, group: GroupId, file: &SnapshotFile) {
        self.log.snapshot_taken(group, file.index());
    }

    /// What is in a file.
    pub(crate) async fn load(&self, group: GroupId, file: &SnapshotFile) -> io::Result<Loaded> {
        let mut reader = file.reader();
        let damaged = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        let head = reader.next().await?.ok_or_else(|| damaged(format!("{file:?} is empty")))?;
        let head: Head =
            crate::codec::decode(&head).map_err(|error| damaged(format!("{file:?}: {error}")))?;
        let mut bytes = Vec::with_capacity(usize::try_from(file.bytes).unwrap_or(0));
        while let Some(chunk) = reader.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        let restored: Arc<Queue<Result<Detached, SnapshotError>>> = Arc::new(Queue::new());
        let result = Arc::clone(&restored);
        (self.background)(Box::new(move || result.push(Detached::restore(&bytes, group))));
        let restored = restored.next().await.ok_or_else(|| io::Error::other("the loading thread ended"))?;
        let state = restored.map_err(|error| damaged(format!("{file:?}: {error}")))?;
        if state.index() != file.state_index() {
            return Err(damaged(format!("{file:?} holds a state at {}", state.index())));
        }
        Ok(Loaded { cluster: head.cluster, state: Box::new(state) })
    }

    /// Loads what another node sent: only what can be loaded takes the place of what could be. What is loaded goes with the file,
    /// and is installed.
    pub(crate) fn check(&self) -> Check {
        let files = self.clone();
        Arc::new(move |file| {
            let files = files.clone();
            Box::pin(async move {
                let loaded = files.load(file.group, &file).await?;
                Ok(Some(Checked::new(loaded, files.background)))
            })
        })
    }
}

/// What a group knows beside its shard.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) struct Head {
    /// In the first group: the cluster's metadata.
    pub(crate) cluster: Option<Metadata>,
}

/// While this lives, a snapshot of the group is on its way.
pub(crate) struct Building(Arc<AtomicBool>);

impl Building {
    pub(crate) fn begin(flag: Arc<AtomicBool>) -> Building {
        flag.store(true, Ordering::Release);
        Building(flag)
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Writes one snapshot.
pub struct Builder<R: AsyncRuntime> {
    pub(crate) files: Files<R>,
    pub(crate) group: GroupId,
    pub(crate) meta: SnapshotMetaOf<Types<R>>,
    pub(crate) head: Head,
    pub(crate) slices: Arc<Slices>,
    pub(crate) _building: Building,
}

impl<R: AsyncRuntime> Builder<R> {
    /// `None`: the owner has abandoned it.
    async fn write(&self) -> io::Result<Option<SnapshotFile>> {
        let mut writer = self.files.snapshots.create(self.group, self.meta.clone()).await?;
        writer.write(&crate::codec::encode(&self.head)).await?;
        loop {
            match self.slices.next().await {
                Some(Some(bytes)) => {
                    for chunk in bytes.chunks(SNAPSHOT_CHUNK_BYTES_MAX) {
                        writer.write(chunk).await?;
                    }
                }
                Some(None) => return writer.finish().await.map(Some),
                None => {
                    writer.abandon().await;
                    return Ok(None);
                }
            }
        }
    }

    /// The file is gone already: what room there is belongs to the log. The owner is freed of the cut, and the next one begins only
    /// after a pause.
    async fn give_up(&self) {
        tracing::warn!(
            group = self.group.0,
            "there is no room for a snapshot on the disk: tried again later"
        );
        while let Some(Some(_)) = self.slices.next().await {}
        R::sleep(Duration::from_millis(SNAPSHOT_RETRY_MS)).await;
    }
}

impl<R: AsyncRuntime> RaftSnapshotBuilder<Types<R>> for Builder<R> {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Types<R>, SnapshotFile>> {
        let file = match self.write().await {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                self.give_up().await;
                None
            }
            written => written?,
        };
        // openraft takes an error for the end of the group, and a snapshot that is no newer for none.
        let file = match file {
            Some(file) => {
                self.files.taken(self.group, &file);
                file
            }
            None => SnapshotFile::nothing(self.group),
        };
        Ok(SnapshotOf::<Types<R>, SnapshotFile> { meta: file.meta.clone(), snapshot: file })
    }
}
