//! Disks that break and fill up, under real processes. Root's work: one story watches a process, two mount a file system.
//!
//! Seen to fail, each by one change of the code: a failed sync that is taken for a good one; a full disk that nobody is told
//! of; a snapshot without room that ends its group; `snapshot` carried out by the leader for everybody.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::nodes::{Nodes, eventually};

/// Nobody enters, and nobody is out because a story takes long.
const PAUSED: [&str; 10] =
    ["set", "shop", "--limit", "1", "--mode", "paused", "--poll-ms", "60000", "--abandon-ms", "600000"];

/// Room for the segment in use and the next one, and some for the rest.
const SMALL: &str = "size=140m";
const LARGE: &str = "size=400m";

/// Changes what the system answers to a process, until it ends.
struct Watched {
    strace: Child,
}

impl Watched {
    /// `inject`: as strace takes it. `paths`: the files it is about; none: all.
    fn by(pid: u32, calls: &str, inject: &str, paths: &[PathBuf]) -> Watched {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &pid.to_string()]);
        command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{inject}")]);
        paths.iter().for_each(|path| _ = command.arg("-P").arg(path));
        let strace = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut strace = strace.expect("strace is installed: deploy/test.sh tools does it");
        let mut said = BufReader::new(strace.stderr.take().expect("its output is piped"));
        let mut line = String::new();
        while !line.contains("attached") {
            line.clear();
            let bytes = said.read_line(&mut line).expect("its output is text");
            assert!(bytes > 0, "strace may watch processes, as root may");
        }
        // A full pipe would stop it.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Watched { strace }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.strace.kill();
        let _ = self.strace.wait();
    }
}

/// A file system of its own, in memory, gone when dropped.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    fn mount(at: PathBuf) -> SmallDisk {
        std::fs::create_dir(&at).unwrap();
        mount(&at, SMALL);
        SmallDisk { at }
    }

    fn grow(&self) {
        mount(&self.at, &format!("remount,{LARGE}"));
    }

    /// Takes all room that is left. Where it is.
    fn fill(&self) -> PathBuf {
        let path = self.at.join("filler");
        let mut file = std::fs::File::create(&path).unwrap();
        let error = std::io::copy(&mut std::io::repeat(1), &mut file).expect_err("the disk has an end");
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
        path
    }
}

