//! How each side of a connection proves what it knows, before either says who it is.
//!
//! ```text
//!  caller ── Claim: a member, or about to become one; proof ──▶ called     nothing else is told to somebody without the secret
//!  caller ◀── its own proof, or one refusal for everything ──── called
//!  caller ── Hello: who, whom, what for ─────────────────────▶ called
//! ```
//! A proof is an HMAC over keying material that TLS derives for this connection alone (RFC 8446, 7.5), so whoever stands between two
//! nodes, with a TLS connection to each, has nothing to pass on. Ids and lane come later, in the channel that both have proven.

use serde::{Deserialize, Serialize};

use super::handshake::{Denial, Hello, Local};
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
    /// The proof.
    pub proof: [u8; PROOF_BYTES],
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

/// What the caller proves of itself with `key`.
#[must_use]
pub fn claim(key: &Key, binding: &Binding, proves: Proven) -> Claim {
    Claim { proves, proof: key.prove(&message(binding, Role::Caller, proves)) }
}

/// What this caller has to prove to be allowed what its greeting says, and with which key.
pub(super) fn needed(local: &Local, hello: &Hello) -> Result<(Proven, Key), Denial> {
    let joins = hello.from.is_waiting() || hello.to == 0;
    let proves = if joins { Proven::Joining } else { Proven::Membership };
    let key = local.keys(proves).into_iter().next();
    key.map(|key| (proves, key)).ok_or(Denial::NoSecret)
}

/// The called side's judgement of a claim: what it proves in return.
///
/// # Errors
/// [`Denial::Unproven`].
pub fn judge(local: &Local, binding: &Binding, claim: &Claim) -> Counterproof {
    let said = message(binding, Role::Caller, claim.proves);
    let keys = local.keys(claim.proves);
    let key = keys.iter().find(|key| key.accepts(&said, &claim.proof)).ok_or(Denial::Unproven)?;
    Ok(key.prove(&message(binding, Role::Called, claim.proves)))
}

/// The caller's judgement of the answer.
pub(super) fn check(
    key: &Key,
    binding: &Binding,
    proves: Proven,
    proof: &[u8; PROOF_BYTES],
) -> Result<(), Denial> {
    if key.accepts(&message(binding, Role::Called, proves), proof) { Ok(()) } else { Err(Denial::Unproven) }
}

#[cfg(test)]
mod tests {
    use super::{Claim, Proven, check, claim, judge};
    use crate::peer::handshake::{Denial, Local};
    use crate::secret::{ClusterSecret, JoinSecret};

    fn local() -> Local {
        let local = Local::default();
        local.trust(&[ClusterSecret::new([1; 16]), ClusterSecret::new([2; 16])]);
        local.let_join(Some(JoinSecret::of([3; 32]).key()));
        local
    }

    #[test]
    fn what_is_proven_holds_in_its_own_channel_direction_and_for_its_own_purpose() {
        let local = local();
        let (here, elsewhere) = ([4; 32], [5; 32]);
        for proves in [Proven::Membership, Proven::Joining] {
            for key in local.keys(proves) {
                let claim = claim(&key, &here, proves);
                let answer = judge(&local, &here, &claim).expect("the key is known");
                assert_eq!(check(&key, &here, proves, &answer), Ok(()));
                assert_eq!(
                    judge(&local, &elsewhere, &claim),
                    Err(Denial::Unproven),
                    "a relay's other channel"
                );
                assert!(check(&key, &elsewhere, proves, &answer).is_err());
                assert!(check(&key, &here, proves, &claim.proof).is_err(), "its own proof, sent back");
                let other = if proves == Proven::Joining { Proven::Membership } else { Proven::Joining };
                let turned = Claim { proves: other, ..claim };
                assert_eq!(judge(&local, &here, &turned), Err(Denial::Unproven));
            }
        }
        let stranger = ClusterSecret::new([9; 16]).peer_key();
        let claim = claim(&stranger, &here, Proven::Membership);
        assert_eq!(judge(&local, &here, &claim), Err(Denial::Unproven));
        assert_eq!(judge(&Local::default(), &here, &claim), Err(Denial::Unproven), "nothing is known here");
    }
}
