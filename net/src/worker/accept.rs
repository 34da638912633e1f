//! Accepting connections for all workers, and surviving when there are no descriptors left.
//!
//! Readiness of a listener is reported once, so it is remembered until the kernel says that nobody
//! waits. When the process is out of descriptors a waiting connection would keep the listener ready
//! for ever: one descriptor is held in reserve, given up to accept it, and taken back once the
//! connection is closed. Without even that one, accepting pauses for a moment.

use super::turn::Turn;
use super::{HTTP_LISTENER, RESP_LISTENER, Worker};
use crate::limit;
use crate::protocol::Protocol;
use crate::session::{Phase, Session, Talk};
use crate::shared::Ending;
use crate::shares::Share;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};
use rustix::io::Errno;
use sluice_engine::time::MonoMs;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown};

struct Entrance {
    listener: TcpListener,
    protocol: Protocol,
    /// Somebody may be waiting.
    ready: bool,
}

/// The listeners, and what is needed to survive a shortage.
pub(crate) struct Acceptor {
    entrances: Vec<Entrance>,
    /// A descriptor to give up when there is no other.
    reserve: Option<File>,
    /// When to try again after not even the reserve helped.
    retry_at: Option<MonoMs>,
    /// The worker that gets the next connection.
    next_worker: usize,
}

impl Acceptor {
    /// Watches both listeners with the registry of the worker that will accept.
    pub(crate) fn new(registry: &Registry, resp: TcpListener, http: TcpListener) -> io::Result<Acceptor> {
        let mut entrances = Vec::new();
        for (protocol, mut listener) in [(Protocol::Resp, resp), (Protocol::Http, http)] {
            let token = match protocol {
                Protocol::Resp => RESP_LISTENER,
                Protocol::Http => HTTP_LISTENER,
            };
            registry.register(&mut listener, token, Interest::READABLE)?;
            entrances.push(Entrance { listener, protocol, ready: true });
        }
        Ok(Acceptor { entrances, reserve: reserve(), retry_at: None, next_worker: 0 })
    }

    /// When accepting should be tried again even if nobody new comes. At once where readiness is remembered.
    pub(crate) fn retry_at(&self) -> Option<MonoMs> {
        let ready = self.entrances.iter().any(|entrance| entrance.ready);
        ready.then(|| self.retry_at.unwrap_or(MonoMs(0)))
    }

    /// The next connection, or `None` when nobody waits or nobody can be let in now.
    fn accept(&mut self, index: usize, now: MonoMs) -> Option<Accepted> {
        let entrance = self.entrances.get_mut(index)?;
        match entrance.listener.accept() {
            Ok((socket, peer)) => Some(Accepted::Socket(socket, entrance.protocol, peer.ip())),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                entrance.ready = false;
                None
            }
            Err(error) if is_shortage(&error) => {
                let shed = self.shed(index);
                if !shed {
                    self.retry_at = Some(MonoMs(now.0 + limit::ACCEPT_RETRY_MS));
                }
                shed.then_some(Accepted::Shed)
            }
            // The client went away between; the next one may be fine.
            Err(_) => Some(Accepted::Gone),
        }
    }

    /// Accepts one connection with the reserve and closes it. False where that was not possible.
    fn shed(&mut self, index: usize) -> bool {
        if self.reserve.take().is_none() {
            self.reserve = reserve();
            return false;
        }
        let accepted = self.entrances.get(index).is_some_and(|entrance| entrance.listener.accept().is_ok());
        self.reserve = reserve();
        accepted
    }
}

/// A new connection on its way to the worker that will serve it.
pub(crate) struct Arriving {
    socket: TcpStream,
    share: Share,
    /// There are too many: one is to go for it first.
    room: Option<MakeRoom>,
}

/// For whose sake a connection goes.
#[derive(Clone, Copy)]
struct MakeRoom {
    /// Only one of this port is any use; `None`: whichever.
    of: Option<Protocol>,
    /// Workers that have not been asked yet.
    workers: usize,
}

enum Accepted {
    Socket(TcpStream, Protocol, IpAddr),
    /// Closed at once, for want of descriptors.
    Shed,
    Gone,
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

fn is_shortage(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&errno))
}

impl Worker {
    /// Notes that somebody may be waiting at a listener.
    pub(super) fn incoming(&mut self, protocol: Protocol) {
        let Some(acceptor) = &mut self.acceptor else { return };
        for entrance in acceptor.entrances.iter_mut().filter(|entrance| entrance.protocol == protocol) {
            entrance.ready = true;
        }
    }

    /// Accepts those who wait, at most [`limit::ACCEPTS_PER_TURN`] a listener.
    pub(super) fn accept_again(&mut self, turn: Turn<'_>) {
        let Some(mut acceptor) = self.acceptor.take() else { return };
        if acceptor.retry_at.is_none_or(|at| at <= turn.now) {
            acceptor.retry_at = None;
            for index in 0..acceptor.entrances.len() {
                self.accept_from(&mut acceptor, index, turn);
            }
        }
        self.acceptor = Some(acceptor);
    }

