//! JSON in and out. In: borrowed wherever the text has no escapes. Out: by hand, into a buffer
//! that is already there, because a poll must not allocate.

use serde::Deserialize;
use std::borrow::Cow;

/// A string that borrows from the body; within an `Option`, plain `Cow` would always copy.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    /// The text, as bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Writes one flat object, or objects within it.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Opens an object.
    pub(crate) fn open(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, first: true }
    }

    /// A string member. Text that is not UTF-8 is written with replacement characters.
    pub(crate) fn text(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.name(name);
        self.out.push(b'"');
        escape(value, self.out);
        self.out.push(b'"');
        self
    }

    /// A string member whose name is any bytes, too.
    pub(crate) fn pair(&mut self, name: &[u8], value: &[u8]) -> &mut Self {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        escape(name, self.out);
        self.out.extend_from_slice(b"\":\"");
        escape(value, self.out);
        self.out.push(b'"');
        self
    }

    /// A number member.
    pub(crate) fn number(&mut self, name: &str, value: i64) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self
    }

    /// A true or false member.
    pub(crate) fn truth(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// A member that is an object, filled by `fill`.
    pub(crate) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.name(name);
        let mut inner = Object::open(self.out);
        fill(&mut inner);
        inner.close();
        self
    }

    /// Closes it.
    pub(crate) fn close(&mut self) {
        self.out.push(b'}');
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

fn escape(value: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if value.iter().all(plain) {
        out.extend_from_slice(value);
        return;
    }
    for c in String::from_utf8_lossy(value).chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
            c if c.is_ascii_control() => {
                let digits = b"0123456789abcdef";
                let (high, low) = (digits[c as usize >> 4], digits[c as usize & 15]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn writes_what_a_parser_reads_back() {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object.text("a", b"plain").text("b", "\"\\\n\u{7f}é".as_bytes()).number("n", -1).truth("t", true);
        object.object("inner", |inner| {
            inner.number("x", 0);
        });
        object.close();
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected =
            serde_json::json!({"a": "plain", "b": "\"\\\n\u{7f}é", "n": -1, "t": true, "inner": {"x": 0}});
        assert_eq!(read, expected);
    }
}
