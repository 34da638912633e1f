//! openraft's network over any [`Transport`]: one client a peer, a group and a lane.

mod pipeline;
mod snapshot;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, Stream};
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::async_runtime::AsyncRuntime;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendResult, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use sluice_engine::id::GroupId;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::limit::{APPEND_MS, RETRY_MS_MAX, RETRY_MS_MIN};
use super::message::{Request, Response};
use super::plausible;
use super::transport::{CallError, Called, Lane, Transport};
use crate::types::{Member, NodeId, Types};
pub use snapshot::SnapshotSource;

type C<R> = Types<R>;
type Appends<'s, R> = BoxStream<'s, Result<StreamAppendResult<C<R>>, RPCError<C<R>>>>;

/// Makes the clients of one group. `S` is what a snapshot is read from.
pub struct Networks<R: AsyncRuntime, S> {
    transport: Arc<dyn Transport<R>>,
    from: NodeId,
    group: GroupId,
    source: PhantomData<fn() -> S>,
}

impl<R: AsyncRuntime, S: SnapshotSource> Networks<R, S> {
    /// The clients of `group` on node `from`.
    pub fn new(transport: Arc<dyn Transport<R>>, from: NodeId, group: GroupId) -> Self {
        Networks { transport, from, group, source: PhantomData }
    }

    fn client(&self, to: NodeId, member: &Member, lane: Lane) -> Network<R, S> {
        let transport = Arc::clone(&self.transport);
        let peer = Peer { transport, from: self.from, group: self.group, to, member: member.clone() };
        Network { peer, lane, source: PhantomData }
    }
}

impl<R: AsyncRuntime, S: SnapshotSource> RaftNetworkFactory<C<R>> for Networks<R, S> {
    type Network = Network<R, S>;

    async fn new_client(&mut self, to: NodeId, member: &Member) -> Self::Network {
        self.client(to, member, Lane::Append)
    }

    async fn new_heartbeat_client(&mut self, to: NodeId, member: &Member) -> Self::Network {
        self.client(to, member, Lane::Vote)
    }

    async fn new_snapshot_client(&mut self, to: NodeId, member: &Member) -> Self::Network {
        self.client(to, member, Lane::Bulk)
    }
}

/// One group's client of one peer. Votes go by the vote lane whatever the client is for.
pub struct Network<R: AsyncRuntime, S> {
    peer: Peer<R>,
    lane: Lane,
    source: PhantomData<fn() -> S>,
}

/// Whom a client talks to, and about what.
struct Peer<R: AsyncRuntime> {
    transport: Arc<dyn Transport<R>>,
    from: NodeId,
    group: GroupId,
    to: NodeId,
    member: Member,
}

impl<R: AsyncRuntime> Peer<R> {
    /// Asks something in the name of `term`: an answer that cannot be true is none.
    fn call(
        &self,
        lane: Lane,
        term: u64,
        request: Request<R>,
        within: Duration,
    ) -> impl Future<Output = Called<R>> + Send + use<R> {
        let called = self.transport.call(self.to, &self.member, lane, request, within);
        let (node, group) = (self.to, self.group.0);
        async move {
            let response = called.await?;
            match plausible::check_response(term, &response) {
                Ok(()) => Ok(response),
                Err(why) => {
                    tracing::error!(node, group, %why, "an answer was refused");
                    Err(CallError::Mismatch)
                }
            }
        }
    }

    fn error(&self, error: CallError, action: RPCTypes, timeout: Duration) -> RPCError<C<R>> {
        match error {
            CallError::Timeout => {
                RPCError::Timeout(Timeout { action, id: self.from, target: self.to, timeout })
            }
            CallError::Lost => RPCError::Network(NetworkError::new(&error)),
            // All others would fail again at once: openraft pauses before it tries again.
            error => RPCError::Unreachable(Unreachable::new(&error)),
        }
    }
}

