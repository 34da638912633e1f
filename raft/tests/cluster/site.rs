//! Where a node lives: its disk and its address stay when its process ends.

use crate::cluster::runtime::Runtime;
use crate::disk::FaultyDisk;
use openraft::EntryPayload;
use openraft::Membership;
use openraft::async_runtime::AsyncRuntime;
use openraft::storage::{IOFlushed, RaftLogStorage};
use sluice_engine::id::GroupId;
use sluice_raft::cluster::Change;
use sluice_raft::codec;
use sluice_raft::log::{Entry, Log, LogId, LogOptions};
use sluice_raft::node::{Drawn, Identity, NodeConfig, Timing};
use sluice_raft::peer::Local;
use sluice_raft::secret::{ClusterSecret, JoinSecret, MemberSecrets};
use sluice_raft::types::{Command, Member, NodeId};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Nodes of the cluster when it is founded; all vote.
pub(crate) const FOUNDERS: u64 = 3;
/// Nodes that there may be at once.
pub(crate) const SITES_MAX: usize = 5;
pub(crate) const GROUPS: u16 = 2;
const CLUSTER: u128 = 7;
const SECRET: [u8; 16] = [3; 16];
/// What it is rotated to.
pub(crate) const LATER: [u8; 16] = [4; 16];
const EPOCH: u64 = 1_000;
/// So small that segments fill, snapshots are taken and followers need them, all within seconds.
const SEGMENT_BYTES: u64 = 32 << 10;
const SNAPSHOT_BYTES: u64 = 16 << 10;
const KEPT_ENTRIES: u64 = 30;

/// A node that has no id yet is known by its place and this.
const NAMELESS: NodeId = 1_000_000;

type Payload = EntryPayload<Command, NodeId, Member>;

/// A node's place in the world.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) node: NodeId,
    pub(crate) address: String,
    pub(crate) disk: FaultyDisk<Runtime>,
    /// Ticks of its clock for a million true ones.
    pub(crate) rate: u64,
    /// Whom it asks to be added, unless it founded the cluster.
    pub(crate) join: Option<String>,
}

impl Site {
    /// A site with a node that is a founding voter of every group: its log holds what setting the cluster up writes.
    pub(crate) async fn found(node: NodeId, seed: u64, rate: u64) -> Site {
        let disk = FaultyDisk::new(seed ^ node);
        let identity = Identity {
            cluster: CLUSTER,
            node,
            groups: GROUPS,
            secret: ClusterSecret::new(SECRET),
            members: MemberSecrets::founding(ClusterSecret::new(SECRET)),
            epoch: EPOCH,
            is_founder: false,
            contacts: Vec::new(),
            is_removed: false,
        };
        identity.save(&disk).await.expect("an empty disk takes it");
        let log = open_log(node, &disk, seed ^ node << 32).await;
        let writer = Runtime::spawn(log.writer());
        for group in (0..GROUPS).map(GroupId) {
            let appended = log.group(group).append(founding(group), IOFlushed::noop()).await;
            appended.expect("an empty log takes it");
        }
        log.close();
        writer.await.expect("the writer ends");
        disk.set_sync_us_max(2_000);
        Site { node, address: address(node), disk, rate, join: None }
    }

    /// A site with an empty disk, at an address where nobody was before. Its node asks the one at `join` to be added.
    pub(crate) fn empty(place: u64, seed: u64, rate: u64, join: &str) -> Site {
        let disk = FaultyDisk::new(seed);
        disk.set_sync_us_max(2_000);
        Site { node: NAMELESS + place, address: address(place), disk, rate, join: Some(join.to_owned()) }
    }

    fn member(&self) -> Member {
        Member { peer: self.address.clone(), ..Member::default() }
    }
}

fn address(place: u64) -> String {
    format!("node-{place}:1")
}

/// The log on a disk of this node's.
pub(crate) async fn open_log(node: NodeId, disk: &FaultyDisk<Runtime>, salt: u64) -> Log<Runtime> {
    let options = LogOptions { segment_bytes: SEGMENT_BYTES, ..LogOptions::new(node, CLUSTER, salt) };
    Log::open(Arc::new(disk.clone()), options).await.unwrap_or_else(|error| panic!("node {node}: {error}"))
}

fn member(node: NodeId) -> Member {
    Member { peer: address(node), ..Member::default() }
}

/// The first entries of a group's log: who votes, and in the first group which ids are taken.
fn founding(group: GroupId) -> Vec<Entry> {
    let added = (2..=FOUNDERS).flat_map(|node| {
        let add = Change::Add { node, member: member(node), nonce: node, votes: true };
        [add, Change::Enter { node, member: member(node) }]
    });
    let added = added.filter(|_| group == GroupId(0));
    let commands = added.map(|change| EntryPayload::Normal(Command::Cluster(codec::encode(&change))));
    let payloads = std::iter::once(founders()).chain(commands);
    let entry = |(index, payload)| Entry { log_id: LogId { leader_id: 0.into(), index }, payload };
    (0..).zip(payloads).map(entry).collect()
}

fn founders() -> Payload {
    let voters: BTreeSet<NodeId> = (1..=FOUNDERS).collect();
    let members: std::collections::BTreeMap<NodeId, Member> =
        voters.iter().map(|node| (*node, member(*node))).collect();
    let membership = Membership::new(vec![voters], members).expect("every voter has an address");
    EntryPayload::Membership(membership)
}

/// How the node of a site is set up. Why it fails is put into `failure`; that it was removed, into `removal`.
pub(crate) fn config(
    site: &Site,
    failure: Arc<Mutex<Option<String>>>,
    removal: Arc<Mutex<Option<String>>>,
) -> NodeConfig {
    NodeConfig {
        disk: Arc::new(site.disk.clone()),
        member: site.member(),
        local: Arc::new(Local::default()),
        snapshot_bytes: SNAPSHOT_BYTES,
        kept_entries: KEPT_ENTRIES,
        segment_bytes: SEGMENT_BYTES,
        cache_bytes: 0,
        join: site.join.clone(),
        join_secret: Some(JoinSecret::of([6; 32])),
        groups: GROUPS,
        epoch: EPOCH,
        timing: Timing::default(),
        drawn: Drawn {
            cluster: CLUSTER,
            secret: SECRET,
            join_secret: [6; 32],
            salt: site.node << 8,
            process: site.node,
            later: Arc::new(|| Some(LATER)),
        },
        drive: Box::new(|writer| drop(Runtime::spawn(writer))),
        door: Arc::new(|wake| wake),
        background: Arc::new(|job| drop(Runtime::spawn(async move { job() }))),
        on_removed: Box::new(move |line| *removal.lock().expect("no panic") = Some(line.to_owned())),
        on_failure: Box::new(move |reason| {
            failure.lock().expect("no panic").get_or_insert_with(|| reason.to_owned());
        }),
    }
}
