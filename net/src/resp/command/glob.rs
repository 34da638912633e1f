//! Patterns as Redis has them: `*`, `?`, `[a-z]`, `[^a]`, and a backslash in front of any of these.
//! Names of commands and parameters are compared without regard to case, channels and keys with it.
//!
//! ```text
//! "job:*:d?ne"    head "job:", compared as bytes     items  ":" "d" ? "n" "e", a star before the first
//! state n: the first n items are matched             bits   one a state, all followed at once (Baeza-Yates, Gonnet 1992)
//! ```
//! A state behind a later star beats all before it: whatever they may still match, it matches too. So the bits of one run
//! between two stars are followed, and a text costs its bytes times the words of the longest run, whatever the pattern.
//! There is nothing to go back to, and the price is known before.

use super::fault::Fault;
use crate::resp::limit;
use std::collections::HashMap;

/// Bits of a word.
const WORD: usize = u64::BITS as usize;
/// Bytes of tables that count as much as one word for each byte of a text.
const TABLE_BYTES: usize = 4_096;

/// A pattern that is ready to be compared, of at most [`limit::PATTERN_BYTES_MAX`].
#[derive(Debug)]
pub(crate) struct Pattern {
    /// What every match begins with.
    head: Vec<u8>,
    /// Words of a set of states.
    words: usize,
    /// States that stay, whatever comes: those before a star.
    stays: Vec<u64>,
    /// By byte: its class.
    classes: [u8; 256],
    /// By class: states that go on to the next one.
    goes: Vec<u64>,
    /// The state of a match.
    last: usize,
    /// Items of the longest run between two stars.
    run: usize,
}

/// Steps that may still be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Steps(u64);

impl Steps {
    /// So many.
    pub(crate) fn new(steps: u64) -> Steps {
        Steps(steps)
    }

    /// Takes some; false where there were not so many.
    pub(crate) fn take(&mut self, steps: u64) -> bool {
        let enough = self.0 >= steps;
        self.0 = self.0.saturating_sub(steps);
        enough
    }
}

impl Pattern {
    /// Whether it is short enough.
    ///
    /// # Errors
    /// [`Fault::PatternLength`].
    pub(crate) fn check(pattern: &[u8]) -> Result<(), Fault<'static>> {
        if pattern.len() > limit::PATTERN_BYTES_MAX { Err(Fault::PatternLength) } else { Ok(()) }
    }

    /// One for which case counts.
    ///
    /// # Errors
    /// [`Fault::PatternLength`].
    pub(crate) fn new(pattern: &[u8]) -> Result<Pattern, Fault<'static>> {
        Pattern::check(pattern)?;
        let head = pattern.iter().position(|byte| b"*?[\\".contains(byte)).unwrap_or(pattern.len());
        let (head, rest) = pattern.split_at(head);
        let builder = Builder::read(rest, |byte| byte);
        Ok(builder.build(head.to_vec(), |byte| byte))
    }

    /// One for which case does not count.
    ///
    /// # Errors
    /// [`Fault::PatternLength`].
    pub(crate) fn ignoring_case(pattern: &[u8]) -> Result<Pattern, Fault<'static>> {
        Pattern::check(pattern)?;
        let builder = Builder::read(pattern, |byte| byte.to_ascii_lowercase());
        Ok(builder.build(Vec::new(), |byte| byte.to_ascii_lowercase()))
    }

    /// What a byte of a text costs at most, in steps, and its share of memory: at least 1.
    pub(crate) fn price(&self) -> usize {
        let steps = if self.last == 0 { 1 } else { 2 + self.run / WORD };
        steps + self.goes.len() * size_of::<u64>() / TABLE_BYTES
    }

    /// What it takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        let words = self.stays.capacity() + self.goes.capacity();
        size_of::<Pattern>() + self.head.capacity() + words * size_of::<u64>()
    }

    /// Whether the whole of `text` matches. For texts that are few and short: nothing bounds what it takes.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.matches_within(text, &mut Steps(u64::MAX)) == Some(true)
    }

    /// The same; `None` where it takes more steps than there are.
    pub(crate) fn matches_within(&self, text: &[u8], steps: &mut Steps) -> Option<bool> {
        if !steps.take(1) {
            return None;
        }
        let Some(text) = text.strip_prefix(&self.head[..]) else { return Some(false) };
        let mut states = [0; limit::PATTERN_BYTES_MAX / WORD + 1];
        states[0] = 1;
        // Words before `low` and behind `high` hold no state that matters.
        let (mut low, mut high) = (0, 0);
        for byte in text {
            if self.is_over(&states) {
                return Some(true);
            }
            if !steps.take((high - low + 1) as u64) {
                return None;
            }
            let goes = &self.goes[usize::from(self.classes[usize::from(*byte)]) * self.words..];
            let (from, top) = (low, (high + 1).min(self.words - 1));
            let (mut carry, mut any) = (0, 0);
            high = from;
            for (word, state) in states.iter_mut().enumerate().take(top + 1).skip(from) {
                let gone = *state & goes[word];
                let stays = *state & self.stays[word];
                let next = (gone << 1) | carry | stays;
                carry = gone >> (WORD - 1);
                (*state, any) = (next, any | next);
                if next != 0 {
                    high = word;
                }
                if next & self.stays[word] != 0 {
                    low = word;
                }
            }
            if any == 0 {
                return Some(false);
            }
            // What lies before the last star is beaten by it.
            let kept = states[low] & self.stays[low];
            if kept != 0 {
                states[low] &= !0 << (WORD - 1 - kept.leading_zeros() as usize);
            }
        }
        Some((states[self.last / WORD] >> (self.last % WORD)) & 1 == 1)
    }

    /// Whether everything matches from here on: the pattern ends with a star that was reached.
    fn is_over(&self, states: &[u64]) -> bool {
        let (word, bit) = (self.last / WORD, self.last % WORD);
        states[word] & self.stays[word] & (1 << bit) != 0
    }
}

