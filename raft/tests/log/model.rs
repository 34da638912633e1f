//! Random runs of the log against plain vectors, with power cuts: what was acknowledged stays, and what is found
//! after a cut is a state that the log was in.
//!
//! Seen to fail: with the sync taken out of the writer (answers given after the write alone) the first seed loses an
//! acknowledged vote or entry.

use crate::disk::FaultyDisk;
use fastrand::Rng;
use futures_util::FutureExt;
use openraft::async_runtime::{AsyncRuntime, Oneshot};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{EntryPayload, RaftLogReader};
use openraft_rt_sim::SimRuntime;
use sluice_engine::id::GroupId;
use sluice_raft::log::{Entry, GroupLog, Log, LogId, LogOptions, Vote};
use sluice_raft::types::{Batch, Command};
use std::io;
use std::sync::Arc;
use std::time::Duration;

const SEEDS: u64 = 400;
const CRASHES: usize = 4;
const STEPS: usize = 120;
const GROUPS: u16 = 3;

type Acknowledged = <<SimRuntime as AsyncRuntime>::Oneshot as Oneshot>::Receiver<io::Result<()>>;

/// What a group's log holds.
#[derive(Clone, PartialEq, Debug, Default)]
struct State {
    vote: Option<Vote>,
    purged: Option<LogId>,
    entries: Vec<Entry>,
}

impl State {
    fn end(&self) -> u64 {
        let last = self.entries.last().map(|entry| entry.log_id).max(self.purged);
        last.map_or(0, |id| id.index + 1)
    }
}

/// A group's log, as it was after each change since the last crash.
struct Model {
    log: GroupLog<SimRuntime>,
    states: Vec<State>,
    /// States up to here may not be lost any more.
    acknowledged: usize,
    waiting: Vec<(usize, Acknowledged)>,
    term: u64,
}

impl Model {
    fn now(&self) -> &State {
        self.states.last().expect("there is always a state")
    }

    fn change(&mut self, change: impl FnOnce(&mut State)) {
        let mut state = self.now().clone();
        change(&mut state);
        self.states.push(state);
    }

    async fn vote(&mut self, rng: &mut Rng) {
        self.term += rng.u64(0..2);
        let vote = Vote::new(self.term, rng.u64(1..4));
        self.change(|state| state.vote = Some(vote));
        let patience = SimRuntime::sleep(Duration::from_micros(rng.u64(0..400)));
        let saved = SimRuntime::select2(self.log.save_vote(&vote), patience).await;
        if let openraft::async_runtime::Select2::First(saved) = saved {
            saved.expect("the disk is well");
            self.acknowledged = self.states.len() - 1;
        }
    }

    async fn append(&mut self, rng: &mut Rng) {
        let mut entries = Vec::new();
        for _ in 0..rng.usize(1..6) {
            let entry = entry(rng, LogId { leader_id: self.term.into(), index: self.now().end() });
            entries.push(entry.clone());
            self.change(|state| state.entries.push(entry));
        }
        let (done, acknowledged) = <SimRuntime as AsyncRuntime>::Oneshot::channel();
        self.log.append(entries, IOFlushed::signal(done)).await.expect("entries follow each other");
        self.waiting.push((self.states.len() - 1, acknowledged));
    }

    async fn truncate(&mut self, rng: &mut Rng) {
        let keep = self.now().entries.len() - rng.usize(0..=self.now().entries.len().min(4));
        let after = self.now().entries[..keep].last().map(|entry| entry.log_id).or(self.now().purged);
        self.change(|state| state.entries.truncate(keep));
        self.term += 1;
        self.log.truncate_after(after).await.expect("the disk is well");
    }

    async fn purge(&mut self, rng: &mut Rng) {
        let count = rng.usize(0..=self.now().entries.len());
        if let Some(upto) = self.now().entries[..count].last().map(|entry| entry.log_id) {
            self.change(|state| {
                state.purged = Some(upto);
                state.entries.drain(..count);
            });
            self.log.purge(upto).await.expect("the disk is well");
        }
    }

