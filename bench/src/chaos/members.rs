//! Members that change while clients go on: from three nodes to five and back, with a dead one replaced and a leader removed.

use super::cluster::pause;
use super::host::Host;
use super::kill::Stage;
use super::{Arguments, probe};
use crate::error::{BenchError, Result};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Places for nodes: the first three are members at the start, the others join later.
const PLACES: usize = 6;
const MEMBERS: usize = 3;
/// The load goes on undisturbed for so long between two changes.
const CALM: Duration = Duration::from_millis(1_500);

/// Every change, so many times, each time on a cluster of its own: a place is not used twice.
pub(super) fn run(arguments: &Arguments, rounds: u32) -> Result<bool> {
    let mut is_kept = true;
    for _ in 0..rounds {
        is_kept &= change(Stage::set_on(arguments, vec![Host::Loopback; PLACES], MEMBERS)?)?;
    }
    Ok(is_kept)
}

fn change(mut stage: Stage) -> Result<bool> {
    pause(CALM);
    add(&mut stage, 3)?;
    add(&mut stage, 4)?;
    stage.compare_replicas()?;
    let led = Instant::now();
    let heir = id(&stage, 4)?;
    stage.cluster.insist(0, &["transfer", &heir.to_string()])?;
    println!("every group led by node {heir}");
    note_writes(&stage, led);
    pause(CALM);
    replace(&mut stage, 1, 5)?;
    stage.compare_replicas()?;
    remove_leader(&mut stage)?;
    let last = others(&stage).pop().ok_or_else(|| BenchError::Server("no members are left".to_owned()))?;
    remove(&mut stage, last)?;
    stage.compare_replicas()?;
    Ok(stage.end("members", Vec::new()))
}

/// A node that was not there before becomes a voter.
fn add(stage: &mut Stage, node: usize) -> Result<()> {
    stage.cluster.start_waiting(node)?;
    let peer = stage.cluster.nodes[node].peer.to_string();
    stage.cluster.insist(0, &["add-learner", &peer])?;
    stage.cluster.wait_ready(node)?;
    let id = id(stage, node)?;
    println!("node {id} added");
    stage.cluster.insist(0, &["promote", &id.to_string()])?;
    println!("node {id} promoted");
    pause(CALM);
    Ok(())
}

/// A node dies for good; a fresh one takes its place.
fn replace(stage: &mut Stage, dead: usize, fresh: usize) -> Result<()> {
    let dead_id = id(stage, dead)?;
    stage.cluster.kill(dead)?;
    stage.cluster.start_waiting(fresh)?;
    let peer = stage.cluster.nodes[fresh].peer.to_string();
    stage.cluster.insist(0, &["replace", &dead_id.to_string(), &peer])?;
    stage.cluster.wait_ready(fresh)?;
    println!("node {dead_id} replaced by node {}", id(stage, fresh)?);
    pause(CALM);
    Ok(())
}

/// Says how long writes were refused because of a change; refused for good, they are a broken promise.
pub(super) fn note_writes(stage: &Stage, since: Instant) {
    match probe::writes_resume(&stage.cluster, &stage.zones, since) {
        Some(took) => println!("  writes to every zone after {} ms", took.as_millis()),
        None => stage.crowd.shared.blame("no writes after a change of members".to_owned()),
    }
}

/// Whoever leads the first group goes.
fn remove_leader(stage: &mut Stage) -> Result<()> {
    let leader = status(stage)?["groups"][0]["leader"].as_u64();
    let others = others(stage);
    let node = others.iter().find(|node| id(stage, **node).ok() == leader).or(others.last()).copied();
    let node = node.ok_or_else(|| BenchError::Server("no members are left".to_owned()))?;
    remove(stage, node)
}

/// A node goes on purpose: clients are led away from it first.
fn remove(stage: &mut Stage, node: usize) -> Result<()> {
    let id = id(stage, node)?;
    let began = Instant::now();
    stage.cluster.expect_nothing(node);
    stage.cluster.insist(0, &["remove", &id.to_string()])?;
    stage.cluster.kill(node)?;
    println!("node {id} removed");
    note_writes(stage, began);
    pause(CALM);
    Ok(())
}

/// Places whose nodes are expected to answer, but for the first: operators ask that one.
fn others(stage: &Stage) -> Vec<usize> {
    let nodes = stage.cluster.nodes.iter().enumerate().skip(1);
    nodes.filter(|(_, node)| node.epoch.up().is_some()).map(|(node, _)| node).collect()
}

pub(super) fn status(stage: &Stage) -> Result<Value> {
    let said = stage.cluster.insist(0, &["status", "--json"])?;
    serde_json::from_str(&said)
        .map_err(|error| BenchError::Server(format!("the status is not JSON: {error}")))
}

/// The id of the node at a place.
pub(super) fn id(stage: &Stage, node: usize) -> Result<u64> {
    let peer = stage.cluster.nodes[node].peer.to_string();
    let status = status(stage)?;
    let nodes = status["nodes"].as_array().into_iter().flatten();
    let found = nodes.filter(|member| member["addresses"]["peer"] == peer.as_str());
    let id = found.filter_map(|member| member["id"].as_u64()).find(|id| *id > 0);
    id.ok_or_else(|| BenchError::Server(format!("no node has the peer address {peer}")))
}
