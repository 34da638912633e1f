//! Wall clocks that are set: no key goes before its time or comes back, and a node that is off leads nothing.

use super::Arguments;
use super::cluster::{ANSWER_WITHIN, Cluster, pause, server_binary};
use super::host::{FAKETIME, Host};
use super::kill::PORTS;
use crate::error::{BenchError, Result};
use sluice_client::{ClientError, Connection};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const NODES: usize = 3;
/// Keys of each kind, enough that every group has one.
const KEYS: u32 = 12;
/// Seconds to live of those that stay, and of those that go.
const STAYS_S: i64 = 600;
const GOES_S: i64 = 3;
/// A key may go so much before its time by this program's clock: nodes follow a step of theirs by a hundredth, and look at the time now
/// and then. Less than the smallest step.
const EARLY_MS: i64 = 300;
/// What is said to be left when all has settled is at most so much more than that.
const LATE_MS: i64 = 700;
/// By how much clocks are set, s.
const STEPS_S: [i64; 4] = [-3_600, -1, 1, 3_600];
/// Every other time a clock is set back after this long, and else after the keys have gone.
const BRIEF: Duration = Duration::from_millis(500);
/// A node whose clock is off has given away what an election gave it.
const GIVES_AWAY_WITHIN: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// Every step on every node, so many times; false where a promise was broken.
pub(super) fn run(arguments: &Arguments, rounds: u32) -> Result<bool> {
    if !Path::new(FAKETIME).is_file() {
        return Err(BenchError::Missing(vec![format!("{FAKETIME} (apt-get install faketime)")]));
    }
    let folder = tempfile::tempdir().map_err(BenchError::io("making a folder"))?;
    let clocks: Vec<PathBuf> = (0..NODES).map(|node| folder.path().join(format!("clock-{node}"))).collect();
    clocks.iter().try_for_each(|clock| set(clock, 0))?;
    let hosts = clocks.iter().cloned().map(Host::Clock).collect();
    let cluster = Cluster::start(server_binary(arguments.server.as_ref())?, hosts, NODES, PORTS)?;
    let mut wrong = Vec::new();
    let steps = (0..NODES).flat_map(|node| STEPS_S.map(|step_s| (node, step_s)));
    for (n, (node, step_s)) in (0..rounds).flat_map(|_| steps.clone()).enumerate() {
        let is_brief = n % 2 == 0;
        let before = wrong.len();
        step(&cluster, &clocks[node], (node, step_s), is_brief, &mut wrong)?;
        let kind = if is_brief { "for a moment" } else { "for longer" };
        println!("node {node} set by {step_s} s {kind}: {} wrong", wrong.len() - before);
    }
    wrong.iter().for_each(|wrong| println!("  {wrong}"));
    println!("clock: {} broken promises", wrong.len());
    Ok(wrong.is_empty())
}

fn set(clock: &Path, step_s: i64) -> Result<()> {
    fs::write(clock, format!("{step_s:+}\n")).map_err(BenchError::io("setting a clock"))
}

fn step(
    cluster: &Cluster,
    clock: &Path,
    (node, step_s): (usize, i64),
    is_brief: bool,
    wrong: &mut Vec<String>,
) -> Result<()> {
    let who = format!("node {node} set by {step_s} s");
    let mut keys = Vec::new();
    for key in 0..KEYS {
        write(cluster, &[b"XADD", stays(key).as_bytes(), b"MAXLEN", b"1", b"*", b"f", b"v"])?;
        let stays = expire(cluster, &stays(key), STAYS_S)?;
        write(cluster, &[b"XADD", goes(key).as_bytes(), b"*", b"f", b"v"])?;
        keys.push(Key { stays, goes: expire(cluster, &goes(key), GOES_S)? });
    }
    let began = Instant::now();
    set(clock, step_s)?;
    if is_brief {
        pause(BRIEF);
        set(clock, 0)?;
    }
    let mut gone = [[false; KEYS as usize]; NODES];
    while began.elapsed() < Duration::from_secs(GOES_S as u64 * 3) {
        for (at, gone) in gone.iter_mut().enumerate() {
            look(cluster, at, &keys, gone, &who, wrong);
        }
        pause(Duration::from_millis(20));
    }
    (0..NODES).for_each(|at| look_late(cluster, at, &keys, &who, wrong));
    let left = gone.iter().flatten().filter(|gone| !**gone).count();
    wrong.extend((left > 0).then(|| format!("{who}: {left} keys are still there long after their time")));
    if !is_brief && step_s.abs() >= 1 {
        // An election may have come between, which nobody asks for a clock: then it gives away what it was given.
        let (settled, mut leads) = (Instant::now(), f64::INFINITY);
        while leads > 0.0 && settled.elapsed() < GIVES_AWAY_WITHIN {
            leads = cluster.figure_sum(node, "sluice_group_is_leader")?;
            pause(Duration::from_millis(100));
        }
        wrong.extend((leads > 0.0).then(|| format!("{who}: it leads {leads} groups")));
        set(clock, 0)?;
    }
    Ok(())
}

