//! Damage that no crash explains: a flipped bit in what was durable long ago, a file that is gone. A node has to refuse it.

use crate::cluster::runtime::Runtime;
use crate::cluster::site::Site;
use crate::cluster::world::World;
use crate::disk::FaultyDisk;
use sluice_raft::types::NodeId;

/// A segment that has a successor is full of records at least up to here.
const RECORDS_BYTES: usize = 8 << 10;
const IDENTITY: &str = "node/identity";

/// Damages a copy of the disk of a node that is down, and tries to start from it.
///
/// # Panics
/// Where the node starts.
pub(crate) async fn refuses_damage(world: &mut World, node: NodeId) {
    let disk = world.sites[&node].disk.copy();
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
    // The last one may be torn, and of the one before the seal may be missing.
    let sealed = segments.len().saturating_sub(2);
    if sealed >= 2 && rng.bool() {
        let path = format!("log/{}", segments[1]);
        disk.lose(&path);
        return format!("{path} is lost");
    }
    let (path, bytes) = match sealed {
        0 => (IDENTITY.to_owned(), usize::MAX),
        _ => (format!("log/{}", segments[rng.usize(..sealed)]), RECORDS_BYTES),
    };
    let mut content = disk.read(&path);
    let at = rng.usize(..content.len().min(bytes));
    content[at] ^= 1 << rng.u8(..8);
    disk.replace(&path, content);
    format!("a bit of {path} is flipped at {at}")
}
