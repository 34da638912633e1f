//! Where a node lives: its disk and its address stay when its process ends.

use crate::cluster::runtime::Runtime;
use crate::disk::FaultyDisk;
use openraft::EntryPayload;
use openraft::Membership;
use openraft::async_runtime::AsyncRuntime;
use openraft::storage::{IOFlushed, RaftLogStorage};
use sluice_engine::id::GroupId;
use sluice_raft::log::{Entry, Log, LogId, LogOptions};
use sluice_raft::node::{Drawn, Identity, NodeConfig, Timing};
use sluice_raft::peer::Local;
use sluice_raft::types::{Member, NodeId};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

/// Nodes of the cluster; all vote.
pub(crate) const NODES: u64 = 3;
pub(crate) const GROUPS: u16 = 2;
const CLUSTER: u128 = 7;
const SECRET: [u8; 16] = [3; 16];
const EPOCH: u64 = 1_000;
/// So small that segments fill, snapshots are taken and followers need them, all within seconds.
const SEGMENT_BYTES: u64 = 32 << 10;
const SNAPSHOT_BYTES: u64 = 16 << 10;
const KEPT_ENTRIES: u64 = 30;

/// A node's place in the world.
pub(crate) struct Site {
    pub(crate) node: NodeId,
    pub(crate) disk: FaultyDisk<Runtime>,
}

impl Site {
    /// A site with a node that is a founding voter of every group: its log holds what setting the cluster up writes.
    pub(crate) async fn found(node: NodeId, seed: u64) -> Site {
        let disk = FaultyDisk::new(seed ^ node);
        let identity = Identity {
            cluster: CLUSTER,
            node,
            groups: GROUPS,
            secret: SECRET,
            epoch: EPOCH,
            is_founder: false,
        };
        identity.save(&disk).await.expect("an empty disk takes it");
        let log = open_log(node, &disk, seed ^ node << 32).await;
        let writer = Runtime::spawn(log.writer());
        for group in (0..GROUPS).map(GroupId) {
            let appended = log.group(group).append([founders()], IOFlushed::noop()).await;
            appended.expect("an empty log takes it");
        }
        log.close();
        writer.await.expect("the writer ends");
        disk.set_sync_us_max(2_000);
        Site { node, disk }
    }

    pub(crate) fn member(&self) -> Member {
        member(self.node)
    }
}

/// The log on a disk of this node's.
pub(crate) async fn open_log(node: NodeId, disk: &FaultyDisk<Runtime>, salt: u64) -> Log<Runtime> {
    let options = LogOptions { segment_bytes: SEGMENT_BYTES, ..LogOptions::new(node, CLUSTER, salt) };
    Log::open(Arc::new(disk.clone()), options).await.unwrap_or_else(|error| panic!("node {node}: {error}"))
}

fn member(node: NodeId) -> Member {
    Member { peer: format!("node-{node}:1"), ..Member::default() }
}

/// The first entry of every log: who votes.
fn founders() -> Entry {
    let voters: BTreeSet<NodeId> = (1..=NODES).collect();
    let members: std::collections::BTreeMap<NodeId, Member> =
        voters.iter().map(|node| (*node, member(*node))).collect();
    let membership = Membership::new(vec![voters], members).expect("every voter has an address");
    let log_id = LogId { leader_id: 0.into(), index: 0 };
    Entry { log_id, payload: EntryPayload::Membership(membership) }
}

/// How the node of a site is set up. Why it fails is put into `failure`.
pub(crate) fn config(site: &Site, failure: Arc<Mutex<Option<String>>>) -> NodeConfig {
    NodeConfig {
        disk: Arc::new(site.disk.clone()),
        member: site.member(),
        local: Arc::new(Local::default()),
        snapshot_bytes: SNAPSHOT_BYTES,
        kept_entries: KEPT_ENTRIES,
        segment_bytes: SEGMENT_BYTES,
        join: None,
        groups: GROUPS,
        epoch: EPOCH,
        timing: Timing::default(),
        drawn: Drawn { cluster: CLUSTER, secret: SECRET, salt: site.node },
        drive: Box::new(|writer| drop(Runtime::spawn(writer))),
        door: Arc::new(|wake| wake),
        background: Arc::new(|job| drop(Runtime::spawn(async move { job() }))),
        on_failure: Box::new(move |reason| {
            failure.lock().expect("no panic").get_or_insert_with(|| reason.to_owned());
        }),
    }
}