impl<R: AsyncRuntime, S: SnapshotSource> Network<R, S> {
    /// A heartbeat's deadline is openraft's, which gives it up itself. Entries get longer: the other's disk may stall for a moment.
    fn append_within(&self, option: &RPCOption) -> Duration {
        match self.lane {
            Lane::Vote => option.hard_ttl(),
            Lane::Append | Lane::Bulk => option.soft_ttl().max(Duration::from_millis(APPEND_MS)),
        }
    }

    async fn ask_vote(
        &self,
        term: u64,
        request: Request<R>,
        within: Duration,
    ) -> Result<VoteResponse<C<R>>, RPCError<C<R>>> {
        let answer = match self.peer.call(Lane::Vote, term, request, within).await {
            Ok(Response::Vote(vote)) => Ok(vote),
            other => Err(failure(other)),
        };
        answer.map_err(|error| self.peer.error(error, RPCTypes::Vote, within))
    }
}

/// What it means that a call did not give the answer hoped for.
fn failure<R: AsyncRuntime>(called: Called<R>) -> CallError {
    match called {
        Err(error) => error,
        Ok(Response::Refused(refusal)) => CallError::Refused(refusal),
        Ok(_) => CallError::Mismatch,
    }
}

impl<R: AsyncRuntime, S: SnapshotSource> RaftNetworkV2<C<R>> for Network<R, S> {
    type SnapshotData = S;

    async fn append_entries(
        &mut self,
        append: AppendEntriesRequest<C<R>>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<C<R>>, RPCError<C<R>>> {
        let within = self.append_within(&option);
        pipeline::append_one(&self.peer, self.lane, append, within).await
    }

    fn stream_append<'s, I>(
        &'s mut self,
        input: I,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<Appends<'s, R>, RPCError<C<R>>>>
    where
        I: Stream<Item = AppendEntriesRequest<C<R>>> + Send + Unpin + 'static,
    {
        let within = self.append_within(&option);
        let appends: Appends<'s, R> = Box::pin(pipeline::Pipeline::new(&self.peer, self.lane, input, within));
        Box::pin(async { Ok(appends) })
    }

    async fn vote(
        &mut self,
        vote: VoteRequest<C<R>>,
        option: RPCOption,
    ) -> Result<VoteResponse<C<R>>, RPCError<C<R>>> {
        let term = vote.vote.leader_id.term;
        self.ask_vote(term, Request::Vote { group: self.peer.group, vote }, option.soft_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        vote: VoteRequest<C<R>>,
        option: RPCOption,
    ) -> Result<VoteResponse<C<R>>, RPCError<C<R>>> {
        let term = vote.vote.leader_id.term;
        self.ask_vote(term, Request::PreVote { group: self.peer.group, vote }, option.soft_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: VoteOf<C<R>>,
        snapshot: SnapshotOf<C<R>, S>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<C<R>>, StreamingError<C<R>>> {
        snapshot::send(&self.peer, vote, snapshot, cancel, option.soft_ttl()).await
    }

    async fn transfer_leader(
        &mut self,
        transfer: TransferLeaderRequest<C<R>>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<C<R>>, RPCError<C<R>>> {
        let request = Request::TransferLeader {
            group: self.peer.group,
            from_leader: *transfer.from_leader(),
            to: *transfer.to_node_id(),
            last_log_id: transfer.last_log_id().copied(),
        };
        let (within, term) = (option.soft_ttl(), transfer.from_leader().leader_id.term);
        let answer = match self.peer.call(Lane::Vote, term, request, within).await {
            Ok(Response::TransferLeader(response)) => Ok(response),
            other => Err(failure(other)),
        };
        answer.map_err(|error| self.peer.error(error, RPCTypes::TransferLeader, within))
    }

    fn backoff(&self) -> Option<Backoff> {
        let pause = |tried: u32| (RETRY_MS_MIN << tried.min(u8::BITS)).min(RETRY_MS_MAX);
        Some(Backoff::new((0..).map(move |tried| Duration::from_millis(pause(tried)))))
    }
}
