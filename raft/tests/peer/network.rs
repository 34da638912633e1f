//! What openraft's network makes of openraft's requests, over a transport that the test answers by hand.

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use openraft::alias::{CommittedLeaderIdOf, EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, VoteOf};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, StreamAppendError, VoteRequest,
    VoteResponse,
};
use openraft::{EntryPayload, LogId, Vote};
use openraft_rt_tokio::TokioRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::peer::limit::APPEND_WINDOW_CALLS;
use sluice_raft::peer::{
    CallError, Called, Cast, Lane, Networks, Refusal, Request, Response, SnapshotSource, Transport,
};
use sluice_raft::types::{Batch, Command, Member, NodeId, Types};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

type R = TokioRuntime;
type C = Types<R>;
type Append = AppendEntriesRequest<C>;

/// A call that waits for the test to answer.
type Call = (Lane, Request<R>, oneshot::Sender<Called<R>>);

/// Keeps what was called until the test answers.
#[derive(Default)]
struct ByHand(Mutex<VecDeque<Call>>);

impl Transport<R> for ByHand {
    fn call(
        &self,
        _: NodeId,
        _: &Member,
        lane: Lane,
        request: Request<R>,
        _: Duration,
    ) -> BoxFuture<'static, Called<R>> {
        let (answer, answered) = oneshot::channel();
        self.0.lock().expect("no panic").push_back((lane, request, answer));
        answered.map(|called| called.unwrap_or(Err(CallError::Lost))).boxed()
    }

    fn cast(&self, _: NodeId, _: &Member, _: Cast) {}
}

impl ByHand {
    fn waiting(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    fn take(&self) -> Call {
        self.0.lock().expect("no panic").pop_front().expect("a call")
    }

    fn answer(&self, answer: AppendEntriesResponse<C>) {
        let _ = self.take().2.send(Ok(Response::Append(answer)));
    }
}

/// A snapshot in memory: its chunks.
#[derive(Clone)]
struct Memory(Vec<Bytes>);

impl SnapshotSource for Memory {
    fn bytes(&self) -> u64 {
        7
    }

    fn chunks(&self) -> BoxStream<'static, io::Result<Bytes>> {
        stream::iter(self.0.clone().into_iter().map(Ok)).boxed()
    }
}

type Network = sluice_raft::peer::network::Network<R, Memory>;

async fn network(lane: Lane) -> (Arc<ByHand>, Network) {
    let hand = Arc::new(ByHand::default());
    let mut networks: Networks<R, Memory> = Networks::new(Arc::clone(&hand) as _, 1, GroupId(3));
    let network = match lane {
        Lane::Vote => networks.new_heartbeat_client(2, &Member::default()).await,
        Lane::Append => networks.new_client(2, &Member::default()).await,
        Lane::Bulk => networks.new_snapshot_client(2, &Member::default()).await,
    };
    (hand, network)
}

fn option() -> RPCOption {
    RPCOption::new(Duration::from_secs(60))
}

fn log_id(index: u64) -> LogIdOf<C> {
    LogId::new(CommittedLeaderIdOf::<C>::new(1), index)
}

fn vote() -> VoteOf<C> {
    Vote::new_committed(1, 1)
}

fn entry(index: u64, bytes: usize) -> EntryOf<C> {
    let commands = vec![0; bytes].into();
    let batch = Batch { session: 1, proposal: index, stamp: 0, wall: 0, commands };
    openraft::Entry { log_id: log_id(index), payload: EntryPayload::Normal(Command::Batch(batch)) }
}

/// Entries after `prev`, of `bytes` each.
fn append(prev: Option<u64>, count: u64, bytes: usize) -> Append {
    let first = prev.map_or(0, |prev| prev + 1);
    let entries = (first..first + count).map(|index| entry(index, bytes)).collect();
    AppendEntriesRequest { vote: vote(), prev_log_id: prev.map(log_id), entries, leader_commit: None }
}

/// Appends of one entry each, without end.
fn endless() -> impl Stream<Item = Append> + Send + Unpin + 'static {
    stream::iter(0..).map(|index: u64| append(index.checked_sub(1), 1, 10))
}

