//! A server that answers without looking, to find out how fast the load generator is.
//!
//! It counts the `*` that opens every RESP command and writes as many copies of one reply. A rate measured
//! against a real server means something only while it is well below the rate measured against this one.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use memchr::memchr_iter;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::error::{BenchError, Result};
use crate::limit::{CONNECTIONS_MAX, EVENTS_MAX, PIPELINE_MAX, READ_BYTES};

/// Shaped and sized as the reply to a poll.
const REPLY: &[u8] =
    b"*10\r\n$5\r\nstate\r\n$7\r\nwaiting\r\n$5\r\ntoken\r\n$27\r\nabcdefghijklmnopqrstuvwxyz0\r\n\
    $8\r\nposition\r\n:123456\r\n$6\r\neta_ms\r\n:7407360\r\n$7\r\npoll_ms\r\n:3000\r\n";

const LISTENER: Token = Token(usize::MAX);

/// A bound but not yet serving sink.
#[derive(Debug)]
pub struct Sink {
    listener: TcpListener,
    poll: Poll,
    guests: Vec<Option<Guest>>,
    replies: Vec<u8>,
    buffer: Vec<u8>,
}

/// One connection, and how many bytes of replies it still gets.
#[derive(Debug)]
struct Guest {
    socket: TcpStream,
    owed_bytes: usize,
}

impl Sink {
    /// Listens at `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// The address is in use or not of this host.
    pub fn bind(address: SocketAddr) -> Result<Self> {
        let doing = || format!("listening at {address}");
        let mut listener = TcpListener::bind(address).map_err(BenchError::io(doing()))?;
        let poll = Poll::new().map_err(BenchError::io(doing()))?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(BenchError::io(doing()))?;
        let replies = REPLY.repeat(PIPELINE_MAX as usize);
        Ok(Self { listener, poll, guests: Vec::new(), replies, buffer: vec![0; READ_BYTES] })
    }

    /// Where it listens.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(BenchError::io("asking for the own address"))
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// The operating system refuses to wait for events.
    pub fn run(mut self) -> Result<std::convert::Infallible> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            match self.poll.poll(&mut events, None) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(BenchError::io("waiting for events")(error));
                }
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    Token(number) => self.serve(number),
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((mut socket, _)) = self.listener.accept() {
            let free = self.guests.iter().position(Option::is_none).unwrap_or(self.guests.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            let is_full = free >= CONNECTIONS_MAX as usize;
            if is_full || self.poll.registry().register(&mut socket, Token(free), both).is_err() {
                continue;
            }
            // Without it a second reply would wait for the acknowledgement of the first.
            let _ = socket.set_nodelay(true);
            if free == self.guests.len() {
                self.guests.push(None);
            }
            self.guests[free] = Some(Guest { socket, owed_bytes: 0 });
        }
    }

    fn serve(&mut self, number: usize) {
        let Some(slot) = self.guests.get_mut(number) else { return };
        let Some(guest) = slot else { return };
        if !guest.serve(&self.replies, &mut self.buffer) {
            *slot = None;
        }
    }
}

impl Guest {
    /// Takes requests and pays replies; false once the connection is over.
    fn serve(&mut self, replies: &[u8], buffer: &mut [u8]) -> bool {
        loop {
            let read = match self.socket.read(buffer) {
                Ok(0) => return false,
                Ok(read) => read,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock && self.pay(replies),
            };
            self.owed_bytes += memchr_iter(b'*', &buffer[..read]).count() * REPLY.len();
            if read < buffer.len() {
                return self.pay(replies);
            }
        }
    }

    fn pay(&mut self, replies: &[u8]) -> bool {
        while self.owed_bytes > 0 {
            // `replies` is whole copies, so what is owed modulo one reply says where in it to go on.
            let begun = (REPLY.len() - self.owed_bytes % REPLY.len()) % REPLY.len();
            let end = replies.len().min(begun + self.owed_bytes);
            match self.socket.write(&replies[begun..end]) {
                Ok(0) => return false,
                Ok(written) => self.owed_bytes -= written,
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}