fn stays(key: u32) -> String {
    format!("stays-{key}")
}

fn goes(key: u32) -> String {
    format!("goes-{key}")
}

/// When a key was told to expire, by this program's clock, which nobody sets: it began to live in between.
struct Expires {
    asked: Instant,
    told: Instant,
}

impl Expires {
    /// How long it has at least lived, and at most, ms.
    fn lived_ms(&self) -> (i64, i64) {
        (self.told.elapsed().as_millis() as i64, self.asked.elapsed().as_millis() as i64)
    }
}

/// The keys of one number.
struct Key {
    stays: Expires,
    goes: Expires,
}

fn expire(cluster: &Cluster, key: &str, seconds: i64) -> Result<Expires> {
    let asked = Instant::now();
    write(cluster, &[b"EXPIRE", key.as_bytes(), seconds.to_string().as_bytes()])?;
    Ok(Expires { asked, told: Instant::now() })
}

/// What a node says of all keys; what it refuses to say says nothing.
fn look(cluster: &Cluster, node: usize, keys: &[Key], gone: &mut [bool], who: &str, wrong: &mut Vec<String>) {
    let Ok(mut connection) = connect(cluster, node) else { return };
    for ((number, key), gone) in (0..).zip(keys).zip(gone) {
        if let Some(left) = ask(&mut connection, b"PTTL", &stays(number))
            && left + key.stays.lived_ms().1 < STAYS_S * 1_000 - EARLY_MS
        {
            wrong.push(format!("{who}: node {node} says that {} lives for {left} ms only", stays(number)));
        }
        match ask(&mut connection, b"EXISTS", &goes(number)) {
            Some(0) if !*gone => {
                *gone = true;
                let lived_ms = key.goes.lived_ms().1;
                if lived_ms < GOES_S * 1_000 - EARLY_MS {
                    let key = goes(number);
                    wrong.push(format!("{who}: {key} is gone at node {node} after {lived_ms} ms"));
                }
            }
            Some(1) if *gone => wrong.push(format!("{who}: {} came back at node {node}", goes(number))),
            _ => {}
        }
    }
}

/// Whether a node says that a key lives for longer than it should, when nothing happens any more.
fn look_late(cluster: &Cluster, node: usize, keys: &[Key], who: &str, wrong: &mut Vec<String>) {
    let Ok(mut connection) = connect(cluster, node) else { return };
    for (number, key) in (0..).zip(keys) {
        let lived_ms = key.stays.lived_ms().0;
        if let Some(left) = ask(&mut connection, b"PTTL", &stays(number))
            && left + lived_ms > STAYS_S * 1_000 + LATE_MS
        {
            wrong.push(format!("{who}: node {node} says that {} lives for {left} ms still", stays(number)));
        }
    }
}

fn connect(cluster: &Cluster, node: usize) -> std::result::Result<Connection, ClientError> {
    Connection::connect_within(cluster.nodes[node].resp, ANSWER_WITHIN)
}

fn ask(connection: &mut Connection, command: &[u8], key: &str) -> Option<i64> {
    connection.call(&[command, key.as_bytes()], |value| Ok(value.integer().unwrap_or(-9))).ok()
}

/// A change, at whichever node takes it.
fn write(cluster: &Cluster, command: &[&[u8]]) -> Result<()> {
    let started = Instant::now();
    for node in (0..NODES).cycle() {
        let done = Connection::connect_within(cluster.nodes[node].resp, ANSWER_WITHIN)
            .and_then(|mut connection| connection.call(command, |_| Ok(())));
        match done {
            Ok(()) => return Ok(()),
            Err(error) if started.elapsed() > PATIENCE => return Err(BenchError::Server(error.to_string())),
            Err(_) => pause(Duration::from_millis(50)),
        }
    }
    Ok(())
}
