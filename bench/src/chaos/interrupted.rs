//! Members that come and go while the node that carries the change out, or the one that comes, is killed in the middle: the change,
//! asked for again, is carried out, and who was removed ends by itself.

use super::Arguments;
use super::cluster::pause;
use super::host::Host;
use super::kill::Stage;
use super::members::{id, note_writes, status};
use crate::error::{BenchError, Result};
use std::time::{Duration, Instant};

const MEMBERS: usize = 3;
/// A change takes about so long: the kill comes at any moment of it, ms.
const CHANGE_MS: u64 = 120;

/// So many nodes come and go.
pub(super) fn run(arguments: &Arguments, nodes: u32) -> Result<bool> {
    if nodes == 0 {
        return Ok(true);
    }
    let places = MEMBERS + nodes as usize;
    let mut stage = Stage::set_on(arguments, vec![Host::Loopback; places], MEMBERS)?;
    for newcomer in MEMBERS..places {
        come_and_go(&mut stage, newcomer)?;
    }
    Ok(stage.end("members, interrupted", Vec::new()))
}

fn come_and_go(stage: &mut Stage, newcomer: usize) -> Result<()> {
    stage.cluster.start_waiting(newcomer)?;
    let peer = stage.cluster.nodes[newcomer].peer.to_string();
    let victim = if newcomer.is_multiple_of(2) { newcomer } else { leader(stage)? };
    interrupt(stage, &["add-learner", &peer], victim)?;
    stage.cluster.wait_ready(newcomer)?;
    let node = id(stage, newcomer)?.to_string();
    let victim = leader(stage)?;
    interrupt(stage, &["promote", &node], victim)?;
    stage.compare_replicas()?;
    stage.cluster.expect_nothing(newcomer);
    let victim = leader(stage)?;
    interrupt(stage, &["remove", &node], victim)?;
    stage.cluster.wait_ended(newcomer)?;
    println!("node {node} came and went");
    stage.compare_replicas()
}

/// Begins a change, kills a node in the middle and starts it again, then asks for the same until it is done.
fn interrupt(stage: &mut Stage, change: &[&str], victim: usize) -> Result<()> {
    let began = Instant::now();
    let mut asking = stage.cluster.begin(0, change)?;
    let after = Duration::from_millis(stage.random.below(CHANGE_MS));
    pause(after);
    stage.cluster.kill(victim)?;
    asking.wait().map_err(BenchError::io("waiting for sluice cluster"))?;
    stage.cluster.start_waiting(victim)?;
    if victim < MEMBERS {
        stage.cluster.wait_ready(victim)?;
    }
    stage.cluster.insist_or_finish(0, change)?;
    println!("{}: interrupted after {} ms, done", change.join(" "), after.as_millis());
    note_writes(stage, began);
    Ok(())
}

/// Where the node is that leads the first group, and so carries changes out.
fn leader(stage: &Stage) -> Result<usize> {
    let leader = status(stage)?["groups"][0]["leader"].as_u64();
    let places = 0..stage.cluster.nodes.len();
    let found = places.into_iter().find(|place| leader.is_some() && id(stage, *place).ok() == leader);
    // None for a moment: any one will do.
    Ok(found.filter(|place| *place < MEMBERS).unwrap_or(1))
}
