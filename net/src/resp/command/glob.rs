//! Patterns as Redis has them: `*`, `?`, `[a-z]`, `[^a]`, and a backslash in front of any of these.
//! Names of commands and parameters are compared without regard to case, channels with it.
//!
//! After a mismatch only the last star is tried again, so the cost is at most pattern times text, whatever the pattern.

/// Whether the whole of `text` matches `pattern`, whatever the case.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    is_match(pattern, text, |byte| byte.to_ascii_lowercase())
}

/// Whether the whole of `text` matches `pattern`; case counts.
pub(crate) fn matches_exactly(pattern: &[u8], text: &[u8]) -> bool {
    is_match(pattern, text, |byte| byte)
}

/// `fold` makes one of bytes that count as the same.
fn is_match(pattern: &[u8], text: &[u8], fold: impl Fn(u8) -> u8 + Copy) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star did not match.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, t));
            p += 1;
        } else if let Some(next) = one(&pattern[p..], text[t], fold) {
            p += next;
            t += 1;
        } else if let Some((after_star, from)) = retry {
            retry = Some((after_star, from + 1));
            p = after_star;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Bytes of the pattern's head that match `byte`; `None` where it does not match.
fn one(pattern: &[u8], byte: u8, fold: impl Fn(u8) -> u8 + Copy) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (found, len) = in_class(class, byte, fold);
            found.then_some(len + 1)
        }
        [b'\\', escaped, ..] => (fold(*escaped) == fold(byte)).then_some(2),
        [other, ..] => (fold(*other) == fold(byte)).then_some(1),
    }
}

/// Whether `byte` is in the class that follows `[`, and the bytes of the class, its end included.
fn in_class(class: &[u8], byte: u8, fold: impl Fn(u8) -> u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let byte = fold(byte);
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at.min(class.len())..] {
            [] => return (found != negated, class.len()),
            [b']', ..] => return (found != negated, at + 1),
            [b'\\', escaped, ..] => {
                found |= fold(*escaped) == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                let (from, to) = (fold(*from), fold(*to));
                found |= (from.min(to)..=from.max(to)).contains(&byte);
                at += 3;
            }
            [other, ..] => {
                found |= fold(*other) == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, matches_exactly};

    #[test]
    fn patterns_match_as_redis_has_them() {
        let yes = [
            ("*", ""),
            ("max*", "maxclients"),
            ("MAX*s", "maxclients"),
            ("m?x", "max"),
            ("[l-n]ax", "max"),
            ("[^a]ax", "max"),
            ("a\\*b", "a*b"),
            ("*a*b*", "xxaxxbxx"),
        ];
        let no = [("max", "maxclients"), ("?", ""), ("[^m]ax", "max"), ("a\\*b", "axb"), ("*a*b", "xxaxxbx")];
        for (pattern, text) in yes {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} on {text}");
        }
        for (pattern, text) in no {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} on {text}");
        }
    }

    #[test]
    fn case_counts_where_it_is_asked_to() {
        for (pattern, yes, no) in
            [("N*", "News", "news"), ("[a-c]", "b", "B"), ("\\N", "N", "n"), ("[^A]", "a", "A")]
        {
            assert!(matches_exactly(pattern.as_bytes(), yes.as_bytes()), "{pattern} on {yes}");
            assert!(!matches_exactly(pattern.as_bytes(), no.as_bytes()), "{pattern} on {no}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_size_times_the_text() {
        let pattern = b"a*".repeat(2_000);
        let text = b"a".repeat(1_000);
        assert!(!matches(&[&pattern[..], b"b"].concat(), &text));
    }
}
