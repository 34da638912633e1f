//! Random runs of a shard against a naive reference.

mod model {
    pub(crate) mod client;
    pub(crate) mod driver;
    pub(crate) mod i1_caps;
    pub(crate) mod i2_order;
    pub(crate) mod i4_once;
    pub(crate) mod i5_position;
    pub(crate) mod i6_presence;
    pub(crate) mod i9_replay;
    pub(crate) mod reference;
    pub(crate) mod scenario;
    pub(crate) mod sequencer;

    /// What a token's holder is told.
    pub(crate) type Answer = Result<sluice_engine::reply::Standing, sluice_engine::error::Refusal>;
}

use model::i9_replay::{Followers, refuse_damage};
use model::scenario;

/// Rounds of one test run; `ROUNDS` in the environment asks for more.
const ROUNDS: u64 = 500;
/// Rounds that replicas follow.
const REPLAY_ROUNDS: u64 = 100;
/// Snapshots that are damaged.
const DAMAGE_ROUNDS: u64 = 20;
/// Log time of one round without its pauses.
const ROUND_MS: u64 = 150_000;

/// Runs `round` for each seed, or for the one in `SEED`; a failure names its seed.
fn rounds(test: &'static str, count: u64, round: impl Fn(u64)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ROUNDS").unwrap_or(count),
    };
    for seed in seeds {
        let named = Named { test, seed };
        round(seed);
        drop(named);
    }
}

/// Prints how to repeat a run that panics.
struct Named {
    test: &'static str,
    seed: u64,
}

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Named { test, seed } = self;
            eprintln!("to repeat: SEED={seed} cargo test -p sluice-engine --test model {test}");
        }
    }
}

#[test]
fn random_runs_keep_every_invariant() {
    let totals = std::cell::RefCell::new([0usize; 3]);
    rounds("random_runs_keep_every_invariant", ROUNDS, |seed| {
        let mut world = scenario::begin(seed);
        scenario::run(&mut world, ROUND_MS);
        world.settle();
        let tally = world.tally();
        totals.borrow_mut().iter_mut().zip(tally).for_each(|(total, count)| *total += count);
        assert!(world.polite() > 0);
    });
    println!("waiting, admitted, gone: {:?}", totals.into_inner());
}

#[test]
fn i9_replicas_and_restored_snapshots_agree_at_every_index() {
    rounds("i9_replicas_and_restored_snapshots_agree_at_every_index", REPLAY_ROUNDS, |seed| {
        let mut world = scenario::begin(seed);
        let mut followers = Followers::new();
        for _ in 0..3 {
            scenario::run(&mut world, ROUND_MS / 5);
            followers.follow(&world);
            followers.snapshot(&mut world);
            followers.follow(&world);
        }
        world.settle();
        followers.follow(&world);
    });
}

#[test]
fn a_damaged_snapshot_is_refused() {
    rounds("a_damaged_snapshot_is_refused", DAMAGE_ROUNDS, |seed| {
        let mut world = scenario::begin(seed);
        scenario::run(&mut world, ROUND_MS / 5);
        let bytes = Followers::new().snapshot(&mut world);
        refuse_damage(&bytes, &mut world.rng);
    });
}
