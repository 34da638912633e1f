//! From a data folder to running groups.

use openraft::Config;
use openraft::RaftLogReader as _;
use openraft::alias::MutexOf;
use openraft::async_runtime::Mutex as _;
use openraft::async_runtime::{AsyncRuntime, Instant, WatchReceiver};
use openraft::errors::Fatal;
use openraft::storage::RaftLogStorage;
use sluice_engine::id::GroupId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::admin::{Waiting, administer, heal};
use super::balance::balance;
use super::belong::{Belief, belong};
use super::clocks::heed_clocks;
use super::config::{NodeConfig, StartError, Timing};
use super::handover::guard_leadership;
use super::housekeeping::keep_house;
use super::identity::{self, Identity};
use super::ledger::{Ledger, Page};
use super::neighbours::Neighbours;
use super::proof::Proof;
use super::published::{Published, tell_others};
use super::secrets::{Secrets, follow_rotations};
use super::telling::{keep_ledger, tell_neighbours};
use super::{Front, Group, Inner, Node, repair};
use crate::disk::Disk;
use crate::group::{Clock, Files, Gate, Machine, Port, Raft, Shared, carry, open_gate, submit, watch};
use crate::limit::{CACHE_BYTES_MAX, CACHE_BYTES_MIN};
use crate::log::{CURE, Expected, GroupLog, Log, LogError, LogOptions, Promised, Short};
use crate::peer::{Networks, Transfers, Transport};
use crate::queue::Queue;
use crate::secret::{ClusterSecret, JoinSecret, Key, MemberSecrets};
use crate::snapshot::{SnapshotFile, Snapshots};
use crate::types::{Member, Types};

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
        let identity = identify(&config, &transport, front).await?;
        let secrets = Secrets::begin(&identity, &config);
        let raft_config = Arc::new(config.timing.raft_config(identity.cluster, config.kept_entries)?);
        let (ledger, snapshots, log) = open::<R>(&config, &identity).await?;
        drop(R::spawn(log.answers(&config.door)));
        (config.drive)(Box::pin(log.writer()));

        let clock = clock::<R>();
        let groups = make_groups::<R>(&identity, &clock);
        let ports = groups.iter().map(|group| Port::new(Arc::clone(&group.shared))).collect();
        let files = Files { snapshots: snapshots.clone(), log: log.clone(), background: config.background };
        let (before, is_alone) = (ledger.page.clone(), ledger.page.is_alone(identity.node));
        let inner = Arc::new(Inner {
            proof: Proof::new(identity.groups),
            member: config.member.clone(),
            boot: config.drawn.process.wrapping_add(before.number),
            statements: AtomicU64::new(0),
            accepts_loss: ledger.accepts_loss,
            is_new: before.is_new,
            members_before: before.members.clone(),
            voters_before: before.voters.clone(),
            ledger: MutexOf::<Types<R>, _>::new(ledger),
            transfers: Transfers::new(snapshots.checked(files.check())),
            snapshots,
            identity,
            log,
            transport: Arc::clone(&transport),
            clock,
            lease_ms: config.timing.election_ms_max,
            waiting: Waiting::default(),
            neighbours: Neighbours::new(&before.others),
            disk: config.disk,
            belief: Belief::default(),
            secrets,
            carried: AtomicUsize::new(0),
            on_removed: config.on_removed,
            operations: AtomicU64::new(config.drawn.process),
            requests: Arc::new(Queue::new()),
            published: Published::new(),
            refused: AtomicU64::new(0),
            groups,
            failure: Mutex::new(None),
            door: config.door,
            on_failure: config.on_failure,
        });
        inner.prove(&before, is_alone)?;
        // From here on the ledger is about the log as it is.
        inner.write_ledger().await;
        for group in (0..inner.identity.groups).map(GroupId) {
            let starting = Starting {
                inner: Arc::clone(&inner),
                group,
                config: Arc::clone(&raft_config),
                timing: config.timing,
                member: config.member.clone(),
                transport: Arc::clone(&transport),
                files: files.clone(),
                is_first: is_alone && (inner.accepts_loss || before.promised_in(group).last.is_none()),
            };
            drop(R::spawn(starting.run()));
        }
        front.open(Arc::clone(&inner));
        begin_tasks(&inner, config.snapshot_bytes);
        Ok((Node { inner }, ports))
    }
}

/// Who this node is: as the folder says, or as a new cluster does.
async fn identify<R: AsyncRuntime>(
    config: &NodeConfig,
    transport: &Arc<dyn Transport<R>>,
    front: &Front<R>,
) -> Result<Identity, StartError> {
    if let Some(identity) = Identity::load(&*config.disk).await? {
        if identity.is_removed {
            return Err(StartError::removed(&identity));
        }
        learn_join_secret(config, Some(&identity)).await?;
        return Ok(identity);
    }
    check_empty(&*config.disk).await?;
    learn_join_secret(config, None).await?;
    match &config.join {
        None => found(config).await,
        Some(at) => front.join(config, transport, at).await,
    }
}

