//! Sizes: a number of bytes, or one with its unit.

/// Units, and what each has in bytes. Powers of ten (`GB`) are not among them: memory is not sold by them.
const UNITS: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

/// Reads `"4096"`, `"64MiB"`, `"2 GiB"`; `None` where it is no such size, or more than 64 bits hold.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (digits, unit) = UNITS
        .iter()
        .find_map(|(name, bytes)| text.strip_suffix(name).map(|digits| (digits.trim_end(), bytes)))?;
    // A number may begin with a plus sign, a size does not.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(*unit)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_size_is_bytes_or_has_a_unit() {
        let sizes = [("0", 0), ("4096", 4_096), ("4 KiB", 4_096), ("512MiB", 512 << 20), ("2GiB", 2 << 30)];
        sizes.into_iter().for_each(|(text, bytes)| assert_eq!(parse(text), Some(bytes), "{text}"));
        assert_eq!(parse("1TiB"), Some(1 << 40));
        let wrong = ["", "MiB", "1MB", "1G", "+1", "-1", "1.5GiB", "2gib", "75%", "18446744073709551616"];
        wrong.into_iter().for_each(|text| assert_eq!(parse(text), None, "{text}"));
        assert_eq!(parse("18446744073709551615GiB"), None);
    }
}
