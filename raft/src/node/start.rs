//! From a data folder to running groups.

use openraft::Config;
use openraft::async_runtime::{AsyncRuntime, Instant, WatchReceiver};
use openraft::errors::Fatal;
use openraft::storage::RaftLogStorage;
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::admin::{Waiting, administer};
use super::balance::balance;
use super::clocks::heed_clocks;
use super::config::{NodeConfig, StartError, Timing};
use super::housekeeping::keep_house;
use super::identity::Identity;
use super::published::{Published, tell_others};
use super::{Front, Group, Inner, Node};
use crate::group::{Clock, Files, Gate, Machine, Port, Raft, Shared, carry, open_gate, submit, watch};
use crate::log::{Log, LogOptions};
use crate::peer::{self, Networks, Transfers, Transport};
use crate::queue::Queue;
use crate::snapshot::{SnapshotFile, Snapshots};
use crate::types::{Member, NodeId, Types};

/// The node that founds a cluster.
const FOUNDER: NodeId = 1;

impl<R: AsyncRuntime> Node<R> {
    /// Starts the node that the data folder holds; in an empty one, a cluster of its own, or a node that waits to be added first.
    /// `front` answers other nodes from the beginning.
    ///
    /// The ports, one a group in order, have to be given to owners that are driven from now on: recovery hands them what the log
    /// holds.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        config: NodeConfig,
        transport: Arc<dyn Transport<R>>,
        front: &Front<R>,
    ) -> Result<(Node<R>, Vec<Port>), StartError> {
        let identity = match (Identity::load(&*config.disk).await?, &config.join) {
            (Some(identity), _) => identity,
            (None, None) => found(&config).await?,
            (None, Some(at)) => front.join(&config, &transport, at).await?,
        };
        config.local.set(peer::Identity { cluster: identity.cluster, node: identity.node });
        let raft_config = Arc::new(config.timing.raft_config(identity.cluster, config.kept_entries)?);
        let options = LogOptions {
            segment_bytes: config.segment_bytes,
            ..LogOptions::new(identity.node, identity.cluster, config.drawn.salt)
        };
        let snapshots = Snapshots::open(Arc::clone(&config.disk), identity.cluster).await?;
        let log = Log::<R>::open(config.disk, options).await?;
        drop(R::spawn(log.answers(&config.door)));
        (config.drive)(Box::pin(log.writer()));

        let clock = clock::<R>();
        let gate = Arc::new(Gate::default());
        let shared = |group| {
            Arc::new(Shared::new(GroupId(group), identity.node, Arc::clone(&clock), Arc::clone(&gate)))
        };
        let groups: Vec<_> = (0..identity.groups)
            .map(|group| Group { shared: shared(group), raft: OnceLock::new() })
            .collect();
        let left = groups.iter().map(|group| Arc::clone(&group.shared)).collect();
        drop(R::spawn(open_gate(gate, left)));
        let ports = groups.iter().map(|group| Port::new(Arc::clone(&group.shared))).collect();
        let transfers = Transfers::new(snapshots.clone());
        let files = Files { snapshots, log: log.clone(), background: config.background };
        let inner = Arc::new(Inner {
            identity,
            log,
            transfers,
            transport: Arc::clone(&transport),
            clock,
            lease_ms: config.timing.election_ms_max,
            waiting: Waiting::default(),
            operations: AtomicU64::new(config.drawn.salt),
            requests: Arc::new(Queue::new()),
            published: Published::new(),
            groups,
            failure: Mutex::new(None),
            door: config.door,
            on_failure: config.on_failure,
        });
        for group in (0..inner.identity.groups).map(GroupId) {
            let starting = Starting {
                inner: Arc::clone(&inner),
                group,
                config: Arc::clone(&raft_config),
                timing: config.timing,
                member: config.member.clone(),
                transport: Arc::clone(&transport),
                files: files.clone(),
            };
            drop(R::spawn(starting.run()));
        }
        drop(R::spawn(heed_log(Arc::clone(&inner))));
        front.open(Arc::clone(&inner));
        drop(R::spawn(administer(Arc::downgrade(&inner), Arc::clone(&inner.requests))));
        drop(R::spawn(tell_others(Arc::downgrade(&inner), Arc::clone(&inner.published))));
        drop(R::spawn(balance(Arc::downgrade(&inner))));
        drop(R::spawn(heed_clocks(Arc::downgrade(&inner))));
        drop(R::spawn(keep_house(Arc::downgrade(&inner), config.snapshot_bytes)));
        Ok((Node { inner }, ports))
    }
}

