//! Other nodes that say whatever can be decoded: an owner neither stops nor serves its own clients any worse.
//!
//! Each message goes through the codec, as one from another node does: what cannot be decoded does not come in.

use crate::draw::{command, id, key, op, patch, text, wide};
use fastrand::Rng;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sluice_engine::account::Charge;
use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, KeyGen, RequestHash, Seq, Ticket, UserHash, ZoneId};
use sluice_engine::limit::PULSE_MS;
use sluice_engine::measure::Measured;
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::{Departure, Eta, Reply, Standing, Stats, Waiting};
use sluice_engine::sequencer::{
    Ask, BlockPolls, Committed, Event, NodeId, Presence, ProposalId, Pulse, REMOTE, Role, Sequencer,
    ZonePolls,
};
use sluice_engine::stream::op::KeyOp;
use sluice_engine::stream::value::Value;
use sluice_engine::time::{LogTime, MonoMs, WallMs};
use sluice_engine::token::{Place, Token};
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// Log time at which the shard begins: as on any server that was founded lately.
const EPOCH: u64 = 1_700_000_000_000;

/// What passes between the owner and the others.
#[derive(Default)]
struct Wire {
    events: VecDeque<Event>,
    index: u64,
    proposals: u64,
    /// What the owner passed on and has not heard of.
    passed: Vec<Ticket>,
    /// What the owner answered other nodes.
    answered: Vec<Ticket>,
}

#[derive(Clone, Default)]
struct Strangers(Arc<Mutex<Wire>>, Vec<NodeId>);

impl Strangers {
    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.0.lock().unwrap()
    }

    fn say(&self, event: Event) {
        self.wire().events.push_back(event);
    }
}

impl Sequencer for Strangers {
    fn propose(
        &mut self,
        commands: Vec<Command>,
        bytes: usize,
        stamp: LogTime,
        wall: WallMs,
    ) -> Result<ProposalId, Refusal> {
        assert!(bytes < 8 << 20, "a batch of {bytes} bytes");
        let mut wire = self.wire();
        (wire.index, wire.proposals) = (wire.index + 1, wire.proposals + 1);
        let (index, proposal) = (wire.index, ProposalId(wire.proposals));
        let batch = Committed { index, stamp, wall, proposal: Some(proposal), commands };
        wire.events.push_back(Event::Committed(batch));
        Ok(proposal)
    }

    fn next(&mut self) -> Option<Event> {
        self.wire().events.pop_front()
    }

    fn role(&self) -> Role {
        Role::Cut
    }

    fn me(&self) -> NodeId {
        1
    }

    fn others(&self) -> &[NodeId] {
        &self.1
    }

    fn forward(&mut self, ticket: Ticket, _: Measured<Ask>) -> Result<(), Refusal> {
        self.wire().passed.push(ticket);
        Ok(())
    }

    fn answer(&mut self, ticket: Ticket, _: Reply, _: u64) {
        self.wire().answered.push(ticket);
    }
}

/// An owner among strangers.
struct Stage {
    strangers: Strangers,
    directory: Arc<Directory>,
    owner: Owner,
    now: u64,
    tickets: u64,
    replies: Vec<(Ticket, Reply)>,
}

impl Stage {
    fn new(role: Role, others: Vec<NodeId>) -> Stage {
        let strangers = Strangers(Arc::default(), others);
        let options = Options { groups: 1, epoch: LogTime(EPOCH), ..Options::new([7; 16]) };
        let sequencer = |_, _| Box::new(strangers.clone()) as _;
        let (directory, mut owners) = node::open(options, vec![None], sequencer, MonoMs(0)).unwrap();
        let owner = owners.remove(0);
        let mut stage = Stage { strangers, directory, owner, now: 0, tickets: 0, replies: Vec::new() };
        // A zone with waiters, by the log.
        let name = ZoneName::parse(b"shop").unwrap();
        let made = ZonePatch { limit: Some(1), ..ZonePatch::default() };
        let zone = ZoneId { group: GroupId(0), ordinal: 1 };
        let join = Command::Join { zone, user: None, request: None, nobody_ahead: false };
        let mut commands = vec![Command::ZoneSet { name, patch: Box::new(made) }];
        commands.extend(std::iter::repeat_n(join, 600));
        stage.strangers.wire().index = 1;
        let (stamp, wall) = (LogTime(EPOCH), WallMs(EPOCH));
        stage.strangers.say(Event::Committed(Committed { index: 1, stamp, wall, proposal: None, commands }));
        stage.strangers.say(Event::Role(role));
        stage.turn(1);
        stage.turn(1);
        stage
    }

