//! openraft's own suite for log stores. It asks for a state machine too: the smallest that passes stands here.

use crate::disk::FaultyDisk;
use crate::stand::{open, run};
use futures_util::{Stream, TryStreamExt};
use openraft::storage::{EntryResponder, RaftStateMachine, Snapshot};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageError};
use openraft_rt_sim::SimRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::log::{GroupLog, LogId};
use sluice_raft::types::Types;
use std::io;
use std::sync::{Arc, Mutex};

type Sim = Types<SimRuntime>;
type Meta = SnapshotMetaOf<Sim>;

/// Remembers what was applied last, and the last snapshot.
#[derive(Clone, Default)]
struct Machine {
    state: Arc<Mutex<(Applied, Option<Meta>)>>,
}

type Applied = (Option<LogId>, StoredMembershipOf<Sim>);

impl RaftStateMachine<Sim> for Machine {
    type SnapshotData = ();
    type SnapshotBuilder = Machine;

    async fn applied_state(&mut self) -> io::Result<Applied> {
        Ok(self.state.lock().unwrap().0.clone())
    }

    async fn apply<S>(&mut self, entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Sim>>> + Unpin + OptionalSend,
    {
        let entries: Vec<_> = entries.try_collect().await?;
        for (entry, responder) in entries {
            let applied = &mut self.state.lock().unwrap().0;
            applied.0 = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = entry.payload {
                applied.1 = StoredMembershipOf::<Sim>::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Machine {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &Meta, (): ()) -> io::Result<()> {
        let applied = (meta.last_log_id, meta.last_membership.clone());
        *self.state.lock().unwrap() = (applied, Some(meta.clone()));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<Sim, ()>>> {
        let meta = self.state.lock().unwrap().1.clone();
        Ok(meta.map(|meta| Snapshot { meta, snapshot: () }))
    }
}

impl RaftSnapshotBuilder<Sim> for Machine {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<Sim, ()>> {
        let mut state = self.state.lock().unwrap();
        let (last_log_id, last_membership) = state.0.clone();
        let meta = Meta { last_log_id, last_membership };
        state.1 = Some(meta.clone());
        Ok(Snapshot { meta, snapshot: () })
    }
}

struct Builder;

impl StoreBuilder<Sim, GroupLog<SimRuntime>, Machine> for Builder {
    async fn build(&self) -> Result<((), GroupLog<SimRuntime>, Machine), StorageError<Sim>> {
        let log = open(&FaultyDisk::new(1)).await.expect("a new log");
        Ok(((), log.group(GroupId(0)), Machine::default()))
    }
}

#[test]
fn the_log_passes_openrafts_suite() {
    run(Suite::test_all(Builder)).expect("the suite passes");
}
