//! One random run: a shard, its owner, clients with habits, operators, a clock that leaps and a sequencer that
//! refuses and delays. Every answer goes to the checkers, every committed command to the reference.

mod judge;

use super::Answer;
use super::client::{Client, Habit, Wish};
use super::i1_caps::Caps;
use super::i2_order::Order;
use super::i4_once::Once;
use super::i5_position::Positions;
use super::i6_presence::Presence;
use super::reference::{Reference, Stand};
use super::sequencer::{Event, Flaky};
use sluice_engine::command::Command;
use sluice_engine::directory::{Directory, Polled};
use sluice_engine::error::Refusal;
use sluice_engine::id::{GroupId, Ticket};
use sluice_engine::limit;
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::{Reply, Standing};
use sluice_engine::sequencer::{Committed, ProposalId};
use sluice_engine::time::MonoMs;
use sluice_engine::token::{Place, Token};
use sluice_engine::zone::settings::ZoneName;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// The longest that a turn may come late without counting as a pause.
const LATE_MS: u64 = 900;

/// Who waits for a ticket's reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asker {
    Client(usize),
    Operator,
}

/// The invariants' checkers.
#[derive(Default)]
pub(crate) struct Checks {
    caps: Caps,
    order: Order,
    once: Once,
    positions: Positions,
    presence: Presence,
}

/// Everything of one run.
pub(crate) struct World {
    pub(crate) rng: fastrand::Rng,
    pub(crate) owner: Owner,
    pub(crate) directory: Arc<Directory>,
    pub(crate) flaky: Flaky,
    pub(crate) reference: Reference,
    pub(crate) now: u64,
    /// Every committed batch.
    pub(crate) log: Vec<Committed>,
    pub(crate) clients: Vec<Client>,
    pub(crate) names: Vec<ZoneName>,
    checks: Checks,
    last_turn: u64,
    surveyed_at: u64,
    tickets: u64,
    asked: BTreeMap<Ticket, Asker>,
    submitted: VecDeque<Ticket>,
    under_way: HashMap<ProposalId, VecDeque<Ticket>>,
    replies: BTreeMap<Ticket, Reply>,
    drained: Vec<(Ticket, Reply)>,
}

impl World {
    pub(crate) fn new(seed: u64) -> World {
        let mut rng = fastrand::Rng::with_seed(seed);
        let flaky = Flaky::new(rng.u64(..), 0);
        let options = Options { groups: 1, ..Options::new([7; 16]) };
        let sequencer = |_, _| Box::new(flaky.clone()) as _;
        let (directory, mut owners) = node::open(options, vec![], sequencer, MonoMs(0)).unwrap();
        World {
            rng,
            owner: owners.remove(0),
            directory,
            flaky,
            reference: Reference::default(),
            now: 0,
            log: Vec::new(),
            clients: Vec::new(),
            names: ["shop", "gate"].map(|name| ZoneName::parse(name.as_bytes()).unwrap()).to_vec(),
            checks: Checks::default(),
            last_turn: 0,
            surveyed_at: 0,
            tickets: 0,
            asked: BTreeMap::new(),
            submitted: VecDeque::new(),
            under_way: HashMap::new(),
            replies: BTreeMap::new(),
            drained: Vec::new(),
        }
    }

    /// Log time now.
    pub(crate) fn log_now(&self) -> u64 {
        self.directory.now(GroupId(0), MonoMs(self.now)).0
    }

    /// On to the next moment at which something happens, at most `until`, and takes a turn there.
    pub(crate) fn step(&mut self, until: u64) {
        let wake = self.owner.next_wake().map(|at| at.0);
        let busy = (self.flaky.on_the_way() > 0).then_some(self.now + 20);
        let next = self.clients.iter().map(|client| client.at).chain(wake).chain(busy).min().unwrap_or(until);
        let late = if self.rng.u8(0..40) == 0 { self.rng.u64(0..LATE_MS) } else { 0 };
        let next = next.clamp(self.now + 1, until.max(self.now + 1));
        self.now = (next + late).min((self.last_turn + LATE_MS).max(next));
        self.act();
        self.turn();
    }

    /// The process stops for a while: nobody is served, then the clock has moved.
    pub(crate) fn pause(&mut self, ms: u64) {
        self.now = self.now.max(self.last_turn) + ms.max(1_500);
        self.checks.presence.resumed_at = self.log_now();
        self.disturb();
        self.act();
        self.turn();
    }

    /// Whatever was promised under other circumstances is no longer owed.
    pub(crate) fn disturb(&mut self) {
        self.checks.presence.disturbed_at = self.log_now();
        self.checks.order.disturbed(self.log_now());
    }

    /// Submits an operator's command.
    pub(crate) fn operate(&mut self, command: Command) {
        self.disturb();
        let ticket = self.ticket(Asker::Operator);
        self.owner.submit(command, ticket).unwrap();
        self.submitted.push_back(ticket);
    }