    async fn read(&mut self, rng: &mut Rng) {
        let start = self.now().end().saturating_sub(rng.u64(0..40));
        let end = start + rng.u64(0..30);
        let found = self.log.try_get_log_entries(start..end).await.expect("the disk is well");
        let inside = |entry: &&Entry| (start..end).contains(&entry.log_id.index);
        let expected: Vec<Entry> = self.now().entries.iter().filter(inside).cloned().collect();
        assert_eq!(found, expected, "what was appended is read back");
    }

    /// Notes the answers that came by now.
    fn collect(&mut self) {
        for (state, acknowledged) in &mut self.waiting {
            if let Some(answer) = acknowledged.now_or_never() {
                answer.expect("the writer answers").expect("the disk is well");
                self.acknowledged = self.acknowledged.max(*state);
            }
        }
    }

    /// Goes on with the log that a crash left.
    async fn recovered(&mut self, mut log: GroupLog<SimRuntime>) {
        let state = State {
            vote: log.read_vote().await.expect("readable"),
            purged: log.get_log_state().await.expect("readable").last_purged_log_id,
            entries: log.try_get_log_entries(..).await.expect("readable"),
        };
        let kept = &self.states[self.acknowledged..];
        assert!(kept.contains(&state), "acknowledged, then lost: found {state:?}, not one of {kept:?}");
        *self = Model { log, states: vec![state], acknowledged: 0, waiting: Vec::new(), term: self.term + 1 };
    }
}

fn entry(rng: &mut Rng, id: LogId) -> Entry {
    if rng.u8(0..8) == 0 {
        return Entry::new_blank(id);
    }
    let mut commands = vec![0; rng.usize(0..900)];
    rng.fill(&mut commands);
    let batch =
        Batch { session: 1, proposal: id.index, stamp: rng.u64(..), wall: 0, commands: commands.into() };
    Entry { log_id: id, payload: EntryPayload::Normal(Command::Batch(batch)) }
}

async fn open(disk: &FaultyDisk<SimRuntime>, salt: u64) -> Log<SimRuntime> {
    let mut options = LogOptions::new(1, 2, salt);
    options.segment_bytes = 16 << 10;
    options.cache_bytes = 2 << 10;
    let log = Log::open(Arc::new(disk.clone()), options).await.unwrap_or_else(|error| panic!("{error}"));
    SimRuntime::spawn(log.writer());
    log
}

async fn step(model: &mut Model, rng: &mut Rng) {
    match rng.u8(0..20) {
        0 => model.vote(rng).await,
        1 => model.truncate(rng).await,
        2 => model.purge(rng).await,
        3..6 => model.read(rng).await,
        6 => {
            let committed = model.now().entries.first().map(|entry| entry.log_id);
            model.log.save_committed(committed).await.expect("the disk is well");
        }
        7..10 => SimRuntime::sleep(Duration::from_micros(rng.u64(0..300))).await,
        _ => model.append(rng).await,
    }
}

async fn run(seed: u64) {
    let mut rng = Rng::with_seed(seed);
    let mut disk = FaultyDisk::new(rng.u64(..));
    disk.set_sync_us_max(200);
    let log = open(&disk, rng.u64(..)).await;
    let fresh = |group| Model {
        log: log.group(GroupId(group)),
        states: vec![State::default()],
        acknowledged: 0,
        waiting: Vec::new(),
        term: 1,
    };
    let mut models: Vec<Model> = (0..GROUPS).map(fresh).collect();
    for _ in 0..CRASHES {
        for _ in 0..rng.usize(1..STEPS) {
            let group = rng.usize(..models.len());
            step(&mut models[group], &mut rng).await;
        }
        models.iter_mut().for_each(Model::collect);
        disk = disk.crash();
        let log = open(&disk, rng.u64(..)).await;
        for (group, model) in (0..).zip(&mut models) {
            model.recovered(log.group(GroupId(group))).await;
        }
    }
}

#[test]
fn acknowledged_stays_through_power_cuts() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        SimRuntime::with_seed(seed).block_on(run(seed));
    }
}
