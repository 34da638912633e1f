//! The last rotation of the cluster's secret: what the log says of it, and which secrets a node holds after it.
//!
//! ```text
//!          drawn ─────────▶ minting ────────────▶ over
//! tokens   of the old one   of the new one
//! peers    prove either     prove either          prove the new one
//! ```
//! Invariants: a rotation begins when the one before it is over, so there are never more than two secrets; numbers only rise.

use super::Metadata;
use crate::secret::{ClusterSecret, MemberSecrets};
use serde::{Deserialize, Serialize};

/// A rotation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Rotation {
    /// Number of the new secret; that of the founding was 1.
    pub number: u64,
    /// The new secret.
    pub secret: ClusterSecret,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a rotation has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Stage {
    /// Peers may prove the new secret. Groups are told of it.
    Drawn,
    /// It mints tokens in every group.
    Minting,
    /// Every node is known to hold it: peers may not prove the one before it any more.
    Over,
}

impl Metadata {
    /// Number of the newest secret.
    #[must_use]
    pub fn secret_number(&self) -> u64 {
        self.rotation.map_or(1, |rotation| rotation.number)
    }

    /// The rotation that is not over.
    #[must_use]
    pub fn rotating(&self) -> Option<Rotation> {
        self.rotation.filter(|rotation| rotation.stage != Stage::Over)
    }

    pub(super) fn rotate(&mut self, number: u64, secret: ClusterSecret) {
        if self.rotating().is_none() && number == self.secret_number() + 1 {
            self.rotation = Some(Rotation { number, secret, stage: Stage::Drawn });
        }
    }

    pub(super) fn advance(&mut self, number: u64, stage: Stage) {
        if let Some(rotation) = self.rotation.as_mut().filter(|rotation| rotation.number == number) {
            rotation.stage = rotation.stage.max(stage);
        }
    }
}

impl Rotation {
    /// What a node holds that held `held` and hears of this; `None` where that is no news. A log that is read again from its
    /// beginning tells of earlier stages.
    #[must_use]
    pub fn follows(&self, held: &MemberSecrets) -> Option<MemberSecrets> {
        let is_over = self.stage == Stage::Over;
        if self.number < held.number || (self.number == held.number && self.secret == held.newest) {
            let ends = self.number == held.number && is_over && held.before.is_some();
            return ends.then_some(MemberSecrets { before: None, ..*held });
        }
        // One of the same number and another secret was drawn after entries were given up: it counts.
        let before = (!is_over && self.number <= held.number + 1).then_some(held.newest);
        Some(MemberSecrets { number: self.number, newest: self.secret, before })
    }
}

#[cfg(test)]
mod tests {
    use super::{Rotation, Stage};
    use crate::cluster::{Change, Metadata};
    use crate::secret::{ClusterSecret, MemberSecrets};

    fn secret(number: u64) -> ClusterSecret {
        ClusterSecret::new([number as u8; 16])
    }

    fn draw(number: u64) -> Change {
        Change::Rotate { number, secret: secret(number) }
    }

    #[test]
    fn one_rotation_follows_the_other() {
        let mut metadata = Metadata::default();
        metadata.apply(draw(3));
        assert_eq!(metadata.secret_number(), 1, "the next is number 2");
        metadata.apply(draw(2));
        metadata.apply(Change::Rotate { number: 2, secret: secret(7) });
        metadata.apply(draw(3));
        let drawn = Rotation { number: 2, secret: secret(2), stage: Stage::Drawn };
        assert_eq!(metadata.rotating(), Some(drawn), "the first is under way");
        for stage in [Stage::Minting, Stage::Over, Stage::Minting] {
            metadata.apply(Change::Rotated { number: 2, stage });
        }
        assert_eq!(metadata.rotation, Some(Rotation { stage: Stage::Over, ..drawn }), "none goes back");
        metadata.apply(draw(3));
        metadata.apply(Change::Rotated { number: 2, stage: Stage::Over });
        assert_eq!(metadata.rotating().map(|rotation| rotation.number), Some(3), "that came late");
    }

    #[test]
    fn a_node_holds_two_until_it_is_over_and_never_goes_back() {
        let at = |number, stage| Rotation { number, secret: secret(number), stage };
        let held = MemberSecrets::founding(secret(1));
        let both = at(2, Stage::Drawn).follows(&held).expect("news");
        assert_eq!(both, MemberSecrets { number: 2, newest: secret(2), before: Some(secret(1)) });
        assert_eq!(at(2, Stage::Minting).follows(&both), None);
        let one = at(2, Stage::Over).follows(&both).expect("news");
        assert_eq!(one, MemberSecrets { before: None, ..both });
        for stage in [Stage::Drawn, Stage::Minting, Stage::Over] {
            assert_eq!(at(2, stage).follows(&one), None, "the log is read again");
        }
        assert_eq!(at(2, Stage::Drawn).follows(&MemberSecrets { number: 3, ..one }), None);
        let next = at(3, Stage::Drawn).follows(&one).expect("news");
        assert_eq!(next.all(), [secret(3), secret(2)]);
        let late = at(4, Stage::Drawn).follows(&one).expect("news");
        assert_eq!(late.all(), [secret(4)], "what it holds is two rotations old");
        let other = Rotation { secret: secret(9), ..at(2, Stage::Over) };
        assert_eq!(other.follows(&one).map(|held| held.newest), Some(secret(9)));
    }
}
