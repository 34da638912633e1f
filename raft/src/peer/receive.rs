//! Snapshots that arrive from leaders: at most one transfer a group, written to disk chunk by chunk.

use bytes::Bytes;
use openraft::alias::{MutexOf, SnapshotMetaOf, VoteOf};
use openraft::async_runtime::{AsyncRuntime, Mutex as _};
use sluice_engine::id::GroupId;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use super::message::{Refusal, Response};
use crate::limit::SNAPSHOT_CHUNK_BYTES_MAX;
use crate::snapshot::{SnapshotFile, SnapshotWriter, Snapshots};
use crate::types::{NodeId, Types};

/// Answers the three requests of a transfer.
///
/// Requests may come twice: a chunk that is there already is passed over. They may also come after another transfer of the
/// group began, and are then refused, so that the chunks of two snapshots never meet in one file.
pub struct Transfers<R: AsyncRuntime> {
    snapshots: Snapshots,
    numbers: AtomicU64,
    under_way: Mutex<HashMap<GroupId, Shared<R>>>,
}

type Shared<R> = Arc<MutexOf<Types<R>, Transfer<R>>>;

struct Transfer<R: AsyncRuntime> {
    number: u64,
    vote: VoteOf<Types<R>>,
    /// None once it was finished, or failed.
    writer: Option<SnapshotWriter>,
    received: u64,
}

/// A snapshot that has arrived, durable: openraft installs it in the name of the leader that sent it.
#[derive(Debug)]
pub struct Arrived<R: AsyncRuntime> {
    /// That leader's vote.
    pub vote: VoteOf<Types<R>>,
    /// The file.
    pub file: SnapshotFile,
}

impl<R: AsyncRuntime> Transfers<R> {
    /// No transfers yet; files go to `snapshots`.
    pub fn new(snapshots: Snapshots) -> Transfers<R> {
        Transfers { snapshots, numbers: AtomicU64::new(1), under_way: Mutex::default() }
    }

    /// Answers [`super::Request::SnapshotBegin`]: a transfer of the group that is under way ends.
    pub async fn begin(
        &self,
        group: GroupId,
        vote: VoteOf<Types<R>>,
        meta: SnapshotMetaOf<Types<R>>,
    ) -> Response<R> {
        let writer = match self.snapshots.create(group, meta).await {
            Ok(writer) => Some(writer),
            Err(error) => return Response::Refused(disk_failed(group, &error)),
        };
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let transfer = MutexOf::<Types<R>, _>::new(Transfer { number, vote, writer, received: 0 });
        self.lock().insert(group, Arc::new(transfer));
        Response::SnapshotWants { transfer: number, offset: 0 }
    }

    /// Whether `node` sends the snapshot of the group that is under way: nobody adds to another's.
    pub async fn is_from(&self, group: GroupId, node: NodeId) -> bool {
        match self.find(group) {
            Some(shared) => shared.lock().await.vote.leader_id.voted_for == node,
            None => false,
        }
    }

    /// Answers [`super::Request::SnapshotChunk`].
    pub async fn chunk(&self, group: GroupId, number: u64, offset: u64, bytes: &Bytes) -> Response<R> {
        let Some(shared) = self.find(group) else {
            return Response::Refused(Refusal::NoTransfer);
        };
        let mut transfer = shared.lock().await;
        match transfer.take(group, number, offset, bytes).await {
            Ok(()) => Response::SnapshotWants { transfer: number, offset: transfer.received },
            Err(refusal) => Response::Refused(refusal),
        }
    }

    /// Answers [`super::Request::SnapshotFinish`], but for the installation.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub async fn finish(&self, group: GroupId, number: u64, bytes: u64) -> Result<Arrived<R>, Refusal> {
        let shared = self.find(group).ok_or(Refusal::NoTransfer)?;
        let mut transfer = shared.lock().await;
        if transfer.number != number || transfer.received != bytes {
            return Err(Refusal::NoTransfer);
        }
        let writer = transfer.writer.take().ok_or(Refusal::NoTransfer)?;
        let file = writer.finish().await.map_err(|error| disk_failed(group, &error))?;
        Ok(Arrived { vote: transfer.vote, file })
    }

    fn find(&self, group: GroupId) -> Option<Shared<R>> {
        self.lock().get(&group).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<GroupId, Shared<R>>> {
        self.under_way.lock().unwrap_or_else(|broken| broken.into_inner())
    }
}

impl<R: AsyncRuntime> Transfer<R> {
    async fn take(&mut self, group: GroupId, number: u64, offset: u64, bytes: &Bytes) -> Result<(), Refusal> {
        if self.number != number || bytes.is_empty() || bytes.len() > SNAPSHOT_CHUNK_BYTES_MAX {
            return Err(Refusal::NoTransfer);
        }
        let end = offset.checked_add(bytes.len() as u64).ok_or(Refusal::NoTransfer)?;
        if end <= self.received {
            return Ok(());
        }
        if offset != self.received {
            return Err(Refusal::NoTransfer);
        }
        let mut writer = self.writer.take().ok_or(Refusal::NoTransfer)?;
        // A write that fails, or is dropped half done, ends the transfer: the writer does not come back.
        writer.write(bytes).await.map_err(|error| disk_failed(group, &error))?;
        self.writer = Some(writer);
        self.received = end;
        Ok(())
    }
}

fn disk_failed(group: GroupId, error: &io::Error) -> Refusal {
    tracing::error!(group = group.0, %error, "a snapshot cannot be received");
    Refusal::Other(format!("the snapshot cannot be written: {error}"))
}
