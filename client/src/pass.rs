//! Verifies passes, asking nobody: what a service does with each request of somebody who was let in.
//!
//! ```text
//! pass ─▶ seen before? ──yes──▶ run out? revoked? ─▶ Pass
//!           │ no                      ▲
//!           └▶ header ─▶ key ─▶ signature ─▶ claims, remembered
//! ```
//! The keys come from where the service likes: [`PassKeys::from_jwks`] reads what `/.well-known/jwks.json` says,
//! [`PassKeys::add`] takes them one by one. Costs: a signature is checked in about 50 us, a pass that was seen before is found in less than
//! one; 16,384 to 32,768 of them are remembered.
//!
//! ```
//! use sluice_client::pass::{PassError, PassKeys, Verifier};
//! let jwks = br#"{"keys":[]}"#; // what the server says at /.well-known/jwks.json
//! let verifier = Verifier::new("shop", PassKeys::from_jwks(jwks).expect("is a set of keys"));
//! let pass = "eyJhbGciOiJFZERTQSIsImtpZCI6IjVmIn0.e30.AA"; // what a request carries
//! assert_eq!(verifier.verify(pass), Err(PassError::UnknownKey("5f".into())), "fetch the keys anew");
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use crate::limit::{PASS_BYTES_MAX, PASSES_SEEN, REVOKED_MAX, SEEN_SHARDS};

/// How far the clocks of two servers may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// Bytes of a public key.
const PUBLIC_BYTES: usize = 32;

/// A pass that was verified.
///
/// ```
/// use sluice_client::pass::Pass;
/// # let pass = Pass {
/// #     issuer: "sluice:1".into(), token: "t0k".into(), zone: "shop".into(),
/// #     issued_at: 1_700_000_000, expires_at: 1_700_000_600, id: "a".into(),
/// # };
/// let Pass { token, zone, issued_at, expires_at, .. } = pass;
/// assert_eq!(format!("{token} is in {zone} for {} s", expires_at - issued_at), "t0k is in shop for 600 s");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Pass {
    /// The cluster that issued it, as `sluice:` and 16 hexadecimal digits.
    #[serde(rename = "iss")]
    pub issuer: String,
    /// The token of its holder.
    #[serde(rename = "sub")]
    pub token: String,
    /// The zone that its holder may enter.
    pub zone: String,
    /// When its holder was admitted, seconds since 1970.
    #[serde(rename = "iat")]
    pub issued_at: u64,
    /// When it runs out, seconds since 1970.
    #[serde(rename = "exp")]
    pub expires_at: u64,
    /// Names it where it is revoked.
    #[serde(rename = "jti")]
    pub id: String,
}

/// Why a pass is not taken.
///
/// ```
/// use sluice_client::pass::PassError;
/// let is_worth_fetching = |why: &PassError| matches!(why, PassError::UnknownKey(_));
/// assert!(is_worth_fetching(&PassError::UnknownKey("5f".into())));
/// assert!(!is_worth_fetching(&PassError::Expired));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PassError {
    /// It is no pass at all.
    Malformed,
    /// It is signed in another way than with Ed25519, or not at all.
    Algorithm,
    /// It names a key that is not known; the keys may have been rotated, so it is worth fetching them.
    UnknownKey(String),
    /// The signature is not that of its key.
    Signature,
    /// It has run out.
    Expired,
    /// It says that it was issued in the future.
    NotYet,
    /// It is for another zone.
    Zone,
    /// Another cluster issued it.
    Issuer,
    /// It was revoked.
    Revoked,
    /// More passes were revoked than can be remembered, so it may be one of those.
    TooManyRevoked,
}

impl fmt::Display for PassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PassError::Malformed => "this is no pass",
            PassError::Algorithm => "the pass is not signed with Ed25519",
            PassError::UnknownKey(id) => {
                return write!(f, "the pass is signed by a key {id:?} that is not known");
            }
            PassError::Signature => "the signature of the pass is wrong",
            PassError::Expired => "the pass has run out",
            PassError::NotYet => "the pass is of a time to come",
            PassError::Zone => "the pass is for another zone",
            PassError::Issuer => "the pass is of another cluster",
            PassError::Revoked => "the pass was revoked",
            PassError::TooManyRevoked => "more passes were revoked than can be remembered: none is believed",
        })
    }
}

impl std::error::Error for PassError {}

