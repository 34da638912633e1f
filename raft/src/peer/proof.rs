//! How each side of a connection proves what it knows, before either says who it is.
//!
//! ```text
//!  caller ── Claim: a member, or about to become one; proofs ─▶ called     nothing else is told to somebody without the secret
//!  caller ◀── its own proof, or one refusal for everything ──── called     with the first key that both know
//!  caller ── Hello: who, whom, what for ─────────────────────▶ called
//! ```
//! A proof is an HMAC over keying material that TLS derives for this connection alone (RFC 8446, 7.5), so whoever stands between two
//! nodes, with a TLS connection to each, has nothing to pass on. Ids and lane come later, in the channel that both have proven.
//!
//! While the cluster's secret is rotated members know two. The caller proves both, so that two that have one in common find it,
//! whichever of them is behind.

use serde::{Deserialize, Deserializer, Serialize};

use super::handshake::{Credential, Denial, Hello, Local};
use super::limit::CLAIM_PROOFS_MAX;
use crate::codec::AtMost;
use crate::secret::{Key, PROOF_BYTES};

/// The label of the keying material.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-sluice-peer";

/// Keying material of one TLS connection: equal at both ends, and in no other connection.
pub type Binding = [u8; 32];

/// What a caller says that it can prove.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Proven {
    /// The cluster's secret: a member calls a member.
    Membership,
    /// The join secret: one of both waits to be added.
    Joining,
}

/// The caller's first frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claim {
    /// What it proves.
    pub proves: Proven,
    /// A proof for each secret that makes it so, the newest first; at most [`CLAIM_PROOFS_MAX`].
    #[serde(deserialize_with = "few")]
    pub proofs: Vec<[u8; PROOF_BYTES]>,
}

fn few<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<[u8; PROOF_BYTES]>, D::Error> {
    AtMost::<_, CLAIM_PROOFS_MAX>::deserialize(from).map(|proofs| proofs.0)
}

/// The answer to it.
pub type Counterproof = Result<[u8; PROOF_BYTES], Denial>;

/// Who proves.
#[derive(Clone, Copy)]
enum Role {
    Caller = 1,
    Called = 2,
}

fn message(binding: &Binding, role: Role, proves: Proven) -> [u8; 34] {
    let mut message = [0; 34];
    message[..32].copy_from_slice(binding);
    message[32] = role as u8;
    message[33] = proves as u8;
    message
}

/// What the caller proves of itself with each of `keys`.
#[must_use]
pub fn claim<'k>(keys: impl IntoIterator<Item = &'k Key>, binding: &Binding, proves: Proven) -> Claim {
    let said = message(binding, Role::Caller, proves);
    Claim { proves, proofs: keys.into_iter().take(CLAIM_PROOFS_MAX).map(|key| key.prove(&said)).collect() }
}

/// What this caller has to prove to be allowed what its greeting says, and all by which it can.
pub(super) fn needed(local: &Local, hello: &Hello) -> Result<(Proven, Vec<Credential>), Denial> {
    let joins = hello.from.is_waiting() || hello.to == 0;
    let proves = if joins { Proven::Joining } else { Proven::Membership };
    let known = local.credentials(proves);
    if known.is_empty() { Err(Denial::NoSecret) } else { Ok((proves, known)) }
}

/// The called side's judgement of a claim: what it proves in return, and with what.
///
/// # Errors
/// [`Denial::Unproven`].
pub fn judge(
    local: &Local,
    binding: &Binding,
    claim: &Claim,
) -> Result<([u8; PROOF_BYTES], Credential), Denial> {
    let said = message(binding, Role::Caller, claim.proves);
    let is_claimed = |known: &Credential| claim.proofs.iter().any(|proof| known.key().accepts(&said, proof));
    let known = local.credentials(claim.proves).into_iter().find(is_claimed).ok_or(Denial::Unproven)?;
    Ok((known.key().prove(&message(binding, Role::Called, claim.proves)), known))
}

