//! Bytes that came in, and the replies in them.

use std::io;
use std::task::{Context, Poll, ready};

use sluice_net::resp::malformed::Malformed;
use sluice_net::resp::reply::{Reply, Value, decode};

use crate::limit::{BUFFER_BYTES_KEPT, READ_BYTES, REPLY_BYTES_MAX};
use crate::socket::Socket;

/// A buffer that is read from a socket and decoded from its head.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// `head..tail` came in and was not consumed.
    head: usize,
    tail: usize,
    /// Bytes that must be there before it is worth decoding again.
    needed: usize,
}

impl Input {
    /// What came in and was not consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.head..self.tail]
    }

    /// The reply at the head and its length, if it is whole.
    ///
    /// # Errors
    /// The bytes are not RESP, or the reply is longer than is taken.
    pub(crate) fn decode(&mut self) -> Result<Option<(Value<'_>, usize)>, Malformed> {
        if self.tail - self.head < self.needed.max(1) {
            return Ok(None);
        }
        match decode(&self.bytes[self.head..self.tail])? {
            Reply::Value { value, consumed } => Ok(Some((value, consumed))),
            Reply::Incomplete { needed } if needed > REPLY_BYTES_MAX => Err(Malformed::ReplyTooBig),
            Reply::Incomplete { needed } => {
                self.needed = needed;
                Ok(None)
            }
        }
    }

    /// Drops what was decoded.
    pub(crate) fn consume(&mut self, len: usize) {
        self.head += len;
        self.needed = 0;
        debug_assert!(self.head <= self.tail, "only what came in is consumed");
        if self.head == self.tail {
            (self.head, self.tail) = (0, 0);
        }
    }

    /// Forgets everything, for a new connection.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Reads once; ready with how many bytes came.
    ///
    /// # Errors
    /// The connection is over.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, socket: &mut Socket) -> Poll<io::Result<usize>> {
        self.make_room();
        match ready!(socket.poll_receive(cx, &mut self.bytes[self.tail..]))? {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            read => {
                self.tail += read;
                Poll::Ready(Ok(read))
            }
        }
    }

    /// Room for a good read, and for the whole of a reply that says how long it is.
    fn make_room(&mut self) {
        let held = self.tail - self.head;
        let wanted = (held + READ_BYTES / 2).max(self.needed);
        if held == 0 && self.bytes.len() > BUFFER_BYTES_KEPT {
            self.bytes = Vec::new();
        }
        if self.bytes.len() - self.head >= wanted {
            return;
        }
        self.bytes.copy_within(self.head..self.tail, 0);
        (self.head, self.tail) = (0, held);
        if self.bytes.len() < wanted {
            // Doubled, because each try to decode a long reply starts at its head.
            let len = wanted.max(2 * self.bytes.len()).max(READ_BYTES);
            self.bytes.resize(len, 0);
        }
    }
}
