//! One connection: its socket, what it is in the middle of, and how it ends.
//!
//! ```text
//! slab      slots with generations                 line      who waits for whom
//! buffers   what exists only while bytes move      pending   replies in the order of requests
//! visit     read, answer, write: one turn          told, settled   answers, now and later
//! push      output that answers no request         channels        publish and subscribe
//! resp, http   the two languages                   stop      why reading pauses
//! keys      one operation, several groups          blocking  reads that wait for entries
//! exec      a transaction                          telling   a long reply, piece by piece
//! events    what an HTTP connection becomes when it listens
//! ```
//! An idle connection is one [`Session`] and nothing else.

pub(crate) mod blocking;
pub(crate) mod buffers;
pub(crate) mod channels;
pub(crate) mod events;
pub(crate) mod exec;
pub(crate) mod http;
pub(crate) mod keys;
pub(crate) mod line;
pub(crate) mod pending;
pub(crate) mod push;
pub(crate) mod reading;
pub(crate) mod resp;
pub(crate) mod settled;
pub(crate) mod slab;
pub(crate) mod stop;
pub(crate) mod telling;
pub(crate) mod told;
pub(crate) mod visit;

use crate::shares::Share;
use events::EventTalk;
use http::HttpTalk;
use line::Line;
use mio::net::TcpStream;
use resp::RespTalk;
use sluice_engine::time::MonoMs;
use stop::Stop;

/// The language of a connection, with what it remembers.
pub(crate) enum Talk {
    Resp(Box<RespTalk>),
    Http(HttpTalk),
    /// An HTTP connection that has become an event stream.
    Events(Box<EventTalk>),
}

/// How far the end of a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Requests are read.
    Open,
    /// What was asked is answered, then it ends.
    Ending,
    /// Everything was sent and our side is closed; what the client still sends is read and dropped, so that
    /// the kernel does not reset the connection before the last answer is read. Until the given moment.
    Lingering(MonoMs),
}

/// One connection.
pub(crate) struct Session {
    pub(crate) socket: TcpStream,
    /// What it takes of the connections there may be.
    pub(crate) share: Share,
    pub(crate) line: Line,
    pub(crate) talk: Talk,
    pub(crate) phase: Phase,
    /// Why its input was last left alone.
    pub(crate) stop: Stop,
    /// When bytes last came or went.
    pub(crate) active: MonoMs,
    /// The socket may have bytes: readiness is reported once, so it is remembered.
    pub(crate) unread: bool,
    /// The kernel said that the client sends nothing more; what it sent before may still be unread.
    pub(crate) finished: bool,
    /// Everything that the client sent was read, to its end.
    pub(crate) ended: bool,
    /// It is among the worker's connections to visit again.
    pub(crate) queued: bool,
    /// Answers came that were not written yet.
    pub(crate) dirty: bool,
    /// Bytes that it was last counted as holding.
    pub(crate) counted: usize,
}

impl Session {
    pub(crate) fn new(socket: TcpStream, share: Share, line: Line, talk: Talk, now: MonoMs) -> Session {
        Session {
            socket,
            share,
            line,
            talk,
            phase: Phase::Open,
            stop: Stop::Starved { needed: 1 },
            active: now,
            unread: true,
            finished: false,
            ended: false,
            queued: false,
            dirty: false,
            counted: 0,
        }
    }
}

/// Whether the connection lives on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Fate {
    /// Nothing to do until something happens.
    Rests,
    /// It was visited: what becomes of it is decided, and its answers are written, by [`Session::finish`].
    Visited,
    /// It has more to do as soon as others were served.
    Again,
    /// It is over: take it out.
    Over,
}
