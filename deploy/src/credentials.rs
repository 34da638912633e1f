//! Who may do what: users of RESP, and bearers of tokens.
//!
//! Files hold SHA-256 hashes, in hexadecimal, of secrets that somebody else keeps; one credential a line, `#` opens a
//! comment. A secret should be long and random, because an unsalted hash of a guessable word can be guessed.
//!
//! ```text
//! resp_users:                   NAME ROLE SHA256       ROLE is admin, operator or client
//! writer_tokens, admin_tokens:  NAME SHA256            NAME only says whose it is
//! ```
//! `printf %s SECRET | sha256sum` makes a hash.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError, read_text};
use crate::limit;

/// What an authenticated RESP user may do; each role may do what those below it may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Role {
    /// Joins, names the user who joins, polls, leaves, and reads about zones.
    Client,
    /// Also creates, changes and removes zones.
    Operator,
    /// Everything.
    Admin,
}

/// SHA-256 of a secret. Not even this reaches a log, and only the network side compares it, in constant time.
#[derive(Clone, PartialEq)]
pub(crate) struct SecretHash(pub(crate) [u8; 32]);

/// One line of a file. Tokens carry no role of their own.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Credential {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) hash: SecretHash,
}

/// Everything that the files of `[auth]` say.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Credentials {
    resp_users: Vec<Credential>,
    writer_tokens: Vec<Credential>,
    admin_tokens: Vec<Credential>,
}

impl Credentials {
    /// Reads the files that are named; a file that is not named holds nobody.
    pub(crate) fn load(config: &Config) -> Result<Self, ConfigError> {
        let files = &config.auth;
        let read = |key, path: &Option<PathBuf>, parse| match path {
            Some(path) => load(path, &config.named(key, path), parse),
            None => Ok(Vec::new()),
        };
        Ok(Self {
            resp_users: read("auth.resp_users", &files.resp_users, parse_user as ParseLine)?,
            writer_tokens: read("auth.writer_tokens", &files.writer_tokens, parse_token)?,
            admin_tokens: read("auth.admin_tokens", &files.admin_tokens, parse_token)?,
        })
    }

    /// Who may authenticate over RESP.
    pub(crate) fn resp_users(&self) -> &[Credential] {
        &self.resp_users
    }

    /// Who may administer.
    pub(crate) fn admin_tokens(&self) -> &[Credential] {
        &self.admin_tokens
    }

    /// Who may append to streams, and name the users who join, over HTTP.
    pub(crate) fn writer_tokens(&self) -> &[Credential] {
        &self.writer_tokens
    }
}

impl SecretHash {
    fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

type ParseLine = fn(&[&str]) -> Result<Credential, &'static str>;

fn load(path: &Path, named: &str, parse: ParseLine) -> Result<Vec<Credential>, ConfigError> {
    let bad_file = |why| ConfigError::BadFile { named: named.to_owned(), why };
    let text = read_text(path).map_err(|error| match error {
        ConfigError::Unreadable { why, .. } => bad_file(why),
        other => other,
    })?;
    let bad = |line, why| ConfigError::BadCredential { path: path.to_owned(), line, why };
    let mut credentials: Vec<Credential> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let fields: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
        if fields.is_empty() {
            continue;
        }
        let credential = parse(&fields).map_err(|why| bad(number, why))?;
        if credential.name.len() > limit::CREDENTIAL_NAME_BYTES_MAX {
            return Err(bad(number, "the name is too long"));
        }
        if credentials.iter().any(|earlier| earlier.name == credential.name) {
            return Err(bad(number, "the name appears twice"));
        }
        credentials.push(credential);
    }
    // An empty table would ask nobody for anything, which is not what naming a file means.
    if credentials.is_empty() {
        return Err(bad_file("holds no credential".to_owned()));
    }
    Ok(credentials)
}

fn parse_user(fields: &[&str]) -> Result<Credential, &'static str> {
    let [name, role, hash] = fields else {
        return Err("must be NAME ROLE SHA256, the hash as 64 hexadecimal digits");
    };
    let role = match *role {
        "client" => Role::Client,
        "operator" => Role::Operator,
        "admin" => Role::Admin,
        _ => return Err("the role must be admin, operator or client"),
    };
    credential(name, role, hash)
}

fn parse_token(fields: &[&str]) -> Result<Credential, &'static str> {
    let [name, hash] = fields else { return Err("must be NAME SHA256, the hash as 64 hexadecimal digits") };
    credential(name, Role::Client, hash)
}

fn credential(name: &str, role: Role, hash: &str) -> Result<Credential, &'static str> {
    let hash = SecretHash::parse(hash).ok_or("the hash must be 64 hexadecimal digits")?;
    Ok(Credential { name: name.to_owned(), role, hash })
}

#[cfg(test)]
mod tests {
    use super::{Credentials, Role};
    use crate::config::{AuthFiles, Config};

    /// The hash of nothing.
    const HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn load_users(text: &str) -> Result<Credentials, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        std::fs::write(&path, text.replace("HASH", HASH)).unwrap();
        let files = AuthFiles { resp_users: Some(path.clone()), ..AuthFiles::default() };
        let place = path.display().to_string();
        let mut config = Config::default();
        config.auth = files;
        Credentials::load(&config).map_err(|error| error.to_string().replace(&place, "users"))
    }

    #[test]
    fn users_are_read_and_comments_skipped() {
        let users = load_users("# who\n\napp client HASH # the shop\nroot  admin\tHASH\r\n").unwrap();
        let read: Vec<_> = users.resp_users().iter().map(|user| (user.name.as_str(), user.role)).collect();
        assert_eq!(read, [("app", Role::Client), ("root", Role::Admin)]);
        assert_eq!(users.resp_users()[0].hash.0[..3], [0xe3, 0xb0, 0xc4]);
        assert!(!format!("{users:?}").contains("e3b0"), "a hash was shown");
    }

    #[test]
    fn an_odd_line_is_named() {
        let cases = [
            ("app HASH", "users:1: must be NAME ROLE SHA256, the hash as 64 hexadecimal digits"),
            ("\napp king HASH", "users:2: the role must be admin, operator or client"),
            ("app admin e3b0", "users:1: the hash must be 64 hexadecimal digits"),
            ("app admin +HASH", "users:1: the hash must be 64 hexadecimal digits"),
            ("a admin HASH\na client HASH", "users:2: the name appears twice"),
        ];
        for (text, why) in cases {
            assert_eq!(load_users(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let files = AuthFiles { writer_tokens: Some("/nowhere/tokens".into()), ..AuthFiles::default() };
        let mut config = Config::default();
        config.auth = files;
        let error = Credentials::load(&config).unwrap_err().to_string();
        let expected = "`auth.writer_tokens` names /nowhere/tokens: cannot be read: No such file or directory (os error 2)";
        assert_eq!(error, expected);
    }
}