    /// Runs without new trouble until every reply has come.
    pub(crate) fn settle(&mut self) {
        self.flaky.link().refuse_percent = 0;
        self.flaky.link().delay_turns = 0;
        self.disturb();
        let until = self.now + 5_000;
        while self.now < until {
            self.clients.iter_mut().for_each(|client| client.at = u64::MAX);
            self.step(until);
        }
        assert!(self.asked.is_empty(), "never answered: {:?}", self.asked);
        self.survey();
    }

    fn ticket(&mut self, asker: Asker) -> Ticket {
        self.tickets += 1;
        self.asked.insert(Ticket(self.tickets), asker);
        Ticket(self.tickets)
    }

    fn act(&mut self) {
        for at in 0..self.clients.len() {
            if self.clients[at].at > self.now {
                continue;
            }
            match self.clients[at].wish {
                Wish::Join => self.join(at),
                Wish::Poll => self.poll(at),
                Wish::Leave => self.leave(at),
                Wish::Listen(ticket) => self.hang_up(at, ticket),
            }
        }
    }

    fn join(&mut self, at: usize) {
        let (name, user, request) = {
            let client = &self.clients[at];
            (client.zone.clone(), client.user, client.request)
        };
        let zone = self.directory.zone(name.as_str().as_bytes());
        assert_eq!(
            zone,
            self.reference.by_name(&name).map(|zone| zone.id),
            "names lead to the zones that exist"
        );
        let Some(zone) = zone else {
            self.clients[at].at = self.now + 5_000;
            return;
        };
        let hash = |id: u64| self.directory.request_hash(name.as_str().as_bytes(), &[&id.to_be_bytes()]);
        let request = request.map(hash);
        let ticket = self.ticket(Asker::Client(at));
        self.owner.join(zone, user, request, ticket).unwrap();
        self.submitted.push_back(ticket);
        self.listen(at, ticket, u64::MAX);
    }

    fn leave(&mut self, at: usize) {
        let Some(Token { zone, place: Place::Queue(seq), .. }) = self.clients[at].token else {
            return self.clients[at].start_over(self.now, &mut self.rng);
        };
        let ticket = self.ticket(Asker::Client(at));
        self.owner.submit(Command::Leave { zone, seq }, ticket).unwrap();
        self.submitted.push_back(ticket);
        self.listen(at, ticket, u64::MAX);
    }

    fn poll(&mut self, at: usize) {
        let Some(token) = self.clients[at].token else { return };
        let name = self.clients[at].zone.clone();
        let text = self.directory.text(&token).expect("a token of this group has a text");
        let polled = {
            let guard = Directory::pin();
            self.directory.poll(&guard, name.as_str().as_bytes(), text.as_bytes(), MonoMs(self.now))
        };
        let log_now = self.log_now();
        let expected = self.reference.stand(&name, &token, log_now);
        // While its dropping is on its way, a poll says nothing of the waiter: it waits to hear of that itself.
        if !self.flaky.is_evicting(&token) {
            self.note_poll(&token, log_now);
        }
        match polled {
            Ok(Polled::Standing(standing)) => self.heard_exactly(at, &token, Ok(standing), expected),
            Err(refusal) => self.heard_exactly(at, &token, Err(refusal), expected),
            Ok(Polled::Turn(of)) => {
                assert_eq!(of, token, "the turn of another");
                assert!(matches!(expected, Ok(Stand::Waits(_))), "{expected:?} has no turn");
                let ticket = self.ticket(Asker::Client(at));
                match self.owner.ask(token, ticket, MonoMs(self.now)) {
                    Some(reply) => {
                        self.asked.remove(&ticket);
                        let answer = answer(reply).1;
                        self.heard_exactly(at, &token, answer, expected);
                    }
                    None => {
                        let patience =
                            if self.rng.u8(0..8) == 0 { self.now + self.rng.u64(1..900) } else { u64::MAX };
                        self.listen(at, ticket, patience);
                    }
                }
            }
        }
    }

    fn listen(&mut self, at: usize, ticket: Ticket, patience: u64) {
        self.clients[at].wish = Wish::Listen(ticket);
        self.clients[at].at = patience;
    }

    /// The connection of a parked poll closes, or something else is asked on it.
    fn hang_up(&mut self, at: usize, ticket: Ticket) {
        let Some(token) = self.clients[at].token else { return };
        match self.owner.unpark(token.zone, ticket, MonoMs(self.now)) {
            Some(reply) => {
                self.asked.remove(&ticket).expect("a parked poll was not answered yet");
                let answer = answer(reply).1;
                self.heard(at, &token, answer);
            }
            None => self.clients[at].at = u64::MAX,
        }
    }

    fn note_poll(&mut self, token: &Token, log_now: u64) {
        if let Place::Queue(seq) = token.place
            && let Some(zone) = self.reference.by_id_mut(token.zone)
        {
            zone.polled(seq, log_now);
            self.checks.order.contact(token.zone, seq, log_now);
        }
    }

    fn heard_exactly(&mut self, at: usize, token: &Token, answer: Answer, expected: Result<Stand, Refusal>) {
        self.check_answer(token, answer);
        self.told(token, answer);
        judge::agree(token, answer, expected, self.now);
        self.tell(at, token, answer);
    }

