//! Three nodes' owners of one group around a log in memory: what a replicated sequencer does, at once and without loss
//! unless the test says otherwise.

use sluice_engine::command::Command;
use sluice_engine::directory::{Directory, Polled};
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, Ticket};
use sluice_engine::measure::Measured;
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::{Reply, Standing};
use sluice_engine::sequencer::{
    Ask, Clocks, Committed, Event, NodeId, Presence, ProposalId, Pulse, REMOTE, Role, Sequencer,
};
use sluice_engine::time::{LogTime, MonoMs, WallMs};
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

pub(crate) const ZONE: &[u8] = b"shop";
pub(crate) const NODES: usize = 3;

/// A batch on its way: commands, stamps, whose proposal it is.
type Held = (Vec<Command>, (LogTime, WallMs), ProposalId, usize);

/// The wire between the nodes.
pub(crate) struct Hub {
    log: Vec<Committed>,
    /// By node: what its owner is told next.
    events: Vec<VecDeque<Event>>,
    /// By node: what has been handed over of the log.
    delivered: Vec<usize>,
    /// Nobody gets new entries, and nothing proposed is committed.
    pub(crate) is_stopped: bool,
    /// Node that gets no entries.
    pub(crate) lagging: Option<usize>,
    /// Node that nothing reaches and that reaches nobody.
    pub(crate) cut: Option<usize>,
    pub(crate) leader: Option<usize>,
    proposals: u64,
    held: Vec<Held>,
    forwards: HashMap<u64, (usize, Ticket)>,
    pub(crate) presence: Vec<(usize, Presence)>,
    /// What each leader found of the clocks, in order.
    pub(crate) judged: Vec<(usize, Clocks)>,
    others: Vec<Vec<NodeId>>,
}

impl Hub {
    fn commit(&mut self, commands: Vec<Command>, at: (LogTime, WallMs), id: ProposalId, by: usize) {
        let (stamp, wall) = at;
        let index = self.log.len() as u64 + 1;
        // The number is the proposer's own: to the others it says nothing.
        self.log.push(Committed {
            index,
            stamp,
            wall,
            proposal: Some(ProposalId(id.0 << 2 | by as u64)),
            commands,
        });
    }

    /// Whether what waits to be committed drops somebody.
    pub(crate) fn is_evicting(&self) -> bool {
        let mut commands = self.held.iter().flat_map(|held| &held.0);
        commands.any(|command| matches!(command, Command::Evict { .. }))
    }

    /// Commits what waits for it, and goes on.
    pub(crate) fn go_on(&mut self) {
        self.is_stopped = false;
        for (commands, at, id, by) in std::mem::take(&mut self.held) {
            self.commit(commands, at, id, by);
        }
    }

    fn is_apart(&self, a: usize, b: usize) -> bool {
        self.cut.is_some_and(|cut| (cut == a) != (cut == b))
    }
}

struct Port {
    hub: Arc<Mutex<Hub>>,
    me: usize,
    others: Vec<NodeId>,
}

impl Sequencer for Port {
    fn propose(
        &mut self,
        commands: Vec<Command>,
        _: usize,
        stamp: LogTime,
        wall: WallMs,
    ) -> Result<ProposalId, Refusal> {
        let mut hub = self.hub.lock().unwrap();
        if hub.leader != Some(self.me) {
            return Err(Refusal::NoLeader { retry_ms: 500 });
        }
        hub.proposals += 1;
        let id = ProposalId(hub.proposals);
        if hub.is_stopped || hub.cut == Some(self.me) {
            hub.held.push((commands, (stamp, wall), id, self.me));
        } else {
            hub.commit(commands, (stamp, wall), id, self.me);
        }
        Ok(id)
    }

    fn next(&mut self) -> Option<Event> {
        let mut hub = self.hub.lock().unwrap();
        let at = hub.delivered[self.me];
        let flows = !hub.is_stopped && hub.lagging != Some(self.me) && hub.cut != Some(self.me);
        if flows && at < hub.log.len() {
            hub.delivered[self.me] += 1;
            let mut batch = hub.log[at].clone();
            let id = batch.proposal.unwrap();
            batch.proposal = (id.0 & 3 == self.me as u64).then_some(ProposalId(id.0 >> 2));
            return Some(Event::Committed(batch));
        }
        hub.events[self.me].pop_front()
    }

    fn role(&self) -> Role {
        Role::Cut
    }

    fn me(&self) -> NodeId {
        self.me as NodeId
    }

    fn others(&self) -> &[NodeId] {
        &self.others
    }

