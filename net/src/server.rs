//! Starting and ending: the threads, and what they are given and give back.

use crate::cluster::{Addresses, Alone, Cluster};
use crate::config::NetConfig;
use crate::observer::Observer;
use crate::pubsub::post;
use crate::shared::{Ending, Shared, with_local};
use crate::stats::Stats;
use crate::worker::accept::Acceptor;
use crate::worker::listen::{bind, listen, warn_of_short_backlog};
use crate::worker::mailbox::Mailbox;
use crate::worker::{Parts, WAKER, Worker};
use mio::Poll;
use mio::net::TcpListener;
use sluice_engine::directory::Directory;
use sluice_engine::id::GroupId;
use sluice_engine::owner::Owner;
use socket2::Socket;
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

/// The two ports, taken but closed: whoever connects is refused until a server is started on them.
#[derive(Debug)]
pub struct Ports {
    resp: Socket,
    http: Socket,
    addrs: LocalAddrs,
}

impl Ports {
    /// Takes the ports that the configuration names.
    ///
    /// # Errors
    /// [`StartError::Listen`] where one cannot be had.
    pub fn take(config: &NetConfig) -> Result<Ports, StartError> {
        let take = |protocol, at| bind(at).map_err(|source| StartError::Listen { protocol, at, source });
        let (resp, http) = (take("RESP", config.resp)?, take("HTTP", config.http)?);
        let addrs = LocalAddrs { resp: local(&resp)?, http: local(&http)? };
        Ok(Ports { resp, http, addrs })
    }

    /// Where they are; ports that were 0 are filled in.
    #[must_use]
    pub fn local_addrs(&self) -> LocalAddrs {
        self.addrs
    }
}

fn local(socket: &Socket) -> Result<SocketAddr, StartError> {
    let address = socket.local_addr().map_err(StartError::System)?.as_socket();
    address.ok_or_else(|| StartError::System(io::ErrorKind::Unsupported.into()))
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
    /// Takes both ports and starts a server that is not replicated.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(
        config: NetConfig,
        directory: Arc<Directory>,
        owners: Vec<Owner>,
    ) -> Result<Server, StartError> {
        config.check().map_err(StartError::Setting)?;
        let ports = Ports::take(&config)?;
        let LocalAddrs { resp, http } = ports.addrs;
        let addresses = Addresses { resp: resp.to_string(), http: http.to_string(), ..Addresses::default() };
        let cluster = Alone::new(owners.len() as u16, addresses);
        Server::start_on(ports, config, directory, owners, Arc::new(cluster))
    }

    /// Opens the ports and starts the workers. `owners` are those of all groups, in order.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start_on(
        ports: Ports,
        config: NetConfig,
        directory: Arc<Directory>,
        owners: Vec<Owner>,
        cluster: Arc<dyn Cluster>,
    ) -> Result<Server, StartError> {
        config.check().map_err(StartError::Setting)?;
        if owners.len() != directory.groups() {
            return Err(StartError::Owners { groups: directory.groups(), owners: owners.len() });
        }
        let addrs = ports.addrs;
        let open = |protocol, at, socket| {
            listen(socket, config.backlog).map_err(|source| StartError::Listen { protocol, at, source })
        };
        let listeners = (open("RESP", addrs.resp, ports.resp)?, open("HTTP", addrs.http, ports.http)?);
        warn_of_short_backlog(config.backlog);
        let config = with_local(config, addrs.resp, addrs.http);
        let engine = (directory, owners);
        let server = launch(config, engine, cluster, listeners).map_err(StartError::System)?;
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

    /// Wakes the worker that owns the shard of `group`, which then looks what its sequencer has for it.
    pub fn waker(&self, group: GroupId) -> impl Fn() + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        let worker = usize::from(group.0) % shared.mailboxes.len();
        move || {
            if let Some(mailbox) = shared.mailboxes.get(worker) {
                mailbox.notify();
            }
        }
    }

    /// Takes what was published at other nodes, as [`Cluster::publish`] was handed it there, to those who listen here. Only
    /// copies it, for a worker to take apart, and never waits; from any thread, but messages keep their order only from one.
    pub fn intake(&self) -> impl Fn(&[u8]) + Send + Sync + use<> {
        let shared = Arc::clone(&self.shared);
        move |messages| post::take_in(messages, &shared)
    }

    /// A view of this server for the rest of the process.
    #[must_use]
    pub fn observer(&self) -> Observer {
        Observer::new(Arc::clone(&self.shared))
    }

    /// Connections now, both protocols.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.shares.total()
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

fn launch(
    config: NetConfig,
    (directory, owners): (Arc<Directory>, Vec<Owner>),
    cluster: Arc<dyn Cluster>,
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
    let shared = Arc::new(Shared::new(config, directory, cluster, mailboxes));
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
