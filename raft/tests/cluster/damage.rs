//! Damage that no crash explains: a flipped bit, in what was durable long ago or in the last write; a file that is gone. A
//! node has to refuse it.

use crate::cluster::runtime::Runtime;
use crate::cluster::site::{Site, open_log};
use crate::cluster::world::World;
use crate::disk::FaultyDisk;
use sluice_raft::types::NodeId;

const IDENTITY: &str = "node/identity";

/// Damages a copy of the disk of a node that is down, and tries to start from it.
///
/// # Panics
/// Where the node starts.
pub(crate) async fn refuses_damage(world: &mut World, node: NodeId) {
    let disk = world.sites[&node].disk.copy();
    // What the power cut short is cut off, so that every byte counts.
    open_log(node, &disk, world.rng.u64(..)).await;
    let what = damage(&disk, &mut world.rng);
    let site = Site { disk, ..world.sites[&node].clone() };
    let started = world.try_start(&site).await;
    let error = started.err().unwrap_or_else(|| panic!("node {node} starts although {what}"));
    assert!(!error.to_string().is_empty(), "a refusal says what to do");
    world.town.judge().tally.damaged += 1;
}

/// Returns what was done.
fn damage(disk: &FaultyDisk<Runtime>, rng: &mut fastrand::Rng) -> String {
    let mut segments = disk.names("log");
    segments.retain(|name| name.ends_with(".seg"));
    segments.sort();
    if segments.len() >= 4 && rng.u8(..4) == 0 {
        let path = format!("log/{}", segments[1]);
        disk.lose(&path);
        return format!("{path} is lost");
    }
    let path = match rng.u8(..8) {
        0 => IDENTITY.to_owned(),
        1..4 => format!("log/{}", segments[segments.len() - 1]),
        _ => format!("log/{}", segments[rng.usize(..segments.len())]),
    };
    let mut content = disk.read(&path);
    let written = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let at = rng.usize(..written);
    content[at] ^= 1 << rng.u8(..8);
    disk.replace(&path, content);
    format!("a bit of {path} is flipped at {at}")
}
