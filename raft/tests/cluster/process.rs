//! One node as a process: the node itself, the owners of its shards, and the task that drives them.

use crate::cluster::clock::NodeInstant;
use crate::cluster::door::{Answer, Call, Door, Request, Told};
use crate::cluster::judge::Judge;
use crate::cluster::runtime::{Host, Runtime};
use crate::cluster::site::{GROUPS, Site, config};
use crate::net::Net;
use futures_util::future::BoxFuture;
use openraft::async_runtime::{AsyncRuntime, Instant};
use sluice_engine::command::Command;
use sluice_engine::directory::{Directory, Polled};
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, Ticket};
use sluice_engine::node::{Options, open};
use sluice_engine::owner::Owner;
use sluice_engine::reply::{Departure, Reply};
use sluice_engine::sequencer::{Ask, Sequencer};
use sluice_engine::stream::entries::EntryRef;
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::op::{Add, Follow, FollowFrom, KeyOp, NewId};
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::{Followed, Value};
use sluice_engine::time::{LogTime, MonoMs};
use sluice_engine::token::Place;
use sluice_engine::zone::settings::ZoneName;
use sluice_raft::cluster::{AdminRequest, Administered, ClusterStatus};
use sluice_raft::node::{Front, Node, StartError};
use sluice_raft::peer::{self, Cast, Lane, Response, Service, Transport};
use sluice_raft::types::{Member, NodeId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

/// An owner's turn comes at least so often, ms.
const TURN_MS: u64 = 10;

/// A running node.
pub(crate) struct Process {
    node: Node<Runtime>,
    pub(crate) host: Arc<Host>,
    pub(crate) door: Arc<Door>,
    failure: Arc<Mutex<Option<String>>>,
    removal: Arc<Mutex<Option<String>>>,
}

impl Process {
    /// Starts the node that the site's disk holds, on a new host. One that holds none waits until it is added.
    pub(crate) async fn start(
        host: Arc<Host>,
        site: &Site,
        net: &Arc<Net>,
        judge: &Arc<Mutex<Judge>>,
        clock: Clock,
    ) -> Result<Process, StartError> {
        let front = Front::<Runtime>::new();
        let gate = Arc::new(Gate { host: Arc::clone(&host), front: Arc::clone(&front) });
        let way = Arc::new(Way::default());
        way.enter(net, site.node, &site.address, &gate);
        let failure = Arc::new(Mutex::new(None));
        let removal = Arc::new(Mutex::new(None));
        let config = config(site, Arc::clone(&failure), Arc::clone(&removal));
        let started = host.hosted(Node::start(config, Arc::clone(&way) as _, &front)).await;
        let (node, ports) = started.inspect_err(|_| {
            net.crash(site.node);
            host.kill();
        })?;
        let identity = node.identity();
        judge.lock().expect("the judge is silent").ids.given(identity.node, &site.address);
        if identity.node != site.node {
            // It has an id now.
            net.crash(site.node);
            way.enter(net, identity.node, &site.address, &gate);
        }
        let options = Options {
            groups: identity.groups,
            epoch: LogTime(identity.epoch),
            ..Options::new(identity.secret.token_key())
        };
        let mut ports = ports.into_iter();
        let next = |_, _| Box::new(ports.next().expect("a port a group")) as Box<dyn Sequencer>;
        let (directory, owners) = open(options, vec![], next, clock.now()).expect("empty shards");
        let door = Arc::new(Door::default());
        for owner in &owners {
            let bell = Arc::clone(&door);
            node.set_waker(owner.group(), Box::new(move || bell.ring()));
        }
        let seen = vec![0; usize::from(GROUPS)];
        let driver = Driver {
            node: node.clone(),
            directory,
            owners,
            door: Arc::clone(&door),
            judge: Arc::clone(judge),
            clock,
            tickets: 0,
            waiting: BTreeMap::new(),
            seen,
        };
        drop(host.within(|| Runtime::spawn(driver.run())));
        Ok(Process { node, host, door, failure, removal })
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn crash(&self, net: &Net) {
        net.crash(self.id());
        self.host.kill();
        self.door.close();
    }

    pub(crate) fn id(&self) -> NodeId {
        self.node.identity().node
    }

    /// Asks for an operation, as operators do. The receiver fails when the process ends.
    pub(crate) fn administer(&self, request: AdminRequest) -> oneshot::Receiver<Administered> {
        let (tell, told) = oneshot::channel();
        // The operator may have given up.
        self.node.administer(request, Box::new(|outcome| drop(tell.send(outcome))));
        told
    }

    /// Gives its groups to other nodes, as a node does that is about to stop.
    pub(crate) fn hand_over(&self) {
        let node = self.node.clone();
        drop(self.host.within(|| Runtime::spawn(async move { node.hand_over().await })));
    }

    /// The cluster as this node sees it.
    pub(crate) fn status(&self) -> ClusterStatus {
        self.node.status()
    }

    /// Whether it should be sent traffic.
    pub(crate) fn is_ready(&self) -> bool {
        self.node.is_ready()
    }

    /// Whether it learned that it was removed.
    pub(crate) fn was_removed(&self) -> bool {
        self.removal.lock().expect("no panic").is_some()
    }

    /// Why it wants to stop.
    pub(crate) fn failed(&self) -> Option<String> {
        self.failure.lock().expect("no panic").clone()
    }
}

/// A node's monotonic clock: it begins anywhere and is a little fast or slow.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    pub(crate) began: NodeInstant,
    pub(crate) offset_ms: u64,
    /// Its ticks for a million true ones.
    pub(crate) rate: u64,
}

impl Clock {
    fn now(&self) -> MonoMs {
        let us = self.began.elapsed().as_micros() as u64;
        MonoMs(self.offset_ms + us * self.rate / 1_000_000 / 1_000)
    }
}

/// What others reach a node by: its tasks serve, in its own time.
struct Gate {
    host: Arc<Host>,
    front: Arc<Front<Runtime>>,
}

impl Service<Runtime> for Gate {
    fn call(
        self: Arc<Self>,
        from: NodeId,
        request: peer::Request<Runtime>,
    ) -> BoxFuture<'static, Response<Runtime>> {
        let front = Arc::clone(&self.front);
        let answer = self.host.within(|| Runtime::spawn(async move { front.call(from, request).await }));
        Box::pin(async move { answer.await.unwrap_or(Response::Refused(peer::Refusal::Stopped)) })
    }

    fn cast(&self, from: NodeId, cast: Cast) {
        let front = Arc::clone(&self.front);
        drop(self.host.within(|| Runtime::spawn(async move { front.cast(from, cast) })));
    }
}

