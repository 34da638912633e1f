//! Starting and ending: the threads, and what they are given and give back.

use crate::config::NetConfig;
use crate::shared::{Ending, Shared, with_local};
use crate::stats::Stats;
use crate::worker::accept::Acceptor;
use crate::worker::listen::{listen, warn_of_short_backlog};
use crate::worker::mailbox::Mailbox;
use crate::worker::{Parts, WAKER, Worker};
use mio::Poll;
use mio::net::TcpListener;
use sluice_engine::directory::Directory;
use sluice_engine::id::GroupId;
use sluice_engine::owner::Owner;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, io};

/// Why the server does not start.
#[derive(Debug)]
pub enum StartError {
    /// A setting is out of range. Operator's fault.
    Setting(&'static str),
    /// The address cannot be listened at: it is in use, or not of this machine.
    Listen {
        /// What would be served there: `RESP` or `HTTP`.
        protocol: &'static str,
        /// The address.
        at: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread, or no way to wait for sockets.
    System(io::Error),
    /// There is not one owner for each group. Our fault.
    Owners {
        /// Groups of the directory.
        groups: usize,
        /// Owners that were passed.
        owners: usize,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Setting(why) => f.write_str(why),
            StartError::Listen { protocol, at, source } => {
                write!(f, "cannot serve {protocol} at {at}: {source}")
            }
            StartError::System(source) => write!(f, "cannot start a worker: {source}"),
            StartError::Owners { groups, owners } => write!(f, "{owners} owners for {groups} groups"),
        }
    }
}

impl std::error::Error for StartError {}

/// Where the server listens; ports that were 0 are filled in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalAddrs {
    /// RESP.
    pub resp: SocketAddr,
    /// HTTP.
    pub http: SocketAddr,
}

type Owned = Vec<(GroupId, Owner)>;

/// A running server. Dropping it closes every connection at once; [`Server::drain`] is the polite way.
pub struct Server {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// What each worker gives back when it ends.
    ended: Receiver<Owned>,
    addrs: LocalAddrs,
}

impl Server {
    /// Binds both ports, then starts the workers. `owners` are those of all groups, in order.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(
        config: NetConfig,
        directory: Arc<Directory>,
        owners: Vec<Owner>,
    ) -> Result<Server, StartError> {
        config.check().map_err(StartError::Setting)?;
        if owners.len() != directory.groups() {
            return Err(StartError::Owners { groups: directory.groups(), owners: owners.len() });
        }
        let resp = bind("RESP", config.resp, config.backlog)?;
        let http = bind("HTTP", config.http, config.backlog)?;
        warn_of_short_backlog(config.backlog);
        let addrs = LocalAddrs {
            resp: resp.local_addr().map_err(StartError::System)?,
            http: http.local_addr().map_err(StartError::System)?,
        };
        let config = with_local(config, addrs.resp, addrs.http);
        let server = launch(config, directory, owners, (resp, http)).map_err(StartError::System)?;
        tracing::info!(resp = %addrs.resp, http = %addrs.http, workers = server.threads.len(), "serving");
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addrs(&self) -> LocalAddrs {
        self.addrs
    }

    /// Says through `/readyz` whether traffic should be sent here. It is at the start.
    pub fn set_ready(&self, ready: bool) {
        self.shared.ready.store(ready, Ordering::Release);
    }

    /// Connections now, both protocols.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// Closes the listeners, answers what has arrived, closes connections as they fall idle and, after
    /// `within`, all others. Returns the owners, by group, for a last snapshot.
    #[must_use]
    pub fn drain(mut self, within: Duration) -> Vec<Owner> {
        let deadline = Instant::now() + within;
        self.shared.end(Ending::Draining);
        let mut owned = Owned::new();
        let mut running = self.threads.len();
        while running > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.ended.recv_timeout(left) {
                Ok(owners) => owned.extend(owners),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => running = 1,
            }
            running -= 1;
        }
        self.stop();
        owned.extend(self.ended.try_iter().flatten());
        owned.sort_by_key(|(group, _)| *group);
        owned.into_iter().map(|(_, owner)| owner).collect()
    }

    fn stop(&mut self) {
        self.shared.end(Ending::Now);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bind(protocol: &'static str, at: SocketAddr, backlog: u32) -> Result<TcpListener, StartError> {
    listen(at, backlog).map_err(|source| StartError::Listen { protocol, at, source })
}

fn launch(
    config: NetConfig,
    directory: Arc<Directory>,
    owners: Vec<Owner>,
    listeners: (TcpListener, TcpListener),
) -> io::Result<Server> {
    let workers = config.workers;
    let mut polls = Vec::new();
    let mut mailboxes = Vec::new();
    for _ in 0..workers {
        let poll = Poll::new()?;
        mailboxes.push(Mailbox::new(workers, mio::Waker::new(poll.registry(), WAKER)?));
        polls.push(poll);
    }
    let mut owned: Vec<Owned> = (0..workers).map(|_| Owned::new()).collect();
    for (group, owner) in owners.into_iter().enumerate() {
        owned[group % workers].push((GroupId(group as u16), owner));
    }
    let addrs = LocalAddrs { resp: config.resp, http: config.http };
    let shared = Arc::new(Shared::new(config, directory, mailboxes));
    let (sender, ended) = channel();
    let mut listeners = Some(listeners);
    let mut server = Server { shared: Arc::clone(&shared), threads: Vec::new(), ended, addrs };
    for (me, (poll, owners)) in polls.into_iter().zip(owned).enumerate() {
        let acceptor = match listeners.take() {
            Some((resp, http)) => Some(Acceptor::new(poll.registry(), resp, http)?),
            None => None,
        };
        let parts = Parts { me, shared: Arc::clone(&shared), poll, acceptor, owners };
        server.threads.push(spawn(parts, sender.clone())?);
    }
    Ok(server)
}

fn spawn(parts: Parts, ended: Sender<Owned>) -> io::Result<JoinHandle<()>> {
    let name = format!("worker-{}", parts.me);
    std::thread::Builder::new().name(name).spawn(move || {
        let owners = Worker::new(parts).run();
        // The receiver is gone only where the server was dropped without a drain.
        let _ = ended.send(owners);
    })
}
