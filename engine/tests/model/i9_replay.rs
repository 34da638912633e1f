//! I9: the same log gives the same state, whoever applies it, whenever, and from whatever snapshot it starts.

use super::driver::World;
use super::sequencer::Replay;
use sluice_engine::node::{self, Options};
use sluice_engine::owner::Owner;
use sluice_engine::sequencer::Committed;
use sluice_engine::snapshot::SnapshotError;
use sluice_engine::time::MonoMs;

/// A slice may exceed its 64 KiB by one part, and by what was copied since the slice before.
const SLICE_BYTES_MAX: usize = 64 * 1024 + 32 * 1024;

/// A replica: applies what it is fed, on a clock of its own, and never hears of a poll.
pub(crate) struct Replica {
    pub(crate) owner: Owner,
    replay: Replay,
    fed: usize,
    now: u64,
}

impl Replica {
    /// Starts empty, or from a snapshot, at a moment of its own clock.
    pub(crate) fn open(snapshot: Option<Vec<u8>>, now: u64) -> Result<Replica, SnapshotError> {
        let replay = Replay::default();
        let options = Options { groups: 1, ..Options::new([7; 16]) };
        let sequencer = |_, _| Box::new(replay.clone()) as _;
        let (_, mut owners) = node::open(options, vec![snapshot], sequencer, MonoMs(now))?;
        let owner = owners.remove(0);
        let fed = owner.applied() as usize;
        Ok(Replica { owner, replay, fed, now })
    }

    /// Applies the next batch of the log alone, `pause_ms` after the one before.
    fn apply_next(&mut self, log: &[Committed], pause_ms: u64) {
        self.replay.feed(log[self.fed].clone());
        self.fed += 1;
        self.now += pause_ms;
        self.owner.turn(MonoMs(self.now));
        assert_eq!(self.owner.applied() as usize, self.fed, "one batch was fed and one is applied");
    }

    /// Applies everything there is.
    fn catch_up(&mut self, log: &[Committed], pause_ms: u64) {
        while self.fed < log.len() {
            self.apply_next(log, pause_ms);
        }
    }
}

/// Replicas that follow a world: two from the start, on different clocks, and those restored on the way.
pub(crate) struct Followers {
    steady: Replica,
    hasty: Replica,
    restored: Vec<Replica>,
}

impl Followers {
    pub(crate) fn new() -> Followers {
        let fresh = |now| Replica::open(None, now).expect("an empty replica");
        Followers { steady: fresh(0), hasty: fresh(1 << 40), restored: Vec::new() }
    }

    /// Feeds what the world committed; all hashes are equal at each index.
    pub(crate) fn follow(&mut self, world: &World) {
        for index in self.steady.fed..world.log.len() {
            self.steady.apply_next(&world.log, 0);
            self.hasty.apply_next(&world.log, 777);
            let (steady, hasty) = (self.steady.owner.state_hash(), self.hasty.owner.state_hash());
            assert_eq!(steady, hasty, "I9: two replicas differ after batch {}", index + 1);
        }
        let hash = world.owner.state_hash();
        assert_eq!(self.steady.owner.state_hash(), hash, "I9: a replica differs at {}", world.log.len());
        for replica in &mut self.restored {
            replica.catch_up(&world.log, 13);
            let restored = replica.owner.state_hash();
            assert_eq!(restored, hash, "I9: a restored replica differs at {}", world.log.len());
        }
    }

    /// Takes a snapshot of the world while it goes on; the replica restored from it joins the followers.
    pub(crate) fn snapshot(&mut self, world: &mut World) -> Vec<u8> {
        world.owner.begin_snapshot().expect("no snapshot is running");
        assert_eq!(world.owner.begin_snapshot(), Err(SnapshotError::Running));
        let (cut, hash) = (world.owner.applied(), world.owner.state_hash());
        let mut bytes = Vec::new();
        for _ in 0..world.rng.usize(0..200) {
            let until = world.now + 1_000;
            world.step(until);
        }
        while let Some(slice) = world.owner.snapshot_slice() {
            assert!(slice.len() <= SLICE_BYTES_MAX, "a slice of {} bytes", slice.len());
            bytes.extend(slice);
            let until = world.now + 1_000;
            world.step(until);
        }
        let replica = Replica::open(Some(bytes.clone()), 5).expect("a snapshot restores");
        assert_eq!(replica.owner.applied(), cut, "the snapshot is of the index of its cut");
        assert_eq!(replica.owner.state_hash(), hash, "I9: the snapshot differs from the state at its cut");
        self.restored.push(replica);
        bytes
    }
}

/// Damages a snapshot in many ways; each is refused, and none brings the process down.
pub(crate) fn refuse_damage(bytes: &[u8], rng: &mut fastrand::Rng) {
    for _ in 0..300 {
        let (at, flip) = (rng.usize(0..bytes.len()), rng.u8(1..));
        let mut damaged = bytes.to_vec();
        damaged[at] ^= flip;
        assert!(
            Replica::open(Some(damaged), 0).is_err(),
            "byte {at} of {} xor {flip} is accepted",
            bytes.len()
        );
    }
    let ends = (0..60.min(bytes.len())).chain((0..60).map(|_| rng.usize(0..bytes.len())));
    for end in ends.chain([bytes.len() - 1]) {
        assert!(Replica::open(Some(bytes[..end].to_vec()), 0).is_err(), "the first {end} bytes are accepted");
    }
    let mut longer = bytes.to_vec();
    longer.push(0);
    assert!(Replica::open(Some(longer), 0).is_err(), "a byte too many is accepted");
}
