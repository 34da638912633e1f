//! How a stream is asked for and appended to, at each peer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::Peer;
use super::reader::marker;
use crate::error::{BenchError, Result};

/// The stream's name: one of this process, as whoever begins to read is told what a stream holds.
fn name() -> String {
    format!("fanout{}", std::process::id())
}

/// What a reader sends.
pub(super) fn read_request(peer: Peer, address: SocketAddr) -> Vec<u8> {
    let path = match peer {
        Peer::Sluice => format!("/v1/streams/{}/events", name()),
        Peer::Nchan => format!("/sub/{}", name()),
    };
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n\r\n").into_bytes()
}

/// Appends messages over one connection.
pub(super) struct Publisher {
    peer: Peer,
    address: SocketAddr,
    socket: TcpStream,
    output: Vec<u8>,
}

impl Publisher {
    pub(super) fn connect(peer: Peer, address: SocketAddr) -> Result<Publisher> {
        let socket = TcpStream::connect(address).map_err(|source| BenchError::Connect { address, source })?;
        socket.set_nodelay(true).map_err(BenchError::io("preparing the publisher"))?;
        Ok(Publisher { peer, address, socket, output: Vec::new() })
    }

    /// Sends a message with this number in it.
    pub(super) fn append(&mut self, number: u64) -> Result<()> {
        let marker = marker(number);
        let text = format!(
            "{{\"step\":\"resize\",\"done\":17,\"of\":40,\"file\":\"a3f9c1.jpg\",\"n\":\"{marker}\"}}"
        );
        let name = name();
        self.output.clear();
        match self.peer {
            Peer::Sluice => {
                let words: [&[u8]; 7] =
                    [b"XADD", name.as_bytes(), b"MAXLEN", b"50", b"*", b"event", text.as_bytes()];
                sluice_client::encode_command(&mut self.output, &words);
            }
            Peer::Nchan => {
                let head = format!("POST /pub/{name} HTTP/1.1\r\nHost: {}\r\n", self.address);
                self.output.extend_from_slice(head.as_bytes());
                let length = format!("Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n", text.len());
                self.output.extend_from_slice(length.as_bytes());
                self.output.extend_from_slice(text.as_bytes());
            }
        }
        self.socket.write_all(&self.output).map_err(BenchError::io("appending a message"))
    }

    /// Reads the reply to the last append, which has come by now or is about to.
    pub(super) fn settle(&mut self) -> Result<()> {
        let mut buffer = [0; 4_096];
        let mut reply = Vec::new();
        while !self.is_whole(&reply) {
            let read = self.socket.read(&mut buffer).map_err(BenchError::io("reading a reply"))?;
            if read == 0 {
                return Err(BenchError::Closed { address: self.address, answered: 0 });
            }
            reply.extend_from_slice(&buffer[..read]);
        }
        let is_good = match self.peer {
            Peer::Sluice => reply.starts_with(b"$"),
            Peer::Nchan => reply.starts_with(b"HTTP/1.1 20"),
        };
        if is_good { Ok(()) } else { Err(BenchError::Server(String::from_utf8_lossy(&reply).into_owned())) }
    }

    fn is_whole(&self, reply: &[u8]) -> bool {
        match self.peer {
            Peer::Sluice => crate::load::count_resp_replies(reply).is_ok_and(|replies| replies > 0),
            Peer::Nchan => crate::load::count_http_replies(reply).is_ok_and(|replies| replies > 0),
        }
    }
}