/// Keys that verify passes, by their ids.
///
/// ```
/// use sluice_client::pass::{PassKeys, Verifier};
/// let mut keys = PassKeys::default();
/// assert!(keys.add("5f", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
/// let (shop, seats) = (Verifier::new("shop", keys.clone()), Verifier::new("seats", keys));
/// ```
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct PassKeys {
    keys: HashMap<String, [u8; PUBLIC_BYTES]>,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

impl PassKeys {
    /// Reads a JWK set (RFC 7517); keys of other kinds are passed over. `None` where it is none.
    ///
    /// ```
    /// use sluice_client::pass::PassKeys;
    /// let set = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"5f","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    /// assert_eq!(PassKeys::from_jwks(set.as_bytes()).unwrap().len(), 1);
    /// assert!(PassKeys::from_jwks(b"{}").is_none());
    /// ```
    #[must_use]
    pub fn from_jwks(json: &[u8]) -> Option<PassKeys> {
        let set: KeySet = serde_json::from_slice(json).ok()?;
        let mut keys = PassKeys::default();
        for key in &set.keys {
            let text = |name: &str| key.get(name).and_then(serde_json::Value::as_str);
            if let (Some("OKP"), Some("Ed25519"), Some(id), Some(public)) =
                (text("kty"), text("crv"), text("kid"), text("x"))
            {
                keys.add(id, public);
            }
        }
        Some(keys)
    }

    /// Adds a key: its id, and its public half in base64url. False where that is no Ed25519 key.
    ///
    /// ```
    /// let mut keys = sluice_client::pass::PassKeys::default();
    /// assert!(keys.add("5f", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
    /// assert!(!keys.add("60", "short"), "a key has 32 bytes");
    /// ```
    pub fn add(&mut self, id: &str, public: &str) -> bool {
        let public = URL_SAFE_NO_PAD.decode(public).ok().and_then(|bytes| bytes.try_into().ok());
        public.map(|public| self.keys.insert(id.to_owned(), public)).is_some()
    }

    /// How many there are.
    ///
    /// ```
    /// let mut keys = sluice_client::pass::PassKeys::default();
    /// keys.add("5f", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    /// keys.add("5f", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    /// assert_eq!(keys.len(), 1, "one for each id");
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// use sluice_client::pass::PassKeys;
    /// let others = PassKeys::from_jwks(br#"{"keys":[{"kty":"RSA"}]}"#);
    /// assert!(others.is_some_and(|keys| keys.is_empty()), "keys of other kinds verify no pass");
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: std::borrow::Cow<'a, str>,
    #[serde(borrow, default)]
    kid: Option<std::borrow::Cow<'a, str>>,
    /// Extensions that must be understood, of which there is none.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// A pass that was seen, and by which keys it was good.
#[derive(Clone)]
struct Seen {
    text: Arc<str>,
    keys: u64,
    pass: Arc<Pass>,
}

/// Two generations: what was not asked for during a whole one is forgotten. By the end of the text, which is the end of a
/// signature: only what was verified is kept, so nobody can choose it.
#[derive(Default)]
struct Shard {
    young: HashMap<u64, Seen>,
    old: HashMap<u64, Seen>,
}

/// Passes that are good no longer.
#[derive(Default)]
struct Revoked {
    /// Their ids, and when they may be forgotten, seconds since 1970.
    ids: HashMap<String, u64>,
    /// Until when some matter that found no room: then no pass is believed.
    lost_until: u64,
}

/// Verifies passes of one zone. Shared by all that guard it.
///
/// ```
/// use sluice_client::pass::{PassError, PassKeys, Verifier};
/// let verifier = Verifier::new("shop", PassKeys::default());
/// assert_eq!(verifier.verify("a.b.c"), Err(PassError::Malformed));
/// ```
pub struct Verifier {
    zone: String,
    issuer: Option<String>,
    keys: RwLock<Arc<PassKeys>>,
    /// How often they have changed.
    changes: AtomicU64,
    revoked: RwLock<Revoked>,
    seen: Vec<Mutex<Shard>>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("zone", &self.zone).finish_non_exhaustive()
    }
}

impl Verifier {
    /// For passes of this zone, by these keys.
    ///
    /// ```
    /// use sluice_client::pass::{PassError, PassKeys, Verifier};
    /// let verifier = Verifier::new("shop", PassKeys::default());
    /// let unsigned = "eyJhbGciOiJub25lIn0.e30."; // {"alg":"none"}
    /// assert_eq!(verifier.verify(unsigned), Err(PassError::Algorithm));
    /// ```
    #[must_use]
    pub fn new(zone: &str, keys: PassKeys) -> Verifier {
        Verifier {
            zone: zone.to_owned(),
            issuer: None,
            keys: RwLock::new(Arc::new(keys)),
            changes: AtomicU64::new(0),
            revoked: RwLock::default(),
            seen: (0..SEEN_SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// Takes passes of this issuer only: where keys of several clusters are trusted.
    ///
    /// ```
    /// use sluice_client::pass::{PassKeys, Verifier};
    /// # let of_both_clusters = PassKeys::default();
    /// let verifier = Verifier::new("shop", of_both_clusters).with_issuer("sluice:5f3a5f3a5f3a5f3a");
    /// ```
    #[must_use]
    pub fn with_issuer(mut self, issuer: &str) -> Verifier {
        self.issuer = Some(issuer.to_owned());
        self
    }

    /// The zone.
    ///
    /// ```
    /// use sluice_client::pass::{PassKeys, Verifier};
    /// assert_eq!(Verifier::new("shop", PassKeys::default()).zone(), "shop");
    /// ```
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// These keys verify from now on, and no others.
    ///
    /// ```
    /// use sluice_client::pass::{PassError, PassKeys, Verifier};
    /// let (verifier, mut keys) = (Verifier::new("shop", PassKeys::default()), PassKeys::default());
    /// let forged = "eyJhbGciOiJFZERTQSIsImtpZCI6IjVmIn0.e30.AA";
    /// assert_eq!(verifier.verify(forged), Err(PassError::UnknownKey("5f".into())));
    /// keys.add("5f", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"); // what was fetched
    /// verifier.set_keys(keys);
    /// assert_eq!(verifier.verify(forged), Err(PassError::Signature));
    /// ```
    pub fn set_keys(&self, keys: PassKeys) {
        let mut known = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if **known != keys {
            *known = Arc::new(keys);
            // What was seen before is looked at again: a key may have been taken back.
            self.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// The pass of this id is good no longer; told again it changes nothing. `until`, seconds since 1970: when it has run out anyway.
    /// False where a million others are remembered already: then no pass at all is believed until this one has run out
    /// ([`PassError::TooManyRevoked`]).
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use sluice_client::pass::{PassError, PassKeys, Verifier};
    /// # let mut keys = PassKeys::default();
    /// # assert!(keys.add("5f", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
    /// # let pass = concat!(
    /// #     "eyJhbGciOiJFZERTQSIsImtpZCI6IjVmIn0.",
    /// #     "eyJpc3MiOiJzbHVpY2U6MSIsInN1YiI6InQwayIsInpvbmUiOiJzaG9wIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA2MDAsImp0aSI6ImEifQ",
    /// #     ".wdMRqTxYhAjgxgVFCQ3Rkpc4_nLkst5S8VRCScjLZQFqxezI9wuLNdyXV7S6h3H58utnmdX4AA94MjIV7VxOAw"
    /// # );
    /// # let (verifier, then) = (Verifier::new("shop", keys), SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    /// let good = verifier.verify_at(pass, then)?;
    /// assert!(verifier.revoke(&good.id, good.expires_at));
    /// assert_eq!(verifier.verify_at(pass, then), Err(PassError::Revoked));
    /// # Ok::<(), PassError>(())
    /// ```
    pub fn revoke(&self, id: &str, until: u64) -> bool {
        let mut revoked = self.revoked.write().unwrap_or_else(PoisonError::into_inner);
        revoked.add(id, until, seconds(SystemTime::now()), REVOKED_MAX)
    }

    /// What the pass says, if it is good now.
    ///
    /// ```
    /// use sluice_client::pass::{PassError, PassKeys, Verifier};
    /// # let (verifier, text) = (Verifier::new("shop", PassKeys::default()), "a.b.c");
    /// match verifier.verify(text) {
    ///     Ok(pass) => println!("{} enters", pass.token),
    ///     Err(PassError::Expired) => println!("join again"),
    ///     Err(why) => println!("{why}"),
    /// }
    /// ```
    ///
    /// # Errors
    /// [`PassError`].
    pub fn verify(&self, pass: &str) -> Result<Arc<Pass>, PassError> {
        self.verify_at(pass, SystemTime::now())
    }

    /// The same at a moment of the caller's.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use sluice_client::pass::{PassError, PassKeys, Verifier};
    /// # let mut keys = PassKeys::default();
    /// # assert!(keys.add("5f", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
    /// # let pass = concat!(
    /// #     "eyJhbGciOiJFZERTQSIsImtpZCI6IjVmIn0.",
    /// #     "eyJpc3MiOiJzbHVpY2U6MSIsInN1YiI6InQwayIsInpvbmUiOiJzaG9wIiwiaWF0IjoxNzAwMDAwMDAwLCJleHAiOjE3MDAwMDA2MDAsImp0aSI6ImEifQ",
    /// #     ".wdMRqTxYhAjgxgVFCQ3Rkpc4_nLkst5S8VRCScjLZQFqxezI9wuLNdyXV7S6h3H58utnmdX4AA94MjIV7VxOAw"
    /// # );
    /// # let verifier = Verifier::new("shop", keys);
    /// let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    /// assert_eq!(verifier.verify_at(pass, then)?.token, "t0k");
    /// let later = then + Duration::from_secs(3_600);
    /// assert_eq!(verifier.verify_at(pass, later), Err(PassError::Expired));
    /// # Ok::<(), PassError>(())
    /// ```
    ///
    /// # Errors
    /// [`PassError`].
    pub fn verify_at(&self, pass: &str, now: SystemTime) -> Result<Arc<Pass>, PassError> {
        if pass.len() > PASS_BYTES_MAX {
            return Err(PassError::Malformed);
        }
        let changes = self.changes.load(Ordering::Acquire);
        let (number, end) = place(pass);
        let seen = self.shard(number).get(end, pass, changes);
        if let Some(seen) = seen {
            return self.current(seen, now);
        }
        let keys = Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner));
        let claims = checked(pass, &keys)?;
        if claims.zone != self.zone {
            return Err(PassError::Zone);
        }
        if self.issuer.as_ref().is_some_and(|issuer| *issuer != claims.issuer) {
            return Err(PassError::Issuer);
        }
        let claims = self.current(Arc::new(claims), now)?;
        self.shard(number).put(end, Seen { text: pass.into(), keys: changes, pass: Arc::clone(&claims) });
        Ok(claims)
    }

    fn shard(&self, number: usize) -> MutexGuard<'_, Shard> {
        self.seen[number].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pass, unless time or an operator has taken it.
    fn current(&self, pass: Arc<Pass>, now: SystemTime) -> Result<Arc<Pass>, PassError> {
        let (now, leeway) = (seconds(now), LEEWAY.as_secs());
        if pass.expires_at.saturating_add(leeway) <= now {
            return Err(PassError::Expired);
        }
        if pass.issued_at > now.saturating_add(leeway) {
            return Err(PassError::NotYet);
        }
        let revoked = self.revoked.read().unwrap_or_else(PoisonError::into_inner);
        revoked.check(&pass.id, now).map(|()| pass)
    }
}

impl Revoked {
    fn add(&mut self, id: &str, until: u64, now: u64, most: usize) -> bool {
        if self.ids.len() >= most && !self.ids.contains_key(id) {
            self.ids.retain(|_, until| *until > now);
        }
        if self.ids.len() >= most && !self.ids.contains_key(id) {
            self.lost_until = self.lost_until.max(until);
            return false;
        }
        self.ids.insert(id.to_owned(), until);
        true
    }

    fn check(&self, id: &str, now: u64) -> Result<(), PassError> {
        if self.ids.contains_key(id) {
            return Err(PassError::Revoked);
        }
        // It may be one of those that are not known.
        if now < self.lost_until { Err(PassError::TooManyRevoked) } else { Ok(()) }
    }
}

impl Shard {
    /// The pass of this text, where it was good by the same keys.
    fn get(&mut self, end: u64, text: &str, keys: u64) -> Option<Arc<Pass>> {
        if !self.young.contains_key(&end) {
            let seen = self.old.remove(&end)?;
            self.young.insert(end, seen);
        }
        let seen = self.young.get(&end)?;
        (seen.keys == keys && *seen.text == *text).then(|| Arc::clone(&seen.pass))
    }

    fn put(&mut self, end: u64, seen: Seen) {
        if self.young.len() >= PASSES_SEEN / SEEN_SHARDS {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(end, seen);
    }
}

/// The part where a pass is remembered, and the end of its text.
fn place(pass: &str) -> (usize, u64) {
    let end = pass.as_bytes().last_chunk().map_or(0, |end| u64::from_le_bytes(*end));
    // Letters of base64: of eight bits, the low ones differ.
    ((end ^ end >> 24) as usize % SEEN_SHARDS, end)
}

/// The claims of a pass whose signature is right.
fn checked(pass: &str, keys: &PassKeys) -> Result<Pass, PassError> {
    let (signed, signature) = pass.rsplit_once('.').ok_or(PassError::Malformed)?;
    let (head, body) = signed.split_once('.').ok_or(PassError::Malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| PassError::Malformed);
    let (head, body, signature) = (decode(head)?, decode(body)?, decode(signature)?);
    let header: Header<'_> = serde_json::from_slice(&head).map_err(|_| PassError::Malformed)?;
    if header.alg != "EdDSA" || header.crit.is_some() {
        return Err(PassError::Algorithm);
    }
    let key = header.kid.ok_or_else(|| PassError::UnknownKey(String::new()))?.into_owned();
    let Some(public) = keys.keys.get(&key) else { return Err(PassError::UnknownKey(key)) };
    let public = UnparsedPublicKey::new(&ED25519, public);
    public.verify(signed.as_bytes(), &signature).map_err(|_| PassError::Signature)?;
    serde_json::from_slice(&body).map_err(|_| PassError::Malformed)
}

fn seconds(moment: SystemTime) -> u64 {
    moment.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
