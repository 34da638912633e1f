//! What passes are made of: the keys that sign them, and what the wall clock showed when somebody was admitted.
//!
//! A pass is not stored. Whoever is asked makes it anew from the stamp of the admission, and it must come out the same at every
//! node and after every restart. So the state keeps which key signed at which stamp, and how far the wall clock was from log
//! time then:
//!
//! ```text
//! log time  ──┬──────────────┬───────────────────▶
//! keys        │ 1            │ 2 (activated)         a retired key still verifies; a revoked one is forgotten
//! walls       │ +0 ms   │ +3,600,000 ms (the cluster was down for an hour)
//! ```
//! A key is installed in every group before it is activated in any, so that nobody meets a pass whose key is not published.

use crate::time::{LogTime, WallMs};
use serde::{Deserialize, Serialize};

/// Keys of a group: the active one, those that live passes need, and one installed ahead.
const KEYS_MAX: usize = 8;
/// For how long a retired key is kept: no pass lives longer than a day.
const RETAIN_MS: u64 = 25 * 3_600_000;
/// The wall clock counts as moved against log time when it did by so much; a pass tells whole seconds.
const SHIFT_MS: u64 = 1_000;
/// Moves of the wall clock that are remembered; of what was before the oldest, the oldest is said.
const WALLS_MAX: usize = 64;

const TOO_MANY: &str = "too many pass keys: live passes still need those that are there";
const UNKNOWN: &str = "no such pass key";
const REPLACED: &str = "that pass key was replaced by a newer one";
const IS_ACTIVE: &str = "the active pass key cannot be revoked, rotate first";

/// Names a key: drawn at random with it, so that two operators at once do not mean different keys by one name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PassKeyId(pub u64);

impl std::fmt::Display for PassKeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl PassKeyId {
    /// Reads what `Display` writes.
    ///
    /// ```
    /// use sluice_engine::pass::PassKeyId;
    /// let id = PassKeyId(0x5f3a);
    /// assert_eq!(PassKeyId::parse(id.to_string().as_bytes()), Some(id));
    /// assert_eq!(PassKeyId::parse(b"5f3a"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<PassKeyId> {
        let is_hex = text.len() == 16 && text.iter().all(u8::is_ascii_hexdigit);
        let text = std::str::from_utf8(text).ok().filter(|_| is_hex)?;
        u64::from_str_radix(text, 16).ok().map(PassKeyId)
    }
}

/// The secret of a key: the seed of an Ed25519 key pair (RFC 8032).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassSeed(pub [u8; 32]);

// Secrets never reach a log.
impl std::fmt::Debug for PassSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PassSeed(…)")
    }
}

/// What happens to a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PassKeyOp {
    /// It verifies from now on.
    Install(PassKeyId, PassSeed),
    /// It signs from now on; the one before goes on verifying for as long as its passes live.
    Activate(PassKeyId),
    /// It is forgotten: its passes verify nowhere any more, and whoever asks is given one by the active key.
    Revoke(PassKeyId),
}

/// One key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PassKey {
    /// Its name.
    pub id: PassKeyId,
    /// Its secret.
    pub seed: PassSeed,
    /// Since when it signs; `None`: it was only installed.
    pub since: Option<LogTime>,
    /// When another took over.
    pub until: Option<LogTime>,
}

impl PassKey {
    /// Whether it signs now.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.since.is_some() && self.until.is_none()
    }

    fn signed_at(&self, stamp: LogTime) -> bool {
        self.since.is_some_and(|since| since <= stamp) && self.until.is_none_or(|until| stamp < until)
    }
}

/// From this stamp on the wall clock showed so much more than log time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wall {
    pub(crate) from: LogTime,
    pub(crate) wall: WallMs,
}

impl Wall {
    fn at(self, stamp: LogTime) -> WallMs {
        WallMs(self.wall.0.saturating_add(stamp.0).saturating_sub(self.from.0))
    }
}

/// The keys of a group, the oldest first, and its clock. One is active. Immutable but for the clock: a change makes new ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PassKeys {
    keys: Vec<PassKey>,
    active: usize,
    walls: Vec<Wall>,
}

impl PassKeys {
    /// One active key.
    #[must_use]
    pub fn new(id: PassKeyId, seed: PassSeed) -> PassKeys {
        let key = PassKey { id, seed, since: Some(LogTime(0)), until: None };
        PassKeys { keys: vec![key], active: 0, walls: Vec::new() }
    }

