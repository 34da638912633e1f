//! Percent-encoding in a path segment, and in what follows the `?`.

use std::borrow::Cow;

/// The bytes that a segment stands for; borrowed where nothing is encoded. `None`: a bad escape.
pub(crate) fn decode(segment: &str) -> Option<Cow<'_, [u8]>> {
    let bytes = segment.as_bytes();
    if memchr::memchr(b'%', bytes).is_none() {
        return Some(Cow::Borrowed(bytes));
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let high = char::from(*rest.next()?).to_digit(16)?;
        let low = char::from(*rest.next()?).to_digit(16)?;
        decoded.push((high << 4 | low) as u8);
    }
    Some(Cow::Owned(decoded))
}

/// Names and values of a query, in order; a value is `None` where it has a bad escape. A plus sign stands for itself: cursors and
/// keys are no form fields.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (&str, Option<Cow<'_, [u8]>>)> {
    query.split('&').filter(|part| !part.is_empty()).map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (name, decode(value))
    })
}

/// Parameters that are read, each of them one value. `key` is a list, and what nobody reads may come as it likes.
const SINGLE: [&str; 10] =
    ["access_token", "after", "end", "for", "from", "lang", "limit", "maxlen", "ttl", "v"];

/// Whether one of them is given twice: two servers could go by the one and by the other.
pub(crate) fn is_repeated(query: &str) -> bool {
    let mut seen = [false; SINGLE.len()];
    query.split('&').any(|part| {
        let name = part.split('=').next().unwrap_or_default();
        let seen = SINGLE.iter().zip(&mut seen).find(|(single, _)| **single == name);
        seen.is_some_and(|(_, seen)| std::mem::replace(seen, true))
    })
}

/// A number of digits alone.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit).then_some(value)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, is_repeated, number, parameters};

    #[test]
    fn numbers_are_digits_alone() {
        for (text, expected) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("", None),
            ("+7", None),
            ("-7", None),
            ("7.", None),
            (" 7", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(number(b"18446744073709551616"), None);
    }

    #[test]
    fn a_query_is_read_in_order() {
        let read: Vec<_> =
            parameters("key=a%2Cb&&key=c&after").map(|(name, value)| (name, value.unwrap())).collect();
        assert_eq!(read, [("key", b"a,b"[..].into()), ("key", b"c"[..].into()), ("after", b""[..].into())]);
        assert_eq!(parameters("x=%4").next(), Some(("x", None)));
        assert_eq!(parameters("").next(), None);
    }

    #[test]
    fn a_parameter_is_given_once() {
        for query in ["", "key=a&key=a", "maxlen=1&ttl=1&end=1", "x&x", "&&", "maxlen=1&maxlen%20=2"] {
            assert!(!is_repeated(query), "{query}");
        }
        for query in ["maxlen=1&maxlen=2", "after=1.2&key=a&after=1.2", "end&end=1", "limit&&limit"] {
            assert!(is_repeated(query), "{query}");
        }
    }

    #[test]
    fn decodes_whole_escapes_only() {
        for (segment, expected) in [
            ("shop", Some(&b"shop"[..])),
            ("a%3Ab", Some(b"a:b")),
            ("%00%fF", Some(b"\x00\xff")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
        ] {
            assert_eq!(decode(segment).as_deref(), expected, "{segment}");
        }
    }
}
