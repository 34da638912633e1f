//! A node of a running server: tokio on a thread of its own, and the log's writer, which blocks, on another.

use futures_util::future::BoxFuture;
use openraft_rt_tokio::TokioRuntime;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::oneshot;

use super::config::{Drawn, NodeConfig, StartError, Timing};
use super::doorbell::Doorbells;
use super::limit::HAND_OVER_MS;
use super::{Front, Node};
use crate::disk::{Folder, on_own_thread};
use crate::group::{Job, Port};
use crate::peer::tls::Tls;
use crate::peer::{Identity, Local, Service, Tcp, listen, serve};
use crate::queue::{Door, Queue};
use crate::secret::JoinSecret;
use crate::types::Member;

/// How a server's node is set up.
pub struct ServerConfig {
    /// The data folder.
    pub folder: PathBuf,
    /// Where other nodes are answered.
    pub listen: SocketAddr,
    /// Whether they are answered also while there are none: a lone node that nobody asked for it has no open port.
    pub listens_alone: bool,
    /// Where others reach this node.
    pub member: Member,
    /// Certificates, where peers have to prove who they are.
    pub tls: Option<Arc<Tls>>,
    /// Bytes of a group's log after which a snapshot is taken.
    pub snapshot_bytes: u64,
    /// Bytes of recent entries of the log kept in memory, about: what follows closely is served from there.
    pub cache_bytes: u64,
    /// A node of the cluster to join, `host:port`; `None`: a node without data founds one.
    pub join: Option<String>,
    /// The join secret, where one is configured.
    pub join_secret: Option<JoinSecret>,
    /// Groups of a cluster that this start founds.
    pub groups: u16,
    /// Log time at which the shards of a cluster founded now begin, ms; 48 bits.
    pub epoch: u64,
    /// Timeouts.
    pub timing: Timing,
    /// Random numbers.
    pub drawn: Drawn,
    /// Called once, from any thread, when the node cannot go on, with the reason. The process has to stop.
    pub on_failure: Box<dyn Fn(&str) + Send + Sync>,
    /// Called once, from any thread, when the node was removed from its cluster, with the line that says so: the process should end
    /// in good order.
    pub on_removed: Box<dyn Fn(&str) + Send + Sync>,
}

/// A node and the threads that drive it.
pub struct Server {
    node: Node<TokioRuntime>,
    stop: oneshot::Sender<()>,
    /// Each is told when leadership was handed over.
    hand_overs: Arc<Queue<SyncSender<()>>>,
    thread: JoinHandle<()>,
}

/// What a start gives: the node, and a port for the owner of each group's shard.
pub type Started = Result<(Server, Vec<Port>), StartError>;

impl Server {
    /// Starts the node that the folder holds. Blocks until it can hand out its ports, so in a node that joins until it is added, but
    /// not until it has recovered: for that the owners have to be driven.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: ServerConfig) -> Started {
        let (started, result) = sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let hand_overs = Arc::new(Queue::new());
        let asked = Arc::clone(&hand_overs);
        let bells = Arc::new(Doorbells::default());
        let answering = Arc::clone(&bells);
        let door: Door = Arc::new(move |wake| bells.door(wake));
        let run = move || {
            let runtime = match runtime(move || answering.answer()) {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(StartError::Threads(error)))),
            };
            runtime.block_on(async move {
                match start(config, door).await {
                    Ok((node, ports)) => {
                        drop(started.send(Ok((node.clone(), ports))));
                        drop(tokio::spawn(hand_over(node.clone(), asked)));
                        // An error says that the handle is gone, which ends the node as well.
                        let _ = stopped.await;
                        node.shutdown().await;
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            });
        };
        let thread =
            thread::Builder::new().name("raft".to_owned()).spawn(run).map_err(StartError::Threads)?;
        let (node, ports) = receive(&result)?;
        Ok((Server { node, stop, hand_overs, thread }, ports))
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Node<TokioRuntime> {
        &self.node
    }

    /// Gives every group that this node leads to another voter, while clients are still served. Returns when they have taken over, or
    /// after [`HAND_OVER_MS`](super::limit::HAND_OVER_MS).
    pub fn hand_over(&self) {
        let (done, handed_over) = sync_channel(1);
        self.hand_overs.push(done);
        // A node that has failed has nothing to hand over.
        let _ = handed_over.recv_timeout(Duration::from_millis(HAND_OVER_MS));
    }

    /// Stops the node, and waits until nothing of it runs any more.
    pub fn stop(self) {
        // The thread has ended by itself where nobody hears this.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the node's thread panicked");
        }
    }
}