/// The caller's judgement of the answer: which of the things that it proved the other knows.
pub(super) fn check(
    known: &[Credential],
    binding: &Binding,
    proves: Proven,
    proof: &[u8; PROOF_BYTES],
) -> Result<Credential, Denial> {
    let said = message(binding, Role::Called, proves);
    known.iter().find(|known| known.key().accepts(&said, proof)).cloned().ok_or(Denial::Unproven)
}

#[cfg(test)]
mod tests {
    use super::{Claim, Proven, check, claim, judge};
    use crate::peer::handshake::{Credential, Denial, Local};
    use crate::peer::limit::CLAIM_PROOFS_MAX;
    use crate::secret::{ClusterSecret, JoinSecret};

    const HERE: [u8; 32] = [4; 32];

    fn secret(number: u8) -> ClusterSecret {
        ClusterSecret::new([number; 16])
    }

    fn trusting(secrets: &[ClusterSecret]) -> Local {
        let local = Local::default();
        local.trust(secrets);
        local.let_join(Some(JoinSecret::of([3; 32]).key()));
        local
    }

    #[test]
    fn what_is_proven_holds_in_its_own_channel_direction_and_for_its_own_purpose() {
        let (local, elsewhere) = (trusting(&[secret(1), secret(2)]), [5; 32]);
        for proves in [Proven::Membership, Proven::Joining] {
            for known in local.credentials(proves) {
                let claim = claim([known.key()], &HERE, proves);
                let known = [known];
                let (answer, _) = judge(&local, &HERE, &claim).expect("the key is known");
                assert!(check(&known, &HERE, proves, &answer).is_ok());
                assert!(judge(&local, &elsewhere, &claim).is_err(), "a relay's other channel");
                assert!(check(&known, &elsewhere, proves, &answer).is_err());
                assert!(check(&known, &HERE, proves, &claim.proofs[0]).is_err(), "its own proof, sent back");
                let other = if proves == Proven::Joining { Proven::Membership } else { Proven::Joining };
                let turned = Claim { proves: other, ..claim };
                assert!(judge(&local, &HERE, &turned).is_err());
            }
        }
        let claim = claim([&secret(9).peer_key()], &HERE, Proven::Membership);
        assert_eq!(judge(&local, &HERE, &claim).err(), Some(Denial::Unproven));
        let nobody = judge(&Local::default(), &HERE, &claim).err();
        assert_eq!(nobody, Some(Denial::Unproven), "nothing is known here");
    }

    /// Whether a caller and a called node that trust these come to terms.
    fn agree(caller: &Local, called: &Local) -> bool {
        let known = caller.credentials(Proven::Membership);
        let claim = claim(known.iter().map(Credential::key), &HERE, Proven::Membership);
        let judged = judge(called, &HERE, &claim);
        judged.is_ok_and(|(answer, _)| check(&known, &HERE, Proven::Membership, &answer).is_ok())
    }

    #[test]
    fn nodes_agree_while_they_have_one_secret_in_common() {
        let old = trusting(&[secret(1)]);
        let (both, new) = (trusting(&[secret(2), secret(1)]), trusting(&[secret(2)]));
        for (one, other, expected) in [(&old, &both, true), (&both, &new, true), (&old, &new, false)] {
            assert_eq!(agree(one, other), expected, "{one:?} calls {other:?}");
            assert_eq!(agree(other, one), expected, "{other:?} calls {one:?}");
        }
        both.trust(&[secret(2)]);
        assert!(!agree(&old, &both) && !agree(&both, &old), "the old one is over");
    }

    #[test]
    fn a_claim_has_few_proofs() {
        let keys: Vec<_> = (0..9).map(|number| secret(number).peer_key()).collect();
        let claim = claim(&keys, &HERE, Proven::Membership);
        assert_eq!(claim.proofs.len(), CLAIM_PROOFS_MAX);
        let bytes = postcard::to_stdvec(&claim).expect("can be written");
        assert!(postcard::from_bytes::<Claim>(&bytes).is_ok());
        let many = Claim { proofs: vec![[0; 32]; CLAIM_PROOFS_MAX + 1], ..claim };
        let bytes = postcard::to_stdvec(&many).expect("can be written");
        assert!(postcard::from_bytes::<Claim>(&bytes).is_err());
    }
}