/// A node's way out: what it has sent goes on when it ends.
#[derive(Default)]
struct Way(Mutex<Option<Arc<dyn Transport<Runtime>>>>);

impl Way {
    /// Opens the way for the node of this id, and the way to it.
    fn enter(&self, net: &Arc<Net>, node: NodeId, address: &str, gate: &Arc<Gate>) {
        net.start(node, address, |transport| {
            *self.0.lock().expect("no panic") = Some(transport);
            Arc::clone(gate) as _
        });
    }

    fn transport(&self) -> Arc<dyn Transport<Runtime>> {
        self.0.lock().expect("no panic").clone().expect("open before anything is sent")
    }
}

impl Transport<Runtime> for Way {
    fn call(
        &self,
        to: NodeId,
        member: &Member,
        lane: Lane,
        request: peer::Request<Runtime>,
        within: Duration,
    ) -> BoxFuture<'static, peer::Called<Runtime>> {
        Host::outside(|| self.transport().call(to, member, lane, request, within))
    }

    fn cast(&self, to: NodeId, member: &Member, cast: Cast) {
        Host::outside(|| self.transport().cast(to, member, cast));
    }
}

/// The only thread of this node that clients meet.
struct Driver {
    /// Kept for as long as the process runs.
    node: Node<Runtime>,
    directory: Arc<Directory>,
    owners: Vec<Owner>,
    door: Arc<Door>,
    judge: Arc<Mutex<Judge>>,
    clock: Clock,
    tickets: u64,
    waiting: BTreeMap<Ticket, oneshot::Sender<Answer>>,
    /// By group: the index whose hash was told last.
    seen: Vec<u64>,
}

impl Driver {
    async fn run(mut self) {
        let mut replies = Vec::new();
        loop {
            let now = self.clock.now();
            while let Some(call) = self.door.take() {
                self.take(call, now);
            }
            for owner in &mut self.owners {
                owner.turn(now);
                owner.flush();
                owner.drain_replies(&mut replies);
            }
            self.owners.iter_mut().for_each(Owner::wake);
            for (ticket, reply) in replies.drain(..) {
                if let Some(back) = self.waiting.remove(&ticket) {
                    // A client may have given up.
                    let _ = back.send(self.told(reply));
                }
            }
            self.tell_hashes();
            let next = self.owners.iter().filter_map(Owner::next_wake).min();
            let wait_ms = next.map_or(TURN_MS, |at| at.0.saturating_sub(now.0).clamp(1, TURN_MS));
            let tick = Runtime::sleep(Duration::from_millis(wait_ms));
            Runtime::select2(self.door.rung(), tick).await;
        }
    }

    fn take(&mut self, call: Call, now: MonoMs) {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        match self.perform(call.request, ticket, now) {
            Ok(Some(reply)) => drop(call.back.send(self.told(reply))),
            Ok(None) => drop(self.waiting.insert(ticket, call.back)),
            Err(refusal) => drop(call.back.send(Err(refusal))),
        }
    }