fn mount(at: &Path, options: &str) {
    let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
    let output = mount.expect("mount is there");
    assert!(output.status.success(), "this story mounts a file system, which takes root: {output:?}");
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The node may still be there: it goes with the last who uses it.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// A node alone on a small disk.
fn cramped() -> (Nodes, SmallDisk) {
    let mut nodes = Nodes::none();
    let disk = SmallDisk::mount(nodes.folder.path().join("node-0"));
    nodes.add();
    nodes.wait_writable(0);
    nodes.insist(0, &PAUSED);
    (nodes, disk)
}

/// Logs text, megabytes of it, through the first node, until that says that its disk is full. What it refused with last.
fn write_until_full(nodes: &Nodes) -> Option<String> {
    let stream = TcpStream::connect(&nodes.all[0].resp).unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let set = |text: &str| {
        let text = text.repeat(1_000);
        let head = "*6\r\n$6\r\nQ.ZONE\r\n$3\r\nSET\r\n$4\r\ntext\r\n$7\r\nMESSAGE\r\n$2\r\nen\r\n";
        format!("{head}$1000\r\n{text}\r\n")
    };
    let commands = (set("x") + &set("y")).repeat(50);
    let mut refused = None;
    for round in 0..4_000 {
        (&stream).write_all(commands.as_bytes()).unwrap();
        for _ in 0..100 {
            let mut reply = String::new();
            replies.read_line(&mut reply).unwrap();
            refused = if reply == "+OK\r\n" { refused } else { Some(reply) };
        }
        // Much at once is refused, too, while the disk has room.
        if (round % 50 == 0 || refused.is_some()) && nodes.status(0)["log"]["is_full"] == true {
            return refused;
        }
        refused = None;
    }
    panic!("200 megabytes fit on this disk");
}

#[test]
fn a_failed_sync_ends_the_node_and_the_others_go_on() {
    let mut nodes = Nodes::form(3);
    nodes.insist(0, &PAUSED);
    let mut tokens = vec![nodes.wait_in(2, "shop")];
    nodes.clear_log(2);
    let _failing = Watched::by(nodes.pid(2), "fdatasync", "error=EIO", &[]);
    tokens.push(nodes.wait_in(0, "shop"));
    let line = nodes.gives_up(2);
    let is_named = ["log/0000000001.seg", "node/ledger"].iter().any(|file| line.contains(file));
    assert!(is_named && line.contains("Input/output error"), "{line}");
    assert!(line.contains("check the disk"), "it says what to do: {line}");
    tokens.push(nodes.wait_in(0, "shop"));
    tokens.push(nodes.wait_in(1, "shop"));
    nodes.start(2, None);
    nodes.wait_ready(2);
    for (token, position) in tokens.iter().zip(1..) {
        nodes.everywhere("shop", token, position);
    }
}

#[test]
fn a_full_disk_refuses_joins_until_there_is_room_while_polls_go_on() {
    let (nodes, disk) = cramped();
    let token = nodes.wait_in(0, "shop");
    nodes.insist(0, &["set", "text", "--limit", "1"]);
    let said = write_until_full(&nodes).expect("nobody else takes it");
    assert!(said.starts_with("-BUSY ") && said.contains(|digit: char| digit.is_ascii_digit()), "{said}");
    disk.fill();
    for _ in 0..3 {
        let refused = nodes.zone(0, &["join", "shop"]).expect_err("there is no room");
        assert!(refused.contains("BUSY"), "{refused}");
        assert_eq!(nodes.zone(0, &["poll", "shop", &token]).expect("polls go on")["position"], 1);
    }
    assert_eq!(nodes.health(0, "/readyz"), Some(200));
    assert_eq!(nodes.health(0, "/readyz?for=writes"), Some(503));
    disk.grow();
    nodes.wait_writable(0);
    let second = nodes.wait_in(0, "shop");
    nodes.everywhere("shop", &token, 1);
    nodes.everywhere("shop", &second, 2);
}

/// Adds nodes to the one on the small disk, and has it lead every group.
fn led_by_the_cramped() -> (Nodes, SmallDisk) {
    let (mut nodes, disk) = cramped();
    nodes.add();
    nodes.add();
    nodes.cluster(0, &["init", "--expect", "3"]);
    (0..3).for_each(|node| nodes.wait_ready(node));
    let id = nodes.id(0).to_string();
    eventually("all groups to be led by one", || {
        nodes.try_cluster(0, &["transfer", &id]);
        (leads(&nodes, 0, 0) == 6).then_some(())
    });
    (nodes, disk)
}

/// How many groups a node leads, as another one sees it.
fn leads(nodes: &Nodes, asked: usize, node: usize) -> usize {
    let id = nodes.id(node);
    let status = nodes.status(asked);
    status["groups"].as_array().unwrap().iter().filter(|group| group["leader"] == id).count()
}

#[test]
fn a_leader_whose_disk_is_full_hands_its_groups_to_nodes_that_have_room() {
    let (nodes, disk) = led_by_the_cramped();
    let token = nodes.wait_in(0, "shop");
    nodes.insist(0, &["set", "text", "--limit", "1"]);
    let refused = write_until_full(&nodes);
    assert!(refused.is_none_or(|why| why.starts_with("-BUSY ") || why.starts_with("-NOLEADER ")));
    let filler = disk.fill();
    eventually("the others to lead", || (leads(&nodes, 1, 0) == 0).then_some(()));
    // Two nodes have room: whoever is asked takes changes, the full one too.
    (0..3).for_each(|node| nodes.wait_writable(node));
    let second = nodes.wait_in(0, "shop");
    let third = nodes.wait_in(1, "shop");
    for (token, position) in [(&token, 1), (&second, 2), (&third, 3)] {
        for node in [1, 2] {
            assert_eq!(nodes.insist(node, &["poll", "shop", token])["position"], position);
        }
    }
    let said = |node: usize| nodes.cluster(node, &["status"]);
    for node in 0..3 {
        eventually("the status to say it", || {
            said(node).contains("the disk of node 1 has no room for its log: the others lead").then_some(())
        });
        let full = |id: u64| {
            let status = nodes.status(node);
            let all = status["nodes"].as_array().unwrap().clone();
            all.iter().any(|node| node["id"] == id && node["disk_full"] == true)
        };
        assert_eq!([1, 2, 3].map(full), [true, false, false], "as node {node} sees it");
    }
    std::fs::remove_file(filler).unwrap();
    disk.grow();
    eventually("nothing to be full", || (!said(1).contains("has no room")).then_some(()));
    nodes.everywhere("shop", &third, 3);
}

#[test]
fn a_snapshot_that_does_not_fit_is_given_up_and_taken_when_there_is_room() {
    let (nodes, disk) = cramped();
    let filler = disk.fill();
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| nodes.cluster(0, &["snapshot"]));
        nodes.wait_logged(0, "no room for a snapshot");
        eventually("what was written gives its room back", || {
            let left = std::fs::read_dir(nodes.all[0].data.join("snapshot")).unwrap().count();
            (left == 0).then_some(())
        });
        nodes.wait_in(0, "shop");
        std::fs::remove_file(&filler).unwrap();
        asked.join().expect("the snapshots are written");
    });
    eventually("the snapshots", || {
        let status = nodes.status(0);
        status["groups"].as_array().unwrap().iter().all(|group| group["snapshot"].is_u64()).then_some(())
    });
    nodes.wait_in(0, "shop");
}

#[test]
fn heartbeats_go_on_while_snapshots_wait_for_the_disk() {
    let nodes = Nodes::form(3);
    eventually("two leaders a node", || (0..3).all(|node| leads(&nodes, 0, node) == 2).then_some(()));
    let terms = || {
        let status = nodes.status(1);
        let groups = status["groups"].as_array().unwrap().clone();
        groups.iter().map(|group| (group["term"].as_u64(), group["leader"].as_u64())).collect::<Vec<_>>()
    };
    let before = terms();
    let parts = (0..36).map(|n| nodes.all[0].data.join(format!("snapshot/{}-{}.part", n / 6, n % 6)));
    // Longer than anybody waits for a leader.
    let slow = "delay_enter=1200000";
    let slow = Watched::by(nodes.pid(0), "pwrite64,fdatasync", slow, &parts.collect::<Vec<_>>());
    nodes.cluster(0, &["snapshot"]);
    drop(slow);
    let written = nodes.status(0);
    assert!(written["groups"].as_array().unwrap().iter().all(|group| group["snapshot"].is_u64()));
    assert_eq!(terms(), before, "nobody was elected meanwhile");
}

#[test]
fn the_node_that_is_asked_writes_its_snapshots_leader_or_not() {
    let nodes = Nodes::form(3);
    nodes.insist(0, &PAUSED);
    nodes.cluster(1, &["snapshot"]);
    let written = |node: usize| {
        let status = nodes.status(node);
        status["groups"].as_array().unwrap().iter().filter(|group| group["snapshot"].is_u64()).count()
    };
    assert_eq!([0, 1, 2].map(written), [0, 6, 0]);
}
