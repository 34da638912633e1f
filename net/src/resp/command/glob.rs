//! Patterns as Redis has them: `*`, `?`, `[a-z]`, `[^a]`, and a backslash in front of any of these. Case does not count.
//!
//! After a mismatch only the last star is tried again, so the cost is at most pattern times text, whatever the pattern.

/// Whether the whole of `text` matches `pattern`.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star did not match.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            retry = Some((p + 1, t));
            p += 1;
        } else if let Some(next) = one(&pattern[p..], text[t]) {
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
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (found, len) = in_class(class, byte);
            found.then_some(len + 1)
        }
        [b'\\', escaped, ..] => escaped.eq_ignore_ascii_case(&byte).then_some(2),
        [other, ..] => other.eq_ignore_ascii_case(&byte).then_some(1),
    }
}

/// Whether `byte` is in the class that follows `[`, and the bytes of the class, its end included.
fn in_class(class: &[u8], byte: u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let byte = byte.to_ascii_lowercase();
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at.min(class.len())..] {
            [] => return (found != negated, class.len()),
            [b']', ..] => return (found != negated, at + 1),
            [b'\\', escaped, ..] => {
                found |= escaped.to_ascii_lowercase() == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
                found |= (from.min(to)..=from.max(to)).contains(&byte);
                at += 3;
            }
            [other, ..] => {
                found |= other.to_ascii_lowercase() == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

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
    fn a_hostile_pattern_costs_no_more_than_its_size_times_the_text() {
        let pattern = b"a*".repeat(2_000);
        let text = b"a".repeat(1_000);
        assert!(!matches(&[&pattern[..], b"b"].concat(), &text));
    }
}
