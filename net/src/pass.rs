//! Passes: what the admitted show to the service that they were let into, which asks nobody whether it is true.
//!
//! ```text
//! {"alg":"EdDSA","typ":"JWT","kid":…} . {"iss":…,"sub":token,"zone":…,"iat":…,"exp":…,"jti":…} . Ed25519
//! ```
//! A JSON web token (RFC 7519, RFC 8037). Everything in it follows from the token and from what the state keeps about the moment
//! of the admission, and Ed25519 (RFC 8032) draws nothing at random: so the same admission has the same pass, byte for byte, at
//! whichever node and however often it is asked for, and nothing is stored.
//!
//! A signature takes about as long as twenty polls. So a turn of a worker makes at most [`PASSES_PER_TURN`], and what needs more
//! waits for the next one; the last passes are kept for those who ask again.

use crate::http::json::Object;
use crate::limit::{PASSES_KEPT, PASSES_PER_TURN};
use crate::resp::server::PassKeyRow;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sha2::{Digest as _, Sha256};
use sluice_engine::directory::Directory;
use sluice_engine::id::GroupId;
use sluice_engine::pass::{PassKey, PassKeyId, PassSeed};
use sluice_engine::time::{LogTime, WallMs};
use sluice_engine::token::{Place, Token};

/// What the name of the cluster in `iss` is derived for.
const PURPOSE: &[u8] = b"issuer of passes";
/// Bytes of a pass's id, and of the name of a cluster.
const ID_BYTES: usize = 16;
const NAME_BYTES: usize = 8;

/// A pass that was made.
struct Made {
    token: Token,
    key: PassKeyId,
    until: u64,
    text: String,
}

/// A key as it signs.
struct Pair {
    id: PassKeyId,
    pair: Ed25519KeyPair,
    /// The encoded header of its passes, and a dot.
    head: String,
}

/// Makes a worker's passes.
pub(crate) struct Signer {
    pairs: Vec<Pair>,
    /// By token; empty until the first pass.
    made: Vec<Option<Box<Made>>>,
    /// Who issues, from the first pass on.
    issuer: String,
    claims: Vec<u8>,
    /// How many more this turn may make.
    left: usize,
}

impl Signer {
    pub(crate) fn new() -> Signer {
        let (issuer, claims) = (String::new(), Vec::new());
        Signer { pairs: Vec::new(), made: Vec::new(), issuer, claims, left: PASSES_PER_TURN }
    }

    /// A new turn begins.
    pub(crate) fn begin_turn(&mut self) {
        self.left = PASSES_PER_TURN;
    }

    /// Whether this turn has made what it may.
    pub(crate) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// The pass of an admission at this stamp; `text` is the token's. `None` where its zone is not there any more.
    pub(crate) fn pass(
        &mut self,
        directory: &Directory,
        token: &Token,
        text: &[u8],
        stamp: LogTime,
    ) -> Option<&[u8]> {
        if self.made.is_empty() {
            self.made.resize_with(PASSES_KEPT, || None);
            self.issuer = issuer(directory);
        }
        let at = place(token);
        let old = self.made[at].as_deref();
        let old = old.filter(|made| made.token == *token).map(|made| (made.key, made.until));
        let new = directory.pass_of(token.zone, stamp, |zone, key, wall, ttl_ms| {
            let until = wall.0.saturating_add(u64::from(ttl_ms)) / 1_000;
            let is_kept = old == Some((key.id, until));
            (!is_kept).then(|| (self.make(zone, text, key, wall, until), key.id, until))
        })?;
        if let Some((text, key, until)) = new {
            debug_assert!(self.left > 0, "whoever asks looks first whether this turn may sign any more");
            self.left = self.left.saturating_sub(1);
            self.made[at] = Some(Box::new(Made { token: *token, key, until, text: text? }));
        }
        self.made[at].as_ref().map(|made| made.text.as_bytes())
    }

