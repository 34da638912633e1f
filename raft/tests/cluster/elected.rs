//! What a leader decides that was elected a moment ago, and has not applied yet what the ones before it decided.

use crate::cluster::client::pause;
use crate::cluster::process::Process;
use crate::cluster::runtime::{Runtime, panicked};
use crate::cluster::world::World;
use openraft::async_runtime::AsyncRuntime;
use sluice_raft::cluster::{AdminReply, AdminRequest};
use sluice_raft::node::Identity;
use sluice_raft::types::NodeId;

/// What has to come does within this, ms.
const WITHIN_MS: u64 = 20_000;
/// So long a sync takes once all have started again, µs: a leader is seen to lead before it can have applied anything.
const SLOW_SYNC_US: u64 = 50_000;

/// A rotation waits for a node that is down, and is ended when that one is back. Then the power of all fails at once, and whoever leads
/// afterwards is asked for a rotation at once: it is another one. True where that leader had still to apply the end of the first.
pub(crate) fn rotates_again(seed: u64) -> bool {
    Runtime::with_seed(seed).block_on(async {
        let mut world = World::found(seed).await;
        let old = leader(&world).await;
        let down = world.nodes().into_iter().find(|node| *node != old).expect("three nodes");
        world.crash(down, true);
        let first = rotate(&world, old).await;
        assert!(first.message.contains(&format!("it waits for node {down}")), "{first:?}");
        world.start(down).await;
        let over = until_it_is_over(&world).await;
        for node in world.nodes() {
            world.crash(node, true);
            world.sites[&node].disk.set_sync_us(SLOW_SYNC_US..=SLOW_SYNC_US);
        }
        for node in world.nodes() {
            world.start(node).await;
        }
        let new = leader(&world).await;
        let is_behind = applied(&world.running[&new]) < over;
        let second = rotate(&world, new).await;
        assert!(second.message.starts_with("secret 3 is in force"), "{second:?}");
        world.end().await;
        is_behind
    })
}

fn applied(process: &Process) -> u64 {
    process.status().groups[0].applied
}

/// Waits until the first node knows that the rotation is over; what it has applied then.
async fn until_it_is_over(world: &World) -> u64 {
    let until = world.town.now() + WITHIN_MS;
    loop {
        for (node, process) in &world.running {
            let identity = Identity::load(&world.sites[node].disk).await.expect("it can be read");
            let members = identity.expect("there is one").members;
            if (members.number, members.before) == (2, None) {
                return applied(process);
            }
        }
        assert!(world.town.now() < until, "the rotation does not end");
        pause(1).await;
    }
}

/// Whoever leads the first group, as soon as it does.
async fn leader(world: &World) -> NodeId {
    let until = world.town.now() + WITHIN_MS;
    let leads = |process: &&Process| process.status().groups[0].leader == Some(process.id());
    loop {
        if let Some(leader) = world.running.values().find(leads) {
            return leader.id();
        }
        assert!(!panicked(), "see above");
        assert!(world.town.now() < until, "nobody leads");
        pause(1).await;
    }
}

async fn rotate(world: &World, node: NodeId) -> AdminReply {
    let answer = world.running[&node].administer(AdminRequest::RotateSecret { number: None });
    answer.await.expect("the node runs").expect("nothing is broken")
}
