//! Processes that form a cluster, and what the stories do with them.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// The file of the join secret that all nodes of a test know.
pub(crate) const JOIN_SECRET: &str = "join-secret";

/// A story that waits so long for something has found a defect. None passes or fails by it otherwise.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `try` finally returns, asked again and again.
pub(crate) fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(begun.elapsed() < PATIENCE, "still waiting for {what}");
        std::thread::yield_now();
    }
}

/// Whether every thread of a process is stopped.
fn are_stopped(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there");
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

/// An address that nobody listens at and no other story gets. Below the ports that the system gives to connections,
/// which come and go by the thousand here.
fn free_address() -> String {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id() * 400 + GIVEN.fetch_add(1, Ordering::Relaxed);
        let address = format!("127.0.0.1:{}", 10_000 + number % 20_000);
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

/// The binary with nothing of this environment that could configure it.
pub(crate) fn sluice(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SLUICE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).env("SLUICE_LOG_LEVEL", "warn").stdin(Stdio::null());
    command
}

/// A node's place: its folder and its addresses outlive its process.
pub(crate) struct Node {
    pub(crate) data: PathBuf,
    pub(crate) resp: String,
    pub(crate) admin: String,
    pub(crate) peer: String,
    pub(crate) http: String,
    /// A configuration file, where it has one.
    pub(crate) config: Option<PathBuf>,
    child: Option<Child>,
}

impl Node {
    /// The server, with nothing said of other nodes.
    pub(crate) fn command(&self) -> Command {
        let mut command = sluice(&["serve", "--workers", "1", "--resp", &self.resp, "--http", &self.http]);
        command.args(["--admin", &self.admin, "--data"]).arg(&self.data);
        command
    }
}

/// Nodes in one folder, killed when dropped.
pub(crate) struct Nodes {
    pub(crate) folder: TempDir,
    pub(crate) all: Vec<Node>,
}

impl Nodes {
    /// As many nodes as are named, in one cluster: the first founds it, the others join.
    pub(crate) fn form(count: usize) -> Nodes {
        let mut nodes = Nodes::none();
        for _ in 0..count {
            nodes.add();
        }
        nodes.wait_ready(0);
        if count > 1 {
            nodes.cluster(0, &["init", "--expect", &count.to_string()]);
        }
        (0..count).for_each(|node| nodes.wait_ready(node));
        nodes
    }

    /// None yet.
    pub(crate) fn none() -> Nodes {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(JOIN_SECRET), "a-join-secret-that-all-nodes-know").unwrap();
        Nodes { folder, all: Vec::new() }
    }

    /// Starts one more node, which joins where there are others. Its index.
    pub(crate) fn add(&mut self) -> usize {
        self.add_configured(None)
    }

    /// The same with a configuration file.
    pub(crate) fn add_configured(&mut self, config: Option<PathBuf>) -> usize {
        let index = self.place(config);
        let join = (index > 0).then(|| self.all[0].peer.clone());
        self.start(index, join.as_deref());
        index
    }

    /// Starts one more process, on the folder that lies at its place already. Its index.
    pub(crate) fn add_alone(&mut self) -> usize {
        let index = self.place(None);
        self.start(index, None);
        index
    }

    /// A place for one more node. Its index.
    pub(crate) fn place(&mut self, config: Option<PathBuf>) -> usize {
        let index = self.all.len();
        let data = self.folder.path().join(format!("node-{index}"));
        let [resp, http, admin, peer] = [(); 4].map(|()| free_address());
        self.all.push(Node { data, resp, http, admin, peer, config, child: None });
        index
    }

    /// A command that asks no node; it must succeed.
    pub(crate) fn offline(&self, arguments: &[&str]) {
        let output = sluice(arguments).output().expect("sluice runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts a node's process, also a second time.
    pub(crate) fn start(&mut self, node: usize, join: Option<&str>) {
        let place = &self.all[node];
        let mut command = place.command();
        command.args(["--peer", &place.peer]);
        if let Some(peer) = join {
            command.args(["--join", peer]);
        }
        match &place.config {
            Some(config) => command.arg("--config").arg(config),
            None => command.arg("--join-secret").arg(self.folder.path().join(JOIN_SECRET)),
        };
        self.spawn(node, &mut command);
    }

    pub(crate) fn spawn(&mut self, node: usize, command: &mut Command) {
        let place = &mut self.all[node];
        let log = File::options().create(true).append(true).open(place.data.with_extension("log")).unwrap();
        place.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().expect("sluice starts"));
    }

    /// What the node complained of so far.
    pub(crate) fn logged(&self, node: usize) -> String {
        std::fs::read_to_string(self.all[node].data.with_extension("log")).unwrap()
    }

    /// Waits until the node complains of this.
    pub(crate) fn wait_logged(&self, node: usize, what: &str) {
        eventually(what, || self.logged(node).contains(what).then_some(()));
    }

    /// The process of a node.
    pub(crate) fn pid(&self, node: usize) -> u32 {
        self.all[node].child.as_ref().expect("the node runs").id()
    }

    /// The one line with which the node's process says why it ends, which it does by itself, with code 1.
    pub(crate) fn gives_up(&mut self, node: usize) -> String {
        let child = self.all[node].child.as_mut().expect("the node runs");
        let status = eventually("the node to end", || child.try_wait().expect("the process can be awaited"));
        self.all[node].child = None;
        let log = self.logged(node);
        assert_eq!(status.code(), Some(1), "{log}");
        let lines: Vec<&str> = log.lines().filter(|line| line.starts_with("sluice: ")).collect();
        assert_eq!(lines.len(), 1, "one line says why: {log}");
        lines[0].to_owned()
    }

    /// Forgets what the node complained of.
    pub(crate) fn clear_log(&self, node: usize) {
        std::fs::write(self.all[node].data.with_extension("log"), "").unwrap();
    }

    /// Waits until the node answers polls.
    pub(crate) fn wait_ready(&self, node: usize) {
        eventually("a node to be ready", || (self.health(node, "/readyz") == Some(200)).then_some(()));
    }

    /// Waits until the node takes joins.
    pub(crate) fn wait_writable(&self, node: usize) {
        eventually("leaders", || (self.health(node, "/readyz?for=writes") == Some(200)).then_some(()));
    }

    /// The status of a path of the admin port; `None` where nobody answers.
    pub(crate) fn health(&self, node: usize, path: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(&self.all[node].admin).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// `sluice cluster …` against a node: what it prints, which must be a success.
    pub(crate) fn cluster(&self, node: usize, arguments: &[&str]) -> String {
        let output = self.try_cluster(node, arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cluster {arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, whatever comes of it.
    pub(crate) fn try_cluster(&self, node: usize, arguments: &[&str]) -> Output {
        let admin = &self.all[node].admin;
        sluice(&["cluster", "--admin", admin]).args(arguments).output().expect("sluice runs")
    }

    /// The cluster as a node sees it.
    pub(crate) fn status(&self, node: usize) -> Value {
        serde_json::from_str(&self.cluster(node, &["status", "--json"])).expect("--json prints JSON")
    }

    /// The id of a node; it knows it itself.
    pub(crate) fn id(&self, node: usize) -> u64 {
        self.status(node)["node"].as_u64().expect("an id")
    }

    /// `sluice zone …` against a node: the reply, or what it complained of.
    pub(crate) fn zone(&self, node: usize, arguments: &[&str]) -> Result<Value, String> {
        let resp = &self.all[node].resp;
        let output =
            sluice(&["zone", "--json", "--resp", resp]).args(arguments).output().expect("sluice runs");
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).expect("--json prints JSON")),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// The same, repeated as the documentation tells clients to: while the server is overloaded or has no leader, or
    /// the connection was lost.
    pub(crate) fn insist(&self, node: usize, arguments: &[&str]) -> Value {
        eventually(&format!("{arguments:?}"), || match self.zone(node, arguments) {
            Ok(reply) => Some(reply),
            Err(why) if ["NOLEADER", "BUSY"].iter().any(|code| why.contains(code)) => None,
            Err(why) => panic!("{arguments:?}: {why}"),
        })
    }

    /// Takes a place that has to wait; its token.
    pub(crate) fn wait_in(&self, node: usize, zone: &str) -> String {
        let place = self.insist(node, &["join", zone]);
        assert_eq!(place["state"], "waiting", "{place}");
        place["token"].as_str().expect("a token").to_owned()
    }

    /// Asks every node that runs where the token stands; all say the same.
    pub(crate) fn everywhere(&self, zone: &str, token: &str, position: u64) {
        for node in (0..self.all.len()).filter(|node| self.all[*node].child.is_some()) {
            let place = self.insist(node, &["poll", zone, token]);
            assert_eq!(place["position"], position, "at node {node}: {place}");
        }
    }

    pub(crate) fn signal(&self, node: usize, signal: Signal) {
        let child = self.all[node].child.as_ref().expect("the node runs");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the process is there");
        if signal == Signal::STOP {
            // A thread that runs on another core goes on for a moment, and may still answer.
            eventually("its threads to stop", || are_stopped(child.id()).then_some(()));
        }
    }

    /// Ends a node's process as a crash does.
    pub(crate) fn kill(&mut self, node: usize) {
        self.signal(node, Signal::KILL);
        self.ended(node);
    }

    /// Blocks until the node's process has ended.
    pub(crate) fn ended(&mut self, node: usize) -> ExitStatus {
        let mut child = self.all[node].child.take().expect("the node runs");
        child.wait().expect("the process can be awaited")
    }

    /// The index of the node that leads a group.
    pub(crate) fn leader(&self, asked: usize, group: usize) -> usize {
        let id = eventually("a leader", || self.status(asked)["groups"][group]["leader"].as_u64());
        let running = (0..self.all.len()).filter(|node| self.all[*node].child.is_some());
        running.into_iter().find(|node| self.id(*node) == id).expect("the leader runs")
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in self.all.iter_mut().filter_map(|node| node.child.as_mut()) {
            // Fails where it has ended already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
