//! Nodes of one test, and the thread that drives the owners of all their shards.

use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::id::Ticket;
use sluice_engine::node::{Options, open};
use sluice_engine::owner::Owner;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::{Ask, Sequencer};
use sluice_engine::time::{LogTime, MonoMs};
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use sluice_raft::cluster::{AdminRequest, Administered};
use sluice_raft::node::{Drawn, Server, ServerConfig, Timing, limit};
use sluice_raft::secret::JoinSecret;
use sluice_raft::types::Member;
use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) const GROUPS: u16 = 2;
pub(crate) const ZONE: &[u8] = b"shop";
/// A story that takes longer has gone wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// Beyond those of outgoing connections.
const PORTS: Range<u16> = 61_000..65_000;
const TURN: Duration = Duration::from_millis(10);

/// A node whose owners are driven by the test's own thread.
pub(crate) struct Run {
    pub(crate) server: Server,
    pub(crate) directory: Arc<Directory>,
    pub(crate) owners: Vec<Owner>,
    replies: Vec<(Ticket, Reply)>,
}

type Starting = JoinHandle<(Server, Vec<sluice_raft::group::Port>)>;

/// The nodes of a test.
pub(crate) struct Nodes {
    pub(crate) up: Vec<Run>,
    starting: Vec<Starting>,
    ring: SyncSender<()>,
    rung: Receiver<()>,
    start: Instant,
}

