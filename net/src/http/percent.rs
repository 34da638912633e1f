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

/// A number of digits alone.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().all(u8::is_ascii_digit).then_some(value)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{decode, number, parameters};

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
