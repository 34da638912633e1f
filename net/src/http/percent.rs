//! Percent-encoding in a path segment.

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

#[cfg(test)]
mod tests {
    use super::decode;

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
