//! Clients of every node: they join under request ids, repeat what was not answered, poll, and leave.

use super::cluster::{ANSWER_WITHIN, Cluster, Epoch};
use super::history::User;
use crate::random::Random;
use sluice_client::{ClientError, Connection};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Client threads; each has a connection to every node.
const THREADS: usize = 6;
/// How often a user polls.
pub(super) const POLL_EVERY: Duration = Duration::from_millis(1_000);
/// A pause where nothing is due.
const IDLE: Duration = Duration::from_millis(2);
/// Joins tried before polls have their turn: over slow links each takes as long as the links do.
const TRIES_A_TURN: usize = 8;
/// Users beyond this wait before nobody joins for a while.
const WAITING_MAX: usize = 3_000;
/// One poll in so many gives the place up instead.
const LEAVE_ONE_IN: u64 = 400;
/// One join in so many is repeated although it was answered.
const REPEAT_ONE_IN: u64 = 8;
/// Broken promises that are kept, for the report.
const WRONG_MAX: usize = 200;

/// What threads and scenario share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) zones: Vec<String>,
    nodes: Vec<SocketAddr>,
    epochs: Vec<EpochOf>,
    joins_per_s: u32,
    stop: AtomicBool,
    paused: AtomicBool,
    idle: AtomicUsize,
    waiting: AtomicUsize,
    pub(super) joins: AtomicU64,
    pub(super) polls: AtomicU64,
    pub(super) retried: AtomicU64,
    pub(super) stale: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

/// A node's epoch, shared with the cluster.
type EpochOf = Arc<Epoch>;

impl Shared {
    /// Notes a broken promise.
    pub(super) fn blame(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() < WRONG_MAX {
            wrong.push(what);
        }
    }

    pub(super) fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.wrong.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Running clients.
pub(super) struct Crowd {
    pub(super) shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<User>>>,
}

impl Crowd {
    pub(super) fn start(cluster: &Cluster, zones: Vec<String>, joins_per_s: u32, seed: u64) -> Crowd {
        let shared = Arc::new(Shared {
            zones,
            nodes: cluster.nodes.iter().map(|node| node.resp).collect(),
            epochs: cluster.nodes.iter().map(|node| Arc::clone(&node.epoch)).collect(),
            joins_per_s,
            stop: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            idle: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            joins: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            wrong: Mutex::new(Vec::new()),
        });
        let threads = (0..THREADS)
            .map(|n| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || Client::new(shared, n, seed).run())
            })
            .collect();
        Crowd { shared, threads }
    }

    /// Stops asking, until [`Crowd::resume`]; returns when nothing is under way.
    pub(super) fn pause(&self) {
        self.shared.paused.store(true, Ordering::Release);
        while self.shared.idle.load(Ordering::Acquire) < self.threads.len() {
            super::cluster::pause(IDLE);
        }
    }

    pub(super) fn resume(&self) {
        self.shared.paused.store(false, Ordering::Release);
    }

    /// Everybody goes home; what they were told.
    pub(super) fn stop(self) -> Vec<User> {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.paused.store(false, Ordering::Release);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    }
}

/// A join that has not been answered yet.
struct Joining {
    zone: usize,
    request: String,
    next_try: Instant,
}

struct Client {
    shared: Arc<Shared>,
    me: usize,
    random: Random,
    /// By node, with the epoch in which it was made: a node that went took its connections along.
    connections: Vec<Option<(Connection, Option<u64>)>>,
    users: Vec<User>,
    /// Users that poll on, by place in `users`.
    active: Vec<usize>,
    joining: Vec<Joining>,
    joined: u64,
    next_join: Instant,
    was_waiting: usize,
}

impl Client {
    fn new(shared: Arc<Shared>, me: usize, seed: u64) -> Client {
        Client {
            connections: shared.nodes.iter().map(|_| None).collect(),
            shared,
            me,
            random: Random::new(seed.wrapping_mul(31).wrapping_add(me as u64)),
            users: Vec::new(),
            active: Vec::new(),
            joining: Vec::new(),
            joined: 0,
            next_join: Instant::now(),
            was_waiting: 0,
        }
    }

    fn run(mut self) -> Vec<User> {
        while !self.shared.stop.load(Ordering::Acquire) {
            if self.shared.paused.load(Ordering::Acquire) {
                self.shared.idle.fetch_add(1, Ordering::AcqRel);
                while self.shared.paused.load(Ordering::Acquire) {
                    super::cluster::pause(IDLE);
                }
                self.shared.idle.fetch_sub(1, Ordering::AcqRel);
            }
            self.begin_joins();
            self.try_joins();
            self.poll_due();
            self.count_waiting();
            super::cluster::pause(IDLE);
        }
        self.users
    }

    /// Whether nothing more is to be asked for now.
    fn is_called_off(&self) -> bool {
        self.shared.paused.load(Ordering::Acquire) || self.shared.stop.load(Ordering::Acquire)
    }

    fn count_waiting(&mut self) {
        let waiting = self.active.iter().filter(|at| !self.users[**at].is_admitted()).count();
        self.shared.waiting.fetch_add(waiting, Ordering::Relaxed);
        self.shared.waiting.fetch_sub(self.was_waiting, Ordering::Relaxed);
        self.was_waiting = waiting;
    }

