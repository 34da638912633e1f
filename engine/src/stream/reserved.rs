//! Keys that begin with `sluice:` are the server's. Whoever may read reads them; they are changed by the server's own operations
//! only, spared by `FLUSHALL`, and in no namespace.
//!
//! There is one place where that is decided: [`KeyOp::is_trespass`], asked before anything is applied.

use super::append::error;
use super::fields::Fields;
use super::id::StreamId;
use super::keyspace::{Keyspace, Moment};
use super::op::{Add, Keep, KeyOp, NewId, Trim};
use super::text::Text;
use super::value::Value;
use crate::limit::{REVOCATIONS_MAX, REVOKED_MS};

/// What the server's keys begin with.
pub const PREFIX: &[u8] = b"sluice:";
/// Ids of passes that are good no longer, each as the field `jti` of an entry.
pub const REVOKED_PASSES: &[u8] = b"sluice:revoked-passes";
/// All keys of the server's that there can be.
pub(super) const ALL: [&[u8]; 1] = [REVOKED_PASSES];

/// In Redis's words, and why.
pub(super) const NO_PERMISSION: &str =
    "NOPERM No permissions to access a key: what begins with 'sluice:' is the server's, to be read only";
pub(super) const TOO_MANY: &str = "ERR too many passes are revoked: have another key sign (sluice key rotate) and revoke the one of these \
                        passes (sluice key revoke)";

/// Whether a key is the server's.
///
/// ```
/// use sluice_engine::stream::reserved::{REVOKED_PASSES, is_reserved};
/// assert!(is_reserved(REVOKED_PASSES) && is_reserved(b"sluice:"));
/// assert!(!is_reserved(b"sluice") && !is_reserved(b"orders:sluice:7"));
/// ```
#[must_use]
pub fn is_reserved(key: &[u8]) -> bool {
    key.starts_with(PREFIX)
}

impl KeyOp {
    /// Whether a client asks to change what is the server's.
    #[must_use]
    pub fn is_trespass(&self) -> bool {
        match self {
            KeyOp::RevokePass(_) => false,
            KeyOp::SetNamespace(prefix, _) => is_reserved(prefix),
            op => {
                let mut touches = false;
                op.visit_keys(|key| touches |= is_reserved(key));
                touches && op.is_change()
            }
        }
    }
}

impl Keyspace {
    /// Notes that a pass is good no longer, and forgets those that have run out. Takes no account of memory: there are at most
    /// [`REVOCATIONS_MAX`].
    pub(super) fn revoke_pass(&mut self, jti: &Text, at: Moment) -> Value {
        let key = Text::from(REVOKED_PASSES);
        let from = StreamId { ms: at.wall.0.saturating_sub(REVOKED_MS), seq: 0 };
        let trim = Trim { keep: Keep::From(from), limit: 0 };
        self.trim(&key, trim, at.wall);
        if self.stream(&key, at.wall).is_some_and(|stream| stream.run.len() >= REVOCATIONS_MAX) {
            return error(TOO_MANY);
        }
        let add = Add {
            key,
            no_create: false,
            trim: None,
            id: NewId::Auto,
            fields: Fields::pack([&b"jti"[..], jti]),
            request: None,
            ttl_ms: Some(REVOKED_MS),
            end: false,
        };
        self.add(add, at)
    }
}
