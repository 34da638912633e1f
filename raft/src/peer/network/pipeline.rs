//! Entries on their way to one follower: several appends unanswered at once, answered in order.
//!
//! Invariants: at most [`APPEND_WINDOW_CALLS`] appends and about [`APPEND_WINDOW_BYTES`] of entries are unanswered; answers come
//! out in the order of the requests; after the first answer that is not a full success nothing more is taken from the input,
//! because openraft then starts again from what the follower really has.

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesOrdered, Stream, StreamExt};
use openraft::EntryPayload;
use openraft::alias::LogIdOf;
use openraft::async_runtime::AsyncRuntime;
use openraft::entry::RaftEntry;
use openraft::errors::RPCError;
use openraft::network::RPCTypes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, StreamAppendResult};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::super::limit::{
    APPEND_BYTES_MAX, APPEND_ENTRIES_MAX, APPEND_WINDOW_BYTES, APPEND_WINDOW_CALLS, ENTRY_OVERHEAD_BYTES,
};
use super::super::message::{Request, Response};
use super::super::transport::{CallError, Called, Lane};
use super::{Peer, failure};
use crate::types::{Command, Types};

type Append<R> = AppendEntriesRequest<Types<R>>;
type LogId<R> = LogIdOf<Types<R>>;

/// What is needed of a request once it is sent.
struct Sent<R: AsyncRuntime> {
    prev: Option<LogId<R>>,
    /// The last entry that was sent; `prev` where there was none.
    last: Option<LogId<R>>,
    /// Entries beyond `last` were left out to keep the frame small.
    cut: bool,
    bytes: usize,
}

impl<R: AsyncRuntime> Sent<R> {
    /// Cuts `append` to what one frame takes. A first entry is never cut: an entry too large for a frame must fail loudly.
    fn prepare(append: &mut Append<R>) -> Sent<R> {
        let mut bytes = 0;
        let mut kept = 0;
        for entry in &append.entries {
            let more = bytes + weight(&entry.payload);
            if kept > 0 && (more > APPEND_BYTES_MAX || kept >= APPEND_ENTRIES_MAX) {
                break;
            }
            bytes = more;
            kept += 1;
        }
        let cut = kept < append.entries.len();
        append.entries.truncate(kept);
        let prev = append.prev_log_id;
        let last = append.entries.last().map(RaftEntry::log_id).or(prev);
        Sent { prev, last, cut, bytes }
    }

    /// The answer, where the follower may not claim what it was not sent.
    fn read(&self, called: Called<R>) -> Result<AppendEntriesResponse<Types<R>>, CallError> {
        match called {
            Ok(Response::Append(AppendEntriesResponse::Success)) if self.cut => {
                Ok(AppendEntriesResponse::PartialSuccess(self.last))
            }
            Ok(Response::Append(AppendEntriesResponse::PartialSuccess(until))) if until > self.last => {
                Err(CallError::Mismatch)
            }
            // Nothing can conflict with the beginning of the log.
            Ok(Response::Append(AppendEntriesResponse::Conflict)) if self.prev.is_none() => {
                Err(CallError::Mismatch)
            }
            Ok(Response::Append(answer)) => Ok(answer),
            other => Err(failure(other)),
        }
    }

    /// Whether the follower took all that openraft wanted sent.
    fn is_whole(&self, answer: &AppendEntriesResponse<Types<R>>) -> bool {
        match answer {
            AppendEntriesResponse::Success => true,
            AppendEntriesResponse::PartialSuccess(until) => !self.cut && *until == self.last,
            _ => false,
        }
    }
}

/// Roughly the bytes of an entry in a frame.
fn weight(payload: &EntryPayload<Command, u64, crate::types::Member>) -> usize {
    let content = match payload {
        EntryPayload::Normal(Command::Batch(batch)) => batch.commands.len(),
        EntryPayload::Normal(Command::Cluster(bytes)) => bytes.len(),
        EntryPayload::Membership(membership) => membership.nodes().count() * 8 * ENTRY_OVERHEAD_BYTES,
        EntryPayload::Blank => 0,
    };
    content + ENTRY_OVERHEAD_BYTES
}

