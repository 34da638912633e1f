//! A place in a stream, as readers keep it: `epoch.seq`, and where a reader may begin.

/// Behind the entry of this number.
///
/// ```
/// use sluice_net::cursor::Cursor;
/// assert_eq!(Cursor::parse(b"7.12"), Some(Cursor { epoch: 7, dense: 12 }));
/// assert_eq!(Cursor { epoch: 7, dense: 12 }.to_string(), "7.12");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// Of the stream.
    pub epoch: u64,
    /// The last number that was told.
    pub dense: u64,
}

/// How far a reader has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Position {
    /// Before everything that is there.
    Start,
    /// Behind everything that is there, once that is known.
    Newest,
    /// Behind this number of the present epoch.
    Number(u64),
    /// Behind this number of this epoch.
    After(Cursor),
    /// Behind the end of the stream of this epoch.
    Ended {
        /// Of the stream.
        epoch: u64,
    },
}

impl Cursor {
    /// Reads `epoch.seq`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Cursor> {
        let text = std::str::from_utf8(text).ok()?;
        let (epoch, dense) = text.split_once('.')?;
        let number =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
        Some(Cursor { epoch: number(epoch)?, dense: number(dense)? })
    }

    /// Reads the cursors of `count` streams: `epoch.seq` or `-`, with commas between.
    pub(crate) fn parse_all(text: &[u8], count: usize) -> Option<Vec<Option<Cursor>>> {
        let parts = text.split(|byte| *byte == b',');
        let cursors: Option<Vec<_>> =
            parts.map(|part| if part == b"-" { Some(None) } else { Cursor::parse(part).map(Some) }).collect();
        cursors.filter(|cursors| cursors.len() == count)
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.epoch, self.dense)
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn cursors_are_read_as_they_are_written() {
        for cursor in [Cursor { epoch: 7, dense: 12 }, Cursor { epoch: u64::MAX, dense: 0 }] {
            assert_eq!(Cursor::parse(cursor.to_string().as_bytes()), Some(cursor));
        }
        let bad =
            [&b""[..], b"7", b"7.", b".7", b"+7.1", b"7.1.1", b"7.-1", b"18446744073709551616.1", b"\xff.1"];
        for bad in bad {
            assert_eq!(Cursor::parse(bad), None, "{}", bad.escape_ascii());
        }
        let seven = Cursor { epoch: 7, dense: 1 };
        assert_eq!(Cursor::parse_all(b"7.1,-", 2), Some(vec![Some(seven), None]));
        assert_eq!(Cursor::parse_all(b"7.1", 2), None, "one for each stream");
        assert_eq!(Cursor::parse_all(b"7.1,x", 2), None);
    }
}
