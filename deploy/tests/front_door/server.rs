//! A running server, and what the stories do with one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long a server may live before the watchdog ends it and the test fails.
const PATIENCE: Duration = Duration::from_secs(180);

/// The binary with nothing of this environment that could configure it.
pub(crate) fn sluice(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SLUICE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).env("SLUICE_LOG_LEVEL", "error").stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    sluice(arguments).output().expect("sluice runs")
}

/// A server on free ports, killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// What it printed up to the end of the banner.
    pub(crate) banner: String,
    pub(crate) resp: SocketAddr,
    pub(crate) http: SocketAddr,
    /// Kept open: a server must not die because nobody reads what it prints.
    _stdout: BufReader<ChildStdout>,
    _watchdog: Sender<()>,
}

impl Server {
    /// Starts with these arguments beside `--ports 0 --data DIR`, and returns when the banner is out.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        let mut command = sluice(&["serve", "--ports", "0", "--data"]);
        command.arg(data).args(arguments);
        Self::spawn(command)
    }

    pub(crate) fn spawn(command: Command) -> Self {
        Self::spawn_for(command, PATIENCE)
    }

    /// The same for a test that takes longer.
    pub(crate) fn spawn_for(mut command: Command, patience: Duration) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("sluice starts");
        let watchdog = watch(&child, patience);
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
        let mut banner = String::new();
        while !banner.contains("curl ") {
            let read = stdout.read_line(&mut banner).expect("its output is text");
            assert!(read > 0, "ended before it was ready; it had printed {banner:?}");
        }
        let address = |name: &str| -> SocketAddr {
            let line = banner.lines().find_map(|line| line.trim().strip_prefix(name));
            let text = line.unwrap_or_else(|| panic!("no {name} in {banner:?}"));
            text.trim().parse().expect("the banner shows addresses")
        };
        let (resp, http) = (address("RESP"), address("HTTP"));
        Self { child, banner, resp, http, _stdout: stdout, _watchdog: watchdog }
    }

    /// `sluice zone …` against this server, which must succeed; its JSON.
    pub(crate) fn zone(&self, arguments: &[&str]) -> Value {
        let output = self.try_zone(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "zone {arguments:?}: {errors}");
        serde_json::from_slice(&output.stdout).expect("--json prints JSON")
    }

    pub(crate) fn try_zone(&self, arguments: &[&str]) -> Output {
        let resp = self.resp.to_string();
        sluice(&["zone", "--json", "--resp", &resp]).args(arguments).output().expect("sluice runs")
    }

    /// `sluice stream …` against this server, which must succeed; its JSON.
    pub(crate) fn stream(&self, arguments: &[&str]) -> Value {
        let output = self.try_stream(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "stream {arguments:?}: {errors}");
        serde_json::from_slice(&output.stdout).expect("--json prints JSON")
    }

    pub(crate) fn try_stream(&self, arguments: &[&str]) -> Output {
        let resp = self.resp.to_string();
        sluice(&["stream", "--json", "--resp", &resp]).args(arguments).output().expect("sluice runs")
    }

    /// Where it is administered.
    pub(crate) fn admin(&self) -> SocketAddr {
        let line = self.banner.lines().find_map(|line| line.trim().strip_prefix("admin"));
        let at = line.and_then(|line| line.trim().trim_start_matches("http://").parse().ok());
        at.expect("the banner shows the admin port")
    }

    /// The page of metrics.
    pub(crate) fn metrics(&self) -> String {
        request(self.admin(), "GET", "/metrics", "").1
    }

    /// One HTTP request on a connection of its own: status and body.
    pub(crate) fn http(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        request(self.http, method, path, body)
    }

    pub(crate) fn ready_status(&self) -> u16 {
        self.http("GET", "/readyz", "").0
    }

    /// The process.
    #[allow(dead_code, reason = "stories of a front door look at answers, not at the process")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("the process is there");
    }

    /// Blocks until the process has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("the process can be awaited")
    }

    /// Sends the signal until the process has ended: an echo of an earlier one does not count.
    pub(crate) fn insist(&mut self, signal: Signal) -> ExitStatus {
        loop {
            self.signal(signal);
            if let Some(status) = self.child.try_wait().expect("the process can be awaited") {
                return status;
            }
        }
    }

    /// Asks politely, as an operator does, and expects a clean end.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "drained, but ended with {status}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP request on a connection of its own: status and body.
fn request(at: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).expect("HTTP is served");
    let length = body.len();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\ncontent-length: {length}");
    write!(stream, "{head}\r\ncontent-type: application/json\r\n\r\n{body}").expect("the request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in text");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (status.expect("a status"), body.to_owned())
}

/// Ends the process if the returned sender is not dropped in time.
fn watch(child: &Child, patience: Duration) -> Sender<()> {
    let (sender, receiver) = channel::<()>();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    std::thread::spawn(move || {
        if receiver.recv_timeout(patience) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = kill_process(pid, Signal::KILL);
        }
    });
    sender
}
