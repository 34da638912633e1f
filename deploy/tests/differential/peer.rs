//! The servers that stand side by side, and connections to them.

use std::io::{BufRead as _, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command as Process, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::generator::Command;
use crate::reply::{Protocol, Reply, read};

/// A test that waits so long for something has found a defect; none passes or fails by it otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server process, killed when dropped.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    address: Address,
    child: Child,
    /// Kept open: a server must not die because nobody reads what it prints.
    _stdout: BufReader<ChildStdout>,
    _folder: TempDir,
}

enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Server {
    /// The installed redis-server, on a socket of its own so that no port can be taken.
    pub(crate) fn redis(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let mut process = Process::new("redis-server");
        process.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(&socket);
        // It looks whether a blocked client's time has run out this often a second.
        process.args(["--hz", "500", "--dir"]).arg(folder.path());
        let (child, stdout, _) = spawn(process, "ready to accept connections");
        Self { name, address: Address::Unix(socket), child, _stdout: stdout, _folder: folder }
    }

    /// A single node of this build.
    pub(crate) fn sluice() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::new(env!("CARGO_BIN_EXE_sluice"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SLUICE_") {
                process.env_remove(name);
            }
        }
        process.env("SLUICE_LOG_LEVEL", "error").args(["serve", "--ports", "0", "--data"]);
        process.arg(folder.path().join("data"));
        let (child, stdout, banner) = spawn(process, "curl ");
        let line = banner.lines().find_map(|line| line.trim().strip_prefix("RESP"));
        let address = line.expect("the banner shows the RESP address").trim().parse().expect("an address");
        Self { name: "sluice", address: Address::Tcp(address), child, _stdout: stdout, _folder: folder }
    }

    pub(crate) fn connect(&self, protocol: Protocol) -> Connection {
        let stream: Box<dyn Wire> = match &self.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).expect("redis-server takes connections");
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).expect("the server takes connections");
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        };
        let protocol_before = Protocol::Resp2;
        let mut connection =
            Connection { name: self.name, stream, buffer: Vec::new(), at: 0, protocol: protocol_before };
        if protocol == Protocol::Resp3 {
            connection.send([&crate::generator::words(&["HELLO", "3"])]);
            connection.protocol = Protocol::Resp3;
            let greeting = connection.receive();
            assert!(matches!(greeting, Ok(Reply::Map(_))), "{} greets with {greeting:?}", self.name);
        }
        connection
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Fails where it has ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a process and returns when it has printed `ready`, with all that it printed until then.
fn spawn(mut process: Process, ready: &str) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = process.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
        let name = process.get_program().display();
        panic!(
            "{name} does not start (Debian package redis-server; deploy/test.sh tools installs it): {error}"
        )
    });
    let mut stdout = BufReader::new(child.stdout.take().expect("its output is piped"));
    let mut printed = String::new();
    while !printed.contains(ready) {
        let count = stdout.read_line(&mut printed).expect("its output is text");
        assert!(count > 0, "ended before it was ready; it had printed {printed:?}");
    }
    (child, stdout, printed)
}

trait Wire: Read + Write + Send {}

impl<T: Read + Write + Send> Wire for T {}

/// A connection that keeps what it has read beyond the reply that was asked for.
pub(crate) struct Connection {
    pub(crate) name: &'static str,
    stream: Box<dyn Wire>,
    buffer: Vec<u8>,
    at: usize,
    pub(crate) protocol: Protocol,
}

impl Connection {
    /// Sends commands without waiting for their replies.
    pub(crate) fn send<'a>(&mut self, commands: impl IntoIterator<Item = &'a Command>) {
        let mut bytes = Vec::new();
        for command in commands {
            write!(bytes, "*{}\r\n", command.len()).unwrap();
            for word in command {
                write!(bytes, "${}\r\n", word.len()).unwrap();
                bytes.extend_from_slice(word);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        self.stream.write_all(&bytes).unwrap_or_else(|error| panic!("{} takes commands: {error}", self.name));
    }

    /// The next reply, or what was wrong with it.
    pub(crate) fn receive(&mut self) -> Result<Reply, String> {
        loop {
            match read(&self.buffer[self.at..], self.protocol) {
                Ok(Some((reply, length))) => {
                    self.at += length;
                    if self.at == self.buffer.len() {
                        self.buffer.clear();
                        self.at = 0;
                    }
                    return Ok(reply);
                }
                Ok(None) => self.fill()?,
                Err(violation) => {
                    let bytes = self.buffer[self.at..].iter().take(200).copied().collect::<Vec<u8>>();
                    return Err(format!("not the protocol: {} in {}", violation.0, bytes.escape_ascii()));
                }
            }
        }
    }

    fn fill(&mut self) -> Result<(), String> {
        let mut chunk = [0; 16 << 10];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err("the connection was closed".to_owned()),
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(format!("no reply: {error}")),
        }
    }

    /// One command and its reply, which must come.
    pub(crate) fn ask(&mut self, command: &Command) -> Reply {
        self.send([command]);
        self.receive().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

/// Waits for `attempt` to return something, asking again and again.
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