    fn make(&mut self, zone: &str, token: &[u8], key: &PassKey, wall: WallMs, until: u64) -> Option<String> {
        self.claims.clear();
        let mut claims = Object::open(&mut self.claims);
        claims.text("iss", self.issuer.as_bytes()).text("sub", token).text("zone", zone.as_bytes());
        claims.count("iat", wall.0 / 1_000).count("exp", until).text("jti", id(token).as_bytes());
        claims.close();
        let claims = std::mem::take(&mut self.claims);
        let pair = self.pair(key)?;
        let mut text = pair.head.clone();
        URL_SAFE_NO_PAD.encode_string(&claims, &mut text);
        let signature = pair.pair.sign(text.as_bytes());
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut text);
        self.claims = claims;
        Some(text)
    }

    /// The public half of a key, as JWK has it.
    pub(crate) fn public(&mut self, key: &PassKey) -> Option<String> {
        Some(URL_SAFE_NO_PAD.encode(self.pair(key)?.pair.public_key()))
    }

    fn pair(&mut self, key: &PassKey) -> Option<&Pair> {
        if let Some(at) = self.pairs.iter().position(|pair| pair.id == key.id) {
            return self.pairs.get(at);
        }
        // Keys are few; those of old are made again should anybody ask.
        if self.pairs.len() >= PASSES_PER_TURN {
            self.pairs.clear();
        }
        let pair = pair_of(&key.seed)?;
        let header = format!(r#"{{"alg":"EdDSA","typ":"JWT","kid":"{}"}}"#, key.id);
        let head = URL_SAFE_NO_PAD.encode(header) + ".";
        self.pairs.push(Pair { id: key.id, pair, head });
        self.pairs.last()
    }
}

fn pair_of(seed: &PassSeed) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(&seed.0).ok()
}

/// A new key and its name; `None` where the system has no randomness.
pub(crate) fn draw() -> Option<(PassKeyId, PassSeed)> {
    let (mut name, mut seed) = ([0; 8], [0; 32]);
    let random = SystemRandom::new();
    random.fill(&mut name).and_then(|()| random.fill(&mut seed)).ok()?;
    Some((PassKeyId(u64::from_be_bytes(name)), PassSeed(seed)))
}

/// What is shown of a key.
pub(crate) fn row(key: &PassKey) -> PassKeyRow {
    let state = match (key.since, key.until) {
        (None, _) => "installed",
        (Some(_), None) => "active",
        (Some(_), Some(_)) => "retired",
    };
    let public = pair_of(&key.seed).map(|pair| URL_SAFE_NO_PAD.encode(pair.public_key()));
    let since_ms = key.since.map(|since| since.0);
    PassKeyRow { id: key.id.to_string(), state, since_ms, public: public.unwrap_or_default() }
}

/// The keys of all groups, each once, the oldest first.
pub(crate) fn all_keys(directory: &Directory) -> Vec<PassKey> {
    let mut keys: Vec<PassKey> = Vec::new();
    for group in 0..directory.groups() {
        let known = directory.pass_keys(GroupId(group as u16));
        for key in known.iter().flat_map(|known| known.all()) {
            if keys.iter().all(|other| other.id != key.id) {
                keys.push(key.clone());
            }
        }
    }
    keys
}

/// Who issues the passes of a cluster: the same at every node.
pub(crate) fn issuer(directory: &Directory) -> String {
    let name = directory.lasting_name(PURPOSE);
    let hex = name.iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}"));
    hex.fold(String::from("sluice:"), |issuer, hex| issuer + &hex)
}

/// Names a pass, to revoke it: it tells nothing of the token.
fn id(token: &[u8]) -> String {
    let hash = Sha256::new_with_prefix(b"pass of ").chain_update(token).finalize();
    URL_SAFE_NO_PAD.encode(&hash[..ID_BYTES])
}

/// Where the pass of a token is kept.
fn place(token: &Token) -> usize {
    let number = match token.place {
        Place::Queue(seq) => seq.0,
        Place::Direct { serial, .. } => serial.wrapping_add(PASSES_KEPT as u64 / 2),
    };
    (number.wrapping_add(token.zone.ordinal) % PASSES_KEPT as u64) as usize
}
