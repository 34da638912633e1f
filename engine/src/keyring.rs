//! The secrets that sign tokens and hash user ids.
//!
//! A new key is installed first, so that it verifies everywhere before anything is minted with it,
//! then activated. The key before the active one goes on verifying; older ones are forgotten.
//! MAC: SipHash-2-4 (Aumasson and Bernstein, 2012), 64 bits, keyed by 128 secret bits.

use crate::id::{KeyGen, RequestHash, UserHash};
use crate::pass::{PassKeyId, PassKeys, PassSeed};
use siphasher::sip::SipHasher24;
use siphasher::sip128::{Hasher128, SipHasher24 as SipHasher24x128};
use std::hash::Hasher;

/// Keys a ring holds: the one before, the active one, and one installed ahead.
const KEYS_MAX: usize = 3;

#[derive(Clone, Copy)]
struct Key {
    generation: KeyGen,
    secret: [u8; 16],
    hasher: SipHasher24,
}

/// The keys that a group knows, oldest first. Immutable: a change makes a new ring.
#[derive(Clone)]
pub struct Keyring {
    keys: Vec<Key>,
    active: KeyGen,
    /// Hashes user ids and request ids for ever: the first secret, so that rotation keeps them.
    identity: [u8; 16],
}

impl Keyring {
    /// A ring of one active key.
    #[must_use]
    pub fn new(generation: KeyGen, secret: [u8; 16]) -> Keyring {
        Keyring { keys: vec![Key::new(generation, secret)], active: generation, identity: secret }
    }

    /// The generation that mints.
    #[must_use]
    pub fn active(&self) -> KeyGen {
        self.active
    }

    /// The newest generation that is known: the active one, or one that was installed ahead.
    #[must_use]
    pub fn newest(&self) -> KeyGen {
        self.keys.last().map_or(self.active, |key| key.generation)
    }

    /// The MAC of `bytes` under a known generation.
    #[must_use]
    pub fn mac(&self, generation: KeyGen, bytes: &[u8]) -> Option<u64> {
        let key = self.keys.iter().find(|key| key.generation == generation)?;
        Some(key.hasher.hash(bytes))
    }

    /// The hash under which a user id is kept in one zone: equal ids of two zones look unrelated.
    #[must_use]
    pub fn user(&self, zone: &str, user: &[u8]) -> UserHash {
        UserHash(named_hash(&self.identity, b'u', zone.as_bytes(), user))
    }

    /// The hash under which a request of one zone or key is remembered. All parts count: what they are, how many, and where
    /// each ends.
    #[must_use]
    pub fn request(&self, name: &[u8], parts: &[&[u8]]) -> RequestHash {
        let mut hasher = SipHasher24x128::new_with_key(&self.identity);
        hasher.write_u8(b'r');
        for part in std::iter::once(&name).chain(parts) {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        RequestHash(hasher.finish128().as_u128())
    }

    /// The key that signs for another purpose now: derived from the active key, so that it changes with it. It tells nothing of
    /// the secret, nor of keys for other purposes.
    #[must_use]
    pub fn signing(&self, purpose: &[u8]) -> [u8; 32] {
        let active = self.keys.iter().find(|key| key.generation == self.active);
        derived(&active.map_or(self.identity, |key| key.secret), purpose)
    }

    /// The keys by which what was signed for another purpose is verified: one for each that verifies tokens.
    #[must_use]
    pub fn verifying(&self, purpose: &[u8]) -> Vec<[u8; 32]> {
        self.keys.iter().map(|key| derived(&key.secret, purpose)).collect()
    }

    /// Bytes that stand for the cluster: the same in every group and on every node, and for ever, whatever is rotated. They name, and
    /// must never be what somebody is trusted for.
    #[must_use]
    pub fn lasting_name(&self, purpose: &[u8]) -> [u8; 32] {
        derived(&self.identity, purpose)
    }

    /// The key that signs passes until an operator rotates it: the same in every group. Other secrets do not change it, for the
    /// services that verify have it.
    pub(crate) fn first_pass_key(&self) -> PassKeys {
        let name = derived(&self.identity, b"name of the first pass key");
        let name = name.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        PassKeys::new(PassKeyId(name), PassSeed(derived(&self.identity, b"first pass key")))
    }

    /// This ring and one more key, which verifies from now on. The same ring where it is known, or older than the active one: a
    /// message that was late brings no key back.
    #[must_use]
    pub fn installed(&self, generation: KeyGen, secret: [u8; 16]) -> Keyring {
        let mut next = self.clone();
        let is_known = next.keys.iter().any(|key| key.generation == generation);
        if is_known || !generation.is_after(self.active) {
            return next;
        }
        if next.keys.len() == KEYS_MAX {
            // Never the active key: the oldest other one makes room.
            let oldest = next.keys.iter().position(|key| key.generation != next.active);
            oldest.map(|at| next.keys.remove(at));
        }
        next.keys.push(Key::new(generation, secret));
        next
    }

    /// This ring minting with an installed key; of the others only the last active one is kept. The same ring where the key is
    /// active or was before. `None` where the generation was never installed.
    #[must_use]
    pub fn activated(&self, generation: KeyGen) -> Option<Keyring> {
        self.keys.iter().find(|key| key.generation == generation)?;
        let mut next = self.clone();
        if generation.is_after(self.active) {
            next.keys.retain(|key| key.generation == generation || key.generation == self.active);
            next.active = generation;
        }
        Some(next)
    }

    /// Generation and secret of every key, oldest first.
    pub(crate) fn secrets(&self) -> impl ExactSizeIterator<Item = (KeyGen, [u8; 16])> + '_ {
        self.keys.iter().map(|key| (key.generation, key.secret))
    }

    /// The secret that hashes ids.
    pub(crate) fn identity(&self) -> [u8; 16] {
        self.identity
    }

    /// The inverse of `secrets`, `active` and `identity`. `None` where the active key is not among the keys.
    pub(crate) fn from_parts(
        keys: &[(KeyGen, [u8; 16])],
        active: KeyGen,
        identity: [u8; 16],
    ) -> Option<Keyring> {
        keys.iter().find(|(generation, _)| *generation == active)?;
        let keys = keys.iter().map(|(generation, secret)| Key::new(*generation, *secret)).collect();
        Some(Keyring { keys, active, identity })
    }
}

/// The hash of an id under a name, in one of several domains.
fn named_hash(secret: &[u8; 16], domain: u8, name: &[u8], id: &[u8]) -> u128 {
    let mut hasher = SipHasher24x128::new_with_key(secret);
    hasher.write_u8(domain);
    hasher.write_usize(name.len());
    hasher.write(name);
    hasher.write(id);
    hasher.finish128().as_u128()
}

/// 32 bytes for one purpose.
fn derived(secret: &[u8; 16], purpose: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    for (half, number) in key.chunks_exact_mut(16).zip(0u8..) {
        half.copy_from_slice(&named_hash(secret, b'k', purpose, &[number]).to_le_bytes());
    }
    key
}

impl Key {
    fn new(generation: KeyGen, secret: [u8; 16]) -> Key {
        Key { generation, secret, hasher: SipHasher24::new_with_key(&secret) }
    }
}

// Secrets never reach a log.
impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keyring({} keys, active {})", self.keys.len(), self.active.0)
    }
}
