//! I8: random runs of the keys of a group against plain lists.
//!
//! ```text
//! draw ─▶ operation ─┬─▶ keyspace  ─▶ value ─┐
//!                    └─▶ reference ─▶ value ─┴─▶ equal; then: numbers dense, order, counts, memory recounted
//! ```
//! Everything is drawn from one seed. A failing run names its seed; `SEED=n` repeats it, `ROUNDS=n` runs longer.
//! [`super::snapshots`] draws from the same while a snapshot is written.
//!
//! Each was seen to fail on keys broken on purpose, and on the sound ones never:
//!
//! | | break | what was said |
//! |---|---|---|
//! | I8 | a number is one more than that of the last entry that is left | `Added { …, dense: 3 }` against `dense: 4` |
//! | I8 | who follows is given what is behind a hole along with what is before | `Follow …`: 3 entries against 1 |
//! | I8 | an epoch is the ordinal, also where that was given before | `Added { …, epoch: 0 }` against `epoch: 1` |
//! | | a key lives at its deadline, too | `Added { …, epoch: 96, dense: 8 }` against `epoch: 122, dense: 1` |
//! | | what is given to another consumer stays counted with the first | `pending: left (4, 2), right (2, 4)` |
//! | | a lag is told with a hole at the id that the group has read | `InfoGroups …`: another `lag` |
//! | I10 | the room of a block that is sealed is not counted | `attempt to subtract with overflow` |
//! | I9 | a key is not copied before its deadline changes | snapshots: `I9, seed 3` |
//! | I9 | the order of appends is not restored | snapshots: `I9, seed 0` |

pub(super) mod draw;
mod groups;
mod reference;

use crate::stream::id::StreamId;
use crate::stream::keyspace::{Keyspace, Moment};
use crate::stream::op::KeyOp;
use crate::stream::policy::Policy;
use crate::stream::text::Text;
use crate::stream::value::Value;
use crate::time::{LogTime, WallMs};
use draw::Draw;
use reference::Reference;

/// Rounds of one test run, and operations of a round.
const ROUNDS: u64 = 300;
const STEPS: u32 = 1_500;

/// Runs `round` for each seed, or for the one in `SEED`.
pub(super) fn rounds(count: u64, round: impl Fn(u64)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("ROUNDS").unwrap_or(count),
    };
    seeds.for_each(round);
}

/// What holds for every state.
pub(super) fn check(keys: &Keyspace) {
    assert_eq!(keys.bytes(), keys.recount(), "memory is counted as it is");
    let all = || (0..keys.slot_count() as u32).filter_map(|slot| keys.key(slot));
    for space in keys.usage() {
        let longest = |name: &[u8]| {
            let prefixes = keys.spaces().iter().map(|space| &space.prefix);
            prefixes.filter(|prefix| name.starts_with(prefix)).max_by_key(|prefix| prefix.len())
        };
        let own = all().filter(|key| longest(&key.name) == Some(&space.prefix));
        let usage = own.fold((0, 0), |(count, bytes), key| (count + 1, bytes + key.counted() as u64));
        assert_eq!((space.keys, space.bytes), usage, "what is in {:?} is counted", space.prefix);
    }
    for key in all() {
        let stream = &key.stream;
        let (mut before, mut count) = ((StreamId::MIN, 0), 0);
        for entry in stream.run.iter() {
            assert!((entry.id, entry.dense) > before && entry.dense > before.1, "I8: {entry:?} in its order");
            (before, count) = ((entry.id, entry.dense), count + 1);
        }
        assert_eq!(count, stream.run.len(), "entries are counted");
        assert!(
            before.0 <= stream.last_id && before.1 <= stream.newest,
            "I8: nothing is newer than the newest"
        );
        for group in stream.groups.iter() {
            let held: u64 = group.consumers().map(|(_, consumer)| consumer.pending).sum();
            assert_eq!((held, group.pending.iter().count() as u64), (group.pending.len(), held), "pending");
        }
    }
}

fn round(seed: u64) {
    let (mut keys, mut reference) = (Keyspace::default(), Reference::default());
    let mut draw = Draw { rng: fastrand::Rng::with_seed(seed), wall: 1_000, epoch: 1 };
    // It bounds nothing, and is there to be told of.
    keys.set_namespace(Text::from(b"b:"), Policy::default()).unwrap();
    for step in 0..STEPS {
        draw.wall += draw.rng.u64(0..4);
        let at =
            Moment { wall: WallMs(draw.wall), log: LogTime(draw.wall * 40), ordinal: u64::from(step / 3) };
        let op = draw.op();
        let expected = reference.change(&op, at);
        let what = format!("{op:?}");
        let price = keys.price(&op, at.wall);
        let value = keys.change(op, at);
        assert!(value.bytes() as u64 <= price, "I10: {price} for {}, seed {seed}: {what}", value.bytes());
        assert_eq!(value, expected, "seed {seed}, step {step}: {what}");
        if draw.rng.u32(0..4) == 0 {
            let op = draw.price_only();
            let (price, value) = (keys.price(&op, at.wall), keys.answer(&op, at.wall, at.wall));
            assert!(value.bytes() as u64 <= price, "I10: {price} for {}, seed {seed}: {op:?}", value.bytes());
        }
        if let Value::Added(added) = value {
            draw.epoch = added.epoch;
        }
        if draw.rng.u32(0..20) == 0 {
            keys.sweep(at, 1_000, |_| ());
            reference.sweep(at);
        }
        if step % 50 == 0 {
            check(&keys);
            let size = KeyOp::Size;
            assert_eq!(
                keys.answer(&size, at.wall, at.wall),
                reference.answer(&size, at.wall.0),
                "seed {seed}"
            );
        }
    }
}

#[test]
fn i8_every_answer_is_that_of_plain_lists() {
    rounds(ROUNDS, round);
}