    /// As a worker of the server does it.
    fn perform(&mut self, request: Request, ticket: Ticket, now: MonoMs) -> Result<Option<Reply>, Refusal> {
        let directory = Arc::clone(&self.directory);
        match request {
            Request::Poll { zone, token } => {
                let guard = Directory::pin();
                match directory.poll(&guard, zone.as_bytes(), &token, now)? {
                    Polled::Standing(standing) => {
                        let token = directory.verify(zone.as_bytes(), &token)?;
                        Ok(Some(Reply::Place { token, standing }))
                    }
                    Polled::Turn(token) => Ok(self.ask(token.zone.group, Ask::Turn(token), ticket, now)),
                }
            }
            Request::Join { zone, request } => {
                let known = directory.zone(zone.as_bytes());
                let group = directory.group_of(zone.as_bytes());
                let request = Some(directory.request_hash(zone.as_bytes(), &[request.as_bytes()]));
                let name = ZoneName::parse(zone.as_bytes())?;
                let ask = match known {
                    Some(zone) => Ask::Join { zone, user: None, request, is_trusted: false },
                    None if directory.leads(group, now) => return Err(Refusal::NoZone),
                    None => Ask::JoinNamed { name, user: None, request, is_trusted: false },
                };
                Ok(self.ask(group, ask, ticket, now))
            }
            Request::Leave { zone, token } => {
                let token = directory.verify(zone.as_bytes(), &token)?;
                let Place::Queue(seq) = token.place else { return Ok(Some(Reply::Left(Departure::Gone))) };
                let command = Box::new(Command::Leave { zone: token.zone, seq });
                Ok(self.ask(token.zone.group, Ask::Change(command), ticket, now))
            }
            Request::Append { key, text } => {
                let add = Add {
                    key: Text::from(key.as_bytes()),
                    no_create: false,
                    trim: None,
                    id: NewId::Auto,
                    fields: Fields::pack([&b"text"[..], text.as_bytes()]),
                    request: Some(directory.request_hash(key.as_bytes(), &[text.as_bytes()])),
                    ttl_ms: None,
                    end: false,
                };
                let group = directory.group_of(key.as_bytes());
                Ok(self.ask(group, Ask::Key(Box::new(KeyOp::Add(add))), ticket, now))
            }
            Request::Read { key } => {
                let follow = Follow {
                    key: Text::from(key.as_bytes()),
                    epoch: None,
                    from: FollowFrom::After(0),
                    limit: u64::MAX,
                    bytes_max: u64::MAX,
                };
                let group = directory.group_of(key.as_bytes());
                Ok(self.ask(group, Ask::Key(Box::new(KeyOp::Follow(follow))), ticket, now))
            }
            Request::ZoneSet { zone, patch } => {
                let command = Command::ZoneSet { name: ZoneName::parse(zone.as_bytes())?, patch };
                let group = directory.group_of(zone.as_bytes());
                Ok(self.ask(group, Ask::Change(Box::new(command)), ticket, now))
            }
        }
    }

    fn ask(&mut self, group: GroupId, ask: Ask, ticket: Ticket, now: MonoMs) -> Option<Reply> {
        self.owners[usize::from(group.0)].request(ask, ticket, now)
    }

    fn told(&self, reply: Reply) -> Answer {
        match reply {
            Reply::Place { token, standing } => {
                let text = self.directory.text(&token).expect("a token has a text");
                Ok(Told::Place { token: text.as_bytes().to_vec(), standing })
            }
            Reply::Refused(refusal) => Err(refusal),
            Reply::Key(Value::Added(added), _) => Ok(Told::Added { epoch: added.epoch, number: added.dense }),
            Reply::Key(Value::Followed(followed), _) => Ok(told_entries(&followed)),
            _ => Ok(Told::Done),
        }
    }

    fn tell_hashes(&mut self) {
        for (owner, seen) in self.owners.iter().zip(&mut self.seen) {
            if *seen != owner.applied() {
                *seen = owner.applied();
                let mut judge = self.judge.lock().expect("the judge is silent");
                judge.hashes.hashed(self.node.identity().node, owner.group(), *seen, owner.state_hash());
            }
        }
    }
}

/// A stream as a reader tells of it; one that is not there has no entries.
fn told_entries(followed: &Followed) -> Told {
    let text = |entry: EntryRef<'_>| {
        let text = entry.fields.and_then(|fields| fields.texts().nth(1)).expect("an entry has its text");
        (entry.dense, String::from_utf8(text.to_vec()).expect("texts are ASCII"))
    };
    let epoch = followed.stream.map_or(0, |stream| stream.epoch);
    Told::Entries { epoch, entries: followed.entries.iter().map(text).collect() }
}
