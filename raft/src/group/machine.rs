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
use sluice_engine::time::{LogTime, WallMs};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lane::Delivery;
use super::shared::Shared;
use super::slices::Slices;
use super::snapshot::{Builder, Building, Files, Head};
use crate::codec;
use crate::snapshot::SnapshotFile;
use crate::types::{Batch, Command, Types};

/// Where the log meets the owner of one group's shard.
pub struct Machine<R: AsyncRuntime> {
    shared: Arc<Shared>,
    applied: Option<LogIdOf<Types<R>>>,
    membership: StoredMembershipOf<Types<R>>,
    files: Files<R>,
    /// A snapshot is on its way from the owner to disk.
    building: Arc<AtomicBool>,
}

/// What an entry means for the shard.
struct Content {
    stamp: u64,
    wall: u64,
    proposal: Option<u64>,
    commands: Vec<sluice_engine::command::Command>,
    bytes: usize,
    /// The proposal is void, and its owner has to be told.
    refused: Option<u64>,
}

impl Content {
    const NOTHING: Content =
        Content { stamp: 0, wall: 0, proposal: None, commands: Vec::new(), bytes: 0, refused: None };
}

impl<R: AsyncRuntime> Machine<R> {
    pub(crate) fn new(shared: Arc<Shared>, files: Files<R>) -> Machine<R> {
        let membership = StoredMembershipOf::<Types<R>>::default();
        Machine { shared, applied: None, membership, files, building: Arc::default() }
    }

    fn batch(&self, batch: &Batch, term: u64) -> io::Result<Content> {
        let own = self.shared.proposals.settle(batch);
        if batch.session != term {
            return Ok(Content { refused: own.map(|_| batch.proposal), ..Content::NOTHING });
        }
        let proposal = own.is_some().then_some(batch.proposal);
        let commands = match own {
            Some(commands) => commands,
            None => codec::decode(&batch.commands).map_err(|error| self.unreadable(error))?,
        };
        let (stamp, wall, bytes) = (batch.stamp, batch.wall, batch.commands.len());
        Ok(Content { stamp, wall, proposal, commands, bytes, refused: None })
    }

    fn unreadable(&self, error: codec::CodecError) -> io::Error {
        let what = format!("an entry of group {} cannot be read: {error}", self.shared.group.0);
        io::Error::new(io::ErrorKind::InvalidData, what)
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
            EntryPayload::Normal(Command::Cluster(bytes)) => {
                let change = codec::decode(&bytes).map_err(|error| self.unreadable(error))?;
                self.shared.change_metadata(change);
                Content::NOTHING
            }
        };
        let shared = &self.shared;
        shared.lane.room().await;
        let committed = Committed {
            index: log_id.index() + 1,
            stamp: LogTime(content.stamp),
            wall: WallMs(content.wall),
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
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder<R>;

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

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder<R>> {
        // The owner cuts one snapshot at a time.
        if !force && self.building.load(Ordering::Acquire) {
            return None;
        }
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> Builder<R> {
        let meta = SnapshotMetaOf::<Types<R>> {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
        };
        let head = Head { cluster: self.shared.metadata() };
        let slices = Arc::new(Slices::new());
        // Behind everything applied so far, and before all that follows.
        self.shared.lane.push(Delivery::Cut(Arc::clone(&slices)));
        let building = Building::begin(Arc::clone(&self.building));
        Builder {
            files: self.files.clone(),
            group: self.shared.group,
            meta,
            head,
            slices,
            _building: building,
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<Types<R>>,
        mut file: SnapshotFile,
    ) -> io::Result<()> {
        assert_eq!(*meta, file.meta, "a snapshot is what its file says");
        let loaded = match file.take_loaded() {
            Some(loaded) => loaded,
            None => self.files.load(self.shared.group, &file).await?,
        };
        self.shared.lane.push(Delivery::Install(loaded.state));
        // The owner has it when it gives the old one back.
        let Some(old) = self.shared.bin.next().await else { return Ok(()) };
        (self.files.background)(Box::new(move || drop(old)));
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.files.taken(self.shared.group, &file);
        if let Some(metadata) = loaded.cluster {
            self.shared.set_metadata(metadata);
        }
        if let Some(log_id) = meta.last_log_id {
            let term = log_id.committed_leader_id().term;
            self.shared.roles.applied(term, &self.shared.lane, &self.shared.proposals);
        }
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Types<R>, SnapshotFile>>> {
        let newest = self.files.snapshots.newest(self.shared.group);
        Ok(newest
            .map(|file| SnapshotOf::<Types<R>, SnapshotFile> { meta: file.meta.clone(), snapshot: file }))
    }
}
