//! Server-sent events as bytes: what a frame looks like, and the response that carries frames.
//!
//! ```text
//! retry: 2718           retry      a browser that was cut off waits so long before it comes back
//!
//! :                     heartbeat  keeps proxies from closing; pages never see it
//!
//! event: position       event      a name, at most one id, the data line by line
//! data: {"position":3}
//!
//! ```
//! An id sticks to whatever follows it and comes back as `Last-Event-ID`: frames about the connection itself carry none.
//! Whoever parses this may end a line at CR, LF or CRLF, so data is split at each of them, and nothing that could end a
//! line or the id (NUL voids it) gets into a name or an id.

use super::respond::{Responder, Shape, push_number};

/// The head of every event stream, up to how long it may be kept. It ends with the connection, so it states no length.
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    X-Accel-Buffering: no\r\nCache-Control: ";

/// What keeps a silent stream alive.
const HEARTBEAT: &[u8] = b":\n\n";

impl Responder<'_> {
    /// Sends the head of an event stream; frames follow until the connection ends. Of HEAD it is everything.
    pub(crate) fn open_events(&mut self, shape: Shape) {
        self.out.extend_from_slice(HEAD);
        let keep: &[u8] = if shape.is_secret { b"no-store" } else { b"no-cache" };
        self.out.extend_from_slice(keep);
        self.out.extend_from_slice(b", no-transform\r\nDate: ");
        self.out.extend_from_slice(self.date.text());
        self.connection(Shape { keep_alive: shape.keep_alive && shape.head_only, ..shape });
        self.origin(shape);
        self.out.extend_from_slice(b"\r\n\r\n");
    }
}

/// How long the browser waits before it comes back.
pub(crate) fn retry(out: &mut Vec<u8>, ms: u32) {
    out.extend_from_slice(b"retry: ");
    push_number(out, u64::from(ms));
    out.extend_from_slice(b"\n\n");
}

/// A sign of life.
pub(crate) fn heartbeat(out: &mut Vec<u8>) {
    out.extend_from_slice(HEARTBEAT);
}

/// One event. `name` is a word of ours; an id that would be read as something else is left out.
pub(crate) fn event(out: &mut Vec<u8>, name: &'static str, id: Option<&[u8]>, data: &[u8]) {
    debug_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "an event's name is a word");
    put_id(out, id);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.push(b'\n');
    put_data(out, data);
}

/// One event without a name, which a page takes as a message.
pub(crate) fn message(out: &mut Vec<u8>, id: Option<&[u8]>, data: &[u8]) {
    put_id(out, id);
    put_data(out, data);
}

fn put_id(out: &mut Vec<u8>, id: Option<&[u8]>) {
    if let Some(id) = id.filter(|id| !id.iter().any(|byte| matches!(byte, b'\0' | b'\r' | b'\n'))) {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id);
        out.push(b'\n');
    }
}

fn put_data(out: &mut Vec<u8>, data: &[u8]) {
    let mut rest = data;
    loop {
        let end = memchr::memchr2(b'\r', b'\n', rest);
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
        out.push(b'\n');
        let Some(end) = end else { break };
        let broken = if rest.get(end..).is_some_and(|tail| tail.starts_with(b"\r\n")) { 2 } else { 1 };
        rest = rest.get(end + broken..).unwrap_or_default();
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::{event, heartbeat, retry};

    fn bytes(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn frames_are_exactly_these_bytes() {
        assert_eq!(bytes(|out| retry(out, 2_718)), "retry: 2718\n\n");
        assert_eq!(bytes(heartbeat), ":\n\n");
        let position = bytes(|out| event(out, "position", None, b"{\"position\":3}"));
        assert_eq!(position, "event: position\ndata: {\"position\":3}\n\n");
        let entry = bytes(|out| event(out, "entry", Some(b"7.12"), b"{}"));
        assert_eq!(entry, "id: 7.12\nevent: entry\ndata: {}\n\n");
        assert_eq!(bytes(|out| event(out, "end", Some(b""), b"")), "id: \nevent: end\ndata: \n\n");
    }

    #[test]
    fn data_is_split_wherever_a_reader_ends_a_line() {
        for (data, expected) in [
            ("a\nb", "data: a\ndata: b\n"),
            ("a\rb", "data: a\ndata: b\n"),
            ("a\r\nb", "data: a\ndata: b\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n"),
            ("a\n", "data: a\ndata: \n"),
            ("\r\n", "data: \ndata: \n"),
            (" a", "data:  a\n"),
            ("id: x", "data: id: x\n"),
        ] {
            let frame = bytes(|out| event(out, "entry", None, data.as_bytes()));
            assert_eq!(frame, format!("event: entry\n{expected}\n"), "{data:?}");
        }
    }

    #[test]
    fn an_id_that_would_be_misread_is_left_out() {
        for id in [&b"a\0"[..], b"a\nretry: 1", b"a\r"] {
            assert_eq!(bytes(|out| event(out, "entry", Some(id), b"x")), "event: entry\ndata: x\n\n");
        }
    }
}