/// What matches one byte.
enum Item {
    Any,
    Byte(u8),
    Class(Box<[bool; 256]>),
}

/// A pattern behind its head, item by item.
#[derive(Default)]
struct Builder {
    items: Vec<Item>,
    /// States before a star.
    stars: Vec<usize>,
}

impl Builder {
    /// `fold` makes one of bytes that count as the same.
    fn read(mut pattern: &[u8], fold: impl Fn(u8) -> u8 + Copy) -> Builder {
        let mut builder = Builder::default();
        while let Some((first, rest)) = pattern.split_first() {
            pattern = rest;
            let item = match (first, rest) {
                (b'*', _) => {
                    builder.stars.push(builder.items.len());
                    continue;
                }
                (b'?', _) => Item::Any,
                (b'[', class) => {
                    let (bytes, len) = class_of(class, fold);
                    pattern = &class[len..];
                    Item::Class(bytes)
                }
                (b'\\', [escaped, behind @ ..]) => {
                    pattern = behind;
                    Item::Byte(fold(*escaped))
                }
                (byte, _) => Item::Byte(fold(*byte)),
            };
            builder.items.push(item);
        }
        builder
    }

    fn build(self, head: Vec<u8>, fold: impl Fn(u8) -> u8) -> Pattern {
        let (words, last) = (self.items.len() / WORD + 1, self.items.len());
        let mut stays = vec![0; words];
        self.stars.iter().for_each(|state| stays[state / WORD] |= 1 << (state % WORD));
        if last == 0 {
            return Pattern { head, words, stays, classes: [0; 256], goes: vec![0], last, run: 0 };
        }
        let mut columns = vec![0u64; 256 * words];
        for (state, item) in self.items.iter().enumerate() {
            let mut set = |byte: usize| columns[byte * words + state / WORD] |= 1 << (state % WORD);
            match item {
                Item::Any => (0..256).for_each(set),
                Item::Byte(byte) => set(usize::from(*byte)),
                Item::Class(bytes) => (0..256).filter(|byte| bytes[*byte]).for_each(set),
            }
        }
        let (mut known, mut goes, mut classes) = (HashMap::new(), Vec::new(), [0; 256]);
        for (byte, class) in (0..=u8::MAX).zip(&mut classes) {
            let column = &columns[usize::from(fold(byte)) * words..][..words];
            let next = known.len();
            let number = *known.entry(column).or_insert_with(|| {
                goes.extend_from_slice(column);
                next
            });
            *class = number as u8;
        }
        goes.shrink_to_fit();
        let ends = self.stars.iter().copied().chain([self.items.len()]);
        let begins = [0].into_iter().chain(self.stars.iter().copied());
        let run = begins.zip(ends).map(|(begin, end)| end - begin).max().unwrap_or(0);
        Pattern { head, words, stays, classes, goes, last, run }
    }
}