    fn lease_age_ms(&self) -> Option<u64> {
        let hub = self.hub.lock().unwrap();
        (hub.leader == Some(self.me) && hub.cut != Some(self.me)).then_some(0)
    }

    fn forward(&mut self, ticket: Ticket, ask: Measured<Ask>) -> Result<(), Refusal> {
        let mut hub = self.hub.lock().unwrap();
        let Some(leader) = hub.leader.filter(|leader| !hub.is_apart(*leader, self.me)) else {
            return Err(Refusal::NoLeader { retry_ms: 500 });
        };
        let remote = hub.forwards.len() as u64;
        hub.forwards.insert(remote, (self.me, ticket));
        hub.events[leader].push_back(Event::Asked(Ticket(REMOTE | remote), ask.into_value()));
        Ok(())
    }

    fn answer(&mut self, ticket: Ticket, reply: Reply, applied: u64) {
        let mut hub = self.hub.lock().unwrap();
        let (node, ticket) = hub.forwards[&(ticket.0 & !REMOTE)];
        if !hub.is_apart(self.me, node) {
            hub.events[node].push_back(Event::Answered(ticket, reply, applied));
        }
    }

    fn report(&mut self, presence: Presence) {
        let mut hub = self.hub.lock().unwrap();
        let Some(leader) = hub.leader.filter(|leader| !hub.is_apart(*leader, self.me)) else { return };
        hub.presence.push((self.me, presence.clone()));
        hub.events[leader].push_back(Event::Presence(self.me as NodeId, presence));
    }

    fn judge_clocks(&mut self, clocks: Clocks) {
        self.hub.lock().unwrap().judged.push((self.me, clocks));
    }

    fn pulse(&mut self, pulse: Pulse) {
        let mut hub = self.hub.lock().unwrap();
        for node in 0..NODES {
            if node != self.me && !hub.is_apart(self.me, node) {
                hub.events[node].push_back(Event::Pulse(pulse.clone()));
            }
        }
    }
}

/// Three nodes, and the clock that they share (each reads it with an offset of its own).
pub(crate) struct Cluster {
    pub(crate) hub: Arc<Mutex<Hub>>,
    pub(crate) directories: Vec<Arc<Directory>>,
    pub(crate) owners: Vec<Owner>,
    pub(crate) now_ms: u64,
    /// By node: what its wall clock shows at the start; `None` where nobody tells its owner.
    pub(crate) walls: [Option<u64>; NODES],
    tickets: u64,
}

impl Cluster {
    /// A zone of this limit, led by node 0.
    pub(crate) fn with_zone(patch: ZonePatch) -> Cluster {
        let hub = Arc::new(Mutex::new(Hub {
            log: Vec::new(),
            events: (0..NODES).map(|_| VecDeque::new()).collect(),
            delivered: vec![0; NODES],
            is_stopped: false,
            lagging: None,
            cut: None,
            leader: None,
            proposals: 0,
            held: Vec::new(),
            forwards: HashMap::new(),
            presence: Vec::new(),
            judged: Vec::new(),
            others: (0..NODES)
                .map(|me| (0..NODES).filter(|node| *node != me).map(|node| node as u64).collect())
                .collect(),
        }));
        let (mut directories, mut owners) = (Vec::new(), Vec::new());
        for me in 0..NODES {
            let (directory, owner) = open(&hub, me, MonoMs(offset(me)));
            directories.push(directory);
            owners.push(owner);
        }
        let mut cluster = Cluster { hub, directories, owners, now_ms: 0, walls: [None; NODES], tickets: 0 };
        cluster.elect(Some(0));
        cluster.run(10);
        let name = ZoneName::parse(ZONE).unwrap();
        let change = Command::ZoneSet { name, patch: Box::new(patch) };
        assert_eq!(cluster.ask(0, Ask::Change(Box::new(change))), Reply::ZoneSet { created: true });
        cluster.run(300);
        cluster
    }

    pub(crate) fn mono(&self, node: usize) -> MonoMs {
        MonoMs(self.now_ms + offset(node))
    }

    /// Another leader, or none.
    pub(crate) fn elect(&mut self, leader: Option<usize>) {
        let mut hub = self.hub.lock().unwrap();
        hub.leader = leader;
        // What the last leader could not get through is lost with it.
        hub.held.clear();
        for node in 0..NODES {
            let role = match leader {
                Some(leader) if leader == node => Role::Leader,
                Some(leader) if !hub.is_apart(leader, node) => Role::Follower,
                _ => Role::Cut,
            };
            hub.events[node].push_back(Event::Role(role));
        }
    }

