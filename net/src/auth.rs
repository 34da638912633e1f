//! Who may do what. Secrets are known by their SHA-256 only, and compared in constant time.
//!
//! Without any user or writer the table is *open*: everybody is an administrator. Deployment
//! allows that on loopback only, or where the operator insists.

use crate::resp::server::Role;
use sha2::{Digest, Sha256};
use std::fmt;
use subtle::ConstantTimeEq;

/// SHA-256 of a secret.
pub type SecretDigest = [u8; 32];

#[derive(Clone)]
struct User {
    name: String,
    secret: SecretDigest,
    role: Role,
}

/// Why a caller is trusted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trust {
    /// Nobody is asked for credentials. Whether the caller is who should not be asked is another question: see
    /// [`Caller`](crate::caller::Caller).
    Open,
    /// It showed a token.
    Token,
}

/// RESP users and HTTP writers.
///
/// ```
/// use sluice_net::{auth::{AuthTable, digest}, resp::server::Role};
/// let mut table = AuthTable::open();
/// assert_eq!(table.anonymous(), Some(Role::Admin));
/// table.add_user("gateway", digest(b"s3cret"), Role::Operator);
/// assert_eq!(table.user(b"gateway", b"s3cret"), Some(Role::Operator));
/// assert_eq!(table.user(b"gateway", b"guess"), None);
/// assert_eq!(table.anonymous(), None);
/// ```
#[derive(Clone, Default)]
pub struct AuthTable {
    users: Vec<User>,
    writers: Vec<SecretDigest>,
}

/// The digest of a secret.
#[must_use]
pub fn digest(secret: &[u8]) -> SecretDigest {
    Sha256::digest(secret).into()
}

impl AuthTable {
    /// A table that asks nobody for anything.
    #[must_use]
    pub fn open() -> AuthTable {
        AuthTable::default()
    }

    /// Adds a RESP user. The name `default` is the one that `AUTH password` means.
    pub fn add_user(&mut self, name: &str, secret: SecretDigest, role: Role) {
        self.users.push(User { name: name.to_owned(), secret, role });
    }

    /// Adds a writer token for HTTP (`Authorization: Bearer …`).
    pub fn add_writer(&mut self, token: SecretDigest) {
        self.writers.push(token);
    }

    /// The role of a RESP connection that has not said who it is; `None`: it must.
    #[must_use]
    pub fn anonymous(&self) -> Option<Role> {
        self.users.is_empty().then_some(Role::Admin)
    }

    /// The role of a RESP user, if the password is right. Takes the same time for every wrong answer.
    #[must_use]
    pub fn user(&self, name: &[u8], password: &[u8]) -> Option<Role> {
        let given = digest(password);
        let mut role = None;
        for user in &self.users {
            let same_name = user.name.as_bytes() == name;
            if equal(&given, &user.secret) & same_name {
                role = Some(user.role);
            }
        }
        role
    }

    /// Why an HTTP caller with this value of `Authorization` may name users, append, and read every stream; `None`: it may not.
    #[must_use]
    pub fn writer(&self, authorization: Option<&[u8]>) -> Option<Trust> {
        if self.users.is_empty() && self.writers.is_empty() {
            return Some(Trust::Open);
        }
        self.writer_digest(authorization).map(|_| Trust::Token)
    }

    /// The digest of the caller's writer token, where it shows one that is known. On an open table nobody has any.
    #[must_use]
    pub fn writer_digest(&self, authorization: Option<&[u8]>) -> Option<SecretDigest> {
        let given = digest(authorization.and_then(bearer)?);
        let is_known = self.writers.iter().fold(false, |found, known| found | equal(&given, known));
        is_known.then_some(given)
    }
}

fn equal(a: &SecretDigest, b: &SecretDigest) -> bool {
    a.ct_eq(b).into()
}

/// The token of `Bearer <token>`; the scheme's case does not matter.
pub(crate) fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

// Not even digests reach a log.
impl fmt::Debug for AuthTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthTable({} users, {} writers)", self.users.len(), self.writers.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{AuthTable, Trust, digest};
    use crate::resp::server::Role;

    #[test]
    fn writers_are_known_by_their_bearer_token() {
        let mut table = AuthTable::open();
        assert_eq!(table.writer(None), Some(Trust::Open), "an open table trusts everybody");
        table.add_writer(digest(b"w1"));
        table.add_writer(digest(b"w2"));
        for (value, trusted) in [
            (Some(&b"Bearer w1"[..]), true),
            (Some(b"bearer  w2 "), true),
            (Some(b"Bearer w3"), false),
            (Some(b"Basic w1"), false),
            (Some(b"Bearer"), false),
            (None, false),
        ] {
            assert_eq!(table.writer(value), trusted.then_some(Trust::Token), "{value:?}");
        }
    }

    #[test]
    fn the_right_password_of_another_user_is_wrong() {
        let mut table = AuthTable::open();
        table.add_user("a", digest(b"secret of a"), Role::Client);
        table.add_user("b", digest(b"secret of b"), Role::Admin);
        assert_eq!(table.user(b"a", b"secret of b"), None);
        assert_eq!(table.user(b"b", b"secret of b"), Some(Role::Admin));
        assert_eq!(table.writer(None), None, "a table with users is not open");
    }
}
