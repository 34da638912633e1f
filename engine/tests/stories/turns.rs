//! What one turn of an owner takes up, however much waits for it: counted, never timed.

use sluice_engine::command::Command;
use sluice_engine::directory::Directory;
use sluice_engine::error::Refusal;
use sluice_engine::id::Ticket;
use sluice_engine::limit::{EARS_A_TURN, OPERATIONS_A_TURN, SLICES_A_TURN, WASTE_A_TURN};
use sluice_engine::node::{self, Detached, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::{Ask, Committed, Event, ProposalId, REMOTE, Role, Sequencer};
use sluice_engine::stream::ListenerId;
use sluice_engine::stream::fields::Fields;
use sluice_engine::stream::op::{Add, Follow, FollowFrom, KeyOp, NewId};
use sluice_engine::stream::text::Text;
use sluice_engine::time::{LogTime, MonoMs, WallMs};
use sluice_engine::zone::settings::ZoneName;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

/// What an owner is told, and what came of it.
#[derive(Default)]
struct Told {
    events: VecDeque<Event>,
    answered: usize,
    /// Slices of a snapshot that are taken, those that came, and whether the last is among them.
    wanted: usize,
    slices: Vec<Vec<u8>>,
    is_whole: bool,
    abandoned: usize,
    disposed: usize,
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

    fn slice(&mut self, bytes: Option<Vec<u8>>) {
        let mut told = self.told();
        told.wanted -= 1;
        told.is_whole = bytes.is_none();
        told.slices.extend(bytes);
    }

    fn wants_slice(&self) -> bool {
        self.told().wanted > 0
    }

    fn abandon_slices(&mut self) {
        self.told().abandoned += 1;
    }

    fn dispose(&mut self, old: Box<Detached>) {
        self.told().disposed += 1;
        drop(old);
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

/// Applies so many streams of one entry.
fn with_streams(script: &Script, owner: &mut Owner, streams: u64) {
    let from = owner.applied();
    let streams = (1..=streams).map(|n| batch(from + n, vec![Command::Key(Box::new(add(&format!("s{n}"))))]));
    script.told().events.extend(streams);
    let until = from + script.told().events.len() as u64;
    while owner.applied() < until {
        owner.turn(MonoMs(1));
    }
}

#[test]
fn a_snapshot_under_way_is_given_up_where_a_newer_state_is_installed() {
    let (script, _, mut owner) = open();
    with_streams(&script, &mut owner, 10_000);
    owner.begin_snapshot().unwrap();
    let bytes: Vec<u8> = std::iter::from_fn(|| owner.snapshot_slice()).flatten().collect();
    assert!(bytes.len() > 1 << 19, "{} bytes", bytes.len());
    script.told().wanted = 2;
    script.told().events.push_back(Event::Cut);
    owner.turn(MonoMs(1));
    let state = Detached::restore(&bytes, owner.group()).unwrap();
    {
        let mut told = script.told();
        assert_eq!((told.slices.len(), told.wanted), (2, 0), "it waits until more is taken");
        told.events.push_back(Event::Install(Box::new(state)));
        // As if a turn could make them all.
        told.wanted = 1_000;
    }
    owner.turn(MonoMs(1));
    {
        let mut told = script.told();
        assert_eq!((told.slices.len(), told.abandoned, told.disposed), (2, 1, 1));
        told.slices.clear();
        told.events.push_back(Event::Cut);
    }
    while !script.told().is_whole {
        let before = script.told().slices.len();
        owner.turn(MonoMs(1));
        assert!(script.told().slices.len() <= before + SLICES_A_TURN, "the next one is made as any is");
    }
    let again = Detached::restore(&script.told().slices.concat(), owner.group()).unwrap();
    assert_eq!((again.index(), script.told().abandoned), (owner.applied(), 1));
}

#[test]
fn all_keys_that_went_at_once_are_freed_and_counted_turn_by_turn() {
    const STREAMS: u64 = 4 * WASTE_A_TURN as u64 + 100;
    let (script, directory, mut owner) = open();
    with_streams(&script, &mut owner, STREAMS);
    let clear = batch(STREAMS + 1, vec![Command::Key(Box::new(KeyOp::Clear))]);
    script.told().events.push_back(clear);
    let mut used = directory.memory_used();
    assert!(used > STREAMS * 300, "{used} bytes");
    for turn in 1..=4 {
        owner.turn(MonoMs(1));
        assert_eq!(directory.streams(), (0, 0), "they are gone at once");
        assert!(directory.memory_used() < used && directory.memory_used() > 0, "turn {turn}");
        used = directory.memory_used();
        assert_eq!(owner.next_wake(), Some(MonoMs(1)), "it goes on at once");
    }
    owner.turn(MonoMs(1));
    assert_eq!(directory.memory_used(), 0);
    assert_ne!(owner.next_wake(), Some(MonoMs(1)), "and then rests");
}

#[test]
fn that_all_keys_went_is_told_to_their_followers_turn_by_turn() {
    const FOLLOWED: u64 = 3 * EARS_A_TURN as u64;
    let (script, _, mut owner) = open();
    with_streams(&script, &mut owner, FOLLOWED);
    for n in 1..=FOLLOWED {
        let key = Text::from(format!("s{n}").as_bytes());
        let follow = Follow { key, epoch: None, from: FollowFrom::After(0), limit: 1, bytes_max: 100 };
        assert_eq!(owner.listen(ListenerId(0), follow).entries.len(), 1);
    }
    let clear = batch(FOLLOWED + 1, vec![Command::Key(Box::new(KeyOp::Clear))]);
    // One key is made anew before its followers have heard that it went.
    let anew = batch(FOLLOWED + 2, vec![Command::Key(Box::new(add("s1")))]);
    script.told().events.extend([clear, anew]);
    let (mut gone, mut made) = (BTreeSet::new(), 0);
    for turn in 0..3 {
        owner.turn(MonoMs(1));
        let mut told = 0;
        owner.drain_tidings(|_, tidings| {
            told += 1;
            match tidings.stream {
                None => assert!(gone.insert(tidings.key), "each key is told of once"),
                Some(extent) => {
                    made += 1;
                    assert_eq!((extent.newest, tidings.entries.len(), &*tidings.key), (1, 1, &b"s1"[..]));
                }
            }
        });
        assert!((1..=EARS_A_TURN + 1).contains(&told), "{told} told in turn {turn}");
        assert_eq!(owner.next_wake() == Some(MonoMs(1)), turn < 2);
    }
    assert_eq!((gone.len() as u64, made), (FOLLOWED - 1, 1));
}
