//! One reader of a stream: a socket, and whether the message of this round has come.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::error::{BenchError, Result};

/// What a marker begins with.
const MARK: u8 = b'#';
/// Bytes of a marker.
const MARKER_BYTES: usize = 10;
/// So much of the end of a read may be the beginning of one.
const TAIL_BYTES: usize = MARKER_BYTES - 1;

pub(super) struct Reader {
    address: SocketAddr,
    socket: TcpStream,
    /// The end of the last read.
    tail: [u8; TAIL_BYTES],
    tail_len: usize,
}

impl Reader {
    pub(super) fn connect(address: SocketAddr, request: &[u8]) -> Result<Reader> {
        let mut socket = std::net::TcpStream::connect(address)
            .map_err(|source| BenchError::Connect { address, source })?;
        socket.write_all(request).map_err(BenchError::io("asking for a stream"))?;
        socket.set_nonblocking(true).map_err(BenchError::io("preparing a reader"))?;
        let socket = TcpStream::from_std(socket);
        Ok(Reader { address, socket, tail: [0; TAIL_BYTES], tail_len: 0 })
    }

    /// One whose request was answered with something already.
    pub(super) fn answered(address: SocketAddr, request: &[u8]) -> Result<Reader> {
        let mut socket = std::net::TcpStream::connect(address)
            .map_err(|source| BenchError::Connect { address, source })?;
        socket.write_all(request).map_err(BenchError::io("asking for a stream"))?;
        let mut first = [0; 1];
        socket.read_exact(&mut first).map_err(BenchError::io("waiting for a stream"))?;
        let socket = TcpStream::from_std(socket);
        Ok(Reader { address, socket, tail: [0; TAIL_BYTES], tail_len: 0 })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> Result<()> {
        let registered = registry.register(&mut self.socket, token, Interest::READABLE);
        registered.map_err(BenchError::io("registering a reader with epoll"))
    }

    /// Takes what has come, and tells the number of each message in it.
    pub(super) fn read(&mut self, buffer: &mut [u8], mut told: impl FnMut(u64)) -> Result<()> {
        loop {
            let kept = self.tail_len;
            buffer[..kept].copy_from_slice(&self.tail[..kept]);
            match self.socket.read(&mut buffer[kept..]) {
                Ok(0) => return Err(BenchError::Closed { address: self.address, answered: 0 }),
                Ok(read) => {
                    let bytes = &buffer[..kept + read];
                    let mut rest = 0;
                    for at in memchr::memchr_iter(MARK, bytes) {
                        let Some(marker) = bytes.get(at..at + MARKER_BYTES) else { break };
                        if at >= rest
                            && let Some(number) = number_of(marker)
                        {
                            told(number);
                            rest = at + MARKER_BYTES;
                        }
                    }
                    let rest = &bytes[rest.max(bytes.len().saturating_sub(TAIL_BYTES))..];
                    self.tail[..rest.len()].copy_from_slice(rest);
                    self.tail_len = rest.len();
                    // Edge-triggered epoll tells when more comes.
                    if kept + read < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(BenchError::io("reading a stream")(error)),
            }
        }
    }
}

/// What marks a message with this number.
pub(super) fn marker(number: u64) -> String {
    format!("#{number:08}#")
}

fn number_of(marker: &[u8]) -> Option<u64> {
    let digits = marker.strip_prefix(b"#")?.strip_suffix(b"#")?;
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| 10 * number + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::{marker, number_of};

    #[test]
    fn a_marker_tells_its_number() {
        assert_eq!(number_of(marker(1_203).as_bytes()), Some(1_203));
        assert_eq!(number_of(b"#0000x203#"), None);
        assert_eq!(number_of(b"#00001203 "), None);
    }
}
