//! What goes wrong, and how it is put right again.

use crate::cluster::damage::refuses_damage;
use crate::cluster::world::World;
use crate::net::Faults;
use sluice_raft::types::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Of 100 steps, so many bring something new.
const NEW_OF_100: u8 = 5;
/// Longest time that a process is stopped or a node is down, ms.
const OUTAGE_MS_MAX: u64 = 2_500;

/// A disk that is full has less room than this left.
const MORE_ROOM_BYTES: u64 = 8 << 10;
/// Longest jump of a clock, ms.
const JUMP_MS_MAX: u64 = 5_000;

/// How a trouble ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cure {
    Start(NodeId),
    Resume(NodeId),
    Heal,
    Calm,
    MakeRoom(NodeId),
}

/// What is broken now.
#[derive(Default)]
pub(crate) struct Trouble {
    cures: BTreeMap<(u64, u64), Cure>,
    planned: u64,
    /// Nodes whose disk was broken: these have to fail.
    broken: BTreeSet<NodeId>,
}

impl Trouble {
    /// Brings something new now and then, and ends what is over.
    pub(crate) async fn step(&mut self, world: &mut World) {
        self.take_failures(world);
        let now = world.town.now();
        while let Some(cure) = self.due(now) {
            self.cure(world, cure).await;
        }
        if world.rng.u8(..100) < NEW_OF_100 {
            world.town.judge().tally.faults += 1;
            self.happen(world).await;
        }
    }

    /// Puts everything right.
    pub(crate) async fn heal(&mut self, world: &mut World) {
        self.take_failures(world);
        self.plan(world, 0, Cure::Calm);
        self.plan(world, 0, Cure::Heal);
        while let Some(cure) = self.due(u64::MAX) {
            self.cure(world, cure).await;
        }
        // A broken disk may not have been asked for anything yet.
        for node in std::mem::take(&mut self.broken) {
            world.crash(node, true);
        }
        for node in world.nodes() {
            if !world.running.contains_key(&node) {
                world.start(node).await;
            }
        }
    }

    fn due(&mut self, now: u64) -> Option<Cure> {
        let first = self.cures.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    fn plan(&mut self, world: &World, in_ms: u64, cure: Cure) {
        self.planned += 1;
        self.cures.insert((world.town.now() + in_ms, self.planned), cure);
    }

    async fn cure(&mut self, world: &mut World, cure: Cure) {
        world.note(format_args!("{cure:?}"));
        match cure {
            Cure::Start(node) if world.may_start(node) => {
                if world.rng.u8(..4) == 0 {
                    refuses_damage(world, node).await;
                }
                world.start(node).await;
            }
            Cure::Start(_) => {}
            Cure::Resume(node) => {
                if let Some(process) = world.running.get(&node) {
                    process.host.resume();
                }
            }
            Cure::Heal => world.net.heal(),
            Cure::Calm => world.net.set_faults(Faults::NONE),
            Cure::MakeRoom(node) => {
                if let Some(site) = world.sites.get(&node) {
                    site.disk.set_room(u64::MAX);
                }
            }
        }
    }

    /// A process that cannot go on stops.
    fn take_failures(&mut self, world: &mut World) {
        for node in world.nodes() {
            let Some(reason) = world.running.get(&node).and_then(|process| process.failed()) else {
                continue;
            };
            assert!(self.broken.remove(&node), "node {node} fails for no reason: {reason}");
            self.stop(world, node, true);
        }
    }

    /// Ends a process and plans its next start.
    fn stop(&mut self, world: &mut World, node: NodeId, is_power_cut: bool) {
        self.broken.remove(&node);
        world.crash(node, is_power_cut);
        let down_ms = world.rng.u64(..OUTAGE_MS_MAX);
        self.plan(world, down_ms, Cure::Start(node));
    }

    async fn happen(&mut self, world: &mut World) {
        let nodes = world.nodes();
        let chosen = world.rng.usize(..nodes.len());
        let (node, other) = (nodes[chosen], nodes[(chosen + 1) % nodes.len()]);
        let ms = world.rng.u64(50..OUTAGE_MS_MAX);
        let what = world.rng.u8(..22);
        world.note(format_args!("trouble {what} of node {node} for {ms} ms"));
        match what {
            0..4 => self.stop(world, node, true),
            4..6 => self.stop(world, node, self.broken.contains(&node)),
            6 => {
                let _never_came = world.lose_newcomers().await;
                world.nodes().into_iter().for_each(|node| self.stop(world, node, true));
            }
            7..10 => {
                if let Some(process) = world.running.get(&node) {
                    process.host.pause();
                    self.plan(world, ms, Cure::Resume(node));
                }
            }
            10..12 => {
                for other in nodes.into_iter().filter(|other| *other != node) {
                    world.net.cut(node, other);
                    world.net.cut(other, node);
                }
                self.plan(world, ms, Cure::Heal);
            }
            12..14 => {
                world.net.cut(node, other);
                self.plan(world, ms, Cure::Heal);
            }
            14 => {
                world.net.cut(other, node);
                self.plan(world, ms, Cure::Heal);
            }
            15..18 => {
                world.net.set_faults(faults(&mut world.rng));
                self.plan(world, ms, Cure::Calm);
            }
            18 => {
                let disk = &world.sites[&node].disk;
                // The last bytes go to whoever comes first: also to the beginning of a snapshot.
                disk.set_room(disk.used() + world.rng.u64(..MORE_ROOM_BYTES));
                self.plan(world, ms, Cure::MakeRoom(node));
            }
            19 => {
                if world.running.contains_key(&node) {
                    world.sites[&node].disk.break_sync();
                    self.broken.insert(node);
                }
            }
            _ => jump(world, node),
        }
    }
}

/// As after the machine was suspended, but for what has gone on meanwhile.
fn jump(world: &mut World, node: NodeId) {
    let Some(process) = world.running.get(&node) else { return };
    let ms = world.rng.u64(1..=JUMP_MS_MAX);
    process.host.jump(Duration::from_millis(ms));
    let now = world.town.now();
    world.town.judge().once.jumped(now, ms);
}

fn faults(rng: &mut fastrand::Rng) -> Faults {
    Faults {
        delay_us: 50..=rng.u64(1_000..60_000),
        lost: rng.u32(..150),
        broken: rng.u32(..100),
        repeated: rng.u32(..100),
        reordered: rng.u32(..200),
        detour_us: rng.u64(1..200_000),
    }
}
