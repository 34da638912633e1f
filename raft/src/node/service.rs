//! What other nodes ask of this one.

use futures_util::future::BoxFuture;
use openraft::async_runtime::AsyncRuntime;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, TransferLeaderRequest};
use openraft::storage::Snapshot;
use sluice_engine::id::GroupId;
use std::fmt;
use std::sync::Arc;

use super::limit::FULL_RETRY_MS;
use super::{Group, Inner};
use crate::group::{serve_asks, take_cast};
use crate::peer::{Arrived, Cast, Refusal, Request, Response, Service};
use crate::types::{NodeId, Types};

type Answer<R> = Result<Response<R>, Refusal>;

impl<R: AsyncRuntime> Service<R> for Inner<R> {
    fn call(self: Arc<Self>, from: NodeId, request: Request<R>) -> BoxFuture<'static, Response<R>> {
        Box::pin(async move { self.answer(from, request).await.unwrap_or_else(Response::Refused) })
    }

    fn cast(&self, from: NodeId, cast: Cast) {
        match &cast {
            Cast::Presence { group, .. } | Cast::Pulse { group, .. } => {
                if let Ok(group) = self.group(*group) {
                    take_cast(&group.shared, from, &cast);
                }
            }
            Cast::Publish { bytes } => self.published.take_in(bytes),
        }
    }
}

impl<R: AsyncRuntime> Inner<R> {
    fn group(&self, group: GroupId) -> Result<&Group<R>, Refusal> {
        self.groups.get(usize::from(group.0)).ok_or(Refusal::NoGroup)
    }

    async fn answer(self: &Arc<Self>, _from: NodeId, request: Request<R>) -> Answer<R> {
        match request {
            Request::Vote { group, vote } => {
                let voted = self.group(group)?.raft()?.vote(vote).await;
                voted.map(Response::Vote).map_err(stopped)
            }
            Request::PreVote { group, vote } => {
                let voted = self.group(group)?.raft()?.pre_vote(vote).await;
                voted.map(Response::Vote).map_err(stopped)
            }
            Request::Append { group, append } => self.append(self.group(group)?, append).await,
            Request::SnapshotBegin { group, vote, meta, .. } => {
                self.group(group)?.raft()?;
                Ok(self.transfers.begin(group, vote, meta).await)
            }
            Request::SnapshotChunk { group, transfer, offset, bytes } => {
                Ok(self.transfers.chunk(group, transfer, offset, &bytes).await)
            }
            Request::SnapshotFinish { group, transfer, bytes } => {
                let arrived = self.transfers.finish(group, transfer, bytes).await?;
                self.install(group, arrived).await
            }
            Request::TransferLeader { group, from_leader, to, last_log_id } => {
                let transfer = TransferLeaderRequest::new(from_leader, to, last_log_id);
                let taken = self.group(group)?.raft()?.handle_transfer_leader(transfer).await;
                taken.map(Response::TransferLeader).map_err(stopped)
            }
            Request::Forward { group, bytes } => {
                let shared = Arc::clone(&self.group(group)?.shared);
                Ok(Response::Forward(serve_asks(shared, &bytes).await))
            }
            Request::Admin(bytes) => self.administered(&bytes).await,
            Request::Waiting { member, nonce } => {
                self.note_waiting(member, nonce);
                Ok(Response::Noted)
            }
            Request::Adopt(_) => Err(Refusal::NotAllowed),
        }
    }

    async fn append(&self, group: &Group<R>, append: AppendEntriesRequest<Types<R>>) -> Answer<R> {
        let raft = group.raft()?;
        if self.log.is_full() && !append.entries.is_empty() {
            return Err(Refusal::Busy { retry_ms: FULL_RETRY_MS });
        }
        let response = raft.append_entries(append).await.map_err(stopped)?;
        if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
            group.shared.heard();
        }
        Ok(Response::Append(response))
    }

    /// Goes on to the end also where the caller does not wait for it.
    async fn install(&self, group: GroupId, arrived: Arrived<R>) -> Answer<R> {
        let raft = self.group(group)?.raft()?.clone();
        let Arrived { vote, file } = arrived;
        let snapshot = Snapshot { meta: file.meta.clone(), snapshot: file };
        let installed = R::spawn(async move { raft.install_full_snapshot(vote, snapshot).await });
        let installed = installed.await.map_err(|error| Refusal::Other(error.to_string()))?;
        installed.map(Response::SnapshotDone).map_err(stopped)
    }
}

impl<R: AsyncRuntime> Group<R> {
    /// openraft's handle, once it runs.
    pub(super) fn raft(&self) -> Result<&crate::group::Raft<R>, Refusal> {
        self.raft.get().ok_or(Refusal::NoGroup)
    }
}

fn stopped(error: impl fmt::Display) -> Refusal {
    tracing::debug!(%error, "a peer's request met a group that has stopped");
    Refusal::Stopped
}
