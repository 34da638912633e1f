//! Tokens carry their own address, so nothing is looked up to read one.
//!
//! ```text
//! byte  0      1      2..4    4..10     10..16          [16..22]              last 8
//!       kind   key    group   zone      seq or serial   stamp (direct only)   SipHash-2-4 of all before
//! ```
//! Big-endian; 24 or 30 bytes, so the base64url text has 32 or 40 characters and no padding bits:
//! one token has one text. A *queue* token names a place; a *direct* one was admitted at once and
//! carries the stamp of its admission, so no record of it is kept.

use crate::id::{GroupId, KeyGen, SEQ_END, Seq, ZoneId};
use crate::keyring::Keyring;
use crate::time::LogTime;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Characters of the longest token.
pub const TEXT_BYTES_MAX: usize = 40;
const QUEUE_BYTES: usize = 24;
const DIRECT_BYTES: usize = 30;
const MAC_BYTES: usize = 8;
const KIND_QUEUE: u8 = 1;
const KIND_DIRECT: u8 = 2;

/// What a token stands for in its zone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Place {
    /// A place in the queue.
    Queue(Seq),
    /// An admission without waiting.
    Direct {
        /// Counts the zone's direct admissions, from 0; fits 48 bits.
        serial: u64,
        /// When it was admitted; fits 48 bits.
        stamp: LogTime,
    },
}

/// A token whose MAC was checked, or that was made here.
///
/// From another node it is taken as that node says, but for numbers that no token can carry.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "Claimed")]
pub struct Token {
    /// Its zone.
    pub zone: ZoneId,
    /// The key that signs it.
    pub key: KeyGen,
    /// What it stands for.
    pub place: Place,
}

/// A token as it is decoded.
#[derive(Deserialize)]
struct Claimed {
    zone: ZoneId,
    key: KeyGen,
    place: Place,
}

impl TryFrom<Claimed> for Token {
    type Error = &'static str;

    fn try_from(claimed: Claimed) -> Result<Token, &'static str> {
        let Claimed { zone, key, place } = claimed;
        let (number, stamp) = match place {
            Place::Queue(seq) => (seq.0, LogTime(0)),
            Place::Direct { serial, stamp } => (serial, stamp),
        };
        let fits = [zone.ordinal, number, stamp.0].into_iter().all(|number| number < SEQ_END);
        fits.then_some(Token { zone, key, place }).ok_or("a token's numbers have 48 bits")
    }
}

/// The text of a token, on the stack.
#[derive(Clone, Copy)]
pub struct TokenText {
    bytes: [u8; TEXT_BYTES_MAX],
    len: u8,
}

impl TokenText {
    /// The text, as bytes of `A-Z a-z 0-9 - _`.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl std::fmt::Display for TokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl Token {
    /// Signs and writes the token. `None` where its key is no longer known.
    #[must_use]
    pub fn text(&self, keys: &Keyring) -> Option<TokenText> {
        let mut raw = [0u8; DIRECT_BYTES];
        let len = self.write(&mut raw);
        let mac = keys.mac(self.key, &raw[..len - MAC_BYTES])?;
        raw[len - MAC_BYTES..len].copy_from_slice(&mac.to_be_bytes());
        let mut bytes = [0u8; TEXT_BYTES_MAX];
        let written = URL_SAFE_NO_PAD.encode_slice(&raw[..len], &mut bytes).ok()?;
        Some(TokenText { bytes, len: written as u8 })
    }

    /// Reads and checks a text from outside. `None` for anything that no key of `keys` signed.
    ///
    /// ```
    /// use sluice_engine::{id::*, keyring::Keyring, token::*};
    /// let keys = Keyring::new(KeyGen(1), [7; 16]);
    /// let zone = ZoneId { group: GroupId(0), ordinal: 5 };
    /// let token = Token { zone, key: KeyGen(1), place: Place::Queue(Seq(42)) };
    /// let text = token.text(&keys).unwrap();
    /// assert_eq!(Token::parse(text.as_bytes(), &keys), Some(token));
    /// assert_eq!(Token::parse(b"forged", &keys), None);
    /// ```
    #[must_use]
    pub fn parse(text: &[u8], keys: &Keyring) -> Option<Token> {
        UnverifiedToken::decode(text)?.verify(keys)
    }

    fn write(&self, raw: &mut [u8; DIRECT_BYTES]) -> usize {
        let (kind, number) = match self.place {
            Place::Queue(seq) => (KIND_QUEUE, seq.0),
            Place::Direct { serial, .. } => (KIND_DIRECT, serial),
        };
        raw[0] = kind;
        raw[1] = self.key.0;
        raw[2..4].copy_from_slice(&self.zone.group.0.to_be_bytes());
        put48(&mut raw[4..10], self.zone.ordinal);
        put48(&mut raw[10..16], number);
        match self.place {
            Place::Queue(_) => QUEUE_BYTES,
            Place::Direct { stamp, .. } => {
                put48(&mut raw[16..22], stamp.0);
                DIRECT_BYTES
            }
        }
    }
}

/// A token as it was decoded, before its MAC was checked: it only tells which group to ask for keys.
#[derive(Clone, Copy)]
pub struct UnverifiedToken {
    raw: [u8; DIRECT_BYTES],
    len: usize,
}

impl UnverifiedToken {
    /// Decodes the text. `None` where it has not the shape of a token.
    #[must_use]
    pub fn decode(text: &[u8]) -> Option<UnverifiedToken> {
        let (kind, len) = match text.len() {
            32 => (KIND_QUEUE, QUEUE_BYTES),
            40 => (KIND_DIRECT, DIRECT_BYTES),
            _ => return None,
        };
        let mut raw = [0u8; DIRECT_BYTES];
        let written = URL_SAFE_NO_PAD.decode_slice(text, &mut raw).ok()?;
        (written == len && raw[0] == kind).then_some(UnverifiedToken { raw, len })
    }

    /// The group it claims.
    #[must_use]
    pub fn group(&self) -> GroupId {
        GroupId(u16::from_be_bytes([self.raw[2], self.raw[3]]))
    }

    /// The key that it claims to be signed with.
    #[must_use]
    pub fn key(&self) -> KeyGen {
        KeyGen(self.raw[1])
    }

    /// The ordinal of the zone and the place that it claims, good for nothing but a hint.
    pub(crate) fn claims(&self) -> (u64, Seq) {
        (get48(&self.raw[4..10]), Seq(get48(&self.raw[10..16])))
    }

    /// Checks the MAC. `None` for a forged, altered or long-retired token.
    #[must_use]
    pub fn verify(&self, keys: &Keyring) -> Option<Token> {
        let (signed, mac) = self.raw[..self.len].split_at(self.len - MAC_BYTES);
        let key = self.key();
        let expected = keys.mac(key, signed)?;
        // Comparing two words takes the same time whatever they hold.
        if expected.to_be_bytes() != *mac {
            return None;
        }
        let zone = ZoneId { group: self.group(), ordinal: get48(&self.raw[4..10]) };
        let number = get48(&self.raw[10..16]);
        let place = match self.raw[0] {
            KIND_QUEUE => Place::Queue(Seq(number)),
            _ => Place::Direct { serial: number, stamp: LogTime(get48(&self.raw[16..22])) },
        };
        Some(Token { zone, key, place })
    }
}

fn put48(to: &mut [u8], value: u64) {
    debug_assert!(value < 1 << 48, "a 48-bit field overflowed");
    to.copy_from_slice(&value.to_be_bytes()[2..]);
}

fn get48(from: &[u8]) -> u64 {
    from.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