async fn hand_over(node: Node<TokioRuntime>, asked: Arc<Queue<SyncSender<()>>>) {
    while let Some(done) = asked.next().await {
        node.hand_over().await;
        // Whoever asked may have given up.
        let _ = done.try_send(());
    }
}

type Sent = Result<(Node<TokioRuntime>, Vec<Port>), StartError>;

fn receive(result: &Receiver<Sent>) -> Sent {
    result.recv().unwrap_or_else(|_| Err(StartError::Threads(io::Error::other("the node's thread ended"))))
}

/// Calls `rest` whenever its thread is about to sleep.
fn runtime(rest: impl Fn() + Send + Sync + 'static) -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(super::limit::DISK_THREADS_MAX)
        .on_thread_park(rest)
        .build()
}

async fn start(config: ServerConfig, door: Door) -> Sent {
    let folder = Folder::open(config.folder).map_err(StartError::Folder)?;
    let at = config.listen;
    let listening = move || listen(at).map_err(|error| StartError::Listen(at, error));
    let listener = if config.listens_alone || config.join.is_some() { Some(listening()?) } else { None };
    let local = Arc::new(match config.tls {
        Some(tls) => Local::with_tls(Identity::default(), tls),
        None => Local::default(),
    });
    let transport = Arc::new(Tcp::new(Arc::clone(&local)));
    let config = NodeConfig {
        disk: Arc::new(folder),
        member: config.member,
        local: Arc::clone(&local),
        snapshot_bytes: config.snapshot_bytes,
        kept_entries: super::limit::LOG_KEPT_ENTRIES,
        segment_bytes: crate::limit::SEGMENT_BYTES,
        cache_bytes: config.cache_bytes,
        join: config.join,
        join_secret: config.join_secret,
        groups: config.groups,
        epoch: config.epoch,
        timing: config.timing,
        drawn: config.drawn,
        drive: Box::new(drive),
        background: Arc::new(background),
        door,
        on_failure: config.on_failure,
        on_removed: config.on_removed,
    };
    let front = Front::new();
    let service = || Arc::clone(&front) as Arc<dyn Service<TokioRuntime>>;
    let opened = listener.map(|listener| tokio::spawn(serve(listener, Arc::clone(&local), service())));
    let (node, ports) = Node::start(config, transport, &front).await?;
    if opened.is_none() {
        let (node, service) = (node.clone(), service());
        drop(tokio::spawn(async move {
            if node.finds_others().await {
                match listening() {
                    Ok(listener) => serve(listener, local, service).await,
                    Err(error) => node.fail(&error.to_string()),
                }
            }
        }));
    }
    Ok((node, ports))
}

/// Syncs block: the log's writer gets a thread.
fn drive(writer: BoxFuture<'static, ()>) {
    let run = move || match runtime(|| ()) {
        Ok(runtime) => on_own_thread(|| runtime.block_on(writer)),
        // Without its writer the log answers nothing, so nothing is lost.
        Err(error) => tracing::error!(%error, "the log has no thread"),
    };
    if let Err(error) = thread::Builder::new().name("raft-log".to_owned()).spawn(run) {
        tracing::error!(%error, "the log has no thread");
    }
}

/// A state is built or freed in one go, which takes as long as it is large.
fn background(job: Job) {
    if let Err(error) = thread::Builder::new().name("raft-state".to_owned()).spawn(job) {
        tracing::error!(%error, "no thread for a state");
    }
}
