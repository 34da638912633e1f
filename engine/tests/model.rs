//! Random runs of a shard against a naive reference that keeps plain lists.
//!
//! ```text
//! scenario ─▶ driver ─▶ directory, owner ─▶ sequencer (refuses, delays) ─▶ shard
//!   operators   clients      │ answers            │ proposals and batches, in order
//!   clocks                   ▼                    ▼
//!             i1 i2 i4 i5 i6 checkers  ◀── driver/judge ──▶ reference      i9_replay: replicas, snapshots
//! ```
//! Everything is drawn from one seed. A failing run prints the command that repeats it; `ROUNDS=20000` runs longer.
//!
//! Each checker was seen to fail on an engine broken on purpose, and on the sound one never:
//!
//! | | break | what was said |
//! |---|---|---|
//! | I1 | the window counts with `<=` | `I1: let in at 279 with 1 of 1 in the window before` |
//! | I1 | an admission skips the slice cap | `I1: let in at 255713 with 3 of 3 in the slice before` |
//! | I1 | the burst exemption holds with a queue too | `I1: let in at 106191 with 16 of 13 in the slice before` |
//! | I1 | who was proposed enters a paused zone | `I1: let in at 74893 while paused` |
//! | I1 | an admission leaves the window 1 ms early | `in the window: left 145, right 146` (statistics) |
//! | I2 | present is only who polled within 300 ms | `I2: Seq(0) … is present at 3236, yet nobody is said to be ahead` |
//! | I2 | the same, and no joiner sees nobody ahead | `I2: Seq(16) polls as asked and was overtaken by 22 at 139468; at 141739 it still waits` |
//! | I2 | what was found before a pause is believed after it | `I2: Seq(10) … is present at 66355, yet nobody is said to be ahead` |
//! | I4 | a repeated admission uses a permit | `I4: ZoneId … used 24 permits for 23 admitted tokens` |
//! | I4 | an admission does not clear the live bit | `Queue(Seq(198)) at 7447: Waits(188)` against the reference's |
//! | I4 | a parked poll of an admitted token is told it is gone | `Queue(Seq(16)) waits and is told Gone` |
//! | I4 | blocks are freed while passes are valid | bounds: `called unwrap on Gone` where a pass is valid for its time |
//! | I5 | the rank counts the whole word of its block | `I5: Queue(Seq(5)) was shown 17 and now 21` (the reference's ranks switched off, else they object first) |
//! | I5 | a removal raises the span of its chunk | `Queue(Seq(512)) at 19377: Waits(576)` against the reference's |
//! | I6 | dropped after presence instead of abandon | `I6: Seq(32) is dropped at 6784 after 6128 ms of silence; 9710 are allowed` |
//! | I6 | a poll stores only the first time | `I6: Seq(2) is dropped at 10781 after 5347 ms of silence; 9710 are allowed` |
//! | I6 | the process's pauses count as silence | `I6: Seq(19) is dropped at 32771 after 0 ms of silence; 9710 are allowed` |
//! | I6 | blocks are looked at ten seconds late | `I6: Seq(31) was last heard of at 82389 and still waits at 104352` |
//! | I9 | apply reads a last poll | `left: left 4, right 2` on a replica's world |
//! | I9 | a block is not copied before an eviction | `I9: the snapshot differs from the state at its cut` |
//! | I9 | a zone's header is not copied before its first change | `a snapshot restores: Image(PastTail …)` |
//! | I9 | a record's checksum is not compared | `byte 5607 of 7169 xor 181 is accepted` |
//! | | a full zone takes one more | `Join …: Place …` against `Refused(Full)` |
//! | | one byte of a MAC is not compared | tokens: `bit 232 of Token …: Ok(Admitted …)` |
//! | | a key of two generations ago verifies | tokens: `two generations later it is over` |
//! | | a token's zone name is not compared | tokens: `Ok(Waiting …)` against `Err(NoZone)` |
//! | I10 | an emptied block is not freed | bounds: `38904 after 8440` bytes |
//! | I10 | a deleted zone's memory stays counted | bounds: `left 1169784, right 0` |
//! | I4 | a live bit is cleared before the stamp is stored | threads: `Queue(Seq(0)) is gone while it is live` |
//! | I5 | the rank counts the whole word of its block | threads: `I5: Queue(Seq(36)) was shown 50, then 63` |

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