/// Tests run side by side: each takes ports that the system gives to nobody by itself.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = PORTS.start + (std::process::id() % u32::from(PORTS.end - PORTS.start)) as u16;
    loop {
        let port = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + (port - PORTS.start) % (PORTS.end - PORTS.start);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn config(folder: &Path, port: u16, join: Option<u16>) -> ServerConfig {
    ServerConfig {
        folder: folder.to_owned(),
        listen: ([127, 0, 0, 1], port).into(),
        listens_alone: true,
        tls: None,
        snapshot_bytes: limit::SNAPSHOT_BYTES,
        cache_bytes: 8 << 20,
        join: join.map(|port| format!("127.0.0.1:{port}")),
        join_secret: Some(JoinSecret::of([5; 32])),
        member: Member { peer: format!("127.0.0.1:{port}"), ..Member::default() },
        groups: GROUPS,
        epoch: 1_000,
        timing: Timing::default(),
        drawn: Drawn {
            cluster: 7,
            secret: [3; 16],
            join_secret: [4; 32],
            salt: 8,
            process: u64::from(port),
            later: Arc::new(|| Some([5; 16])),
        },
        on_removed: Box::new(|_| {}),
        on_failure: Box::new(|reason| panic!("the node failed: {reason}")),
    }
}

impl Nodes {
    pub(crate) fn new() -> Nodes {
        let (ring, rung) = sync_channel(1);
        Nodes { up: Vec::new(), starting: Vec::new(), ring, rung, start: Instant::now() }
    }

    /// Starts a node that does not wait.
    pub(crate) fn start(&mut self, folder: &Path, port: u16) {
        let started = Server::start(config(folder, port, None)).unwrap();
        self.add(started);
    }

    /// Starts a node that waits to be added.
    pub(crate) fn join(&mut self, folder: &Path, port: u16, at: u16) {
        let config = config(folder, port, Some(at));
        self.starting.push(thread::spawn(move || Server::start(config).unwrap()));
    }

    fn add(&mut self, (server, ports): (Server, Vec<sluice_raft::group::Port>)) {
        let identity = server.node().identity();
        let epoch = LogTime(identity.epoch);
        let options = Options { groups: identity.groups, epoch, ..Options::new(identity.secret.token_key()) };
        let mut ports = ports.into_iter();
        let next = |_, _| Box::new(ports.next().unwrap()) as Box<dyn Sequencer>;
        let (directory, owners) = open(options, vec![], next, self.now()).unwrap();
        for owner in &owners {
            let ring = self.ring.clone();
            server.node().set_waker(owner.group(), Box::new(move || _ = ring.try_send(())));
        }
        self.up.push(Run { server, directory, owners, replies: Vec::new() });
    }

    pub(crate) fn now(&self) -> MonoMs {
        MonoMs(u64::try_from(self.start.elapsed().as_millis()).unwrap())
    }

    /// Drives the owners until `done`.
    pub(crate) fn drive(&mut self, what: &str, mut done: impl FnMut(&mut Nodes) -> bool) {
        while !done(self) {
            assert!(self.start.elapsed() < PATIENCE, "still waiting: {what}");
            let (begun, waiting) = self.starting.drain(..).partition(JoinHandle::is_finished);
            self.starting = waiting;
            let begun: Vec<Starting> = begun;
            begun.into_iter().for_each(|starting| self.add(starting.join().unwrap()));
            self.turn();
        }
    }

    fn turn(&mut self) {
        let now = self.now();
        for run in &mut self.up {
            for owner in &mut run.owners {
                owner.turn(now);
                owner.flush();
                owner.drain_replies(&mut run.replies);
            }
            run.owners.iter_mut().for_each(Owner::wake);
        }
        let _ = self.rung.recv_timeout(TURN);
    }

    pub(crate) fn settle(&mut self) {
        let is_settled = |run: &Run| run.server.node().is_ready() && run.server.node().can_write();
        self.drive("leaders", |nodes| nodes.up.iter().all(is_settled));
    }

    /// Has a request answered at the node `at` of the list; refusals for want of a leader are tried again.
    pub(crate) fn ask(&mut self, at: usize, ask: &Ask) -> Reply {
        loop {
            assert!(self.start.elapsed() < PATIENCE, "still refused");
            self.settle();
            let (now, run) = (self.now(), &mut self.up[at]);
            let group = usize::from(run.directory.group_of(ZONE).0);
            let mut reply = run.owners[group].request(ask.clone(), Ticket(7), now);
            self.drive("an answer", |nodes| {
                reply = reply.take().or_else(|| nodes.up[at].replies.pop().map(|(_, reply)| reply));
                reply.is_some()
            });
            match reply {
                Some(Reply::Refused(refusal)) if refusal.retry_ms().is_some() => self.turn(),
                Some(reply) => return reply,
                None => unreachable!("driven until there is one"),
            }
        }
    }

    pub(crate) fn create_zone(&mut self, at: usize) {
        let patch = Box::new(ZonePatch { limit: Some(60), ..ZonePatch::default() });
        let command = Command::ZoneSet { name: ZoneName::parse(ZONE).unwrap(), patch };
        assert_eq!(self.ask(at, &Ask::Change(Box::new(command))), Reply::ZoneSet { created: true });
    }

    /// Joins at a node; returns the token's text.
    pub(crate) fn take_place(&mut self, at: usize) -> String {
        let name = ZoneName::parse(ZONE).unwrap();
        match self.ask(at, &Ask::JoinNamed { name, user: None, request: None, is_trusted: false }) {
            Reply::Place { token, .. } => self.up[at].directory.text(&token).unwrap().to_string(),
            other => panic!("no place: {other:?}"),
        }
    }

    /// Every token is known at the node.
    pub(crate) fn assert_known(&self, at: usize, tokens: &[String]) {
        let guard = Directory::pin();
        for token in tokens {
            let polled = self.up[at].directory.poll(&guard, ZONE, token.as_bytes(), self.now());
            assert!(polled.is_ok(), "I3: a place is gone at node {at} of the list: {polled:?}");
        }
    }

    pub(crate) fn administer(&mut self, at: usize, request: AdminRequest) -> Administered {
        let (sender, receiver) = sync_channel(1);
        self.up[at].server.node().administer(request, Box::new(move |told| sender.send(told).unwrap()));
        let mut told = None;
        self.drive("an operation", |_| {
            told = receiver.try_recv().ok();
            told.is_some()
        });
        told.unwrap()
    }
}
