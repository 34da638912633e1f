//! What nodes know and strangers do not: the cluster's secrets, which members hold, and the join secret, which a newcomer and the one
//! that adopts it prove to each other.
//!
//! A cluster has one secret from its founding on, and another after each rotation. The first goes on hashing the ids of people and
//! requests, which grants nothing ([`crate::node::Identity::secret`]); what is granted follows the newest ([`MemberSecrets`]).
//!
//! Nobody is given the bytes: each use derives a key of its own, so that no key can stand in for another, and whoever changes a
//! secret changes all of them.

use ring::hmac;
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::limit::{JOIN_SECRET_CHARS_MAX, JOIN_SECRET_CHARS_MIN};
use crate::types::NodeId;

/// Bytes of a proof.
pub const PROOF_BYTES: usize = 32;

/// A secret of a cluster, drawn when it was founded or when it was rotated. Its members hold it, and nobody else.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSecret([u8; 16]);

impl ClusterSecret {
    /// A secret of these bytes, which were drawn at random.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> ClusterSecret {
        ClusterSecret(bytes)
    }

    /// The key by which members prove to each other that they are.
    #[must_use]
    pub fn peer_key(&self) -> Key {
        Key::derive(&self.0, b"sluice peers 1")
    }

    /// The key that mints tokens, and from which those of subscribe tokens come; of the first secret also the first pass key.
    #[must_use]
    pub fn token_key(&self) -> [u8; 16] {
        self.0
    }

    /// What a node says to prove that it holds this secret. Only another holder can tell whether it is true.
    #[must_use]
    pub fn held_by(&self, node: NodeId) -> [u8; PROOF_BYTES] {
        self.holding_key().prove(&node.to_le_bytes())
    }

    /// Whether that node said so, or somebody else who holds it.
    #[must_use]
    pub fn is_held_by(&self, node: NodeId, proof: &[u8; PROOF_BYTES]) -> bool {
        self.holding_key().accepts(&node.to_le_bytes(), proof)
    }

    fn holding_key(&self) -> Key {
        Key::derive(&self.0, b"sluice holds 1")
    }
}

/// The secrets by which members know each other: the newest, and the one before it while not every node is known to hold the newest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MemberSecrets {
    /// How many the cluster has had with the newest; the founding one is number 1.
    pub number: u64,
    /// The newest.
    pub newest: ClusterSecret,
    /// The one before it, as long as peers may prove it.
    pub before: Option<ClusterSecret>,
}

impl MemberSecrets {
    /// Those of a cluster whose secret was never rotated.
    #[must_use]
    pub fn founding(secret: ClusterSecret) -> MemberSecrets {
        MemberSecrets { number: 1, newest: secret, before: None }
    }

    /// All that peers may prove, the newest first.
    #[must_use]
    pub fn all(&self) -> Vec<ClusterSecret> {
        std::iter::once(self.newest).chain(self.before).collect()
    }
}

// A secret never gets into a log line.
impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret")
    }
}

/// The secret that lets a node be added to a cluster, as its file has it.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinSecret(String);

/// A text that is no join secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoJoinSecret;

impl fmt::Display for NoJoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "holds no join secret: one line of {JOIN_SECRET_CHARS_MIN} to {JOIN_SECRET_CHARS_MAX} characters, drawn at random"
        )
    }
}

impl std::error::Error for NoJoinSecret {}

impl JoinSecret {
    /// The secret in the text of a file; what is around it does not count.
    ///
    /// ```
    /// use sluice_raft::secret::JoinSecret;
    /// assert!(JoinSecret::parse("rV8m2zQ0kq7Jt1yXwB4n\n").is_ok());
    /// assert!(JoinSecret::parse("hunter2").is_err(), "too short to be a secret");
    /// ```
    ///
    /// # Errors
    /// [`NoJoinSecret`].
    pub fn parse(text: &str) -> Result<JoinSecret, NoJoinSecret> {
        let text = text.trim();
        let is_one = (JOIN_SECRET_CHARS_MIN..=JOIN_SECRET_CHARS_MAX).contains(&text.len())
            && text.chars().all(|c| c.is_ascii_graphic());
        if is_one { Ok(JoinSecret(text.to_owned())) } else { Err(NoJoinSecret) }
    }

    /// A secret of these bytes, which were drawn at random.
    #[must_use]
    pub fn of(drawn: [u8; 32]) -> JoinSecret {
        JoinSecret(drawn.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n", self.0)
    }

    /// The key by which a newcomer and its adopter prove that they know it.
    #[must_use]
    pub fn key(&self) -> Key {
        Key::derive(self.0.as_bytes(), b"sluice join 1")
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinSecret")
    }
}

/// A key that proves one thing.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    fn derive(secret: &[u8], purpose: &[u8]) -> Key {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        Key(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, purpose).as_ref()))
    }

    /// The key of newcomers where certificates alone say who may join: no secret.
    #[must_use]
    pub fn of_certificates() -> Key {
        Key::derive(&[], b"sluice join by certificate 1")
    }

    /// HMAC-SHA-256 of a message.
    #[must_use]
    pub fn prove(&self, message: &[u8]) -> [u8; PROOF_BYTES] {
        let mut proof = [0; PROOF_BYTES];
        proof.copy_from_slice(hmac::sign(&self.0, message).as_ref());
        proof
    }

    /// Whether somebody who has this key made the proof. Takes as long for every proof.
    #[must_use]
    pub fn accepts(&self, message: &[u8], proof: &[u8; PROOF_BYTES]) -> bool {
        hmac::verify(&self.0, message, proof).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{ClusterSecret, JoinSecret, Key};

    #[test]
    fn each_use_has_a_key_of_its_own() {
        let secret = ClusterSecret::new([7; 16]);
        let join = JoinSecret::of([7; 32]);
        let proof = secret.peer_key().prove(b"channel");
        assert!(secret.peer_key().accepts(b"channel", &proof));
        assert!(!secret.peer_key().accepts(b"another", &proof));
        assert!(!ClusterSecret::new([8; 16]).peer_key().accepts(b"channel", &proof));
        assert!(!join.key().accepts(b"channel", &proof));
        assert!(!Key::of_certificates().accepts(b"channel", &join.key().prove(b"channel")));
        assert!(!format!("{secret:?}{join:?}{:?}", join.key()).contains('7'));
    }

    #[test]
    fn who_holds_a_secret_is_told_by_holders_only() {
        let (secret, other) = (ClusterSecret::new([7; 16]), ClusterSecret::new([8; 16]));
        let said = secret.held_by(3);
        assert!(secret.is_held_by(3, &said));
        assert!(!secret.is_held_by(2, &said) && !other.is_held_by(3, &said));
        assert!(!secret.peer_key().accepts(&3_u64.to_le_bytes(), &said), "it proves nothing else");
    }

    #[test]
    fn a_drawn_join_secret_is_read_back() {
        let drawn = JoinSecret::of([0xa5; 32]);
        assert_eq!(JoinSecret::parse(&drawn.text()), Ok(drawn));
        assert!(JoinSecret::parse("a line of words that is long enough").is_err());
    }
}