    fn turn(&mut self, past_ms: u64) {
        self.now += past_ms;
        let wall = WallMs(EPOCH + self.now);
        self.owner.set_wall(MonoMs(self.now), wall, wall);
        self.owner.turn(MonoMs(self.now));
        self.owner.flush();
        let mut replies = Vec::new();
        self.owner.drain_replies(&mut replies);
        let strays = replies.iter().filter(|(ticket, _)| ticket.0 & REMOTE != 0).count();
        assert_eq!(strays, 0, "a reply for another node came out among those for clients here");
        self.replies.append(&mut replies);
        // Nodes that are not alone want to tell each other something within a pulse.
        let wake = self.owner.next_wake();
        let latest = MonoMs(self.now + PULSE_MS);
        assert!(
            self.strangers.1.is_empty() || wake.is_some_and(|at| at <= latest),
            "it sleeps until {wake:?}"
        );
    }

    /// Turns at one moment until the owner has done all there is to do: it may not want another one for ever.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            if self.owner.next_wake().is_none_or(|at| at > MonoMs(self.now)) {
                return;
            }
            self.turn(0);
        }
        panic!("it wants one turn after the other at {}", self.now);
    }

    /// A client of this node asks; the reply, where it came by the turn after.
    fn ask(&mut self, ask: Ask) -> Option<Reply> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        if let Some(reply) = self.owner.request(ask, ticket, MonoMs(self.now)) {
            return Some(reply);
        }
        self.turn(1);
        self.turn(1);
        let at = self.replies.iter().position(|(of, _)| *of == ticket)?;
        Some(self.replies.remove(at).1)
    }
}

/// As it arrives, where it can be decoded.
fn sent<T: Serialize + DeserializeOwned>(message: &T) -> Option<T> {
    postcard::from_bytes(&postcard::to_stdvec(message).unwrap()).ok()
}

fn token(rng: &mut Rng) -> Token {
    let zone = ZoneId { group: GroupId(rng.u16(..2)), ordinal: if rng.bool() { 1 } else { wide(rng) } };
    let number = if rng.bool() { rng.u64(..700) } else { wide(rng) };
    let place = match rng.bool() {
        true => Place::Queue(Seq(number)),
        false => Place::Direct { serial: number, stamp: LogTime(wide(rng)) },
    };
    Token { zone, key: KeyGen(rng.u8(..)), place }
}

fn ask(rng: &mut Rng) -> Ask {
    let zone = ZoneId { group: GroupId(0), ordinal: if rng.bool() { 1 } else { wide(rng) } };
    let (user, request) = (Some(UserHash(rng.u128(..9))), Some(RequestHash(rng.u128(..9))));
    match rng.u8(..9) {
        0 => Ask::Join { zone, user, request, is_trusted: rng.bool() },
        1 => Ask::JoinNamed { name: ZoneName::parse(b"shop").unwrap(), user, request, is_trusted: false },
        2 => Ask::Change(Box::new(command(rng.u8(..crate::draw::COMMANDS), rng))),
        3 => Ask::Change(Box::new(Command::ZoneSet {
            name: ZoneName::parse(b"shop").unwrap(),
            patch: Box::new(patch(rng)),
        })),
        4 => Ask::Turn(token(rng)),
        5 => Ask::Stats(zone),
        6 => Ask::Keys((0..rng.usize(..6)).map(|_| op(rng)).collect()),
        7 => Ask::Hash,
        _ => Ask::Key(Box::new(op(rng))),
    }
}