    /// All keys whose passes verify, the oldest first.
    #[must_use]
    pub fn all(&self) -> &[PassKey] {
        &self.keys
    }

    /// The key that signs the pass of an admission: the one that was active then, or, where that was revoked, the one that is
    /// now.
    #[must_use]
    pub fn at(&self, stamp: LogTime) -> &PassKey {
        self.keys.iter().find(|key| key.signed_at(stamp)).unwrap_or(&self.keys[self.active])
    }

    /// What the wall clock showed, to about a second. Before anything is known, log time itself: a cluster begins it at the
    /// wall clock.
    ///
    /// ```
    /// use sluice_engine::pass::{PassKeyId, PassKeys, PassSeed};
    /// use sluice_engine::time::{LogTime, WallMs};
    /// let mut keys = PassKeys::new(PassKeyId(1), PassSeed([7; 32]));
    /// assert_eq!(keys.wall_at(LogTime(5_000)), WallMs(5_000));
    /// assert!(keys.note_wall(LogTime(10_000), WallMs(70_000)));
    /// assert!(!keys.note_wall(LogTime(20_000), WallMs(80_400)), "less than a second off");
    /// assert_eq!(keys.wall_at(LogTime(11_000)), WallMs(71_000));
    /// ```
    #[must_use]
    pub fn wall_at(&self, stamp: LogTime) -> WallMs {
        let behind = self.walls.partition_point(|wall| wall.from <= stamp);
        self.walls.get(behind.saturating_sub(1)).map_or(WallMs(stamp.0), |wall| wall.at(stamp))
    }

    /// The wall clock shows this now. True where it has moved against log time, and something changed.
    pub fn note_wall(&mut self, stamp: LogTime, wall: WallMs) -> bool {
        let is_known = self.walls.last().is_some_and(|last| last.at(stamp).0.abs_diff(wall.0) < SHIFT_MS);
        if wall.0 == 0 || is_known {
            return false;
        }
        if self.walls.len() == WALLS_MAX {
            self.walls.remove(0);
        }
        self.walls.push(Wall { from: stamp, wall });
        true
    }

    /// With one of the keys changed.
    ///
    /// # Errors
    /// Why that cannot be, in words for the operator.
    pub fn changed(&self, op: &PassKeyOp, now: LogTime) -> Result<PassKeys, &'static str> {
        let mut next = self.clone();
        match op {
            PassKeyOp::Install(id, seed) => next.install(*id, *seed, now)?,
            PassKeyOp::Activate(id) => next.activate(*id, now)?,
            PassKeyOp::Revoke(id) => {
                let at = next.place(*id)?;
                if at == next.active {
                    return Err(IS_ACTIVE);
                }
                next.keys.remove(at);
                next.active -= usize::from(at < next.active);
            }
        }
        Ok(next)
    }

    fn install(&mut self, id: PassKeyId, seed: PassSeed, now: LogTime) -> Result<(), &'static str> {
        if self.place(id).is_ok() {
            return Ok(());
        }
        let active = self.keys[self.active].id;
        self.keys.retain(|key| key.until.is_none_or(|until| now.since_ms(until) < RETAIN_MS));
        if self.keys.len() >= KEYS_MAX {
            // One that never signed is needed by nobody.
            let idle = self.keys.iter().position(|key| key.since.is_none()).ok_or(TOO_MANY)?;
            self.keys.remove(idle);
        }
        self.keys.push(PassKey { id, seed, since: None, until: None });
        self.active = self.place(active)?;
        Ok(())
    }

    fn activate(&mut self, id: PassKeyId, now: LogTime) -> Result<(), &'static str> {
        let at = self.place(id)?;
        if at == self.active {
            return Ok(());
        }
        if self.keys[at].since.is_some() {
            return Err(REPLACED);
        }
        self.keys[self.active].until = Some(now);
        self.keys[at].since = Some(now);
        self.active = at;
        Ok(())
    }

    fn place(&self, id: PassKeyId) -> Result<usize, &'static str> {
        self.keys.iter().position(|key| key.id == id).ok_or(UNKNOWN)
    }

    pub(crate) fn walls(&self) -> &[Wall] {
        &self.walls
    }

    /// The inverse of `all` and `walls`; `None` where they are not those of a group.
    pub(crate) fn from_parts(keys: Vec<PassKey>, walls: Vec<Wall>) -> Option<PassKeys> {
        let active = keys.iter().position(PassKey::is_active)?;
        let one_active = keys.iter().filter(|key| key.is_active()).count() == 1;
        let fits = keys.len() <= KEYS_MAX && walls.len() <= WALLS_MAX;
        let in_order = walls.is_sorted_by_key(|wall| wall.from);
        (one_active && fits && in_order).then_some(PassKeys { keys, active, walls })
    }
}

