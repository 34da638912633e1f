//! Data folders that are not what their node left: older, cut, missing, copied; and a leader's disk that fills up.
//!
//! Each round ends with the node in its cluster again, and with its output searched: what was lost is said, never passed over.

use super::cluster::{Cluster, pause};
use super::host::Host;
use super::kill::Stage;
use super::{Arguments, probe};
use crate::error::{BenchError, Result};
use sluice_client::Connection;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const NODES: usize = 3;
/// The load goes on for so long between two steps, so that something is acknowledged, told, and written down.
const CALM: Duration = Duration::from_millis(2_500);
/// A twin gives up by then.
const GIVES_UP_WITHIN: Duration = Duration::from_secs(30);
/// A log that is copied while it is written may be torn, and is refused for that: so many copies, and one of them is a twin.
const COPIES_MAX: u32 = 20;
/// MiB of a segment of the log, and what else a node keeps.
const SEGMENT_MIB: usize = 64;
const REST_MIB: usize = 32;
/// Of what fills a log.
const ENTRY_BYTES: usize = 60_000;
/// More of them than two segments hold: one is full then, whatever was in it.
const ENTRIES: usize = 2_600;
/// After so many it is looked whether the disk is full already.
const LOOK_EVERY: usize = 32;

/// What is wrong with a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    OlderLog,
    OlderFolder,
    CutLog,
    MissingLog,
    Copied,
    FullDisk,
}

const TROUBLES: [Trouble; 6] = [
    Trouble::OlderLog,
    Trouble::OlderFolder,
    Trouble::CutLog,
    Trouble::MissingLog,
    Trouble::Copied,
    Trouble::FullDisk,
];

/// One trouble a round, each in turn. Full disks take root, which mounts small ones; others leave them out.
pub(super) fn run(arguments: &Arguments, rounds: u32) -> Result<bool> {
    let mut stage = Stage::set(arguments, vec![Host::Loopback; NODES])?;
    let is_root = rustix::process::geteuid().is_root();
    let troubles: Vec<Trouble> =
        TROUBLES.into_iter().filter(|trouble| is_root || *trouble != Trouble::FullDisk).collect();
    let mut resumed = Vec::new();
    for round in 0..rounds {
        let trouble = troubles[round as usize % troubles.len()];
        let node = stage.any_node();
        pause(CALM);
        let said_before = stage.cluster.output(node)?.len();
        let since = match trouble {
            Trouble::Copied => copied(&stage, node)?,
            Trouble::FullDisk => full_disk(&mut stage, node)?,
            _ => spoiled(&mut stage, node, trouble)?,
        };
        let took = probe::writes_resume(&stage.cluster, &stage.zones, since);
        if took.is_none() {
            stage.crowd.shared.blame(format!("round {}: no writes after {trouble:?}", round + 1));
        }
        let said = stage.cluster.output(node)?.split_off(said_before);
        if !matches!(trouble, Trouble::Copied | Trouble::FullDisk) && !said.contains("acknowledged") {
            stage.crowd.shared.blame(format!("round {}: {trouble:?} of node {node} in silence", round + 1));
        }
        stage.compare_replicas()?;
        println!("round {}: {trouble:?} of node {node}, writes to every zone after {took:?}", round + 1);
        resumed.push(took);
    }
    Ok(stage.end("folders", resumed))
}

/// The node comes back with a folder that has less than it acknowledged.
fn spoiled(stage: &mut Stage, node: usize, trouble: Trouble) -> Result<Instant> {
    let data = stage.cluster.data(node);
    let copy = data.with_extension("copy");
    stage.cluster.kill(node)?;
    copy_folder(&data, &copy)?;
    stage.cluster.restart(node)?;
    stage.cluster.wait_ready(node)?;
    pause(CALM);
    stage.cluster.kill(node)?;
    match trouble {
        Trouble::OlderLog => put_back(&copy.join("log"), &data.join("log"))?,
        Trouble::OlderFolder => put_back(&copy, &data)?,
        Trouble::CutLog => cut(&data.join("log"))?,
        _ => remove(&data.join("log"))?,
    }
    remove(&copy)?;
    stage.cluster.restart(node)?;
    let restarted = Instant::now();
    stage.cluster.wait_ready(node)?;
    Ok(restarted)
}

/// A second process with a copy of the node's folder gives up and says why; the node goes on.
fn copied(stage: &Stage, node: usize) -> Result<Instant> {
    let data = stage.cluster.data(node);
    let copy = data.with_extension("twin");
    for _ in 0..COPIES_MAX {
        let hot = Instant::now();
        copy_folder(&data, &copy)?;
        let said = stage.cluster.run_twin(node, &copy, GIVES_UP_WITHIN)?;
        remove(&copy)?;
        if said.contains("runs already") {
            return Ok(hot);
        }
        if !said.contains("is damaged") {
            stage.crowd.shared.blame(format!("a twin of node {node} said only: {said}"));
            return Ok(hot);
        }
    }
    stage.crowd.shared.blame(format!("no copy of {COPIES_MAX} of node {node} was whole enough to be a twin"));
    Ok(Instant::now())
}

