//! One zone full of waiters, through the engine's public interface.

use super::memory::Stopwatch;
use crate::random::Random;
use sluice_engine::command::Command;
use sluice_engine::directory::{Directory, Polled};
use sluice_engine::id::{Seq, Ticket, ZoneId};
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::reply::{Reply, Standing};
use sluice_engine::sequencer::Local;
use sluice_engine::structure::{Lookup, Waiters, WaitersView};
use sluice_engine::time::{LogTime, MonoMs};
use sluice_engine::token::{Place, Token};
use sluice_engine::zone::settings::{ZoneName, ZonePatch};
use std::hint::black_box;
use std::sync::Arc;

const NAME: &[u8] = b"bench";
/// Joins of one turn, as a busy worker would have.
const BATCH: u64 = 4_096;
/// Polls under one guard and one reading of the clock, as in one turn of a worker.
const TURN: usize = 64;

/// A zone in a node of one shard.
pub(super) struct Zone {
    directory: Arc<Directory>,
    owner: Owner,
    first: Token,
    waiters: u64,
}

impl Zone {
    /// A zone with so many waiters, and the nanoseconds that each join took.
    pub(super) fn filled(waiters: u64) -> (Zone, f64) {
        let options = Options { groups: 1, ..Options::new([7; 16]) };
        let local = |_, applied| Box::new(Local::new(applied)) as _;
        let (directory, mut owners) =
            node::open(options, vec![], local, MonoMs(0)).expect("an empty node opens");
        let mut owner = owners.remove(0);
        let name = ZoneName::parse(NAME).expect("a valid name");
        let patch = ZonePatch { limit: Some(1), max_waiting: Some(waiters + 1), ..ZonePatch::default() };
        owner.submit(Command::ZoneSet { name, patch: Box::new(patch) }, Ticket(0)).expect("room for one");
        owner.turn(MonoMs(1));
        let zone = directory.zone(NAME).expect("just made");
        let mut replies = Vec::new();
        owner.drain_replies(&mut replies);
        join(&mut owner, zone, 1, &mut replies);
        let start = Stopwatch::start();
        let first = join(&mut owner, zone, 1, &mut replies);
        let mut left = waiters - 1;
        while left > 0 {
            let batch = left.min(BATCH);
            join(&mut owner, zone, batch, &mut replies);
            left -= batch;
        }
        let join_ns = start.ns() / waiters as f64;
        (Zone { directory, owner, first, waiters }, join_ns)
    }

    /// Texts of tokens of random waiters, one after the other.
    pub(super) fn random_tokens(&self, count: u64) -> Vec<u8> {
        let seqs = self.random_seqs(count);
        let text = |seq: &u64| {
            let token = Token { place: Place::Queue(Seq(*seq)), ..self.first };
            self.directory.text(&token).expect("the key is active")
        };
        seqs.iter().flat_map(|seq| text(seq).as_bytes().to_vec()).collect()
    }

    /// Places of random waiters.
    pub(super) fn random_seqs(&self, count: u64) -> Vec<u64> {
        let mut random = Random::new(3);
        (0..count).map(|_| random.below(self.waiters)).collect()
    }

    /// Nanoseconds of one poll.
    pub(super) fn poll_ns(&self, tokens: &[u8], polls: u64) -> f64 {
        let width = self.directory.text(&self.first).expect("the key is active").as_bytes().len();
        let mut done = 0u64;
        let mut sum = 0u64;
        let start = Stopwatch::start();
        while done < polls {
            for turn in tokens.chunks(width * TURN) {
                let guard = Directory::pin();
                for token in turn.chunks_exact(width) {
                    match self.directory.poll(&guard, NAME, token, MonoMs(30)) {
                        Ok(Polled::Standing(Standing::Waiting(waiting))) => sum += waiting.position,
                        other => panic!("everybody waits, but: {other:?}"),
                    }
                }
                done += (turn.len() / width) as u64;
            }
        }
        black_box(sum);
        start.ns() / done as f64
    }

    /// Nanoseconds of one rank, in a list of as many waiters.
    pub(super) fn rank_ns(&self, seqs: &[u64], ranks: u64) -> f64 {
        let mut waiters = Waiters::new();
        (0..self.waiters).for_each(|_| {
            waiters.append(LogTime(1));
        });
        let view = waiters.view();
        let mut done = 0u64;
        let mut sum = 0u64;
        let start = Stopwatch::start();
        while done < ranks {
            sum += seqs.iter().map(|seq| rank(&view, *seq)).sum::<u64>();
            done += seqs.len() as u64;
        }
        black_box(sum);
        start.ns() / done as f64
    }

    /// Bytes of a snapshot, and the microseconds of its slowest slice.
    pub(super) fn snapshot(&mut self) -> (u64, f64) {
        let (mut bytes, mut slowest) = (0u64, 0f64);
        let mut start = Stopwatch::start();
        self.owner.begin_snapshot().expect("none is running");
        while let Some(slice) = self.owner.snapshot_slice() {
            slowest = slowest.max(start.ns() / 1_000.0);
            bytes += slice.len() as u64;
            start = Stopwatch::start();
        }
        (bytes, slowest)
    }
}

fn rank(view: &WaitersView, seq: u64) -> u64 {
    let guard = Directory::pin();
    match view.lookup(Seq(seq), &guard) {
        Lookup::Live(waiter) => waiter.rank(),
        _ => panic!("everybody waits"),
    }
}

/// Joins so many; returns the first one's token.
fn join(owner: &mut Owner, zone: ZoneId, count: u64, replies: &mut Vec<(Ticket, Reply)>) -> Token {
    for ticket in 0..count {
        owner.join(zone, None, None, Ticket(ticket)).expect("room for all");
    }
    owner.turn(MonoMs(2));
    replies.clear();
    owner.drain_replies(replies);
    match replies.iter().find(|(ticket, _)| *ticket == Ticket(0)) {
        Some((_, Reply::Place { token, .. })) => *token,
        other => panic!("a join is answered with a place, not {other:?}"),
    }
}