/// What the folder holds.
async fn open<R: AsyncRuntime>(
    config: &NodeConfig,
    identity: &Identity,
) -> Result<(Ledger, Snapshots, Log<R>), StartError> {
    let ledger = Ledger::open(Arc::clone(&config.disk)).await?;
    let options = LogOptions {
        segment_bytes: config.segment_bytes,
        cache_bytes: cache_bytes(config.cache_bytes, identity.groups),
        expected: expected(&ledger, identity),
        ..LogOptions::new(identity.node, identity.cluster, config.drawn.salt)
    };
    let snapshots = Snapshots::open(Arc::clone(&config.disk), identity.cluster).await?;
    let log = Log::<R>::open(Arc::clone(&config.disk), options).await?;
    repair::check_votes(&log, identity.groups).await?;
    Ok((ledger, snapshots, log))
}

/// The part of one group.
fn cache_bytes(all: u64, groups: u16) -> usize {
    let part = all / u64::from(groups.max(1));
    usize::try_from(part).unwrap_or(usize::MAX).clamp(CACHE_BYTES_MIN, CACHE_BYTES_MAX)
}

fn make_groups<R: AsyncRuntime>(identity: &Identity, clock: &Clock) -> Vec<Group<R>> {
    let gate = Arc::new(Gate::default());
    let shared =
        |group| Arc::new(Shared::new(GroupId(group), identity.node, Arc::clone(clock), Arc::clone(&gate)));
    let group = |group| Group { shared: shared(group), raft: OnceLock::new() };
    let groups: Vec<Group<R>> = (0..identity.groups).map(group).collect();
    let left = groups.iter().map(|group| Arc::clone(&group.shared)).collect();
    drop(R::spawn(open_gate(gate, left)));
    groups
}

/// What goes on beside the groups, as long as the node is there.
fn begin_tasks<R: AsyncRuntime>(inner: &Arc<Inner<R>>, snapshot_bytes: u64) {
    drop(R::spawn(heed_log(Arc::clone(inner))));
    drop(R::spawn(belong(Arc::downgrade(inner))));
    drop(R::spawn(heal(Arc::downgrade(inner))));
    drop(R::spawn(follow_rotations(Arc::downgrade(inner))));
    drop(R::spawn(administer(Arc::downgrade(inner), Arc::clone(&inner.requests))));
    drop(R::spawn(tell_others(Arc::downgrade(inner), Arc::clone(&inner.published))));
    drop(R::spawn(tell_neighbours(Arc::downgrade(inner))));
    drop(R::spawn(keep_ledger(Arc::downgrade(inner))));
    drop(R::spawn(guard_leadership(Arc::downgrade(inner))));
    drop(R::spawn(balance(Arc::downgrade(inner))));
    drop(R::spawn(heed_clocks(Arc::downgrade(inner))));
    drop(R::spawn(keep_house(Arc::downgrade(inner), snapshot_bytes)));
}

/// A log and snapshots belong to somebody, who is not to be overwritten.
async fn check_empty(disk: &dyn Disk) -> Result<(), StartError> {
    for folder in ["log", "snapshot"] {
        let names = disk.list(folder).await.map_err(StartError::Folder)?;
        if names.iter().any(|name| name.ends_with(".seg") || name.ends_with(".snap")) {
            return Err(StartError::Stray(folder));
        }
    }
    Ok(())
}

/// What the log has to reach. A node that alone knows what it acknowledged does not go on with less.
fn expected(ledger: &Ledger, identity: &Identity) -> Option<Expected> {
    let mark = ledger.page.mark.filter(|_| !ledger.accepts_loss)?;
    let or_refuse = ledger.page.is_alone(identity.node);
    Some(Expected { mark, or_refuse })
}

impl<R: AsyncRuntime> Inner<R> {
    /// Compares what the disk holds with what was written down.
    fn prove(&self, before: &Page, is_alone: bool) -> Result<(), LogError> {
        if self.accepts_loss {
            tracing::warn!("what is missing in log/ is given up, as the operator said");
            let knows_nobody = before.number == 0 && self.has().iter().all(|has| has.last.is_none());
            if knows_nobody {
                tracing::warn!(
                    "neither node/ledger nor log/ says which nodes there are: this one waits for the others of its cluster; where \
                     there are none, begin anew in an empty folder"
                );
            }
            return Ok(());
        }
        let short = self.log.short().cloned();
        for (group, has) in (0..self.identity.groups).map(GroupId).zip(self.has()) {
            let promised = before.promised_in(group).believable(&has);
            if short.is_none() && has.keeps(&promised) {
                continue;
            }
            let what = format!("ends before entry {} of group {}", next_index(promised), group.0);
            let lost = short.clone().unwrap_or(Short { file: "log".to_owned(), what });
            if is_alone {
                return Err(LogError::Short { file: lost.file, what: lost.what });
            }
            tracing::error!(
                group = group.0,
                "{} {}: this node has less than it acknowledged, and neither votes nor leads until a leader has given that back; put \
                 the newest files back into log/ where no leader is left",
                lost.file,
                lost.what
            );
            self.proof.fell_behind(group, promised);
        }
        Ok(())
    }
}

