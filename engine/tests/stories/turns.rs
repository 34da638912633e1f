//! What one turn of an owner takes up, however much waits for it: counted, never timed.

use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::id::Ticket;
use sluice_engine::limit::OPERATIONS_A_TURN;
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::{Ask, Committed, Event, ProposalId, REMOTE, Role, Sequencer};
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::op::{Add, KeyOp, NewId};
use sluice_engine::stream::text::Text;
use sluice_engine::time::{LogTime, MonoMs, WallMs};
use sluice_engine::zone::settings::ZoneName;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

/// What an owner is told, and what came of it.
#[derive(Default)]
struct Told {
    events: VecDeque<Event>,
    answered: usize,
}

/// A sequencer that tells what the test wrote down, and takes no proposals.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Told>>);

impl Script {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap()
    }
}

impl Sequencer for Script {
    fn propose(&mut self, _: Vec<Command>, _: usize, _: LogTime, _: WallMs) -> Result<ProposalId, Refusal> {
        Err(Refusal::NoLeader { retry_ms: 100 })
    }

    fn next(&mut self) -> Option<Event> {
        self.told().events.pop_front()
    }

    fn role(&self) -> Role {
        Role::Follower
    }

    fn answer(&mut self, _: Ticket, _: Reply, _: u64) {
        self.told().answered += 1;
    }
}

fn open() -> (Script, Arc<Directory>, Owner) {
    let script = Script::default();
    let sequencer = |_, _| Box::new(script.clone()) as _;
    let options = Options { groups: 1, ..Options::new([7; 16]) };
    let (directory, mut owners) = node::open(options, vec![None], sequencer, MonoMs(0)).unwrap();
    (script, directory, owners.remove(0))
}

fn add(key: &str) -> KeyOp {
    KeyOp::Add(Add {
        key: Text::from(key.as_bytes()),
        no_create: false,
        trim: None,
        id: NewId::Auto,
        fields: Fields::pack([&b"f"[..], b"v"]),
        request: None,
        ttl_ms: None,
        end: false,
    })
}

fn batch(index: u64, commands: Vec<Command>) -> Event {
    Event::Committed(Committed {
        index,
        stamp: LogTime(index),
        wall: WallMs(index),
        proposal: None,
        commands,
    })
}

#[test]
fn who_catches_up_counts_the_operations_of_transactions() {
    const EACH: usize = 200;
    let (script, _, mut owner) = open();
    let transaction = || Command::Keys((0..EACH).map(|_| add("orders")).collect());
    script.told().events.extend((1..=40).map(|index| batch(index, vec![transaction()])));
    let mut turns = 0;
    while owner.applied() < 40 {
        let before = owner.applied();
        owner.turn(MonoMs(1));
        turns += 1;
        let operations = (owner.applied() - before) as usize * EACH;
        assert!(operations < OPERATIONS_A_TURN + EACH, "{operations} operations in one turn");
        assert!(operations > 0, "it goes on");
        assert!(owner.applied() == 40 || owner.next_wake() == Some(MonoMs(1)), "and does not wait");
    }
    assert_eq!(turns, 40usize.div_ceil(OPERATIONS_A_TURN.div_ceil(EACH)));
}

#[test]
fn requests_of_other_nodes_are_taken_up_a_turns_worth_at_a_time() {
    let (script, _, mut owner) = open();
    let name = ZoneName::parse(b"shop").unwrap();
    let ask = || Ask::JoinNamed { name: name.clone(), user: None, request: None, is_trusted: false };
    let asks = 4 * OPERATIONS_A_TURN;
    script.told().events.extend((0..asks as u64).map(|n| Event::Asked(Ticket(REMOTE | n), ask())));
    for turn in 1..=4 {
        owner.turn(MonoMs(1));
        assert_eq!(script.told().answered, turn * OPERATIONS_A_TURN, "after {turn} turns");
        assert_eq!(owner.next_wake(), Some(MonoMs(1)), "it goes on at once");
    }
}
