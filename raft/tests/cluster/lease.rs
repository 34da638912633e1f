//! What a leader answers while another one may lead already: nothing that was written over in between.

use crate::cluster::client::{SETTLED_MS, Town, pause};
use crate::cluster::door::{Request, Told};
use crate::cluster::runtime::{Runtime, panicked};
use crate::cluster::site::GROUPS;
use crate::cluster::world::World;
use crate::cluster::writer::{STREAMS, read};
use openraft::async_runtime::AsyncRuntime;
use sluice_engine::slot::group_of;
use sluice_raft::types::NodeId;
use std::sync::{Arc, Mutex, MutexGuard};

/// A sync that takes longer than any proof lasts, µs.
const SLOW_SYNC_US: u64 = 700_000;
/// How long is written and read after leadership moved, ms.
const WATCH_MS: u64 = 1_500;
/// A lost leader is replaced within this, ms.
const REPLACED_MS: u64 = 5_000;
/// After so long one that does not answer counts as dead, ms.
const SILENT_MS: u64 = 1_500;
/// The pause between two questions, ms.
const PACE_MS: u64 = 3;

/// Appends that were acknowledged: when, and which number each had.
#[derive(Clone, Default)]
struct Acked(Arc<Mutex<Vec<(u64, u64)>>>);

impl Acked {
    fn list(&self) -> MutexGuard<'_, Vec<(u64, u64)>> {
        self.0.lock().expect("no panic")
    }

    /// Entries that were acknowledged before that moment.
    fn before(&self, at: u64) -> u64 {
        self.list().iter().filter(|(acked, _)| *acked < at).map(|(_, number)| *number).max().unwrap_or(0)
    }
}

/// Appends at a node until the world closes.
async fn write(town: Arc<Town>, node: NodeId, key: &'static str, acked: Acked) {
    for count in 0_u64.. {
        if town.is_closing.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        let request = Request::Append { key, text: format!("{key}-{node}-{count}") };
        if let Some(Ok(Told::Added { number, .. })) = town.ask(node, request).await {
            acked.list().push((town.now(), number));
        }
        pause(PACE_MS).await;
    }
}

fn leader(world: &World, key: &str) -> Option<NodeId> {
    let group = group_of(key.as_bytes(), GROUPS);
    let led = |node: &NodeId| {
        let status = world.running.get(node)?.status();
        status.groups.get(usize::from(group.0)).filter(|group| group.leader == Some(*node))?;
        Some(*node)
    };
    world.nodes().iter().find_map(led)
}

async fn lead(world: &World, key: &str) -> NodeId {
    loop {
        if let Some(leader) = leader(world, key) {
            return leader;
        }
        pause(PACE_MS).await;
        assert!(!panicked(), "see above");
    }
}

/// A leader whose disk is slow gives its groups away, and another one acknowledges writes long before it hears of that. True where
/// there were some while its last proof would still have counted.
pub(crate) fn gives_away(seed: u64) -> bool {
    Runtime::with_seed(seed).block_on(async {
        let world = World::found(seed).await;
        let key = STREAMS[0];
        let old = lead(&world, key).await;
        let other = world.nodes().into_iter().find(|node| *node != old).expect("three nodes");
        let acked = Acked::default();
        let writer = Runtime::spawn(write(Arc::clone(&world.town), other, key, acked.clone()));
        while acked.list().is_empty() {
            pause(PACE_MS).await;
        }
        world.sites[&old].disk.set_sync_us(SLOW_SYNC_US..=SLOW_SYNC_US);
        let began = world.town.now();
        world.running[&old].hand_over();
        while world.town.now() < began + WATCH_MS {
            let asked = world.town.now();
            if let Some((_, count)) = read(&world.town, old, key).await {
                // What a follower knows may be so old.
                let due = acked.before(asked.saturating_sub(SETTLED_MS));
                assert!(
                    count >= due,
                    "node {old} tells of {count} entries at {asked}, {due} were acknowledged"
                );
            }
            pause(PACE_MS).await;
        }
        let is_telling = acked.list().iter().any(|(at, _)| (began + 30..began + 200).contains(at));
        world.sites[&old].disk.set_sync_us_max(2_000);
        close(world, [writer]).await;
        is_telling
    })
}

/// A voter ends and starts again while the leader counts on its answer, and the third node, which does not hear the leader, asks it
/// for its vote.
pub(crate) fn restarts(seed: u64) {
    Runtime::with_seed(seed).block_on(async {
        let mut world = World::found(seed).await;
        let key = STREAMS[0];
        let old = lead(&world, key).await;
        let mut others = world.nodes().into_iter().filter(|node| *node != old);
        let (voter, candidate) = (others.next().expect("three nodes"), others.next().expect("three nodes"));
        let acked = Acked::default();
        while read(&world.town, old, key).await.is_none() {
            pause(PACE_MS).await;
        }
        world.net.cut(old, candidate);
        world.net.cut(candidate, old);
        let writer = Runtime::spawn(write(Arc::clone(&world.town), candidate, key, acked.clone()));
        // At any moment of the candidate's tries.
        pause(2_000 + world.rng.u64(..1_000)).await;
        world.crash(voter, false);
        world.start(voter).await;
        let began = world.town.now();
        while world.town.now() < began + WATCH_MS {
            let (asked, due) = (world.town.now(), acked.before(world.town.now()));
            if let Some((_, count)) = read(&world.town, old, key).await {
                assert!(
                    count >= due,
                    "node {old} tells of {count} entries at {asked}, {due} were acknowledged"
                );
            }
            pause(PACE_MS).await;
        }
        world.crash(old, false);
        let lost = world.town.now();
        while acked.list().is_empty() {
            assert!(world.town.now() < lost + REPLACED_MS, "liveness: nobody takes over");
            pause(PACE_MS).await;
        }
        world.net.heal();
        world.start(old).await;
        close(world, [writer]).await;
    });
}

/// A leader gives its group away while the voter that comes first is dead. Returns how long nobody led, ms.
pub(crate) fn gives_to_the_living(seed: u64) -> u64 {
    Runtime::with_seed(seed).block_on(async {
        let mut world = World::found(seed).await;
        let key = STREAMS[0];
        let old = lead(&world, key).await;
        while read(&world.town, old, key).await.is_none() {
            pause(PACE_MS).await;
        }
        // Of those that have as much of the log the last one comes first.
        let dead = world.nodes().into_iter().rfind(|node| *node != old).expect("three nodes");
        world.crash(dead, false);
        pause(SILENT_MS).await;
        let began = world.town.now();
        world.running[&old].hand_over();
        while leader(&world, key).is_none_or(|leader| leader == old) {
            assert!(world.town.now() < began + REPLACED_MS, "liveness: nobody takes over");
            pause(PACE_MS).await;
        }
        let took_ms = world.town.now() - began;
        world.start(dead).await;
        close(world, [std::future::ready(())]).await;
        took_ms
    })
}

async fn close<H: Future>(mut world: World, tasks: impl IntoIterator<Item = H>) {
    world.town.is_closing.store(true, std::sync::atomic::Ordering::Relaxed);
    for task in tasks {
        task.await;
    }
    world.agree().await;
    world.end().await;
}
