//! Nodes cut off from each other, one way or both, or stopped. Their clients reach all of them all the time.

use super::cluster::pause;
use super::host::Hosts;
use super::kill::Stage;
use super::{Arguments, probe};
use crate::error::Result;
use rustix::process::Signal;
use sluice_client::{ClientError, Connection};
use std::time::{Duration, Instant};

/// A cut lasts longer than any lease.
const CUT: Duration = Duration::from_secs(4);
/// A flapping link changes this often.
const FLAP: Duration = Duration::from_millis(400);

/// Every kind of trouble, so many times.
pub(super) fn run(arguments: &Arguments, rounds: u32) -> Result<bool> {
    let hosts = Hosts::make(3)?;
    let mut stage = Stage::set(arguments, hosts.all())?;
    let mut resumed = Vec::new();
    for _ in 0..rounds {
        for node in 0..hosts.all().len() {
            resumed.push(alone(&mut stage, node)?);
            one_way(&mut stage, node)?;
            flapping(&mut stage, node)?;
            stopped(&mut stage, node)?;
            stage.compare_replicas()?;
        }
    }
    Ok(stage.end("partition", resumed))
}

/// One node hears nobody and is heard by nobody: the others take writes, it refuses them and answers polls.
fn alone(stage: &mut Stage, node: usize) -> Result<Option<Duration>> {
    println!("node {node} alone");
    for other in others(stage, node) {
        stage.cluster.host(node).drop_from(stage.cluster.host(other).address())?;
        stage.cluster.host(other).drop_from(stage.cluster.host(node).address())?;
    }
    let cut = Instant::now();
    // Its polls are still judged; its writes are not waited for.
    let took = probe::writes_resume_without(&stage.cluster, &stage.zones, node, cut);
    pause(CUT.saturating_sub(cut.elapsed()));
    refuses_writes(stage, node);
    heal(stage)?;
    Ok(took)
}

fn refuses_writes(stage: &Stage, node: usize) {
    let patience = Duration::from_secs(8);
    let answer = Connection::connect_within(stage.cluster.nodes[node].resp, patience)
        .and_then(|mut connection| connection.join(&stage.zones[0]));
    match answer {
        Err(ClientError::Refused { code, message }) if code == "NOLEADER" && message.contains("ms") => {}
        other => stage.crowd.shared.blame(format!("node {node} is alone and answers a join with {other:?}")),
    }
}

/// One node is not heard by the others, but hears them.
fn one_way(stage: &mut Stage, node: usize) -> Result<()> {
    println!("node {node} unheard");
    for other in others(stage, node) {
        stage.cluster.host(other).drop_from(stage.cluster.host(node).address())?;
    }
    let cut = Instant::now();
    if probe::writes_resume_without(&stage.cluster, &stage.zones, node, cut).is_none() {
        stage.crowd.shared.blame(format!("node {node} unheard: no writes at the others"));
    }
    pause(CUT.saturating_sub(cut.elapsed()));
    heal(stage)
}

fn flapping(stage: &mut Stage, node: usize) -> Result<()> {
    println!("node {node} flapping");
    for _ in 0..5 {
        for other in others(stage, node) {
            stage.cluster.host(node).drop_from(stage.cluster.host(other).address())?;
        }
        pause(FLAP);
        heal(stage)?;
        pause(FLAP);
    }
    Ok(())
}

/// A node's process is stopped, then goes on as if nothing had happened.
fn stopped(stage: &mut Stage, node: usize) -> Result<()> {
    println!("node {node} stopped");
    stage.cluster.expect_nothing(node);
    stage.cluster.signal(node, Signal::STOP)?;
    let since = Instant::now();
    if probe::writes_resume_without(&stage.cluster, &stage.zones, node, since).is_none() {
        stage.crowd.shared.blame(format!("node {node} stopped: no writes at the others"));
    }
    pause(CUT.saturating_sub(since.elapsed()));
    stage.cluster.signal(node, Signal::CONT)?;
    stage.cluster.wait_ready(node)
}

/// Everybody hears everybody again; nothing else is done for it.
fn heal(stage: &Stage) -> Result<()> {
    (0..stage.cluster.nodes.len()).try_for_each(|node| stage.cluster.host(node).heal())?;
    let healed = Instant::now();
    if probe::writes_resume(&stage.cluster, &stage.zones, healed).is_none() {
        stage.crowd.shared.blame("healed, and no writes".to_owned());
    }
    Ok(())
}

fn others(stage: &Stage, node: usize) -> Vec<usize> {
    (0..stage.cluster.nodes.len()).filter(|other| *other != node).collect()
}
