//! The words that commands are made of: few enough to meet again, with the edges of each kind among them.

use super::Generator;

const EDGE_NUMBERS: &[&str] = &[
    "0",
    "-1",
    "-0",
    "00",
    "+1",
    " 1",
    "1 ",
    "",
    "abc",
    "1.5",
    "1e3",
    "0x10",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "18446744073709551615",
    "18446744073709551616",
    "340282366920938463463374607431768211456",
];

const EDGE_IDS: &[&str] = &[
    "0-0",
    "0",
    "0-1",
    "-",
    "+",
    "$",
    ">",
    "*",
    "",
    "abc",
    "-1",
    "1-",
    "-1-1",
    "1-1-1",
    "1-a",
    "a-1",
    " 1-1",
    "1-1 ",
    "01-01",
    "+1-1",
    "1--1",
    "(",
    "((1-1",
    "(-",
    "(+",
    "1-*",
    "*-1",
    "18446744073709551615",
    "18446744073709551615-18446744073709551615",
    "(18446744073709551615-18446744073709551615",
    "18446744073709551615-18446744073709551614",
    "18446744073709551616",
    "18446744073709551616-0",
    "0-18446744073709551615",
    "0-18446744073709551616",
    "(0-0",
];

/// No small positive numbers: one that lands where a time is meant would make a reply depend on speed.
const JUNK: &[&[u8]] = &[
    b"",
    b"0",
    b"-1",
    b"abc",
    b"1.5",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"\r\n",
    b"a\0b",
    b"\xff\xfe",
    b"'\"\\",
    b"$",
    b">",
    b"-",
    b"+",
    b"*",
    b"~",
    b"=",
    b"(1-1",
    b"1-1",
    b"COUNT",
    b"LIMIT",
    b"STREAMS",
    b"JUSTID",
    b"MAXLEN",
    b"g",
    b"s",
];

impl Generator {
    pub(super) fn key(&mut self) -> Vec<u8> {
        let usual = [(6, "s"), (4, "t"), (3, "{a}1"), (3, "{a}2"), (2, "b{a}"), (2, "scan:events:7")];
        match self.dice.below(100) {
            0..3 => self.dice.pick(&[&b"never"[..], b"", b"k\r\n\0\xff", b"{}x", b"{a"]).to_vec(),
            3..6 => b"clock".to_vec(),
            _ => self.dice.weighted(&usual).into(),
        }
    }

    /// A key that mostly has groups.
    pub(super) fn group_key(&mut self) -> Vec<u8> {
        if self.dice.chance(20) { self.key() } else { self.dice.pick(&["s", "s", "t", "{a}1"]).into() }
    }

    /// An id of an entry as others than XADD name it: often one that is there.
    pub(super) fn id(&mut self) -> String {
        match self.dice.below(100) {
            0..6 => self.edge_id(),
            6..16 => self.milliseconds().to_string(),
            _ => self.full_id(),
        }
    }

    /// An id that was probably added to this stream, else any. Never a bare number.
    pub(super) fn id_in(&mut self, key: &[u8]) -> String {
        let here: Vec<&String> = self.added.iter().filter(|(of, _)| of == key).map(|(_, id)| id).collect();
        if here.is_empty() || self.dice.chance(25) {
            return if self.dice.chance(15) { self.edge_id() } else { self.full_id() };
        }
        here[self.dice.index(here.len())].clone()
    }

    /// Never a bare number, which would be a time if a spoiled command shifted it there.
    pub(super) fn full_id(&mut self) -> String {
        format!("{}-{}", self.milliseconds(), self.sequence())
    }

    /// The second number of an id: a small one, as XADD's own are.
    pub(super) fn sequence(&mut self) -> u64 {
        self.dice.weighted(&[(12, 0), (5, 1), (2, 2), (1, 3)])
    }

    pub(super) fn edge_id(&mut self) -> String {
        self.dice.pick(EDGE_IDS).to_owned()
    }

    fn milliseconds(&mut self) -> u64 {
        let depth = if self.dice.chance(75) { 5 } else { 14 };
        self.height + 1 - self.dice.below(self.height.min(depth) + 1)
    }

    /// An end of a range.
    pub(super) fn bound(&mut self, open: &str) -> String {
        match self.dice.below(10) {
            0..4 => open.to_owned(),
            4..6 => format!("({}", self.id()),
            _ => self.id(),
        }
    }

    /// How many of something.
    pub(super) fn count(&mut self) -> String {
        if self.dice.chance(8) { self.edge_number() } else { self.dice.below(8).to_string() }
    }

    pub(super) fn edge_number(&mut self) -> String {
        self.dice.pick(EDGE_NUMBERS).to_owned()
    }

    pub(super) fn junk(&mut self) -> Vec<u8> {
        self.dice.pick(JUNK).to_vec()
    }

    pub(super) fn field(&mut self) -> Vec<u8> {
        match self.dice.below(30) {
            0 => Vec::new(),
            1 => b"\r\n\0\x80\xff".to_vec(),
            2 => vec![b'x'; 300],
            3 => b"-12345678901234567890".to_vec(),
            4 => b"\"quoted\" 'text'".to_vec(),
            5 => b"*3\r\n$4\r\n".to_vec(),
            _ => self.dice.pick(&["f", "g", "state", "value", "1", "42", "-7"]).into(),
        }
    }

    pub(super) fn group(&mut self) -> Vec<u8> {
        match self.dice.below(40) {
            0 => self.junk(),
            1 => b"nobody's".to_vec(),
            other if other < 33 => b"g".to_vec(),
            _ => b"h".to_vec(),
        }
    }

    pub(super) fn consumer(&mut self) -> Vec<u8> {
        match self.dice.below(30) {
            0 => self.junk(),
            _ => self.dice.pick(&["alice", "bob", "carol"]).into(),
        }
    }

    /// A least idle time that nothing, or everything with the idle times made here, has passed: never near an idle time.
    pub(super) fn idle_least(&mut self) -> String {
        match self.dice.below(20) {
            0 => self.edge_number(),
            1 => "999999999999".to_owned(),
            2..6 => "1000000".to_owned(),
            _ => "0".to_owned(),
        }
    }

    /// A word with its letters in other cases, as clients write them.
    pub(super) fn spelling(&mut self, word: &str) -> Vec<u8> {
        match self.dice.below(12) {
            0 => word.to_ascii_lowercase().into_bytes(),
            1 => word
                .bytes()
                .map(|byte| if self.dice.chance(50) { byte.to_ascii_lowercase() } else { byte })
                .collect(),
            _ => word.as_bytes().to_vec(),
        }
    }

    pub(super) fn spelled(&mut self, word: &str) -> super::Command {
        vec![self.spelling(word)]
    }
}
