//! Numbers as Redis reads them: digits alone, no plus, no leading zero, no space.

/// A whole number from 0 on.
pub(super) fn whole(bytes: &[u8]) -> Option<u64> {
    let leading_zero = bytes.len() > 1 && bytes.starts_with(b"0");
    if leading_zero || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// A whole number with or without a minus.
pub(super) fn integer(bytes: &[u8]) -> Option<i64> {
    match bytes.strip_prefix(b"-") {
        Some(digits) => match whole(digits)? {
            0 => None,
            value => 0i64.checked_sub_unsigned(value),
        },
        None => i64::try_from(whole(bytes)?).ok(),
    }
}
