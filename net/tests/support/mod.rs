//! A real server on ports of the system's choice, and blocking clients that fail instead of hanging.

#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod member;

use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::id::Ticket;
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::sequencer::Local;
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use sluice_net::clock::Clock;
use sluice_net::config::NetConfig;
use sluice_net::server::Server;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A client that waits this long has found a hang. No test passes or fails by it otherwise.
const HANG: Duration = Duration::from_secs(30);

/// The defaults on free ports, changed by `change`.
pub(crate) fn config(change: impl FnOnce(&mut NetConfig)) -> NetConfig {
    let mut config = NetConfig::loopback(Clock::start());
    config.resp.set_port(0);
    config.http.set_port(0);
    config.pin = false;
    // The host that most tests name.
    config.names = vec!["h".to_owned()];
    change(&mut config);
    config
}

/// A server with one zone a name and limit.
pub(crate) fn start(config: NetConfig, zones: &[(&str, u32)]) -> Server {
    let patch = |limit| ZonePatch { limit: Some(limit), ..ZonePatch::default() };
    start_with(config, zones.iter().map(|(name, limit)| (*name, patch(*limit))).collect())
}

/// A server with these zones.
pub(crate) fn start_with(config: NetConfig, zones: Vec<(&str, ZonePatch)>) -> Server {
    let (directory, mut owners) = open(&config);
    for (name, patch) in zones {
        let name = ZoneName::parse(name.as_bytes()).unwrap();
        let group = directory.group_of(name.as_str().as_bytes());
        let command = Command::ZoneSet { name, patch: Box::new(patch) };
        owners[usize::from(group.0)].submit(command, Ticket(0)).unwrap();
    }
    for owner in &mut owners {
        owner.turn(config.clock.now());
        owner.drain_replies(&mut Vec::new());
    }
    Server::start(config, directory, owners).unwrap()
}

/// An empty engine of six groups.
pub(crate) fn open(config: &NetConfig) -> (Arc<Directory>, Vec<Owner>) {
    let memory_max = if config.memory_max_bytes == 0 { 256 << 20 } else { config.memory_max_bytes };
    let options = Options { memory_max, ..Options::new([7; 16]) };
    let local = |_, applied| Box::new(Local::new(applied)) as Box<_>;
    node::open(options, Vec::new(), local, config.clock.now()).unwrap()
}

/// Asks again and again until it is so.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < HANG, "never: {what}");
        std::thread::yield_now();
    }
}

/// A blocking connection.
pub(crate) struct Client {
    stream: TcpStream,
    /// Bytes that were read and not asked for yet, from `taken` on.
    held: Vec<u8>,
    taken: usize,
}

/// One HTTP response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (field, value) = line.split_once(": ")?;
            field.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Client {
    pub(crate) fn connect(at: SocketAddr) -> Client {
        Client::over(TcpStream::connect(at).unwrap())
    }

    /// Over a connection that was made otherwise.
    pub(crate) fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(HANG)).unwrap();
        stream.set_write_timeout(Some(HANG)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, held: Vec::new(), taken: 0 }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// The end of what was received, to be shown.
    fn tail(&self) -> String {
        let rest = self.rest();
        rest[rest.len().saturating_sub(200)..].escape_ascii().to_string()
    }

    fn rest(&self) -> &[u8] {
        &self.held[self.taken..]
    }

    /// As `send`, but the server may have closed.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// A second handle to the same connection, which has read nothing.
    pub(crate) fn try_clone(&self) -> Client {
        Client { stream: self.stream.try_clone().unwrap(), held: Vec::new(), taken: 0 }
    }

    /// Reads more; false at the end, a reset included.
    fn fill(&mut self) -> bool {
        let mut chunk = [0; 65_536];
        self.held.drain(..std::mem::take(&mut self.taken));
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(read) => {
                self.held.extend_from_slice(&chunk[..read]);
                true
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no answer: {error}; so far {}", self.tail()),
        }
    }

    /// Has so many bytes more taken from the socket, and keeps them.
    pub(crate) fn pull(&mut self, len: usize) {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).unwrap();
        self.held.extend_from_slice(&bytes);
    }

    /// Exactly so many bytes.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        while self.rest().len() < len {
            assert!(self.fill(), "closed after {}", self.tail());
        }
        self.taken += len;
        self.held[self.taken - len..self.taken].to_vec()
    }

    /// Up to and with `end`.
    pub(crate) fn take_until(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.rest().windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len());
            }
            assert!(self.fill(), "closed after {}", self.tail());
        }
    }

    /// Everything until the server closes.
    pub(crate) fn take_to_end(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.held)
    }

    /// Whether what comes begins with this; not where the server closes before.
    pub(crate) fn starts_with(&mut self, head: &[u8]) -> bool {
        while self.rest().len() < head.len() {
            if !self.fill() {
                return false;
            }
        }
        self.rest().starts_with(head)
    }

    /// Gives back what was received.
    pub(crate) fn forget(&mut self) {
        (self.held, self.taken) = (Vec::new(), 0);
    }

    /// One RESP reply, as the bytes it has.
    pub(crate) fn reply(&mut self) -> Vec<u8> {
        use sluice_net::resp::reply::{Reply, decode};
        loop {
            match decode(self.rest()).unwrap() {
                Reply::Value { consumed, .. } => return self.take(consumed),
                Reply::Incomplete { .. } => {
                    assert!(self.fill(), "closed after {}", self.tail())
                }
            }
        }
    }

    /// Sends one inline command and returns the text of its reply.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        String::from_utf8(self.reply()).unwrap()
    }

    /// One HTTP response with its body.
    pub(crate) fn response(&mut self) -> Response {
        self.response_to(false)
    }

    /// One HTTP response; `head` says that it has no body whatever its length.
    pub(crate) fn response_to(&mut self, head: bool) -> Response {
        let text = String::from_utf8(self.take_until(b"\r\n\r\n")).unwrap();
        let status = text[9..12].parse().unwrap();
        let mut response = Response { status, head: text, body: String::new() };
        let len = response.field("content-length").map_or(0, |len| len.parse().unwrap());
        if !head {
            response.body = String::from_utf8(self.take(len)).unwrap();
        }
        response
    }

    /// Sends a request without body and returns the response.
    pub(crate) fn call(&mut self, method: &str, path: &str) -> Response {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        self.response_to(method == "HEAD")
    }

    /// Sends a request with a JSON body and returns the response.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> Response {
        let len = body.len();
        let head = "Host: h\r\nContent-Type: application/json\r\n";
        self.send(format!("POST {path} HTTP/1.1\r\n{head}Content-Length: {len}\r\n\r\n{body}"));
        self.response()
    }
}

/// The value behind a name in a RESP2 reply that is a flat array of bulk strings and numbers.
pub(crate) fn value_of(reply: &str, name: &str) -> String {
    let mut lines = reply.split("\r\n").skip_while(|line| *line != name).skip(1);
    let first = lines.next().unwrap_or_else(|| panic!("no {name} in {reply}"));
    match first.strip_prefix(':') {
        Some(number) => number.to_owned(),
        None => lines.next().unwrap().to_owned(),
    }
}

/// Resident bytes of this process.
pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}
