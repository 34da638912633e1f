//! The state machine that openraft drives: entries become events for the owner of the shard.
//!
//! An entry's log index and one more is its index for the shard, and every entry is delivered, so the shard's indexes are
//! dense. A batch whose session is not the term of its entry is *void*: its proposer led an earlier session, so what it knew
//! of the shard may be wrong. It is delivered without commands, on every node alike.

use futures_util::{Stream, StreamExt};
use openraft::alias::{LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::async_runtime::AsyncRuntime;
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use sluice_engine::error::Refusal;
use sluice_engine::limit::NO_LEADER_RETRY_MS;
use sluice_engine::sequencer::{Committed, Event, ProposalId};
use sluice_engine::time::LogTime;
use std::io;
use std::sync::Arc;

use super::lane::Delivery;
use super::shared::Shared;
use crate::codec;
use crate::types::{Batch, Command, Types};

/// Where the log meets the owner of one group's shard.
pub struct Machine<R: AsyncRuntime> {
    shared: Arc<Shared>,
    applied: Option<LogIdOf<Types<R>>>,
    membership: StoredMembershipOf<Types<R>>,
}

/// What an entry means for the shard.
struct Content {
    stamp: u64,
    proposal: Option<u64>,
    commands: Vec<sluice_engine::command::Command>,
    bytes: usize,
    /// The proposal is void, and its owner has to be told.
    refused: Option<u64>,
}

impl Content {
    const NOTHING: Content =
        Content { stamp: 0, proposal: None, commands: Vec::new(), bytes: 0, refused: None };
}

impl<R: AsyncRuntime> Machine<R> {
    pub(crate) fn new(shared: Arc<Shared>) -> Machine<R> {
        Machine { shared, applied: None, membership: StoredMembershipOf::<Types<R>>::default() }
    }

    fn batch(&self, batch: &Batch, term: u64) -> io::Result<Content> {
        let own = self.shared.proposals.settle(batch);
        if batch.session != term {
            return Ok(Content { refused: own.map(|_| batch.proposal), ..Content::NOTHING });
        }
        let proposal = own.is_some().then_some(batch.proposal);
        let commands = match own {
            Some(commands) => commands,
            None => codec::decode(&batch.commands).map_err(|error| {
                let what = format!("an entry of group {} cannot be read: {error}", self.shared.group.0);
                io::Error::new(io::ErrorKind::InvalidData, what)
            })?,
        };
        Ok(Content { stamp: batch.stamp, proposal, commands, bytes: batch.commands.len(), refused: None })
    }

    async fn deliver(&mut self, log_id: LogIdOf<Types<R>>, payload: Payload) -> io::Result<()> {
        let term = log_id.committed_leader_id().term;
        let content = match payload {
            EntryPayload::Blank => Content::NOTHING,
            EntryPayload::Membership(membership) => {
                self.membership = StoredMembershipOf::<Types<R>>::new(Some(log_id), membership);
                Content::NOTHING
            }
            EntryPayload::Normal(Command::Batch(batch)) => self.batch(&batch, term)?,
            EntryPayload::Normal(Command::Cluster(_)) => Content::NOTHING,
        };
        let shared = &self.shared;
        shared.lane.room().await;
        let committed = Committed {
            index: log_id.index() + 1,
            stamp: LogTime(content.stamp),
            proposal: content.proposal.map(ProposalId),
            commands: content.commands,
        };
        shared.lane.push(Delivery::Committed(committed, content.bytes));
        if let Some(refused) = content.refused {
            let refusal = Refusal::NoLeader { retry_ms: NO_LEADER_RETRY_MS };
            shared.lane.push(Delivery::Event(Event::Refused(ProposalId(refused), refusal)));
        }
        self.applied = Some(log_id);
        shared.roles.applied(term, &shared.lane, &shared.proposals);
        Ok(())
    }
}

type Payload = EntryPayload<Command, crate::types::NodeId, crate::types::Member>;

impl<R: AsyncRuntime> RaftStateMachine<Types<R>> for Machine<R> {
    type SnapshotData = super::snapshot::Snapshot;
    type SnapshotBuilder = super::snapshot::Builder<R>;

    async fn applied_state(
        &mut self,
    ) -> io::Result<(Option<LogIdOf<Types<R>>>, StoredMembershipOf<Types<R>>)> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types<R>>>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            self.deliver(entry.log_id(), entry.payload).await?;
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        super::snapshot::Builder::new()
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMetaOf<Types<R>>,
        _snapshot: Self::SnapshotData,
    ) -> io::Result<()> {
        Err(io::Error::other("snapshots are not installed yet"))
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types<R>, Self::SnapshotData>>> {
        Ok(None)
    }
}
