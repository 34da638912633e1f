//! Connections that ask and do not read.

use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A client that waits this long has found a hang.
const HANG: Duration = Duration::from_secs(30);

/// A connection whose system takes in very little for who does not read, and that never blocks.
pub(crate) struct Hoarder {
    stream: TcpStream,
    rest: Vec<u8>,
    sent: usize,
}

impl Hoarder {
    /// Sends all of this, as far as it is taken.
    pub(crate) fn new(at: SocketAddr, pipeline: Vec<u8>) -> Hoarder {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4_096).expect("a small buffer");
        socket.connect(&at.into()).expect("the server accepts");
        socket.set_nonblocking(true).expect("it does not block");
        let mut hoarder = Hoarder { stream: TcpStream::from(socket), rest: pipeline, sent: 0 };
        hoarder.push();
        hoarder
    }

    /// Sends more, if that is taken; whether anything was.
    pub(crate) fn push(&mut self) -> bool {
        match self.stream.write(&self.rest[self.sent..]) {
            Ok(taken) => {
                self.sent += taken;
                taken > 0
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => false,
            // Closed, as it may be: it does not read.
            Err(_) => false,
        }
    }
}

/// An honest client of RESP.
pub(crate) struct Client {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Client {
    pub(crate) fn new(at: SocketAddr) -> Client {
        let stream = TcpStream::connect(at).expect("the server accepts");
        stream.set_read_timeout(Some(HANG)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Client { stream, held: Vec::new() }
    }

    /// Sends a request, and returns its reply as it came.
    pub(crate) fn ask(&mut self, words: &[&[u8]]) -> Vec<u8> {
        self.stream.write_all(&request(words)).expect("the server takes it");
        self.reply()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the server takes it");
    }

    /// The next reply as it came.
    pub(crate) fn reply(&mut self) -> Vec<u8> {
        use sluice_net::resp::reply::{Reply, decode};
        loop {
            if let Reply::Value { consumed, .. } = decode(&self.held).expect("RESP") {
                return self.held.drain(..consumed).collect();
            }
            let mut chunk = [0; 65_536];
            let read = self.stream.read(&mut chunk).expect("an answer");
            assert!(read > 0, "closed after {}", self.held.escape_ascii());
            self.held.extend_from_slice(&chunk[..read]);
        }
    }
}

/// A request as it is on the wire.
pub(crate) fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
