//! What other nodes ask of this one.

use futures_util::future::BoxFuture;
use openraft::async_runtime::{AsyncRuntime, WatchReceiver};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, VoteRequest,
};
use openraft::storage::Snapshot;
use sluice_engine::id::GroupId;
use std::fmt;
use std::sync::Arc;

use super::limit::{FULL_RETRY_MS, PROOF_RETRY_MS};
use super::{Group, Inner};
use crate::group::{serve_asks, take_cast};
use crate::log::Vote;
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
                if let Ok(group) = self.group(*group)
                    && self.admits(group, from)
                {
                    take_cast(&group.shared, from, &cast);
                }
            }
            Cast::Publish { bytes } if self.may_be_member(from) => self.published.take_in(bytes),
            Cast::Publish { .. } => {}
        }
    }
}

impl<R: AsyncRuntime> Inner<R> {
    pub(super) fn group(&self, group: GroupId) -> Result<&Group<R>, Refusal> {
        self.groups.get(usize::from(group.0)).ok_or(Refusal::NoGroup)
    }

    async fn answer(self: &Arc<Self>, from: NodeId, request: Request<R>) -> Answer<R> {
        // It may still ask what became of it, and nothing else: see `administered`.
        if !matches!(request, Request::Admin(_)) && self.has_left(from) {
            return Err(Refusal::NotMember);
        }
        self.check(from, &request)?;
        match request {
            Request::Vote { group, vote } => {
                self.check_candidate(group, from, &vote)?;
                let voted = self.group(group)?.raft()?.vote(vote).await;
                voted.map(Response::Vote).map_err(stopped)
            }
            Request::PreVote { group, vote } => {
                self.check_candidate(group, from, &vote)?;
                let voted = self.group(group)?.raft()?.pre_vote(vote).await;
                voted.map(Response::Vote).map_err(stopped)
            }
            Request::Append { group, append } => self.append(group, append).await,
            Request::SnapshotBegin { group, vote, meta, .. } => {
                let own = self.group(group)?.raft()?.server_metrics().borrow_watched().vote;
                if vote.leader_id.term < own.leader_id.term {
                    // One that lost ends no transfer of the one that leads.
                    return Ok(Response::SnapshotDone(SnapshotResponse::new(own)));
                }
                if !self.proof.may_follow(group, vote.leader_id.term) {
                    return Err(Refusal::Other("a newer leader was voted for".to_owned()));
                }
                Ok(self.transfers.begin(group, vote, meta).await)
            }
            Request::SnapshotChunk { group, .. } | Request::SnapshotFinish { group, .. }
                if !self.transfers.is_from(group, from).await =>
            {
                Err(Refusal::NoTransfer)
            }
            Request::SnapshotChunk { group, transfer, offset, bytes } => {
                Ok(self.transfers.chunk(group, transfer, offset, &bytes).await)
            }
            Request::SnapshotFinish { group, transfer, bytes } => {
                self.finish_snapshot(group, transfer, bytes).await
            }
            Request::TransferLeader { group, from_leader, to, last_log_id } => {
                if to == self.identity.node && !self.fits(to) {
                    return Err(Refusal::Busy { retry_ms: FULL_RETRY_MS });
                }
                let transfer = TransferLeaderRequest::new(from_leader, to, last_log_id);
                let taken = self.group(group)?.raft()?.handle_transfer_leader(transfer).await;
                taken.map(Response::TransferLeader).map_err(stopped)
            }
            Request::Forward { group, bytes } => {
                let shared = Arc::clone(&self.group(group)?.shared);
                Ok(Response::Forward(serve_asks(shared, &bytes).await))
            }
            Request::Admin(bytes) => self.administered(from, &bytes).await,
            Request::Waiting { member, nonce } => {
                self.note_waiting(member, nonce);
                Ok(Response::Noted)
            }
            // Said once more, by whoever did not hear the answer.
            Request::Adopt(adoption) => {
                let mine = (self.identity.cluster, self.identity.node);
                let is_mine = mine == (adoption.cluster, adoption.node);
                if is_mine { Ok(Response::Adopted) } else { Err(Refusal::NotAllowed) }
            }
            Request::Tell(bytes) => self.told(from, &bytes).await.map(Response::Told),
        }
    }

    /// Whether that node was removed, and is in no group any more, as far as this one has applied. It votes and leads until then.
    pub(super) fn has_left(&self, node: NodeId) -> bool {
        self.groups.first().is_some_and(|group| group.shared.has_left(node)) && !self.is_somewhere(node)
    }

    /// A vote is given to nobody by a node that has less than it acknowledged, and to no such node. Nor by a process so young that a
    /// leader may still count on an answer of the one before it, unless that leader itself asks for the election.
    fn check_candidate(
        &self,
        group: GroupId,
        from: NodeId,
        vote: &VoteRequest<Types<R>>,
    ) -> Result<(), Refusal> {
        let has_lost = vote.last_log_id < self.neighbours.promise(from, group).last;
        let breaks_lease = !vote.leadership_transfer && !self.has_outlived_leases();
        match self.proof.may_vote(group, from) && !has_lost && !breaks_lease {
            true => Ok(()),
            false => Err(Refusal::Busy { retry_ms: PROOF_RETRY_MS }),
        }
    }

    /// Whether no leader counts any more on what earlier processes of this node answered: openraft does not know of it at a start.
    pub(super) fn has_outlived_leases(&self) -> bool {
        (self.clock)() >= self.lease_ms
    }

    async fn append(&self, id: GroupId, append: AppendEntriesRequest<Types<R>>) -> Answer<R> {
        let group = self.group(id)?;
        let raft = group.raft()?;
        if let Some(needed) = self.proof.needs(id).filter(|needed| append.vote.leader_id.term < needed.term) {
            // As if the vote that was lost were still there.
            let vote = Vote::new(needed.term, self.identity.node);
            return Ok(Response::Append(AppendEntriesResponse::HigherVote(vote)));
        }
        if self.log.is_full() && !append.entries.is_empty() {
            return Err(Refusal::Busy { retry_ms: FULL_RETRY_MS });
        }
        let response = raft.append_entries(append).await.map_err(stopped)?;
        if !matches!(response, AppendEntriesResponse::HigherVote(_)) {
            group.shared.heard();
        }
        Ok(Response::Append(response))
    }

    /// Makes the snapshot durable and installs it. Goes on to the end also where the caller does not wait for it.
    async fn finish_snapshot(self: &Arc<Self>, group: GroupId, transfer: u64, bytes: u64) -> Answer<R> {
        let raft = self.group(group)?.raft()?.clone();
        let inner = Arc::clone(self);
        let installed = R::spawn(async move {
            let Arrived { vote, file } = inner.transfers.finish(group, transfer, bytes).await?;
            let snapshot = Snapshot { meta: file.meta.clone(), snapshot: file };
            raft.install_full_snapshot(vote, snapshot).await.map_err(stopped)
        });
        let installed = installed.await.map_err(|error| Refusal::Other(error.to_string()))?;
        installed.map(Response::SnapshotDone)
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