/// The node leads every group, and its disk fills up.
fn full_disk(stage: &mut Stage, node: usize) -> Result<Instant> {
    let data = stage.cluster.data(node);
    let copy = data.with_extension("copy");
    stage.cluster.stop(node)?;
    copy_folder(&data, &copy)?;
    // Room for the segments that there are and the next one, and for none behind it.
    let size = format!("size={}m", (segments(&data.join("log"))?.count() + 1) * SEGMENT_MIB + REST_MIB);
    call("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], &[&data])?;
    call("cp", &["-a"], &[&copy.join("."), &data])?;
    stage.cluster.restart(node)?;
    stage.cluster.wait_ready(node)?;
    let id = stage.cluster.id(node)?.to_string();
    stage.cluster.insist(node, &["transfer", &id])?;
    fill_log(&stage.cluster, node)?;
    fill_disk(&data.join("filler"))?;
    let full = Instant::now();
    if probe::writes_resume(&stage.cluster, &stage.zones, full).is_none() {
        stage.crowd.shared.blame(format!("no writes while the disk of node {node} is full"));
    }
    stage.cluster.stop(node)?;
    remove(&data.join("filler"))?;
    put_back(&data, &copy)?;
    call("umount", &[], &[&data])?;
    put_back(&copy, &data)?;
    remove(&copy)?;
    stage.cluster.restart(node)?;
    stage.cluster.wait_ready(node)?;
    Ok(full)
}

/// Logs more than a segment, through streams that keep one entry.
fn fill_log(cluster: &Cluster, node: usize) -> Result<()> {
    let mut connection = Connection::connect_within(cluster.nodes[node].resp, Duration::from_secs(10))?;
    let text = vec![b'x'; ENTRY_BYTES];
    for number in 0..ENTRIES {
        let key = format!("filler-{}", number % 24);
        let command: [&[u8]; 8] = [b"XADD", key.as_bytes(), b"MAXLEN", b"1", b"*", b"f", b"v", b"g"];
        let command: Vec<&[u8]> = command.into_iter().chain([text.as_slice()]).collect();
        // Refused while leaders change: that is what is waited for afterwards.
        let _ = connection.call(&command, |_| Ok(()));
        // A node that cannot log what it answers takes its time for each.
        if number % LOOK_EVERY == 0 && cluster.figure(node, "sluice_log_full")? > 0.0 {
            break;
        }
    }
    Ok(())
}

fn fill_disk(path: &Path) -> Result<()> {
    let mut file = File::create(path).map_err(BenchError::io("making a file"))?;
    match std::io::copy(&mut std::io::repeat(1), &mut file) {
        Err(error) if error.kind() == std::io::ErrorKind::StorageFull => Ok(()),
        Err(error) => Err(BenchError::io("filling a disk")(error)),
        Ok(_) => Err(BenchError::Server("a disk has no end".to_owned())),
    }
}

/// The files of a log's segments.
fn segments(log: &Path) -> Result<impl Iterator<Item = PathBuf>> {
    let names = fs::read_dir(log).map_err(BenchError::io("listing a log"))?;
    let files = names.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(files.filter(|path| path.extension().is_some_and(|end| end == "seg")))
}

/// Cuts the newest segment to half of what is written in it.
fn cut(log: &Path) -> Result<()> {
    let newest = segments(log)?.max();
    let newest = newest.ok_or_else(|| BenchError::Server("a log without segments".to_owned()))?;
    let bytes = fs::read(&newest).map_err(BenchError::io("reading a segment"))?;
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) as u64;
    let file = OpenOptions::new().write(true).open(&newest).map_err(BenchError::io("opening a segment"))?;
    file.set_len(written / 2).map_err(BenchError::io("cutting a segment"))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    remove(to)?;
    call("cp", &["-a", "--sparse=always"], &[from, to])
}

/// The folder's content, in the place of another's.
fn put_back(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(to).map_err(BenchError::io("listing a folder"))? {
        remove(&entry.map_err(BenchError::io("listing a folder"))?.path())?;
    }
    call("cp", &["-a", "--sparse=always"], &[&from.join("."), to])
}

fn remove(path: &Path) -> Result<()> {
    call("rm", &["-rf"], &[path])
}

fn call(program: &str, flags: &[&str], paths: &[&Path]) -> Result<()> {
    let paths = paths.iter().map(|path| PathBuf::from(*path));
    let output = Command::new(program).args(flags).args(paths).output();
    let output = output.map_err(BenchError::io("running a tool"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(BenchError::Server(format!("{program}: {said}"))) }
}