/// The bytes of the class that follows `[`, and the bytes that describe it, its end included.
fn class_of(class: &[u8], fold: impl Fn(u8) -> u8) -> (Box<[bool; 256]>, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut bytes = Box::new([false; 256]);
    let len = loop {
        match &class[at.min(class.len())..] {
            [] => break class.len(),
            [b']', ..] => break at + 1,
            [b'\\', escaped, ..] => {
                bytes[usize::from(fold(*escaped))] = true;
                at += 2;
            }
            [from, b'-', to, ..] => {
                let (from, to) = (usize::from(fold(*from)), usize::from(fold(*to)));
                bytes[from.min(to)..=from.max(to)].fill(true);
                at += 3;
            }
            [other, ..] => {
                bytes[usize::from(fold(*other))] = true;
                at += 1;
            }
        }
    };
    bytes.iter_mut().for_each(|byte| *byte ^= negated);
    (bytes, len)
}

#[cfg(test)]
mod tests {
    use super::{Pattern, Steps};
    use crate::resp::limit::PATTERN_BYTES_MAX;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::ignoring_case(pattern.as_bytes()).unwrap().matches(text.as_bytes())
    }

    fn matches_exactly(pattern: &[u8], text: &[u8]) -> bool {
        Pattern::new(pattern).unwrap().matches(text)
    }

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
            assert!(matches(pattern, text), "{pattern} on {text}");
        }
        for (pattern, text) in no {
            assert!(!matches(pattern, text), "{pattern} on {text}");
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

    /// The definition, which tries everything.
    fn is_match(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|from| is_match(rest, &text[from..])),
            ([b'?', rest @ ..], [_, text @ ..]) => is_match(rest, text),
            ([byte, rest @ ..], [first, text @ ..]) => byte == first && is_match(rest, text),
            (pattern, text) => pattern.is_empty() && text.is_empty(),
        }
    }

    #[test]
    fn all_states_at_once_find_what_trying_everything_finds() {
        let letters = |mut number: usize, len: usize, of: &[u8]| -> Vec<u8> {
            let letter = |_| {
                let letter = of[number % of.len()];
                number /= of.len();
                letter
            };
            (0..len).map(letter).collect()
        };
        for (pattern_len, text_len) in [(0, 3), (3, 4), (5, 5)] {
            for pattern in 0..4usize.pow(pattern_len) {
                let pattern = letters(pattern, pattern_len as usize, b"ab?*");
                let compiled = Pattern::new(&pattern).unwrap();
                for text in 0..2usize.pow(text_len) {
                    let text = letters(text, text_len as usize, b"ab");
                    let (is, should) = (compiled.matches(&text), is_match(&pattern, &text));
                    assert_eq!(is, should, "{} on {}", pattern.escape_ascii(), text.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn runs_longer_than_a_word_match_over_its_end() {
        let long = |middle: &str| format!("x*{}{middle}{}*y", "a".repeat(70), "?".repeat(70));
        let text = |middle: &str| format!("xz{}{middle}{}zy", "a".repeat(75), "b".repeat(70));
        assert!(matches_exactly(long("[q-s]").as_bytes(), text("r").as_bytes()));
        assert!(!matches_exactly(long("[q-s]").as_bytes(), text("t").as_bytes()));
    }

    #[test]
    fn no_pattern_costs_more_than_its_price_for_each_byte() {
        let text = b"a".repeat(60_000);
        for pattern in [
            [&b"*"[..], &b"a".repeat(1_000), b"b"].concat(),
            b"*a".repeat(512),
            b"a*".repeat(512),
            [&b"*"[..], &b"?".repeat(1_000), b"b*"].concat(),
            b"*[^b]".repeat(170),
        ] {
            let pattern = Pattern::new(&pattern).unwrap();
            assert!(pattern.price() <= 18, "{}", pattern.price());
            let most = (text.len() * pattern.price()) as u64;
            assert!(pattern.matches_within(&text, &mut Steps::new(most + 1)).is_some());
            assert_eq!(pattern.matches_within(&text, &mut Steps::new(0)), None);
        }
        assert_eq!(Pattern::new(b"news:*").unwrap().price(), 1, "what most patterns are costs least");
    }

    #[test]
    fn a_pattern_is_bounded() {
        assert!(Pattern::new(&b"*".repeat(PATTERN_BYTES_MAX)).is_ok());
        assert!(Pattern::new(&b"*".repeat(PATTERN_BYTES_MAX + 1)).is_err());
        assert!(Pattern::ignoring_case(&b"*".repeat(PATTERN_BYTES_MAX + 1)).is_err());
    }
}
