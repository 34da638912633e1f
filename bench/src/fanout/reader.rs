//! One reader of a stream: a socket, and whether the message of this round has come.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use memchr::memmem;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::error::{BenchError, Result};

/// Bytes of a marker less one: so much of a read may be the beginning of one.
const TAIL_BYTES: usize = 9;

pub(super) struct Reader {
    address: SocketAddr,
    socket: TcpStream,
    /// The end of the last read.
    tail: [u8; TAIL_BYTES],
    tail_len: usize,
    /// The round whose message it has; `None`: not even the first.
    has: Option<u64>,
}

impl Reader {
    pub(super) fn connect(address: SocketAddr, request: &[u8]) -> Result<Reader> {
        let mut socket = std::net::TcpStream::connect(address)
            .map_err(|source| BenchError::Connect { address, source })?;
        socket.write_all(request).map_err(BenchError::io("asking for a stream"))?;
        socket.set_nonblocking(true).map_err(BenchError::io("preparing a reader"))?;
        let socket = TcpStream::from_std(socket);
        Ok(Reader { address, socket, tail: [0; TAIL_BYTES], tail_len: 0, has: None })
    }

    /// One whose request was answered with something already.
    pub(super) fn answered(address: SocketAddr, request: &[u8]) -> Result<Reader> {
        let mut socket = std::net::TcpStream::connect(address)
            .map_err(|source| BenchError::Connect { address, source })?;
        socket.write_all(request).map_err(BenchError::io("asking for a stream"))?;
        let mut first = [0; 1];
        socket.read_exact(&mut first).map_err(BenchError::io("waiting for a stream"))?;
        let socket = TcpStream::from_std(socket);
        Ok(Reader { address, socket, tail: [0; TAIL_BYTES], tail_len: 0, has: None })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> Result<()> {
        let registered = registry.register(&mut self.socket, token, Interest::READABLE);
        registered.map_err(BenchError::io("registering a reader with epoll"))
    }

    /// Takes what has come; true where the message of this round is in it, for the first time.
    pub(super) fn read(&mut self, buffer: &mut [u8], round: u64, marker: &[u8]) -> Result<bool> {
        let mut found = false;
        loop {
            let kept = self.tail_len;
            buffer[..kept].copy_from_slice(&self.tail[..kept]);
            match self.socket.read(&mut buffer[kept..]) {
                Ok(0) => return Err(BenchError::Closed { address: self.address, answered: round }),
                Ok(read) => {
                    let bytes = &buffer[..kept + read];
                    found |= memmem::find(bytes, marker).is_some();
                    let rest = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
                    self.tail[..rest.len()].copy_from_slice(rest);
                    self.tail_len = rest.len();
                    // Edge-triggered epoll tells when more comes.
                    if kept + read < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(BenchError::io("reading a stream")(error)),
            }
        }
        let is_new = found && self.has != Some(round);
        if is_new {
            self.has = Some(round);
        }
        Ok(is_new)
    }
}
