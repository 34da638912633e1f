//! Why a call failed, and whose fault that is.

use std::fmt;
use std::io;

use sluice_net::resp::malformed::Malformed;

/// Everything that can go wrong with a call.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use sluice_client::ClientError;
/// let lost = ClientError::from(Error::from(ErrorKind::ConnectionReset));
/// assert!(matches!(lost, ClientError::Closed));
/// assert_eq!(lost.to_string(), "the server closed the connection");
/// ```
#[derive(Debug)]
pub enum ClientError {
    /// Network or host: connecting, reading or writing failed. The connection is of no further use.
    Io(io::Error),
    /// Server: it closed the connection.
    Closed,
    /// The call was refused with an error reply. The connection goes on.
    Refused {
        /// The first word of the reply, as `NOZONE` or `GONE`.
        code: String,
        /// The rest of it, for people.
        message: String,
    },
    /// Server: its bytes are not RESP. The connection is of no further use.
    Malformed(Malformed),
    /// Server: a reply that is not the one the command promises.
    Unexpected(String),
}

impl ClientError {
    /// The code of a refusal.
    ///
    /// ```
    /// use sluice_client::ClientError;
    /// let gone = ClientError::Refused { code: "GONE".into(), message: "join again".into() };
    /// assert_eq!(gone.code(), Some("GONE"));
    /// assert_eq!(ClientError::Closed.code(), None);
    /// ```
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    pub(crate) fn refused(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let (code, message) = text.split_once(' ').unwrap_or((&text, ""));
        Self::Refused { code: code.to_owned(), message: message.to_owned() }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(out, "connection failed: {error}"),
            Self::Closed => out.write_str("the server closed the connection"),
            Self::Refused { code, message } => write!(out, "refused: {code} {message}"),
            Self::Malformed(malformed) => write!(out, "not a reply: {malformed}"),
            Self::Unexpected(what) => write!(out, "unexpected reply: {what}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Malformed(malformed) => Some(malformed),
            _ => None,
        }
    }
}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<Malformed> for ClientError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}