fn next_index(promised: Promised) -> u64 {
    promised.last.map_or(0, |last| last.index + 1)
}

async fn found(config: &NodeConfig) -> Result<Identity, StartError> {
    let secret = ClusterSecret::new(config.drawn.secret);
    let identity = Identity {
        cluster: config.drawn.cluster,
        node: crate::cluster::FOUNDER,
        groups: config.groups,
        secret,
        members: MemberSecrets::founding(secret),
        epoch: config.epoch,
        is_founder: true,
        contacts: Vec::new(),
        is_removed: false,
    };
    identity.save(&*config.disk).await?;
    Ok(identity)
}

/// The join secret of this node: the configured one, else what the folder holds, else with certificates none. A node that founds,
/// or founded, makes one where there is none of these: others are given it from its folder.
async fn learn_join_secret(config: &NodeConfig, identity: Option<&Identity>) -> Result<(), StartError> {
    let disk = &*config.disk;
    let held = identity::load_join_secret(disk).await?;
    let founds = identity.map_or(config.join.is_none(), |identity| identity.is_founder);
    let key = match (&config.join_secret, held) {
        (Some(configured), held) => {
            if held.as_ref() != Some(configured) {
                identity::save_join_secret(disk, configured).await?;
            }
            Some(configured.key())
        }
        (None, _) if config.local.tls().is_some() => Some(Key::of_certificates()),
        (None, Some(held)) => Some(held.key()),
        (None, None) if founds => {
            let drawn = JoinSecret::of(config.drawn.join_secret);
            identity::save_join_secret(disk, &drawn).await?;
            Some(drawn.key())
        }
        (None, None) if identity.is_none() => return Err(StartError::NoJoinSecret),
        (None, None) => None,
    };
    config.local.let_join(key);
    Ok(())
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
    /// Nothing was ever logged in this group.
    is_first: bool,
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
        let newest = self.files.snapshots.newest(self.group);
        let has_snapshot = newest.is_some();
        check_snapshot(&mut store, newest.as_ref()).await?;
        if let Some(file) = newest {
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
        if self.inner.identity.is_founder && self.is_first && last.is_none() && !has_snapshot {
            let members = BTreeMap::from([(node, self.member.clone())]);
            raft.initialize(members).await.map_err(|error| text(&error))?;
        }
        let alone = self.is_alone(&raft).await.map_err(|error| text(&error))?;
        // What a lone voter has in its log is committed: it acknowledged it by itself.
        let known = if alone { last } else { committed };
        let needed = self.inner.proof.needs(self.group).and_then(|needed| needed.last);
        let known = known.max(needed);
        // One that is new in the group is ready when it has what was there before it.
        if self.is_named(&raft).await.map_err(|error| text(&error))? {
            shared.recover_to.store(known.map_or(0, |log_id| log_id.index + 1), Ordering::Release);
        }
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

    /// Whether the log names this node as a member of the group.
    async fn is_named(&self, raft: &Raft<R>) -> Result<bool, Fatal<Types<R>>> {
        let node = self.inner.identity.node;
        raft.with_raft_state(move |state| {
            state.membership_state.effective().membership().get_node(&node).is_some()
        })
        .await
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

/// The log begins where the newest snapshot ends, or before, and where both have an entry that is committed it is the same one.
async fn check_snapshot<R: AsyncRuntime>(
    store: &mut GroupLog<R>,
    newest: Option<&SnapshotFile>,
) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let purged = store.get_log_state().await.map_err(text)?.last_purged_log_id;
    let held = newest.and_then(|file| file.meta.last_log_id);
    let cure = format!("put the newest files back into snapshot/, or {CURE}");
    if let Some(purged) = purged.filter(|purged| held.is_none_or(|held| held.index < purged.index)) {
        let held =
            held.map_or("there is none".to_owned(), |held| format!("the newest ends with {}", held.index));
        return Err(format!(
            "its log begins behind entry {}, which a snapshot held, and {held}; {cure}",
            purged.index
        ));
    }
    let Some(held) = held else { return Ok(()) };
    let committed = store.read_committed().await.map_err(text)?;
    let there = store.try_get_log_entries(held.index..held.index + 1).await.map_err(text)?;
    match there.first() {
        Some(entry) if committed >= Some(entry.log_id) && entry.log_id != held => Err(format!(
            "its snapshot ends with entry {} of term {}, which is of term {} in the log; {cure}",
            held.index, held.leader_id.term, entry.log_id.leader_id.term
        )),
        _ => Ok(()),
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
        // What a node that stops has no room for was promised to nobody.
        Err(_) if inner.log.gave_up() => {}
        Err(error) => inner.fail(&format!("group {} has stopped: {error}", group.0)),
    }
}
