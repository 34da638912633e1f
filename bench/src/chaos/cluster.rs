//! Three nodes, each a process with a folder and four addresses of its own.

use super::host::Host;
use crate::error::{BenchError, Result};
use sluice_client::Connection;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a node may take until it answers.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Where a node keeps its data, within its folder.
const DATA: &str = "data";
/// What a node proves to be let into the cluster.
const JOIN_SECRET: &str = "a-join-secret-that-all-nodes-know";
/// Between two looks whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long one question may take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(12);

/// Whether a node is expected to answer. Odd: it is not. Grows with each change, so that a call knows whether the node
/// was up all the time.
#[derive(Debug, Default)]
pub(super) struct Epoch(AtomicU64);

impl Epoch {
    /// The epoch, if the node is expected to answer.
    pub(super) fn up(&self) -> Option<u64> {
        let epoch = self.0.load(Ordering::Acquire);
        epoch.is_multiple_of(2).then_some(epoch)
    }

    /// Nothing is expected of the node from now on.
    fn fall(&self) {
        self.0.fetch_add(u64::from(self.up().is_some()), Ordering::AcqRel);
    }

    /// It is expected to answer from now on.
    fn rise(&self) {
        self.0.fetch_add(u64::from(self.up().is_none()), Ordering::AcqRel);
    }
}

/// A node's place: what stays when its process goes.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) resp: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) epoch: Arc<Epoch>,
    host: Host,
    folder: PathBuf,
    port: u16,
}

/// The nodes, and the processes that run.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    children: Vec<Option<Child>>,
    server: PathBuf,
    folder: TempDir,
}

impl Cluster {
    /// A place for each host, and a cluster on the first `members` of them.
    pub(crate) fn start(server: PathBuf, hosts: Vec<Host>, members: usize, base: u16) -> Result<Cluster> {
        let folder = tempfile::tempdir().map_err(BenchError::io("making a folder"))?;
        let secret = folder.path().join("join-secret");
        fs::write(&secret, JOIN_SECRET).map_err(BenchError::io("writing the join secret"))?;
        let nodes: Vec<Node> = hosts
            .into_iter()
            .zip(0u16..)
            .map(|(host, n)| {
                let port = base + 10 * n;
                let at = |offset| SocketAddr::new(IpAddr::V4(host.address()), port + offset);
                let (resp, admin, peer) = (at(0), at(2), at(3));
                let folder = folder.path().join(format!("node-{n}"));
                Node { resp, admin, peer, epoch: Arc::default(), host, folder, port }
            })
            .collect();
        let children = nodes.iter().map(|_| None).collect();
        let mut cluster = Cluster { nodes, children, server, folder };
        cluster.nodes.iter().skip(members).for_each(|node| node.epoch.fall());
        (0..members).try_for_each(|node| cluster.spawn(node, true))?;
        cluster.wait_ready(0)?;
        if members > 1 {
            cluster.init(members)?;
        }
        (1..members).try_for_each(|node| cluster.wait_ready(node))?;
        Ok(cluster)
    }

    /// Starts a process on an empty place, which waits to be added to the cluster.
    pub(super) fn start_waiting(&mut self, node: usize) -> Result<()> {
        self.spawn(node, true)
    }

    /// The same operation until it is done: what it waits for comes by itself.
    pub(super) fn insist(&self, node: usize, arguments: &[&str]) -> Result<String> {
        let started = Instant::now();
        loop {
            match self.operate(node, arguments)? {
                Ok(said) => return Ok(said),
                Err(why) if started.elapsed() > READY_WITHIN => {
                    return Err(BenchError::Server(format!("{}: {why}", arguments.join(" "))));
                }
                Err(_) => pause(LOOK_EVERY * 10),
            }
        }
    }

