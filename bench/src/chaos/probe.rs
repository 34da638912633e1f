//! How long writes are refused: one client a zone joins over and over, at the nodes that are up, until it is answered.

use super::cluster::{Cluster, Epoch};
use sluice_client::Connection;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Between two tries.
const TRY_EVERY: Duration = Duration::from_millis(20);
/// A node that has not answered after this long is left for another: a client's own patience.
const PATIENCE: Duration = Duration::from_secs(1);
/// Nobody waits longer.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Until a write to every zone was acknowledged, from `since` on; `None` where one never was.
pub(super) fn writes_resume(cluster: &Cluster, zones: &[String], since: Instant) -> Option<Duration> {
    writes_resume_without(cluster, zones, usize::MAX, since)
}

/// The same, without asking one of the nodes.
pub(super) fn writes_resume_without(
    cluster: &Cluster,
    zones: &[String],
    without: usize,
    since: Instant,
) -> Option<Duration> {
    let nodes = cluster.nodes.iter().enumerate().filter(|(node, _)| *node != without);
    let nodes: Vec<(SocketAddr, Arc<Epoch>)> =
        nodes.map(|(_, node)| (node.resp, Arc::clone(&node.epoch))).collect();
    let probes: Vec<_> = zones
        .iter()
        .enumerate()
        .map(|(n, zone)| {
            let (zone, nodes) = (zone.clone(), nodes.clone());
            thread::spawn(move || probe(&zone, &nodes, n, since))
        })
        .collect();
    // Each zone's answer is needed; the slowest is the answer.
    probes
        .into_iter()
        .map(|probe| probe.join().ok().flatten())
        .try_fold(Duration::ZERO, |most, one| Some(most.max(one?)))
}

fn probe(zone: &str, nodes: &[(SocketAddr, Arc<Epoch>)], first: usize, since: Instant) -> Option<Duration> {
    let (mut at, began) = (first, Instant::now());
    while began.elapsed() < GIVE_UP {
        at += 1;
        let (address, epoch) = &nodes[at % nodes.len()];
        if epoch.up().is_some() && join_and_leave(zone, *address) {
            return Some(since.elapsed());
        }
        super::cluster::pause(TRY_EVERY);
    }
    None
}

fn join_and_leave(zone: &str, address: SocketAddr) -> bool {
    let Ok(mut connection) = Connection::connect_within(address, PATIENCE) else { return false };
    let Ok(place) = connection.join(zone) else { return false };
    // Only who waits can leave; either way the join was acknowledged.
    let _ = connection.leave(zone, &place.token);
    true
}