/// Sends one append by itself.
pub(super) async fn append_one<R: AsyncRuntime>(
    peer: &Peer<R>,
    lane: Lane,
    mut append: Append<R>,
    within: Duration,
) -> Result<AppendEntriesResponse<Types<R>>, RPCError<Types<R>>> {
    let sent = Sent::prepare(&mut append);
    let term = append.vote.leader_id.term;
    let called = peer.call(lane, term, Request::Append { group: peer.group, append }, within).await;
    sent.read(called).map_err(|error| peer.error(error, RPCTypes::AppendEntries, within))
}

type InFlight<R> = BoxFuture<'static, (Sent<R>, Called<R>)>;

/// The answers to the appends of `input`.
pub(super) struct Pipeline<'s, R: AsyncRuntime, I> {
    peer: &'s Peer<R>,
    lane: Lane,
    within: Duration,
    /// None once it ended, or must not be read on.
    input: Option<I>,
    unanswered: FuturesOrdered<InFlight<R>>,
    unanswered_bytes: usize,
}

impl<'s, R: AsyncRuntime, I: Stream<Item = Append<R>> + Unpin> Pipeline<'s, R, I> {
    pub(super) fn new(peer: &'s Peer<R>, lane: Lane, input: I, within: Duration) -> Self {
        let unanswered = FuturesOrdered::new();
        Pipeline { peer, lane, within, input: Some(input), unanswered, unanswered_bytes: 0 }
    }

    fn has_room(&self) -> bool {
        self.unanswered.len() < APPEND_WINDOW_CALLS && self.unanswered_bytes < APPEND_WINDOW_BYTES
    }

    /// Sends what there is and may be sent.
    fn fill(&mut self, context: &mut Context<'_>) {
        while self.has_room() {
            let Some(input) = &mut self.input else { return };
            match input.poll_next_unpin(context) {
                Poll::Ready(Some(append)) => self.send(append),
                Poll::Ready(None) => self.input = None,
                Poll::Pending => return,
            }
        }
    }

    fn send(&mut self, mut append: Append<R>) {
        let sent = Sent::prepare(&mut append);
        if sent.cut {
            // What follows would leave a gap.
            self.input = None;
        }
        self.unanswered_bytes += sent.bytes;
        let term = append.vote.leader_id.term;
        let request = Request::Append { group: self.peer.group, append };
        let call = self.peer.call(self.lane, term, request, self.within);
        self.unanswered.push_back(Box::pin(async move { (sent, call.await) }));
    }

    fn stop(&mut self) {
        self.input = None;
        self.unanswered = FuturesOrdered::new();
    }

    fn answer(
        &mut self,
        sent: &Sent<R>,
        called: Called<R>,
    ) -> Result<StreamAppendResult<Types<R>>, RPCError<Types<R>>> {
        self.unanswered_bytes -= sent.bytes;
        match sent.read(called) {
            Ok(answer) => {
                if !sent.is_whole(&answer) {
                    self.stop();
                }
                Ok(answer.into_stream_result(sent.prev, sent.last))
            }
            Err(error) => {
                self.stop();
                Err(self.peer.error(error, RPCTypes::AppendEntries, self.within))
            }
        }
    }
}

impl<R: AsyncRuntime, I: Stream<Item = Append<R>> + Unpin> Stream for Pipeline<'_, R, I> {
    type Item = Result<StreamAppendResult<Types<R>>, RPCError<Types<R>>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.fill(context);
        match self.unanswered.poll_next_unpin(context) {
            Poll::Ready(Some((sent, called))) => Poll::Ready(Some(self.answer(&sent, called))),
            Poll::Ready(None) if self.input.is_none() => Poll::Ready(None),
            // The input wakes this task, or an answer does.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