fn presence(rng: &mut Rng) -> Presence {
    let block = |rng: &mut Rng| BlockPolls {
        block: if rng.bool() { rng.u64(..3) } else { wide(rng) },
        slots: std::array::from_fn(|_| wide(rng)),
    };
    let zone = |rng: &mut Rng| ZonePolls {
        ordinal: if rng.bool() { 1 } else { wide(rng) },
        blocks: (0..rng.usize(..4)).map(|_| block(rng)).collect(),
    };
    let zones = (0..rng.usize(..4)).map(|_| zone(rng)).collect();
    Presence {
        sent: MonoMs(wide(rng)),
        covers_age_ms: wide(rng),
        covers: LogTime(wide(rng)),
        zones,
        ahead_ms: rng.bool().then(|| (wide(rng) as i64, wide(rng) as i64)),
    }
}

/// A pulse as bytes that follow its layout: its parts cannot be made from outside.
fn pulse(rng: &mut Rng, now: u64) -> Option<Pulse> {
    let moment = match rng.u8(..3) {
        0 => wide(rng),
        1 => EPOCH + now,
        _ => EPOCH + now + rng.u64(..200_000_000),
    };
    let points: Vec<(u64, u64)> =
        (0..rng.usize(..70)).map(|n| (n as u64 * 10, EPOCH + wide(rng) % 9_999)).collect();
    let cells: Vec<u32> = (0..rng.usize(..600)).map(|_| wide(rng) as u32).collect();
    let echoes: Vec<(NodeId, u64)> = vec![(1, wide(rng)), (1, now), (wide(rng), wide(rng))];
    let frontier = rng.bool().then(|| (points, (wide(rng), wide(rng))));
    let eta = rng.bool().then(|| (wide(rng), cells));
    let zones = vec![(if rng.bool() { 1 } else { wide(rng) }, frontier, eta)];
    let bytes = postcard::to_stdvec(&(moment, wide(rng), echoes, zones, EPOCH + now, wide(rng))).unwrap();
    postcard::from_bytes(&bytes).ok()
}

fn reply(rng: &mut Rng) -> Reply {
    let waiting = Waiting {
        position: wide(rng),
        eta: Eta::Ms(wide(rng)),
        poll_ms: wide(rng) as u32,
        stale: rng.bool(),
    };
    let standing =
        if rng.bool() { Standing::Waiting(waiting) } else { Standing::Admitted(LogTime(wide(rng))) };
    match rng.u8(..10) {
        0 => Reply::Place { token: token(rng), standing },
        1 => Reply::Left(if rng.bool() { Departure::Left } else { Departure::Admitted }),
        2 => Reply::ZoneSet { created: rng.bool() },
        3 => Reply::KeyChanged,
        4 => Reply::Stats(Stats { waiting: wide(rng), eta_ms: wide(rng) as i64, ..Stats::default() }),
        5 => Reply::key(Value::Id(id(rng))),
        6 => Reply::Keys(vec![Value::Text(text(rng)); rng.usize(..4)], Charge::default()),
        7 => Reply::Hash { index: wide(rng), hash: wide(rng) },
        8 => Reply::Refused(Refusal::Busy { retry_ms: wide(rng) as u32 }),
        _ => Reply::key(Value::Array(vec![Value::Integer(wide(rng) as i64), Value::Null])),
    }
}

