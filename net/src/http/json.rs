//! JSON in and out. In: borrowed wherever the text has no escapes. Out: by hand, into a buffer
//! that is already there, because a poll must not allocate.

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A string that borrows from the body; within an `Option`, plain `Cow` would always copy.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    /// The text, as bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// The members of an object, in order, as texts: strings as they are, everything else as its JSON.
pub(crate) struct Members<'a>(Vec<Cow<'a, str>>);

impl Members<'_> {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name, value, name, value.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.0.iter().map(|text| text.as_bytes())
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Members<'de>, D::Error> {
        from.deserialize_map(ReadMembers)
    }
}

struct ReadMembers;

impl<'de> Visitor<'de> for ReadMembers {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Members<'de>, A::Error> {
        let mut texts = Vec::new();
        while let Some((Text(name), value)) = from.next_entry::<Text<'de>, &'de RawValue>()? {
            let json = value.get();
            texts.push(name);
            texts.push(if json.starts_with('"') {
                serde_json::from_str::<Text<'de>>(json).map_err(A::Error::custom)?.0
            } else {
                Cow::Borrowed(json)
            });
        }
        Ok(Members(texts))
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

    /// A member that is a count, of any size.
    pub(crate) fn count(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
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

    /// A member that is an array of objects, one for each of `items`, filled by `fill`.
    pub(crate) fn objects<T>(
        &mut self,
        name: &str,
        items: impl Iterator<Item = T>,
        fill: impl Fn(T, &mut Object<'_>),
    ) -> &mut Self {
        self.name(name);
        self.out.push(b'[');
        for (number, item) in items.enumerate() {
            if number > 0 {
                self.out.push(b',');
            }
            let mut inner = Object::open(self.out);
            fill(item, &mut inner);
            inner.close();
        }
        self.out.push(b']');
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
    use super::{Members, Object};

    #[test]
    fn members_are_read_in_order_strings_as_they_are_and_the_rest_as_json() {
        let body = br#" {"a":"x\n\u00e9","n":1.50e2,"t":true,"z":null,"o":{"b": [1]},"a":""} "#;
        let members: Members<'_> = serde_json::from_slice(body).unwrap();
        let texts: Vec<_> = members.texts().map(|text| std::str::from_utf8(text).unwrap()).collect();
        let expected =
            ["a", "x\n\u{e9}", "n", "1.50e2", "t", "true", "z", "null", "o", r#"{"b": [1]}"#, "a", ""];
        assert_eq!(texts, expected);
        for bad in [
            &b"[]"[..],
            b"",
            b"{",
            br#"{"a"}"#,
            br#"{"a":tru}"#,
            br#"{"a":"\ud800"}"#,
            b"{} {}",
            b"{\"a\":\"\xff\"}",
        ] {
            assert!(serde_json::from_slice::<Members<'_>>(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

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
