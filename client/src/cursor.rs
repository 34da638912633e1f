//! A place in a stream, as a reader keeps it.

use std::fmt;
use std::str::FromStr;

use crate::fault::Error;

/// Behind the entry of this number of this epoch. The epoch is another one whenever a key is made anew.
///
/// ```
/// use sluice_client::Cursor;
/// let cursor: Cursor = "7.12".parse()?;
/// assert_eq!(cursor, Cursor { epoch: 7, seq: 12 });
/// assert_eq!(cursor.to_string(), "7.12");
/// # Ok::<(), sluice_client::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// Of the stream.
    pub epoch: u64,
    /// The last number that was told; the first entry has 1.
    pub seq: u64,
}

impl FromStr for Cursor {
    type Err = Error;

    /// Reads `epoch.seq`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
        let cursor = text
            .split_once('.')
            .and_then(|(epoch, seq)| Some(Self { epoch: number(epoch)?, seq: number(seq)? }));
        cursor.ok_or(Error::Invalid("a cursor is epoch.seq"))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.epoch, self.seq)
    }
}
