//! Real threads poll while the owner joins, admits, drops, deletes zones and writes snapshots.
//!
//! Time stands still for who does not poll: the owner moves the clock on, and every so often waits until each
//! reader has been through all tokens, so that nobody polite falls silent however the threads are scheduled.

use crate::node::{Node, limit};
use sluice_engine::command::Command;
use sluice_engine::directory::{Directory, Polled};
use sluice_engine::error::Refusal;
use sluice_engine::id::{Ticket, ZoneId};
use sluice_engine::reply::{Reply, Standing};
use sluice_engine::time::{LogTime, MonoMs};
use sluice_engine::token::{Place, Token};
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, RwLock};

const READERS: usize = 3;
const ITERATIONS: u64 = 800;
const TICK_MS: u64 = 50;
/// Turns that readers may ask about before the owner looks.
const ASKS_MAX: usize = 128;
/// Readers go through all tokens at least once in so many ticks: 2 of the 10 seconds of silence allowed.
const ROUND_TICKS: u64 = 40;

/// A token that readers poll.
struct Entry {
    zone: &'static str,
    token: Token,
    text: Vec<u8>,
    /// Set by the owner before anything that may end this place, so that who sees the end sees this too.
    may_end: AtomicBool,
}

/// What owner and readers share.
struct Shared {
    directory: Arc<Directory>,
    entries: RwLock<Vec<Arc<Entry>>>,
    clock: AtomicU64,
    stop: AtomicBool,
    rounds: [AtomicU64; READERS],
    seen: [AtomicUsize; 3],
}

/// A turn that a reader asks the owner about.
type Ask = Arc<Entry>;

/// What one reader was told about one token.
#[derive(Default)]
struct Told {
    position: Option<u64>,
    admitted: Option<LogTime>,
}

impl Told {
    fn hear(&mut self, entry: &Entry, answer: Result<Standing, Refusal>) -> usize {
        match answer {
            Ok(Standing::Waiting(waiting)) => {
                assert_eq!(self.admitted, None, "I4: {:?} waits after it was admitted", entry.token);
                let before = self.position.replace(waiting.position).unwrap_or(u64::MAX);
                let position = waiting.position;
                assert!(position <= before, "I5: {:?} was shown {before}, then {position}", entry.token);
                0
            }
            Ok(Standing::Admitted(at)) => {
                assert_eq!(*self.admitted.get_or_insert(at), at, "I4: {:?} was admitted twice", entry.token);
                1
            }
            Err(Refusal::Gone | Refusal::NoZone) => {
                assert!(entry.may_end.load(Ordering::Acquire), "{:?} is gone while it is live", entry.token);
                2
            }
            Err(refusal) => panic!("{:?} is told {refusal:?}", entry.token),
        }
    }
}

fn read(shared: &Shared, reader: usize, ask: &SyncSender<Ask>) {
    let mut told: HashMap<(ZoneId, Place), Told> = HashMap::new();
    while !shared.stop.load(Ordering::Acquire) {
        let entries = shared.entries.read().unwrap().clone();
        for batch in entries.chunks(64) {
            let guard = Directory::pin();
            for entry in batch {
                let now = MonoMs(shared.clock.load(Ordering::Acquire));
                let polled = shared.directory.poll(&guard, entry.zone.as_bytes(), &entry.text, now);
                let answer = match polled {
                    Ok(Polled::Standing(standing)) => Ok(standing),
                    Ok(Polled::Turn(_)) => {
                        // Past the bound a question is lost, as it is when a connection closes.
                        let _ = ask.try_send(Arc::clone(entry));
                        continue;
                    }
                    Err(refusal) => Err(refusal),
                };
                let told = told.entry((entry.token.zone, entry.token.place)).or_default();
                let kind = told.hear(entry, answer);
                shared.seen[kind].fetch_add(1, Ordering::Relaxed);
            }
        }
        shared.rounds[reader].fetch_add(1, Ordering::AcqRel);
    }
}

/// The owner's side of the test.
struct Desk {
    node: Node,
    shared: Arc<Shared>,
    rng: fastrand::Rng,
    asked: HashMap<Ticket, Ask>,
    tickets: u64,
    snapshot: Option<(u64, Vec<u8>)>,
    restored: u64,
}