    /// A node crashes and is back at once: what it heard and did not tell is lost.
    pub(crate) fn restart(&mut self, node: usize) {
        let (directory, owner) = open(&self.hub, node, self.mono(node));
        self.directories[node] = directory;
        self.owners[node] = owner;
        let mut hub = self.hub.lock().unwrap();
        hub.delivered[node] = 0;
        hub.events[node] = VecDeque::from([Event::Role(Role::Follower)]);
    }

    /// So many milliseconds, ten at a time.
    pub(crate) fn run(&mut self, ms: u64) -> Vec<(usize, Ticket, Reply)> {
        let mut all = Vec::new();
        for _ in 0..ms.div_ceil(10) {
            self.now_ms += 10;
            all.append(&mut self.turn());
        }
        all
    }

    fn turn(&mut self) -> Vec<(usize, Ticket, Reply)> {
        let mut all = Vec::new();
        for node in 0..NODES {
            let mut replies = Vec::new();
            let mono = self.mono(node);
            if let Some(wall) = self.walls[node].map(|wall| WallMs(wall + self.now_ms)) {
                self.owners[node].set_wall(mono, wall, wall);
            }
            self.owners[node].turn(mono);
            self.owners[node].drain_replies(&mut replies);
            all.extend(replies.into_iter().map(|(ticket, reply)| (node, ticket, reply)));
        }
        all
    }

    /// What a client of this node is told.
    pub(crate) fn ask(&mut self, node: usize, ask: Ask) -> Reply {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let mono = self.mono(node);
        if let Some(reply) = self.owners[node].request(ask, ticket, mono) {
            return reply;
        }
        for _ in 0..1_000 {
            let replies = self.run(10);
            if let Some((_, _, reply)) = replies.into_iter().find(|(at, of, _)| (*at, *of) == (node, ticket))
            {
                return reply;
            }
        }
        panic!("no answer in ten seconds");
    }

    /// Joins at a node; the token's text and where it stands.
    pub(crate) fn join(&mut self, node: usize) -> (Vec<u8>, Standing) {
        let name = ZoneName::parse(ZONE).unwrap();
        match self.ask(node, Ask::JoinNamed { name, user: None, request: None, is_trusted: false }) {
            Reply::Place { token, standing } => {
                let text = self.directories[node].text(&token).unwrap();
                (text.as_bytes().to_vec(), standing)
            }
            other => panic!("{other:?}"),
        }
    }

    /// Polls at a node as a worker does: from the directory, else from the owner.
    pub(crate) fn poll(&mut self, node: usize, token: &[u8]) -> Result<Standing, Refusal> {
        let mono = self.mono(node);
        let polled = self.directories[node].poll(&Directory::pin(), ZONE, token, mono)?;
        match polled {
            Polled::Standing(standing) => Ok(standing),
            Polled::Turn(token) => match self.ask(node, Ask::Turn(token)) {
                Reply::Place { standing, .. } => Ok(standing),
                Reply::Refused(refusal) => Err(refusal),
                other => panic!("{other:?}"),
            },
        }
    }

    /// Polls at a node. The ticket where the answer comes later.
    pub(crate) fn begin_poll(&mut self, node: usize, token: &[u8]) -> Result<Reply, Ticket> {
        let token = self.directories[node].verify(ZONE, token).unwrap();
        self.tickets += 1;
        let (ticket, mono) = (Ticket(self.tickets), self.mono(node));
        self.owners[node].request(Ask::Turn(token), ticket, mono).ok_or(ticket)
    }

    /// Whether the node answers a poll of this token by itself.
    pub(crate) fn answers_alone(&self, node: usize, token: &[u8]) -> bool {
        let polled = self.directories[node].poll(&Directory::pin(), ZONE, token, self.mono(node));
        matches!(polled, Ok(Polled::Standing(_)))
    }
}

/// A process of a node.
fn open(hub: &Arc<Mutex<Hub>>, me: usize, now: MonoMs) -> (Arc<Directory>, Owner) {
    let others = hub.lock().unwrap().others[me].clone();
    let port = |_: GroupId, _: u64| -> Box<dyn Sequencer> {
        Box::new(Port { hub: Arc::clone(hub), me, others: others.clone() })
    };
    let options = Options { groups: 1, ..Options::new([7; 16]) };
    let (directory, mut opened) = node::open(options, vec![], port, now).unwrap();
    (directory, opened.remove(0))
}

/// No two nodes' clocks agree.
fn offset(node: usize) -> u64 {
    1_000_000 * node as u64 + 17
}
