//! Commands and their replies over one connection, which may be lost at any time.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use sluice_net::resp::reply::{Reply, Value, decode};

/// A reader that hears nothing for so long has found a defect. None passes or fails by it otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(100);

pub(crate) struct Wire {
    stream: TcpStream,
    held: Vec<u8>,
}

/// A connection; who is silent for too long has missed something.
pub(crate) fn connect(at: &str) -> Result<TcpStream> {
    let stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Silence is a defect, whereas every other error is a connection that was lost.
pub(crate) fn lost(error: Error) -> Error {
    let silent = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    assert!(!silent, "nothing is heard any more");
    error
}

impl Wire {
    pub(crate) fn connect(at: &str) -> Result<Wire> {
        Ok(Wire { stream: connect(at)?, held: Vec::new() })
    }

    pub(crate) fn send(&mut self, words: &[&str]) -> Result<()> {
        let mut bytes = format!("*{}\r\n", words.len());
        words.iter().for_each(|word| bytes += &format!("${}\r\n{word}\r\n", word.len()));
        self.stream.write_all(bytes.as_bytes())
    }

    /// What `see` makes of the next reply or push.
    pub(crate) fn next<T>(&mut self, see: impl FnOnce(&Value<'_>) -> T) -> Result<T> {
        let mut chunk = [0; 4_096];
        loop {
            if let Reply::Value { value, consumed } = decode(&self.held).expect("a reply") {
                let seen = see(&value);
                drop(value);
                self.held.drain(..consumed);
                return Ok(seen);
            }
            match self.stream.read(&mut chunk).map_err(lost)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.held.extend_from_slice(&chunk[..read]),
            }
        }
    }

    pub(crate) fn ask<T>(&mut self, words: &[&str], see: impl FnOnce(&Value<'_>) -> T) -> Result<T> {
        self.send(words)?;
        self.next(see)
    }
}

/// The text of a string.
pub(crate) fn text(value: &Value<'_>) -> String {
    String::from_utf8_lossy(value.bytes().unwrap_or_else(|| panic!("no text: {value:?}"))).into_owned()
}

/// The elements of an array or push.
pub(crate) fn elements<'v, 'a>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    match value {
        Value::Array(all) | Value::Push(all) => all,
        other => panic!("no array: {other:?}"),
    }
}
