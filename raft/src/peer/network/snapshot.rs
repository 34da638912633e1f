//! A snapshot on its way to one follower, a chunk at a time: whatever its size, one chunk is in memory.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::async_runtime::{AsyncRuntime, Select2};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCTypes;
use openraft::raft::SnapshotResponse;
use std::io;
use std::time::Duration;

use super::super::limit::SNAPSHOT_CHUNK_BYTES;
use super::super::message::{Refusal, Request, Response};
use super::super::transport::{CallError, Called, Lane};
use super::{Peer, failure};
use crate::types::Types;

/// A finished snapshot that can be read anywhere.
pub trait SnapshotSource: Send + Sync + 'static {
    /// Its size.
    fn bytes(&self) -> u64;

    /// Reads `bytes` bytes from `offset` on; both lie within the snapshot.
    ///
    /// # Errors
    /// Those of the file. A transfer that meets one is given up and tried again with the newest snapshot.
    fn read(&self, offset: u64, bytes: usize) -> BoxFuture<'_, io::Result<Bytes>>;
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
    let (source, group) = (snapshot.snapshot, peer.group);
    let bytes = source.bytes();
    let failed = |error| peer.error(error, RPCTypes::InstallSnapshot, within);
    let mut request = Request::SnapshotBegin { group, vote, meta: snapshot.meta, bytes };
    // Each answer must ask for more than the one before, or this would never end.
    let mut offset_min = 0;
    loop {
        let called = peer.call(Lane::Bulk, request, within).await;
        let (transfer, offset) = match progress(called).map_err(failed)? {
            Progress::Done(response) => return Ok(response),
            Progress::Wants { transfer, offset } => (transfer, offset),
        };
        if !(offset_min..=bytes).contains(&offset) {
            return Err(failed(CallError::Mismatch).into());
        }
        offset_min = offset + 1;
        request = if offset == bytes {
            Request::SnapshotFinish { group, transfer }
        } else {
            let chunk = read(&source, bytes, offset).await?;
            Request::SnapshotChunk { group, transfer, offset, bytes: chunk }
        };
    }
}

enum Progress<R: AsyncRuntime> {
    Wants { transfer: u64, offset: u64 },
    Done(SnapshotResponse<Types<R>>),
}

fn progress<R: AsyncRuntime>(called: Called<R>) -> Result<Progress<R>, CallError> {
    match called {
        Ok(Response::SnapshotWants { transfer, offset }) => Ok(Progress::Wants { transfer, offset }),
        Ok(Response::SnapshotDone(response)) => Ok(Progress::Done(response)),
        // The follower restarted, or the leader before this one sent its own.
        Ok(Response::Refused(Refusal::NoTransfer)) => Err(CallError::Lost),
        other => Err(failure(other)),
    }
}

async fn read<R: AsyncRuntime, S: SnapshotSource>(
    source: &S,
    bytes: u64,
    offset: u64,
) -> Result<Bytes, StreamingError<Types<R>>> {
    let failed = |error: io::Error| StreamingError::from(RPCError::Unreachable(Unreachable::new(&error)));
    let wanted = (bytes - offset).min(SNAPSHOT_CHUNK_BYTES as u64) as usize;
    let chunk = source.read(offset, wanted).await.map_err(failed)?;
    if chunk.len() == wanted { Ok(chunk) } else { Err(failed(io::ErrorKind::UnexpectedEof.into())) }
}