#[test]
fn a_leader_that_other_nodes_ask_anything_serves_on() {
    for seed in 0..8 {
        let mut rng = Rng::with_seed(seed);
        let mut stage = Stage::new(Role::Leader, vec![2, 3]);
        let mut asked = 0;
        for _ in 0..300 {
            for _ in 0..rng.usize(1..5) {
                if let Some(ask) = sent(&ask(&mut rng)) {
                    asked += 1;
                    stage.strangers.say(Event::Asked(Ticket(REMOTE | asked), ask));
                }
            }
            if let Some(presence) = sent(&presence(&mut rng)) {
                stage.strangers.say(Event::Presence(rng.u64(1..5), presence));
            }
            stage.turn(rng.u64(1..400));
        }
        (0..20).for_each(|_| stage.turn(1_000));
        stage.settle();
        assert_eq!(stage.strangers.wire().answered.len() as u64, asked, "seed {seed}: each is answered once");
        let own = KeyOp::Len(key(&mut rng));
        let reply = stage.ask(Ask::Key(Box::new(own)));
        assert!(matches!(reply, Some(Reply::Key(Value::Integer(_), _))), "seed {seed}: {reply:?}");
        assert!(stage.directory.streams().0 <= 10, "seed {seed}");
    }
}

#[test]
fn what_the_last_other_node_asked_is_answered_to_nobody_here_once_it_is_gone() {
    let mut stage = Stage::new(Role::Leader, vec![]);
    let ask = || Ask::Join {
        zone: ZoneId { group: GroupId(0), ordinal: 1 },
        user: None,
        request: None,
        is_trusted: false,
    };
    stage.strangers.say(Event::Asked(Ticket(REMOTE | 1), ask()));
    stage.turn(1);
    assert_eq!(stage.strangers.wire().answered, [Ticket(REMOTE | 1)], "though nobody else is left");
}

#[test]
fn a_follower_that_is_told_anything_keeps_its_time_and_answers_its_clients() {
    for seed in 0..8 {
        let mut rng = Rng::with_seed(seed);
        let mut stage = Stage::new(Role::Follower, vec![2, 3]);
        for _ in 0..300 {
            if let Some(pulse) = pulse(&mut rng, stage.now) {
                stage.strangers.say(Event::Pulse(pulse));
            }
            if let Some(ask) = sent(&ask(&mut rng)).filter(|ask| *ask != Ask::Hash) {
                let _ = stage.ask(ask);
            }
            let passed: Vec<Ticket> = stage.strangers.wire().passed.drain(..).collect();
            for ticket in passed {
                if let Some(reply) = sent(&reply(&mut rng)) {
                    stage.strangers.say(Event::Answered(ticket, reply, wide(&mut rng)));
                }
            }
            stage.turn(rng.u64(1..400));
            let log = stage.directory.now(GroupId(0), MonoMs(stage.now));
            assert!(log.0 <= EPOCH + stage.now + 86_400_001, "seed {seed}: its time ran away to {log:?}");
        }
        stage.turn(20_000);
        stage.settle();
        assert!(stage.directory.unfit() > 0, "seed {seed}: nothing was left out");
    }
}

#[test]
fn a_reply_of_another_kind_is_not_believed() {
    let mut stage = Stage::new(Role::Follower, vec![2, 3]);
    let left = || {
        Ask::Change(Box::new(Command::Leave { zone: ZoneId { group: GroupId(0), ordinal: 1 }, seq: Seq(5) }))
    };
    for (answer, counts) in [
        (Reply::KeyChanged, true),
        (Reply::Left(Departure::Left), false),
        (Reply::Keys(vec![], Charge::default()), true),
    ] {
        let before = stage.directory.unfit();
        assert_eq!(stage.ask(left()), None, "it was passed on");
        let ticket = stage.strangers.wire().passed.pop().unwrap();
        stage.strangers.say(Event::Answered(ticket, answer.clone(), 0));
        stage.turn(1);
        let (_, told) = stage.replies.pop().unwrap();
        assert_eq!(stage.directory.unfit() - before, u64::from(counts));
        match counts {
            true => assert!(matches!(told, Reply::Refused(Refusal::NoLeader { .. })), "{told:?}"),
            false => assert_eq!(told, answer),
        }
    }
}