#[cfg(test)]
mod tests {
    use super::{KEYS_MAX, PassKeyId, PassKeyOp, PassKeys, PassSeed, RETAIN_MS, WALLS_MAX};
    use crate::time::{LogTime, WallMs};

    fn keys() -> PassKeys {
        PassKeys::new(PassKeyId(1), PassSeed([1; 32]))
    }

    fn rotated(keys: &PassKeys, id: u64, now: u64) -> Result<PassKeys, &'static str> {
        let installed = keys.changed(&PassKeyOp::Install(PassKeyId(id), PassSeed([2; 32])), LogTime(now))?;
        assert_eq!(installed.at(LogTime(now)), keys.at(LogTime(now)), "an installed key signs nothing yet");
        installed.changed(&PassKeyOp::Activate(PassKeyId(id)), LogTime(now))
    }

    #[test]
    fn an_admission_keeps_the_key_that_was_active_at_its_stamp() {
        let keys = rotated(&keys(), 2, 50).unwrap();
        for (stamp, id) in [(0, 1), (49, 1), (50, 2), (u64::MAX, 2)] {
            assert_eq!(keys.at(LogTime(stamp)).id, PassKeyId(id), "at {stamp}");
        }
        assert_eq!(keys.all().iter().map(|key| key.is_active()).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_revoked_key_is_forgotten_and_the_active_one_signs_in_its_stead() {
        let keys = rotated(&keys(), 2, 50).unwrap();
        assert!(keys.changed(&PassKeyOp::Revoke(PassKeyId(2)), LogTime(60)).is_err(), "it is active");
        assert!(keys.changed(&PassKeyOp::Revoke(PassKeyId(9)), LogTime(60)).is_err(), "it is unknown");
        let left = keys.changed(&PassKeyOp::Revoke(PassKeyId(1)), LogTime(60)).unwrap();
        assert_eq!(left.at(LogTime(0)).id, PassKeyId(2));
        assert_eq!(left.all().len(), 1);
        assert!(keys.changed(&PassKeyOp::Activate(PassKeyId(1)), LogTime(60)).is_err(), "it was replaced");
    }

    #[test]
    fn keys_are_bounded_and_none_goes_that_a_live_pass_needs() {
        let mut keys = keys();
        for id in 2..=KEYS_MAX as u64 {
            keys = rotated(&keys, id, id * 1_000).unwrap();
        }
        assert!(rotated(&keys, 99, 20_000).is_err());
        let later = rotated(&keys, 99, 2_000 + RETAIN_MS).unwrap();
        assert_eq!(later.all().len(), KEYS_MAX, "the first, retired at 2,000, has gone");
        assert_eq!(later.at(LogTime(u64::MAX)).id, PassKeyId(99));
        let ahead = |id| PassKeyOp::Install(PassKeyId(id), PassSeed([3; 32]));
        let mut spare = super::PassKeys::new(PassKeyId(1), PassSeed([1; 32]));
        for id in 100..200 {
            spare = spare.changed(&ahead(id), LogTime(5)).unwrap();
        }
        assert!(spare.all().len() <= KEYS_MAX && spare.at(LogTime(5)).id == PassKeyId(1));
    }

    #[test]
    fn the_clock_is_bounded_and_forgets_the_oldest_move_first() {
        let mut keys = keys();
        for step in 0..2 * WALLS_MAX as u64 {
            assert!(keys.note_wall(LogTime(step), WallMs(step * 10_000 + 1)));
        }
        assert_eq!(keys.walls().len(), WALLS_MAX);
        let newest = 2 * WALLS_MAX as u64 - 1;
        assert_eq!(keys.wall_at(LogTime(newest + 500)), WallMs(newest * 10_000 + 501));
        let parts = PassKeys::from_parts(keys.all().to_vec(), keys.walls().to_vec());
        assert_eq!(parts.as_ref(), Some(&keys));
    }
}
