//! One connection under load.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::error::{BenchError, Result};
use crate::load::deck::Deck;
use crate::load::framing::{Framing, HttpFraming, RespFraming, Tally};
use crate::load::operation::Operation;

/// A keep-alive connection, its unfinished reply and its requests in flight.
#[derive(Debug)]
pub(crate) struct Line {
    address: SocketAddr,
    socket: TcpStream,
    framing: Framing,
    replies_each: u64,
    /// Replies to a request that awaits more of them.
    early: u64,
    /// The part of the last deal that the kernel did not take yet.
    unsent: Range<usize>,
    /// Requests that shall be sent and were not dealt yet.
    pub(crate) due: u64,
    /// Requests dealt and not answered yet.
    pub(crate) in_flight: u64,
    /// Replies received.
    pub(crate) answered: u64,
    /// When the oldest pipeline in flight was dealt, in ns since the start.
    pub(crate) sent_ns: u64,
}

impl Line {
    pub(crate) fn connect(address: SocketAddr, operation: Operation) -> Result<Self> {
        let failed = |source| BenchError::Connect { address, source };
        let socket = std::net::TcpStream::connect(address).map_err(failed)?;
        socket.set_nodelay(true).and_then(|()| socket.set_nonblocking(true)).map_err(failed)?;
        let framing = if operation.is_http() {
            Framing::Http(HttpFraming::default())
        } else {
            Framing::Resp(RespFraming::default())
        };
        let socket = TcpStream::from_std(socket);
        let replies_each = operation.replies_each();
        Ok(Self {
            address,
            socket,
            framing,
            replies_each,
            early: 0,
            unsent: 0..0,
            due: 0,
            in_flight: 0,
            answered: 0,
            sent_ns: 0,
        })
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Whether every request was sent and answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.due == 0 && self.in_flight == 0
    }

    /// Sends what is due, as far as the pipeline and the kernel allow.
    pub(crate) fn send(&mut self, deck: &mut Deck, pipeline: u64, now_ns: u64) -> Result<()> {
        loop {
            if self.unsent.is_empty() {
                let room = pipeline - self.in_flight;
                let count = self.due.min(room);
                if count == 0 {
                    return Ok(());
                }
                if self.in_flight == 0 {
                    self.sent_ns = now_ns;
                }
                let (dealt, range) = deck.deal(count);
                self.due -= dealt;
                self.in_flight += dealt;
                self.unsent = range;
            }
            match self.socket.write(deck.bytes(self.unsent.clone())) {
                Ok(0) => return Err(self.closed()),
                Ok(written) => self.unsent.start += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    /// Reads what has come; says how many requests that answers, and how many bytes it was.
    ///
    /// A read that does not fill `buffer` has emptied the socket, and edge-triggered epoll tells when more
    /// comes; asking the kernel once more would cost a system call for every pipeline.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Result<(u64, u64)> {
        let (before, mut bytes) = (tally.replies, 0);
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return Err(self.closed()),
                Ok(read) => {
                    self.framing.feed(&buffer[..read], tally)?;
                    bytes += read as u64;
                    if read < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
        self.early += tally.replies - before;
        let replies = self.early / self.replies_each;
        self.early %= self.replies_each;
        if replies > self.in_flight {
            return Err(BenchError::Server(format!("{} sent more replies than requests", self.address)));
        }
        self.in_flight -= replies;
        self.answered += replies;
        Ok((replies, bytes))
    }

    fn closed(&self) -> BenchError {
        BenchError::Closed { address: self.address, answered: self.answered }
    }

    fn broken(&self, error: io::Error) -> BenchError {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => self.closed(),
            _ => BenchError::Io { doing: format!("talking to {}", self.address), source: error },
        }
    }
}