    fn begin_joins(&mut self) {
        let now = Instant::now();
        if self.shared.waiting.load(Ordering::Relaxed) > WAITING_MAX {
            self.next_join = now;
        }
        while self.next_join <= now && self.joining.len() < 256 {
            self.next_join += Duration::from_secs(THREADS as u64) / self.shared.joins_per_s;
            self.joined += 1;
            let request = format!("r{}-{}-{}", std::process::id(), self.me, self.joined);
            let zone = self.below(self.shared.zones.len());
            self.joining.push(Joining { zone, request, next_try: now });
        }
    }

    fn try_joins(&mut self) {
        let mut joining = std::mem::take(&mut self.joining);
        let mut tries = 0;
        joining.retain_mut(|join| {
            if tries == TRIES_A_TURN || join.next_try > Instant::now() || self.is_called_off() {
                return true;
            }
            tries += 1;
            let node = self.any_node();
            match self.join(node, join) {
                Some(user) => {
                    self.active.push(self.users.len());
                    self.users.push(user);
                    false
                }
                None => {
                    self.shared.retried.fetch_add(1, Ordering::Relaxed);
                    join.next_try = Instant::now() + Duration::from_millis(50);
                    true
                }
            }
        });
        self.joining = joining;
    }

    /// A place, if the node gave one. It may have given it to an earlier try: the request id says so.
    fn join(&mut self, node: usize, join: &Joining) -> Option<User> {
        let zone = self.shared.zones[join.zone].clone();
        let place = self.call(node, |connection| connection.join_once(&zone, &join.request)).ok()?;
        self.shared.joins.fetch_add(1, Ordering::Relaxed);
        let user = User::new(join.zone, &place, Instant::now());
        if self.random.draw().is_multiple_of(REPEAT_ONE_IN) {
            let other = self.any_node();
            if let Ok(again) = self.call(other, |connection| connection.join_once(&zone, &join.request))
                && again.token != user.token
            {
                self.shared.blame(format!("{}: repeated, it became {}", user.token, again.token));
            }
        }
        Some(user)
    }

    fn poll_due(&mut self) {
        let now = Instant::now();
        let due: Vec<usize> =
            self.active.iter().copied().filter(|at| self.users[*at].next_poll <= now).collect();
        let mut gone = Vec::new();
        for at in due {
            if self.is_called_off() {
                break;
            }
            if !self.poll(at) {
                gone.push(at);
            }
        }
        self.active.retain(|at| !gone.contains(at));
    }

    /// One poll; false where this user is done.
    fn poll(&mut self, at: usize) -> bool {
        let node = self.any_node();
        let before = self.shared.epochs[node].up();
        let (zone, token) = (self.shared.zones[self.users[at].zone].clone(), self.users[at].token.clone());
        if !self.users[at].is_admitted() && self.random.draw().is_multiple_of(LEAVE_ONE_IN) {
            // Whether it was heard or not, nothing more is asked of this place.
            let _ = self.call(node, |connection| connection.leave(&zone, &token));
            return false;
        }
        let asked = Instant::now();
        let answer = self.call(node, |connection| connection.poll(&zone, &token));
        let now = Instant::now();
        let user = &mut self.users[at];
        user.next_poll = asked + POLL_EVERY;
        match answer {
            Ok(place) => {
                self.shared.polls.fetch_add(1, Ordering::Relaxed);
                self.shared.stale.fetch_add(u64::from(place.stale), Ordering::Relaxed);
                if let Some(wrong) = user.told(&place, asked, now) {
                    self.shared.blame(wrong);
                }
                // An admission is looked at a few times more, and then believed.
                user.retries += u32::from(user.is_admitted());
                user.retries < 4
            }
            Err(error) => {
                if before.is_some() && self.shared.epochs[node].up() == before {
                    self.shared.blame(format!("{token}: poll at node {node} failed: {error}"));
                }
                user.next_poll = now + Duration::from_millis(20);
                !matches!(error.code(), Some("GONE" | "BADTOKEN" | "NOZONE"))
            }
        }
    }

    /// A call at a node, over a connection that is made where there is none, and given up where it failed.
    fn call<T>(
        &mut self,
        node: usize,
        call: impl FnOnce(&mut Connection) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let epoch = self.shared.epochs[node].up();
        let mut connection = match self.connections[node].take() {
            Some((connection, made)) if made == epoch => connection,
            _ => Connection::connect_within(self.shared.nodes[node], ANSWER_WITHIN)?,
        };
        let answer = call(&mut connection);
        if matches!(answer, Ok(_) | Err(ClientError::Refused { .. })) {
            self.connections[node] = Some((connection, epoch));
        }
        answer
    }

    /// A node that is expected to answer, as a load balancer would choose it; any, where it looks as if there were none.
    fn any_node(&mut self) -> usize {
        let first = self.below(self.shared.nodes.len());
        let nodes = self.shared.nodes.len();
        let mut chosen = (first..first + nodes).map(|node| node % nodes);
        chosen.find(|node| self.shared.epochs[*node].up().is_some()).unwrap_or(first)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.random.draw() % bound as u64) as usize
    }
}
