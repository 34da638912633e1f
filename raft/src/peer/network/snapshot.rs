//! A snapshot on its way to one follower, a chunk at a time: whatever its size, one chunk is in memory.

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::async_runtime::{AsyncRuntime, Select2};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCTypes;
use openraft::raft::SnapshotResponse;
use std::io;
use std::time::Duration;

use super::super::message::{Refusal, Request, Response};
use super::super::transport::{CallError, Called, Lane};
use super::{Peer, failure};
use crate::snapshot::SnapshotFile;
use crate::types::Types;

/// A finished snapshot that can be read from the beginning, as often as needed.
pub trait SnapshotSource: Send + Sync + 'static {
    /// What it takes on disk.
    fn bytes(&self) -> u64;

    /// Its chunks in order, none empty and each at most [`crate::limit::SNAPSHOT_CHUNK_BYTES_MAX`]. A transfer that meets an
    /// error is given up, and begun again with the newest snapshot.
    fn chunks(&self) -> BoxStream<'static, io::Result<Bytes>>;
}

impl SnapshotSource for SnapshotFile {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn chunks(&self) -> BoxStream<'static, io::Result<Bytes>> {
        let next = |mut reader: crate::snapshot::SnapshotReader| async move {
            let chunk = reader.next().await?;
            Ok(chunk.map(|chunk| (chunk, reader)))
        };
        stream::try_unfold(self.reader(), next).boxed()
    }
}

type Sent<R> = Result<SnapshotResponse<Types<R>>, StreamingError<Types<R>>>;

/// Sends the snapshot; returns when the follower has installed it, or knows a newer leader. Each call gets `within`.
pub(super) async fn send<R: AsyncRuntime, S: SnapshotSource>(
    peer: &Peer<R>,
    vote: VoteOf<Types<R>>,
    snapshot: SnapshotOf<Types<R>, S>,
    cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
    within: Duration,
) -> Sent<R> {
    match R::select2(cancel, transfer(peer, vote, snapshot, within)).await {
        Select2::First(closed) => Err(StreamingError::Closed(closed)),
        Select2::Second(sent) => sent,
    }
}

async fn transfer<R: AsyncRuntime, S: SnapshotSource>(
    peer: &Peer<R>,
    vote: VoteOf<Types<R>>,
    snapshot: SnapshotOf<Types<R>, S>,
    within: Duration,
) -> Sent<R> {
    let (source, group, term) = (snapshot.snapshot, peer.group, vote.leader_id.term);
    let failed = |error| peer.error(error, RPCTypes::InstallSnapshot, within);
    let mut chunks = source.chunks();
    let mut request = Request::SnapshotBegin { group, vote, meta: snapshot.meta, bytes: source.bytes() };
    let mut sent = 0;
    loop {
        let called = peer.call(Lane::Bulk, term, request, within).await;
        let transfer = match progress(called, sent).map_err(failed)? {
            Progress::Done(response) => return Ok(response),
            Progress::Next { transfer } => transfer,
        };
        request = match chunks.try_next().await.map_err(unreadable)? {
            Some(bytes) => {
                let offset = sent;
                sent += bytes.len() as u64;
                Request::SnapshotChunk { group, transfer, offset, bytes }
            }
            None => {
                let finished = finish(peer, term, (transfer, sent), within).await;
                return finished.map_err(|error| failed(error).into());
            }
        };
    }
}

async fn finish<R: AsyncRuntime>(
    peer: &Peer<R>,
    term: u64,
    (transfer, bytes): (u64, u64),
    within: Duration,
) -> Result<SnapshotResponse<Types<R>>, CallError> {
    let request = Request::SnapshotFinish { group: peer.group, transfer, bytes };
    match progress(peer.call(Lane::Bulk, term, request, within).await, bytes)? {
        Progress::Done(response) => Ok(response),
        Progress::Next { .. } => Err(CallError::Mismatch),
    }
}

enum Progress<R: AsyncRuntime> {
    Next { transfer: u64 },
    Done(SnapshotResponse<Types<R>>),
}

/// What the follower says after it was sent `sent` bytes.
fn progress<R: AsyncRuntime>(called: Called<R>, sent: u64) -> Result<Progress<R>, CallError> {
    match called {
        Ok(Response::SnapshotWants { transfer, offset }) if offset == sent => Ok(Progress::Next { transfer }),
        Ok(Response::SnapshotDone(response)) => Ok(Progress::Done(response)),
        // The follower restarted, or another transfer took the place of this one.
        Ok(Response::Refused(Refusal::NoTransfer)) => Err(CallError::Lost),
        other => Err(failure(other)),
    }
}

/// The file of a snapshot may be damaged while the state it holds is not: openraft pauses, then reads a newer one.
fn unreadable<R: AsyncRuntime>(error: io::Error) -> StreamingError<Types<R>> {
    tracing::error!(%error, "a snapshot cannot be read");
    RPCError::Unreachable(Unreachable::new(&error)).into()
}