    /// The same where a change may be left half-way: that one is finished first.
    pub(super) fn insist_or_finish(&self, node: usize, arguments: &[&str]) -> Result<()> {
        let started = Instant::now();
        while let Err(why) = self.operate(node, arguments)? {
            if started.elapsed() > READY_WITHIN {
                return Err(BenchError::Server(format!("{}: {why}", arguments.join(" "))));
            }
            if why.contains("BUSY") {
                // Refused for now where a group has no leader: it is asked again.
                let _ = self.operate(node, &["finish"])?;
            }
            pause(LOOK_EVERY * 10);
        }
        Ok(())
    }

    /// Begins an operation; the process that asks for it.
    pub(super) fn begin(&self, node: usize, arguments: &[&str]) -> Result<Child> {
        let mut command = self.asking(node, arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(BenchError::io("running sluice cluster"))
    }

    fn asking(&self, node: usize, arguments: &[&str]) -> Command {
        let place = &self.nodes[node];
        let mut command = place.host.command(&self.server);
        command.args(["cluster"]).args(arguments);
        command.args(["--admin", &format!("http://{}", place.admin)]);
        command
    }

    fn init(&self, members: usize) -> Result<()> {
        self.insist(0, &["init", "--expect", &members.to_string()]).map(|_| ())
    }

    /// `sluice cluster …` against a node: what it printed, or what it complained of.
    pub(crate) fn operate(
        &self,
        node: usize,
        arguments: &[&str],
    ) -> Result<std::result::Result<String, String>> {
        let output =
            self.asking(node, arguments).output().map_err(BenchError::io("running sluice cluster"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        Ok(if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) })
    }

    /// Ids of the processes that run.
    pub(crate) fn processes(&self) -> impl Iterator<Item = u32> {
        self.children.iter().flatten().map(Child::id)
    }

    /// The folder that a node keeps its data in.
    pub(crate) fn data(&self, node: usize) -> PathBuf {
        self.nodes[node].folder.join(DATA)
    }

    /// All that a node has printed so far.
    pub(super) fn output(&self, node: usize) -> Result<String> {
        let output = self.nodes[node].folder.join("output");
        fs::read_to_string(output).map_err(BenchError::io("reading a node's output"))
    }

    /// The id of a node; it knows it itself.
    pub(super) fn id(&self, node: usize) -> Result<u64> {
        let said = self.insist(node, &["status", "--json"])?;
        let status: serde_json::Value = serde_json::from_str(&said)
            .map_err(|error| BenchError::Server(format!("the status is not JSON: {error}")))?;
        status["node"].as_u64().ok_or_else(|| BenchError::Server("the node has no id".to_owned()))
    }

    /// Runs a second process with a copy of a node's folder, at ports of its own, until it ends by itself. What it printed.
    pub(super) fn run_twin(&self, node: usize, data: &Path, within: Duration) -> Result<String> {
        let place = &self.nodes[node];
        let said = data.with_extension("said");
        let output = fs::File::create(&said).map_err(BenchError::io("opening a node's output"))?;
        let errors = output.try_clone().map_err(BenchError::io("opening a node's output"))?;
        let mut command = place.host.command(&self.server);
        command.args(["serve", "--insecure", "--workers", "1", "--data"]).arg(data);
        command.args(["--ports", "0"]).stdin(Stdio::null()).stdout(output).stderr(errors);
        let mut twin = command.spawn().map_err(BenchError::io("starting a node"))?;
        let started = Instant::now();
        let ended = loop {
            match twin.try_wait().map_err(BenchError::io("waiting for a node"))? {
                Some(status) => break Some(status),
                None if started.elapsed() > within => break None,
                None => pause(LOOK_EVERY),
            }
        };
        if ended.is_none_or(|status| status.success()) {
            let _ = twin.kill();
            let _ = twin.wait();
            return Err(self.lost(node, "has a twin that does not give up"));
        }
        let text = fs::read_to_string(&said).map_err(BenchError::io("reading a node's output"));
        fs::remove_file(&said).map_err(BenchError::io("removing a node's output"))?;
        text
    }

    /// Starts a node's process again.
    pub(super) fn restart(&mut self, node: usize) -> Result<()> {
        self.spawn(node, false)
    }

    fn spawn(&mut self, node: usize, fresh: bool) -> Result<()> {
        let place = &self.nodes[node];
        fs::create_dir_all(&place.folder).map_err(BenchError::io("making a node's folder"))?;
        let log = place.folder.join("output");
        let output = OpenOptions::new().create(true).append(true).open(&log);
        let output = output.map_err(BenchError::io("opening a node's output"))?;
        let errors = output.try_clone().map_err(BenchError::io("opening a node's output"))?;
        let secret = self.folder.path().join("join-secret");
        let mut command = place.host.command(&self.server);
        command.args(["serve", "--insecure", "--workers", "1", "--data", DATA, "--join-secret"]).arg(&secret);
        command.args(["--ports", &place.port.to_string()]);
        match place.host.flags(place.port) {
            // A lone node has no port for others until it is asked for.
            flags if flags.is_empty() => command.args(["--peer", &format!("127.0.0.1:{}", place.port + 3)]),
            flags => command.args(flags),
        };
        if fresh && node > 0 {
            command.args(["--join", &self.nodes[0].peer.to_string()]);
        }
        command.current_dir(&place.folder).stdin(Stdio::null()).stdout(output).stderr(errors);
        self.children[node] = Some(command.spawn().map_err(BenchError::io("starting a node"))?);
        Ok(())
    }

    /// Ends a node's process as a crash does.
    pub(super) fn kill(&mut self, node: usize) -> Result<()> {
        self.nodes[node].epoch.fall();
        if let Some(mut child) = self.children[node].take() {
            child.kill().map_err(BenchError::io("killing a node"))?;
            child.wait().map_err(BenchError::io("waiting for a killed node"))?;
        }
        Ok(())
    }

    /// Has a node's process stop in order, which must succeed.
    pub(super) fn stop(&mut self, node: usize) -> Result<()> {
        self.nodes[node].epoch.fall();
        self.signal(node, rustix::process::Signal::TERM)?;
        let Some(mut child) = self.children[node].take() else { return Ok(()) };
        let ended = child.wait().map_err(BenchError::io("waiting for a stopped node"))?;
        if ended.success() { Ok(()) } else { Err(self.lost(node, &format!("stopped with {ended}"))) }
    }

    /// Sends a node's process a signal.
    pub(super) fn signal(&self, node: usize, signal: rustix::process::Signal) -> Result<()> {
        let Some(child) = &self.children[node] else { return Ok(()) };
        let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) else {
            return Ok(());
        };
        rustix::process::kill_process(pid, signal)
            .map_err(|error| BenchError::io("signalling a node")(error.into()))?;
        while signal == rustix::process::Signal::STOP && !has_stopped(child.id())? {
            pause(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Nothing is expected of the node until it is waited for.
    pub(super) fn expect_nothing(&self, node: usize) {
        self.nodes[node].epoch.fall();
    }

    /// The node's host, for what the network does.
    pub(super) fn host(&self, node: usize) -> &Host {
        &self.nodes[node].host
    }

    /// Waits until a node answers polls, and expects it to from now on.
    pub(super) fn wait_ready(&mut self, node: usize) -> Result<()> {
        let started = Instant::now();
        while !is_ready(self.nodes[node].admin) {
            if let Some(status) =
                self.children[node].as_mut().and_then(|child| child.try_wait().ok().flatten())
            {
                return Err(self.lost(node, &format!("ended ({status})")));
            }
            if started.elapsed() > READY_WITHIN {
                return Err(self.lost(node, "is not ready"));
            }
            pause(LOOK_EVERY);
        }
        self.nodes[node].epoch.rise();
        Ok(())
    }

    /// Waits until a node that was removed has ended by itself.
    pub(super) fn wait_ended(&mut self, node: usize) -> Result<()> {
        let started = Instant::now();
        loop {
            let Some(child) = &mut self.children[node] else { return Ok(()) };
            if child.try_wait().map_err(BenchError::io("waiting for a removed node"))?.is_some() {
                self.children[node] = None;
                return Ok(());
            }
            if started.elapsed() > READY_WITHIN {
                return Err(self.lost(node, "was removed and goes on"));
            }
            pause(LOOK_EVERY);
        }
    }

    fn lost(&self, node: usize, how: &str) -> BenchError {
        let reason =
            format!("{how}; its last words:\n{}", last_lines(&self.nodes[node].folder.join("output")));
        BenchError::Peer { name: format!("node {node}"), reason }
    }

    /// A figure that a node exports to monitoring.
    pub(super) fn figure(&self, node: usize, name: &str) -> Result<f64> {
        let answer =
            fetch(self.nodes[node].admin, "/metrics").map_err(BenchError::io("asking for metrics"))?;
        let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let figure = line.and_then(|figure| figure.trim().parse().ok());
        figure.ok_or_else(|| BenchError::Server(format!("node {node} has no figure {name}")))
    }

    /// The sum of a figure that a node exports to monitoring, over all its labels.
    pub(super) fn figure_sum(&self, node: usize, name: &str) -> Result<f64> {
        let answer =
            fetch(self.nodes[node].admin, "/metrics").map_err(BenchError::io("asking for metrics"))?;
        let lines = answer.lines().filter(|line| line.starts_with(name));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.trim().parse::<f64>().ok()).sum())
    }

    /// The process of a node.
    pub(super) fn process(&self, node: usize) -> Result<u32> {
        let child = self.children[node].as_ref().map(Child::id);
        child.ok_or_else(|| BenchError::Server(format!("node {node} does not run")))
    }

    /// Index and hash of a group's state at a node.
    pub(super) fn state_hash(&self, node: usize, group: u16) -> Result<(u64, u64)> {
        let mut connection = Connection::connect_within(self.nodes[node].resp, ANSWER_WITHIN)?;
        let group = group.to_string();
        let pair = connection.call(&[b"RAFT", b"HASH", group.as_bytes()], |value| {
            let number = |name: &[u8]| value.field(name).and_then(|value| value.integer());
            match (number(b"index"), number(b"hash")) {
                (Some(index), Some(hash)) => Ok((index as u64, hash as u64)),
                _ => Err(sluice_client::ClientError::Unexpected(format!("{value:?}"))),
            }
        });
        Ok(pair?)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether every thread of a process stands still: on a busy machine they go on for a while after they were told to stop, and answer.
fn has_stopped(process: u32) -> Result<bool> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).map_err(BenchError::io("listing threads"))?;
    // The state follows the name, which is in parentheses. A thread that is gone does nothing.
    let stands =
        |stat: String| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'));
    let mut stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    Ok(stats.all(stands))
}

fn is_ready(admin: SocketAddr) -> bool {
    fetch(admin, "/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// The whole answer of the admin plane, head included.
fn fetch(admin: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(10).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

/// Between two looks at something foreign.
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// The server beside this program, if none was named.
pub(super) fn server_binary(named: Option<&PathBuf>) -> Result<PathBuf> {
    if let Some(path) = named {
        return fs::canonicalize(path).map_err(BenchError::io("looking for the server"));
    }
    let own = std::env::current_exe().map_err(BenchError::io("asking for the own path"))?;
    let path = own.with_file_name("sluice");
    if path.is_file() {
        Ok(path)
    } else {
        Err(BenchError::Missing(vec![format!("{} (cargo build --release -p sluice)", path.display())]))
    }
}

/// A command that dies with this program.
pub(super) fn mortal(program: &Path, prefix: &[String]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).args(prefix).arg(program);
    command
}