impl Desk {
    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(1 << 40 | self.tickets)
    }

    fn join(&mut self, zone: &'static str) {
        let Some(id) = self.node.directory.zone(zone.as_bytes()) else { return };
        let ticket = self.ticket();
        self.node.owner.join(id, None, None, ticket).unwrap();
        self.node.turn();
        let Some(Reply::Place { token, .. }) = self.node.reply(ticket) else { panic!("joins") };
        let text = self.node.directory.text(&token).unwrap().as_bytes().to_vec();
        // One in ten will be silent: readers never hear of it, and it is dropped.
        if self.rng.u8(0..10) > 0 {
            let entry = Entry { zone, token, text, may_end: AtomicBool::new(false) };
            self.shared.entries.write().unwrap().push(Arc::new(entry));
        }
    }

    fn leave(&mut self) {
        let entry = {
            let entries = self.shared.entries.read().unwrap();
            Arc::clone(&entries[self.rng.usize(0..entries.len())])
        };
        if let Place::Queue(seq) = entry.token.place {
            entry.may_end.store(true, Ordering::Release);
            self.node.submit(Command::Leave { zone: entry.token.zone, seq });
        }
    }

    /// Deletes the second zone and creates it anew: another zone of the same name.
    fn replace_gate(&mut self) {
        let entries = self.shared.entries.read().unwrap().clone();
        let gate = entries.iter().filter(|entry| entry.zone == "gate");
        gate.for_each(|entry| entry.may_end.store(true, Ordering::Release));
        self.node.submit(Command::ZoneDelete { name: ZoneName::parse(b"gate").unwrap() });
        self.create("gate");
    }

    fn create(&mut self, name: &'static str) {
        let name = ZoneName::parse(name.as_bytes()).unwrap();
        let patch = ZonePatch {
            window_ms: Some(10_000),
            slice_ms: Some(1_000),
            poll_ms: Some(1_000),
            abandon_ms: Some(10_000),
            ..limit(150)
        };
        assert_eq!(
            self.node.submit(Command::ZoneSet { name, patch: Box::new(patch) }),
            Reply::ZoneSet { created: true }
        );
    }

    /// Answers what readers asked since the last time.
    fn answer(&mut self, asks: &Receiver<Ask>) {
        let mut told: Vec<(Ask, Reply)> = Vec::new();
        for entry in asks.try_iter().take(ASKS_MAX) {
            let ticket = self.ticket();
            match self.node.owner.ask(entry.token, ticket, MonoMs(self.node.now)) {
                Some(reply) => told.push((entry, reply)),
                None => drop(self.asked.insert(ticket, entry)),
            }
        }
        self.node.turn();
        let tickets: Vec<Ticket> = self.asked.keys().copied().collect();
        for ticket in tickets {
            if let Some(reply) = self.node.reply(ticket) {
                told.push((self.asked.remove(&ticket).unwrap(), reply));
            }
        }
        for (entry, reply) in told {
            let answer = match reply {
                Reply::Place { standing, .. } => Ok(standing),
                Reply::Refused(refusal) => Err(refusal),
                other => panic!("{other:?} answers no poll"),
            };
            Told::default().hear(&entry, answer);
        }
    }

    /// A slice of a snapshot; a finished one restores to the state at its cut.
    fn slice(&mut self) {
        let Some((hash, bytes)) = &mut self.snapshot else {
            self.node.owner.begin_snapshot().unwrap();
            self.snapshot = Some((self.node.owner.state_hash(), Vec::new()));
            return;
        };
        match self.node.owner.snapshot_slice() {
            Some(slice) => bytes.extend(slice),
            None => {
                let restored = Node::restored(Some(std::mem::take(bytes)));
                assert_eq!(restored.owner.state_hash(), *hash, "I9: the snapshot is the state at its cut");
                self.snapshot = None;
                self.restored += 1;
            }
        }
    }

    fn advance(&mut self, iteration: u64) {
        self.node.now += TICK_MS;
        self.shared.clock.store(self.node.now, Ordering::Release);
        if !iteration.is_multiple_of(ROUND_TICKS) {
            return;
        }
        // The round under way may have begun before the last joins: two ends mean one whole round.
        let shared = Arc::clone(&self.shared);
        for rounds in &shared.rounds {
            let target = rounds.load(Ordering::Acquire) + 2;
            while rounds.load(Ordering::Acquire) < target && !shared.stop.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
        }
    }

    fn run(&mut self, asks: &Receiver<Ask>) {
        for iteration in 0..ITERATIONS {
            (0..self.rng.u32(0..5)).for_each(|_| self.join("shop"));
            (0..self.rng.u32(0..3)).for_each(|_| self.join("gate"));
            match self.rng.u8(0..40) {
                0 => self.replace_gate(),
                1..10 => self.leave(),
                _ => {}
            }
            self.slice();
            self.answer(asks);
            self.advance(iteration);
        }
    }
}

/// Ends the readers also where the owner's side panics.
struct Stop<'a>(&'a Shared);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
    }
}

#[test]
fn readers_on_other_threads_never_see_a_live_token_gone_or_a_position_rise() {
    let node = Node::restored(None);
    let shared = Arc::new(Shared {
        directory: Arc::clone(&node.directory),
        entries: RwLock::default(),
        clock: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        rounds: Default::default(),
        seen: Default::default(),
    });
    let mut desk = Desk {
        node,
        shared: Arc::clone(&shared),
        rng: fastrand::Rng::with_seed(7),
        asked: HashMap::new(),
        tickets: 0,
        snapshot: None,
        restored: 0,
    };
    ["shop", "gate"].into_iter().for_each(|name| desk.create(name));
    (0..200).for_each(|_| desk.join("shop"));
    let (ask, asks) = sync_channel(ASKS_MAX);
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            let (shared, ask) = (&shared, ask.clone());
            scope.spawn(move || {
                let _stop = Stop(shared);
                read(shared, reader, &ask);
            });
        }
        let _stop = Stop(&shared);
        desk.run(&asks);
    });
    let seen = shared.seen.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert!(seen.iter().all(|count| *count > 100), "waiting, admitted, gone: {seen:?}");
    assert!(desk.restored > 3, "{} snapshots", desk.restored);
    let stats = desk.node.stats();
    assert!(stats.abandoned_total > 10 && stats.admitted_total > 100, "{stats:?}");
}
