//! Why a call of [`Client`](crate::Client) failed, and whose fault that is.

use std::fmt;

use crate::error::ClientError;
use crate::limit::{RETRY_MS, RETRY_MS_MAX};

/// Everything that can go wrong with a call.
///
/// ```
/// use sluice_client::Error;
/// assert!(Error::Busy { retry_ms: 100 }.is_passing());
/// assert!(!Error::Gone.is_passing());
/// assert_eq!(Error::Gone.to_string(), "the place was left or timed out: join again");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// Caller: there is no such zone.
    NoZone,
    /// Caller: not a token of this zone.
    BadToken,
    /// Caller: the place was left or timed out; join again.
    Gone,
    /// The zone holds as many as it may.
    Full,
    /// The zone takes nobody.
    Closed,
    /// The server was overloaded until the deadline; nothing was done.
    Busy {
        /// After how many ms it asks to be tried again.
        retry_ms: u64,
    },
    /// The server had no quorum until the deadline. A change may or may not have been made: repeat it under the same
    /// request id.
    NoLeader {
        /// After how many ms it asks to be tried again.
        retry_ms: u64,
    },
    /// Caller: no credentials, or wrong ones, in the server's words.
    NoAuth(String),
    /// Caller: the user may not do this, in the server's words.
    NoPerm(String),
    /// The server refused in other words; the first of them is the code.
    Server(String),
    /// No answer before the call's deadline. A change may or may not have been made.
    Deadline,
    /// The connection was lost, or the time was over, after a call was sent that must not be repeated. It may or may not
    /// have been carried out.
    Unanswered,
    /// No node could be reached before the deadline; the call was not sent. Why the last try failed.
    Disconnected(String),
    /// Us: too many calls are under way here; this one was not sent.
    Overloaded,
    /// Caller: this cannot be sent, and why.
    Invalid(&'static str),
    /// Server: not RESP, or not the reply that the command promises.
    Protocol(String),
}

impl Error {
    /// Whether the same call may succeed later without anything being changed by the caller.
    ///
    /// ```
    /// use sluice_client::Error;
    /// let status = |error: &Error| if error.is_passing() { 503 } else { 500 };
    /// assert_eq!(status(&Error::Overloaded), 503);
    /// assert_eq!(status(&Error::NoPerm("NOPERM no".into())), 500);
    /// ```
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. }
                | Self::NoLeader { .. }
                | Self::Deadline
                | Self::Unanswered
                | Self::Disconnected(_)
                | Self::Overloaded
        )
    }

    /// The error that the text of an error reply stands for.
    pub(crate) fn of_reply(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let code = text.split(' ').next().unwrap_or_default();
        match code {
            "NOZONE" => Self::NoZone,
            "BADTOKEN" => Self::BadToken,
            "GONE" => Self::Gone,
            "FULL" => Self::Full,
            "CLOSED" => Self::Closed,
            "BUSY" => Self::Busy { retry_ms: retry_ms(&text) },
            "NOLEADER" => Self::NoLeader { retry_ms: retry_ms(&text) },
            "NOAUTH" | "WRONGPASS" => Self::NoAuth(text.into_owned()),
            "NOPERM" => Self::NoPerm(text.into_owned()),
            _ => Self::Server(text.into_owned()),
        }
    }
}

/// The delay in `… retry after 100 ms`.
fn retry_ms(text: &str) -> u64 {
    let named = text.split_once("retry after ").and_then(|(_, delay)| delay.split(' ').next()?.parse().ok());
    named.unwrap_or(RETRY_MS).min(RETRY_MS_MAX)
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoZone => out.write_str("no such zone"),
            Self::BadToken => out.write_str("not a token of this zone"),
            Self::Gone => out.write_str("the place was left or timed out: join again"),
            Self::Full => out.write_str("the zone is full"),
            Self::Closed => out.write_str("the zone is closed"),
            Self::Busy { retry_ms } => write!(out, "the server is overloaded: retry after {retry_ms} ms"),
            Self::NoLeader { retry_ms } => write!(out, "the server has no quorum: retry after {retry_ms} ms"),
            Self::NoAuth(text) | Self::NoPerm(text) | Self::Server(text) => write!(out, "refused: {text}"),
            Self::Deadline => out.write_str("no answer before the deadline"),
            Self::Unanswered => out.write_str("no answer: the call may or may not have been carried out"),
            Self::Disconnected(why) => write!(out, "not connected: {why}"),
            Self::Overloaded => out.write_str("too many calls are under way"),
            Self::Invalid(why) => write!(out, "cannot be sent: {why}"),
            Self::Protocol(what) => write!(out, "not a proper reply: {what}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unexpected(what) => Self::Protocol(what),
            ClientError::Malformed(malformed) => Self::Protocol(malformed.to_string()),
            ClientError::Refused { code, message } => Self::of_reply(format!("{code} {message}").as_bytes()),
            ClientError::Io(error) => Self::Disconnected(error.to_string()),
            ClientError::Closed => Self::Disconnected("the server closed the connection".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn refusals_are_typed_by_their_code() {
        let of = |text: &str| Error::of_reply(text.as_bytes());
        assert_eq!(of("GONE left or timed out, join again"), Error::Gone);
        assert_eq!(of("BUSY overloaded, retry after 70 ms"), Error::Busy { retry_ms: 70 });
        assert_eq!(of("NOLEADER no quorum, retry after 250 ms"), Error::NoLeader { retry_ms: 250 });
        assert_eq!(of("BUSY too many streams are followed"), Error::Busy { retry_ms: 100 });
        assert_eq!(of("BUSY retry after 99999999999999 ms"), Error::Busy { retry_ms: 60_000 });
        assert_eq!(of("WRONGPASS no"), Error::NoAuth("WRONGPASS no".to_owned()));
        assert_eq!(of("OOM memory"), Error::Server("OOM memory".to_owned()));
        assert_eq!(of(""), Error::Server(String::new()));
    }
}