async fn found(config: &NodeConfig) -> Result<Identity, StartError> {
    let identity = Identity {
        cluster: config.drawn.cluster,
        node: FOUNDER,
        groups: config.groups,
        secret: config.drawn.secret,
        epoch: config.epoch,
        is_founder: true,
    };
    identity.save(&*config.disk).await?;
    Ok(identity)
}

fn clock<R: AsyncRuntime>() -> Clock {
    let start = R::Instant::now();
    Arc::new(move || u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}

/// The process has to stop when the log cannot be written.
async fn heed_log<R: AsyncRuntime>(inner: Arc<Inner<R>>) {
    let reason = inner.log.failed().await;
    inner.fail(&reason);
}

/// One group on its way to running.
struct Starting<R: AsyncRuntime> {
    inner: Arc<Inner<R>>,
    group: GroupId,
    config: Arc<Config>,
    timing: Timing,
    member: Member,
    transport: Arc<dyn Transport<R>>,
    files: Files<R>,
}

impl<R: AsyncRuntime> Starting<R> {
    async fn run(self) {
        if let Err(reason) = self.start().await {
            self.inner.fail(&format!("group {} does not start: {reason}", self.group.0));
        }
    }

    async fn start(&self) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let group = &self.inner.groups[usize::from(self.group.0)];
        let shared = &group.shared;
        let node = self.inner.identity.node;
        let mut store = self.inner.log.group(self.group);
        let committed = store.read_committed().await.map_err(|error| text(&error))?;
        let last = store.get_log_state().await.map_err(|error| text(&error))?.last_log_id;
        if let Some(file) = self.files.snapshots.newest(self.group) {
            self.files.taken(self.group, &file);
            if last.is_some_and(|last| Some(last) < file.meta.last_log_id && last.index >= file.index()) {
                // The snapshot came while the log still had entries of a leader that lost: they were never committed.
                let purged = store.get_log_state().await.map_err(|error| text(&error))?.last_purged_log_id;
                store.truncate_after(purged).await.map_err(|error| text(&error))?;
            }
        }
        let networks = Networks::<R, SnapshotFile>::new(Arc::clone(&self.transport), node, self.group);
        let machine = Machine::new(Arc::clone(shared), self.files.clone());
        let config = Arc::clone(&self.config);
        let raft = openraft::Raft::new(node, config, networks, store, machine).await;
        let raft = raft.map_err(|error| text(&error))?;
        if self.inner.identity.is_founder && last.is_none() {
            let members = BTreeMap::from([(node, self.member.clone())]);
            raft.initialize(members).await.map_err(|error| text(&error))?;
        }
        let alone = self.is_alone(&raft).await.map_err(|error| text(&error))?;
        // What a lone voter has in its log is committed: it acknowledged it by itself.
        let known = if alone { last } else { committed };
        shared.recover_to.store(known.map_or(0, |log_id| log_id.index + 1), Ordering::Release);
        if alone {
            // Nobody else can stand for election: no reason to wait.
            raft.trigger().elect(false).await.map_err(|error| text(&error))?;
        }
        assert!(group.raft.set(raft.clone()).is_ok(), "a group starts once");
        drop(R::spawn(submit(raft.clone(), Arc::clone(shared))));
        drop(R::spawn(carry(raft.clone(), Arc::clone(shared), Arc::clone(&self.transport))));
        drop(R::spawn(attend(raft, Arc::clone(&self.inner), self.group, self.timing.election_ms_max)));
        Ok(())
    }

    async fn is_alone(&self, raft: &Raft<R>) -> Result<bool, Fatal<Types<R>>> {
        let node = self.inner.identity.node;
        raft.with_raft_state(move |state| {
            let mut voters = state.membership_state.effective().membership().voter_ids();
            voters.next() == Some(node) && voters.next().is_none()
        })
        .await
    }
}

/// Watches a group to its end. The process has to stop when a group does by itself.
async fn attend<R: AsyncRuntime>(raft: Raft<R>, inner: Arc<Inner<R>>, group: GroupId, lease_ms: u64) {
    let log = inner.log.clone();
    let shared = Arc::clone(&inner.groups[usize::from(group.0)].shared);
    watch(raft.clone(), shared, lease_ms, move || log.is_full()).await;
    let running = raft.metrics().borrow_watched().running_state.clone();
    match running {
        Ok(()) | Err(Fatal::Stopped) => {}
        Err(error) => inner.fail(&format!("group {} has stopped: {error}", group.0)),
    }
}
