//! From proposals to openraft.

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use openraft::async_runtime::{AsyncRuntime, Select2};
use openraft::impls::OneshotResponder;
use sluice_engine::error::Refusal;
use sluice_engine::limit::NO_LEADER_RETRY_MS;
use sluice_engine::sequencer::{Event, ProposalId};
use std::sync::Arc;

use super::Raft;
use super::lane::Delivery;
use super::shared::Shared;
use crate::types::{Batch, Command};

/// Writes one group's proposals into the log, in order, until they are stopped.
///
/// A committed one is told by the state machine; one that openraft turned down is refused here.
pub(crate) async fn submit<R: AsyncRuntime>(raft: Raft<R>, shared: Arc<Shared>) {
    let mut watched: FuturesUnordered<BoxFuture<'static, Option<u64>>> = FuturesUnordered::new();
    loop {
        let next = if watched.is_empty() {
            Select2::First(shared.proposals.next().await)
        } else {
            R::select2(shared.proposals.next(), watched.next()).await
        };
        match next {
            Select2::First(Some(batch)) => {
                let proposal = batch.proposal;
                match write(&raft, batch).await {
                    Some(outcome) => watched.push(outcome),
                    None => refuse(&shared, proposal),
                }
            }
            Select2::First(None) => return,
            Select2::Second(Some(Some(refused))) => refuse(&shared, refused),
            Select2::Second(_) => {}
        }
    }
}

/// Hands a batch to openraft. The future says which proposal was turned down, if it was. `None`: openraft has stopped.
async fn write<R: AsyncRuntime>(raft: &Raft<R>, batch: Batch) -> Option<BoxFuture<'static, Option<u64>>> {
    let proposal = batch.proposal;
    let (responder, outcome) = OneshotResponder::new_pair();
    raft.client_write_ff(Command::Batch(batch), Some(responder)).await.ok()?;
    Some(Box::pin(async move {
        let written = matches!(outcome.await, Ok(Ok(_)));
        (!written).then_some(proposal)
    }))
}

fn refuse(shared: &Shared, proposal: u64) {
    if shared.proposals.refuse(proposal) {
        let refusal = Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS };
        shared.lane.push(Delivery::Event(Event::Refused(ProposalId(proposal), refusal)));
    }
}