    fn accept_from(&mut self, acceptor: &mut Acceptor, index: usize, turn: Turn<'_>) {
        for _ in 0..limit::ACCEPTS_PER_TURN {
            let ready = acceptor.entrances.get(index).is_some_and(|entrance| entrance.ready);
            if !ready || acceptor.retry_at.is_some() {
                return;
            }
            match acceptor.accept(index, turn.now) {
                Some(Accepted::Socket(socket, protocol, from)) => {
                    self.place(acceptor, (socket, protocol, from), turn);
                }
                Some(Accepted::Shed) => {
                    self.desk.counts.refused += 1;
                    tracing::debug!("out of file descriptors: a connection was closed unserved");
                }
                Some(Accepted::Gone) => {}
                None => return,
            }
        }
    }

    /// Gives the connection to the next worker, or refuses it where there are too many.
    fn place(
        &mut self,
        acceptor: &mut Acceptor,
        (socket, protocol, from): (TcpStream, Protocol, IpAddr),
        turn: Turn<'_>,
    ) {
        let shared = std::sync::Arc::clone(&self.desk.shared);
        if shared.ending() != Ending::No {
            // The other workers may be gone by now.
            return;
        }
        let Some(share) = shared.shares.enter(protocol, from) else {
            self.desk.counts.refused += 1;
            return refuse(&socket, protocol);
        };
        let (shares, workers) = (&shared.shares, shared.mailboxes.len());
        let room = match (shares.is_over_share(protocol), shares.is_over_all()) {
            (true, _) => Some(MakeRoom { of: Some(protocol), workers }),
            (false, true) => Some(MakeRoom { of: None, workers }),
            (false, false) => None,
        };
        let arriving = Arriving { socket, share, room };
        let worker = acceptor.next_worker;
        acceptor.next_worker = (worker + 1) % workers;
        if worker == self.desk.me {
            return self.receive(arriving, turn);
        }
        match self.desk.shards.hand_over(worker, arriving) {
            Ok(()) => {}
            // That worker has not even taken the last ones: it is busier than this one.
            Err(arriving) => self.receive(arriving, turn),
        }
    }

    /// Serves a new connection from now on. Where one has to go for it and none here may, the next worker is asked; where none
    /// of any worker may, it is refused.
    pub(super) fn receive(&mut self, arriving: Arriving, turn: Turn<'_>) {
        let Arriving { socket, share, room } = arriving;
        if room.is_none_or(|room| self.give_up_idle(room.of, turn.now)) {
            self.desk.counts.accepted += 1;
            return self.adopt(socket, share, turn);
        }
        let shared = std::sync::Arc::clone(&self.desk.shared);
        let room = room.map(|room| MakeRoom { workers: room.workers - 1, ..room });
        let mut arriving = Arriving { socket, share, room };
        if room.is_some_and(|room| room.workers > 0) && shared.ending() == Ending::No {
            let next = (self.desk.me + 1) % shared.mailboxes.len();
            match self.desk.shards.hand_over(next, arriving) {
                Ok(()) => return,
                Err(back) => arriving = back,
            }
        }
        shared.shares.leave(share);
        self.desk.counts.refused += 1;
        refuse(&arriving.socket, share.protocol);
    }

    /// Closes one of this worker's connections for a new one: of those looked at, the one that has been silent for longest.
    /// False where none is.
    fn give_up_idle(&mut self, of: Option<Protocol>, now: MonoMs) -> bool {
        let slots = self.sessions.slots();
        let mut longest = None;
        let mut looks = 0;
        for _ in 0..limit::SLOTS_FOR_IDLE.min(slots) {
            if looks == limit::LOOKS_FOR_IDLE {
                break;
            }
            self.looked = (self.looked + 1) % slots;
            let Some(key) = self.sessions.key_at(self.looked) else { continue };
            let Some(session) = self.sessions.get_mut(key) else { continue };
            looks += 1;
            if let Some(since) = session.silent_since()
                && of.is_none_or(|of| of == session.share.protocol)
                && now.0.saturating_sub(since.0) >= limit::IDLE_MS_MIN
                && longest.is_none_or(|(longest, _)| since < longest)
            {
                longest = Some((since, key));
            }
        }
        if let Some((_, key)) = longest {
            self.remove(key);
        }
        longest.is_some()
    }
}

impl Session {
    /// Since when a connection has said nothing that would be lost with it, and so may make room for another: one of HTTP
    /// between two requests, or whose request does not get here, one of RESP that has not logged in.
    fn silent_since(&self) -> Option<MonoMs> {
        match (&self.talk, self.phase) {
            (Talk::Http(_), Phase::Open) if !self.unread && !self.queued => match &self.line.buffers {
                None => Some(self.active),
                Some(buffers) if buffers.unsent() == 0 && buffers.pending.is_empty() => buffers.began,
                Some(_) => None,
            },
            (Talk::Resp(talk), _) if talk.session.role().is_none() => Some(talk.card.opened()),
            _ => None,
        }
    }
}

/// Says why, as far as the socket takes it at once, and closes.
fn refuse(mut socket: &TcpStream, protocol: Protocol) {
    let text: &[u8] = match protocol {
        Protocol::Resp => b"-ERR max number of clients reached\r\n",
        Protocol::Http => {
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
              Retry-After: 5\r\nConnection: close\r\nContent-Length: 111\r\n\r\n\
              {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"code\":\"BUSY\",\
              \"detail\":\"too many connections\"}"
        }
    };
    let _ = socket.write_all(text);
    let _ = socket.shutdown(Shutdown::Write);
    // Unread bytes would make the kernel reset the connection, and the reason would be lost.
    let _ = socket.read(&mut [0; 1_024]);
}