#[tokio::test]
async fn appends_are_sent_before_the_first_is_answered_within_a_window() {
    let (hand, mut network) = network(Lane::Append).await;
    let mut answers = network.stream_append(endless(), option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    assert_eq!(hand.waiting(), APPEND_WINDOW_CALLS);
    hand.answer(AppendEntriesResponse::Success);
    let first = answers.next().await.expect("an answer").expect("no error");
    assert_eq!(first, Ok(Some(log_id(0))));
    assert!(answers.next().now_or_never().is_none());
    assert_eq!(hand.waiting(), APPEND_WINDOW_CALLS, "one was answered, one more is sent");
}

#[tokio::test]
async fn the_window_is_bounded_in_bytes_too() {
    let (hand, mut network) = network(Lane::Append).await;
    let large = stream::iter(0..).map(|index: u64| append(index.checked_sub(1), 1, 3 * 1024 * 1024));
    let mut answers = network.stream_append(large, option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    assert_eq!(hand.waiting(), 3, "3 × 3 MiB pass the 8 MiB of the window");
}

#[tokio::test]
async fn answers_come_in_the_order_of_the_requests() {
    let (hand, mut network) = network(Lane::Append).await;
    let mut answers = network.stream_append(endless().take(3), option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    let calls: Vec<_> = (0..3).map(|_| hand.take()).collect();
    for (_, _, answer) in calls.into_iter().rev() {
        answer.send(Ok(Response::Append(AppendEntriesResponse::Success))).expect("awaited");
    }
    for index in 0..3 {
        assert_eq!(answers.next().await.expect("an answer").expect("no error"), Ok(Some(log_id(index))));
    }
    assert!(answers.next().await.is_none(), "the input ended");
}

#[tokio::test]
async fn a_conflict_ends_the_stream() {
    let (hand, mut network) = network(Lane::Append).await;
    let input = stream::iter(5..).map(|index: u64| append(Some(index), 1, 10));
    let mut answers = network.stream_append(input, option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    hand.answer(AppendEntriesResponse::Conflict);
    let conflict = answers.next().await.expect("an answer").expect("no error");
    assert_eq!(conflict, Err(StreamAppendError::Conflict(log_id(5))));
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn a_conflict_that_cannot_be_is_an_error() {
    let (hand, mut network) = network(Lane::Append).await;
    let mut answers = network.stream_append(endless(), option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    hand.answer(AppendEntriesResponse::Conflict);
    assert!(matches!(answers.next().await, Some(Err(RPCError::Unreachable(_)))));
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn a_follower_may_not_claim_what_it_was_not_sent() {
    let (hand, mut network) = network(Lane::Append).await;
    let mut answers = network.stream_append(endless(), option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    hand.answer(AppendEntriesResponse::PartialSuccess(Some(log_id(7))));
    assert!(matches!(answers.next().await, Some(Err(RPCError::Unreachable(_)))));
}

#[tokio::test]
async fn a_partial_success_ends_the_stream() {
    let (hand, mut network) = network(Lane::Append).await;
    let input = stream::iter([append(None, 3, 10), append(Some(2), 3, 10)]);
    let mut answers = network.stream_append(input, option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    hand.answer(AppendEntriesResponse::PartialSuccess(Some(log_id(1))));
    assert_eq!(answers.next().await.expect("an answer").expect("no error"), Ok(Some(log_id(1))));
    assert!(answers.next().await.is_none(), "openraft starts again from what the follower has");
}

#[tokio::test]
async fn a_long_append_is_cut_to_what_a_frame_takes() {
    let (hand, mut network) = network(Lane::Append).await;
    let input = stream::iter([append(None, 20, 1024 * 1024), append(Some(19), 1, 10)]);
    let mut answers = network.stream_append(input, option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    assert_eq!(hand.waiting(), 1, "the next would leave a gap");
    let (lane, request, answer) = hand.take();
    let Request::Append { group: GroupId(3), append } = request else { panic!("not an append") };
    assert_eq!((lane, append.entries.len()), (Lane::Append, 3));
    answer.send(Ok(Response::Append(AppendEntriesResponse::Success))).expect("awaited");
    assert_eq!(answers.next().await.expect("an answer").expect("no error"), Ok(Some(log_id(2))));
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn an_entry_too_large_for_the_cut_goes_alone() {
    let (hand, mut network) = network(Lane::Append).await;
    let mut answers = network
        .stream_append(stream::iter([append(None, 2, 6 * 1024 * 1024)]), option())
        .await
        .expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    let (_, Request::Append { append, .. }, _) = hand.take() else { panic!("not an append") };
    assert_eq!(append.entries.len(), 1);
}

#[tokio::test]
async fn a_lost_connection_ends_the_stream_with_its_error() {
    let (hand, mut network) = network(Lane::Append).await;
    let mut answers = network.stream_append(endless(), option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    drop(hand.take());
    assert!(matches!(answers.next().await, Some(Err(RPCError::Network(_)))));
    assert!(answers.next().await.is_none());
}

#[tokio::test]
async fn heartbeats_and_votes_go_by_the_vote_lane() {
    let (hand, mut heartbeats) = network(Lane::Vote).await;
    let beat = stream::iter([append(None, 0, 0)]);
    let mut answers = heartbeats.stream_append(beat, option()).await.expect("a stream");
    assert!(answers.next().now_or_never().is_none());
    assert_eq!(hand.take().0, Lane::Vote);
    let (hand, mut network) = network(Lane::Append).await;
    let request = VoteRequest::new(vote(), Some(log_id(4)));
    let mut voting = Box::pin(network.pre_vote(request, option()));
    assert!((&mut voting).now_or_never().is_none());
    let (lane, request, answer) = hand.take();
    assert_eq!(lane, Lane::Vote);
    assert!(matches!(request, Request::PreVote { group: GroupId(3), .. }));
    let granted = VoteResponse::new(vote(), None, true);
    answer.send(Ok(Response::Vote(granted.clone()))).expect("awaited");
    assert_eq!(voting.await.expect("answered"), granted);
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_grants_no_pre_vote() {
    let (hand, mut network) = network(Lane::Append).await;
    let mut voting = Box::pin(network.pre_vote(VoteRequest::new(vote(), None), option()));
    assert!((&mut voting).now_or_never().is_none());
    hand.take().2.send(Ok(Response::Refused(Refusal::NoGroup))).expect("awaited");
    assert!(matches!(voting.await, Err(RPCError::Unreachable(_))));
}

fn snapshot(chunks: &[&'static str]) -> SnapshotOf<C, Memory> {
    let chunks = chunks.iter().map(|chunk| Bytes::from(*chunk)).collect();
    SnapshotOf::<C, Memory> { meta: SnapshotMetaOf::<C>::default(), snapshot: Memory(chunks) }
}

fn never() -> impl Future<Output = ReplicationClosed> + Send + 'static {
    std::future::pending()
}

fn wants(offset: usize) -> Called<R> {
    Ok(Response::SnapshotWants { transfer: 8, offset: offset as u64 })
}

#[tokio::test]
async fn a_snapshot_goes_chunk_by_chunk() {
    let (hand, mut network) = network(Lane::Bulk).await;
    let mut sending = Box::pin(network.full_snapshot(vote(), snapshot(&["one", "three"]), never(), option()));
    let mut received = Vec::new();
    loop {
        assert!((&mut sending).now_or_never().is_none());
        assert_eq!(hand.waiting(), 1, "one at a time");
        let (lane, request, answer) = hand.take();
        assert_eq!(lane, Lane::Bulk);
        match request {
            Request::SnapshotBegin { bytes, .. } => assert_eq!(bytes, 7),
            Request::SnapshotChunk { transfer: 8, offset, bytes, .. } => {
                assert_eq!(offset as usize, received.len());
                received.extend_from_slice(&bytes);
            }
            Request::SnapshotFinish { transfer: 8, bytes: 8, .. } => {
                let done = SnapshotResponse::new(vote());
                answer.send(Ok(Response::SnapshotDone(done))).expect("awaited");
                break;
            }
            other => panic!("{other:?}"),
        }
        answer.send(wants(received.len())).expect("awaited");
    }
    assert_eq!(received, b"onethree");
    assert_eq!(sending.await.expect("installed"), SnapshotResponse::new(vote()));
}

#[tokio::test]
async fn a_follower_that_has_other_than_what_was_sent_is_given_up() {
    for claimed in [0, 2, 4] {
        let (hand, mut network) = network(Lane::Bulk).await;
        let mut sending = Box::pin(network.full_snapshot(vote(), snapshot(&["one"]), never(), option()));
        for offset in [0, claimed] {
            assert!((&mut sending).now_or_never().is_none());
            hand.take().2.send(wants(offset)).expect("awaited");
        }
        assert!(matches!(sending.await, Err(StreamingError::Unreachable(_))));
    }
}

#[tokio::test]
async fn a_follower_that_forgot_the_transfer_gets_it_anew() {
    let (hand, mut network) = network(Lane::Bulk).await;
    let mut sending = Box::pin(network.full_snapshot(vote(), snapshot(&["one"]), never(), option()));
    assert!((&mut sending).now_or_never().is_none());
    hand.take().2.send(wants(0)).expect("awaited");
    assert!((&mut sending).now_or_never().is_none());
    hand.take().2.send(Ok(Response::Refused(Refusal::NoTransfer))).expect("awaited");
    assert!(matches!(sending.await, Err(StreamingError::Network(_))), "tried again without a pause");
}

#[tokio::test]
async fn a_snapshot_s_transfer_can_be_cancelled() {
    let (hand, mut network) = network(Lane::Bulk).await;
    let (cancel, cancelled) = oneshot::channel::<()>();
    let cancelled = cancelled.map(|_| ReplicationClosed::new("enough"));
    let mut sending = Box::pin(network.full_snapshot(vote(), snapshot(&["one"]), cancelled, option()));
    assert!((&mut sending).now_or_never().is_none());
    cancel.send(()).expect("awaited");
    assert!(matches!(sending.await, Err(StreamingError::Closed(_))));
    assert_eq!(hand.waiting(), 1);
}

#[tokio::test]
async fn a_newer_leader_ends_a_snapshot_s_transfer_at_once() {
    let (hand, mut network) = network(Lane::Bulk).await;
    let mut sending = Box::pin(network.full_snapshot(vote(), snapshot(&["one"]), never(), option()));
    assert!((&mut sending).now_or_never().is_none());
    let newer: VoteOf<C> = Vote::new_committed(2, 3);
    hand.take().2.send(Ok(Response::SnapshotDone(SnapshotResponse::new(newer)))).expect("awaited");
    assert_eq!(sending.await.expect("answered").vote, newer);
}
