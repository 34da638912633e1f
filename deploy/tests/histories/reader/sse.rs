//! Server-sent events, as a browser reads them: a frame is dispatched when it is whole, and its id kept.

use std::io::{BufRead as _, BufReader, ErrorKind, Result, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::wire::{connect, lost};

/// One event that was dispatched.
pub(super) struct Frame {
    pub(super) id: Option<String>,
    pub(super) event: String,
    pub(super) data: Value,
}

pub(super) struct Events(BufReader<TcpStream>);

impl Events {
    /// Asks for events; the status and what follows.
    pub(super) fn open(at: &str, path: &str, last_event_id: Option<&str>) -> Result<(u16, Events)> {
        let mut stream = connect(at)?;
        let id = last_event_id.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{id}\r\n")?;
        let mut events = Events(BufReader::new(stream));
        let status = events.line()?.split(' ').nth(1).and_then(|status| status.parse().ok());
        while !events.line()?.is_empty() {}
        Ok((status.ok_or(ErrorKind::InvalidData)?, events))
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line).map_err(lost)?;
        if !line.ends_with('\n') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The next event; comments and advice are passed over.
    pub(super) fn next(&mut self) -> Result<Frame> {
        loop {
            let (mut id, mut event, mut data) = (None, "message".to_owned(), Vec::new());
            loop {
                let line = self.line()?;
                match line.split_once(": ") {
                    Some(("id", value)) => id = Some(value.to_owned()),
                    Some(("event", value)) => value.clone_into(&mut event),
                    Some(("data", value)) => data.push(value.to_owned()),
                    _ if line.is_empty() => break,
                    _ => {}
                }
            }
            if !data.is_empty() {
                let data = serde_json::from_str(&data.join("\n")).expect("data is JSON");
                return Ok(Frame { id, event, data });
            }
        }
    }
}

/// The payload among fields.
pub(super) fn payload(fields: &Value) -> u64 {
    fields["n"].as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no payload: {fields}"))
}