    /// A client hears where its token stands; so do the checkers.
    fn heard(&mut self, at: usize, token: &Token, answer: Answer) {
        self.check_answer(token, answer);
        self.told(token, answer);
        self.tell(at, token, answer);
    }

    /// Somebody was told where a place stands. Who waited here for that until near its deadline was here all the time.
    fn told(&mut self, token: &Token, answer: Answer) {
        let log_now = self.log_now();
        self.checks.presence.answered(token, answer, log_now);
        if let (Ok(Standing::Waiting(_)), Place::Queue(seq)) = (answer, token.place)
            && let Some(zone) = self.reference.by_id_mut(token.zone)
            && let Some(waiter) = zone.waiter(seq)
        {
            let late_ms = u64::from(zone.settings.abandon_ms - limit::LATE_MS);
            if log_now > waiter.last_poll() + late_ms {
                zone.polled(seq, log_now);
            }
        }
    }

    fn tell(&mut self, at: usize, token: &Token, answer: Answer) {
        let abandon_ms = self.reference.by_id(token.zone).map_or(60_000, |zone| zone.settings.abandon_ms);
        self.clients[at].heard(answer, self.now, abandon_ms, &mut self.rng);
    }

    fn check_answer(&mut self, token: &Token, answer: Answer) {
        let log_now = self.log_now();
        self.checks.once.answered(token, answer, log_now, self.reference.by_id(token.zone));
        self.checks.positions.answered(token, answer);
    }

    fn turn(&mut self) {
        self.flaky.next_turn();
        self.owner.turn(MonoMs(self.now));
        self.owner.drain_replies(&mut self.drained);
        for (ticket, reply) in std::mem::take(&mut self.drained) {
            assert!(self.asked.contains_key(&ticket), "{ticket:?} is answered twice: {reply:?}");
            assert!(self.replies.insert(ticket, reply.clone()).is_none(), "{ticket:?} is answered twice");
            // In the order of the replies, which is that of what happened.
            if let Reply::Place { token, standing } = reply {
                self.check_answer(&token, Ok(standing));
                self.told(&token, Ok(standing));
            }
        }
        for event in self.flaky.take_events() {
            match event {
                Event::Proposed { id, stamp, commands } => self.proposed(id, stamp.0, &commands),
                Event::Committed(batch) => self.committed(batch),
            }
        }
        self.deliver();
        self.after_turn();
    }

    /// Hands the replies to who asked.
    fn deliver(&mut self) {
        for (ticket, reply) in std::mem::take(&mut self.replies) {
            let Some(Asker::Client(at)) = self.asked.remove(&ticket) else { continue };
            assert_eq!(self.clients[at].wish, Wish::Listen(ticket), "{reply:?} for somebody else");
            match reply {
                Reply::Place { token, standing } => {
                    if let Some(asked) = self.clients[at].token {
                        assert_eq!((asked.zone, asked.place), (token.zone, token.place), "another's answer");
                    }
                    self.clients[at].token = Some(token);
                    if let Place::Queue(seq) = token.place {
                        self.checks.order.contact(token.zone, seq, self.log_now());
                    }
                    self.tell(at, &token, Ok(standing));
                }
                Reply::Refused(Refusal::NoLeader { .. }) => {
                    self.clients[at].wish =
                        if self.clients[at].token.is_some() { Wish::Leave } else { Wish::Join };
                    self.clients[at].at = self.now + 100;
                }
                Reply::Refused(refusal) => self.refused(at, refusal),
                _ => self.clients[at].start_over(self.now, &mut self.rng),
            }
        }
    }

    fn refused(&mut self, at: usize, refusal: Refusal) {
        if let Some(token) = self.clients[at].token {
            assert!(matches!(refusal, Refusal::Gone | Refusal::NoZone), "{refusal:?}");
            self.check_answer(&token, Err(refusal));
            let waits = self.reference.stand(&self.clients[at].zone, &token, self.log_now());
            assert!(!matches!(waits, Ok(Stand::Waits(_))), "{token:?} waits and is told {refusal:?}");
        }
        // A request whose place is gone is remembered all the same: another one has to be made.
        self.clients[at].request = None;
        self.clients[at].start_over(self.now, &mut self.rng);
    }

    /// Adds clients who come within `span_ms`.
    pub(crate) fn crowd(&mut self, count: usize, span_ms: u64) {
        for _ in 0..count {
            let name = self.names[self.rng.usize(0..self.names.len())].clone();
            let at = self.now + self.rng.u64(0..span_ms);
            self.clients.push(Client::new(name, at, &mut self.rng));
        }
    }

    /// How many clients have a habit that never falls silent.
    pub(crate) fn polite(&self) -> usize {
        self.clients.iter().filter(|client| client.habit == Habit::Obeys).count()
    }
}

fn answer(reply: Reply) -> (Option<Token>, Answer) {
    match reply {
        Reply::Place { token, standing } => (Some(token), Ok(standing)),
        Reply::Refused(refusal) => (None, Err(refusal)),
        other => panic!("{other:?} answers no poll"),
    }
}
