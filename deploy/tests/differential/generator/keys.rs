//! Commands on keys whatever they hold, on their times to live, and on all keys at once.

use super::{Generator, How, Line, Step};

/// Moments far away, in seconds: given as such, they must be answered to the millisecond.
pub(crate) const FAR_MOMENTS: std::ops::Range<i64> = 5_000_000_000..6_000_000_000;

impl Generator {
    pub(super) fn remove(&mut self) -> Line {
        let name = self.dice.pick(&["DEL", "DEL", "UNLINK"]);
        self.keys(Line::of(name))
    }

    pub(super) fn exists(&mut self) -> Line {
        let name = self.dice.pick(&["EXISTS", "EXISTS", "TOUCH", "TYPE"]);
        if name == "TYPE" { Line::of(name).put(self.key()) } else { self.keys(Line::of(name)) }
    }

    /// One key, or a few, the same one twice among them.
    fn keys(&mut self, line: Line) -> Line {
        let count = self.dice.weighted(&[(7, 1), (2, 2), (1, 4)]);
        let keys = (0..count).map(|_| self.key()).collect::<Vec<_>>();
        line.put_all(keys)
    }

    pub(super) fn expire(&mut self) -> Line {
        let name = self.dice.pick(&["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"]);
        let mut line = Line::of(name).put(self.key()).put(self.life(name));
        let conditions = self.dice.weighted(&[(10, 0), (10, 1), (2, 2), (1, 3)]);
        for _ in 0..conditions {
            line = line.put(match self.dice.below(20) {
                0 => self.junk(),
                _ => {
                    let condition = self.dice.pick(&["NX", "XX", "GT", "LT"]);
                    self.spelling(condition)
                }
            });
        }
        line
    }

    /// A time to live or a moment: long past, hours away and unlike every other, or no number. Two that are alike would be
    /// ordered by the speed of the servers.
    fn life(&mut self, name: &str) -> String {
        if self.dice.chance(8) {
            let edges = [
                "0",
                "-9223372036854775808",
                "9223372036854775807",
                "9223372036854775",
                "1.5",
                "",
                "x",
                "0x1",
                " 1",
            ];
            let edge = self.dice.pick(&edges);
            // So many milliseconds are a time to live, about as long as another such. The last moment of all is not asked
            // for because Redis computes its seconds by an overflow.
            let is_life = (name == "PEXPIRE" && edge == "9223372036854775")
                || (name == "PEXPIREAT" && edge == "9223372036854775807");
            if !is_life {
                return edge.to_owned();
            }
        }
        self.lives += 1;
        let scattered = i64::try_from(self.lives * 7919 % 10_007).expect("a small number");
        let moment = FAR_MOMENTS.start + 50_000 * scattered;
        let thousandths = i64::try_from(self.dice.below(1000)).expect("a small number");
        let past = self.dice.chance(5);
        match name {
            "EXPIRE" => 100_000 + 1_000 * scattered,
            "PEXPIRE" => 100_000_000 + 1_000_000 * scattered + 500_000 + thousandths,
            "EXPIREAT" if past => 1_000_000_000 + scattered,
            "PEXPIREAT" if past => scattered,
            "EXPIREAT" => moment,
            "PEXPIREAT" => moment * 1000 + thousandths,
            other => unreachable!("{other} sets no time to live"),
        }
        .to_string()
    }

    pub(super) fn ttl(&mut self) -> Line {
        let name = self.dice.pick(&["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "PERSIST"]);
        Line::of(name).put(self.key())
    }

    pub(super) fn whole(&mut self) -> Line {
        match self.dice.below(40) {
            0 if self.dice.chance(40) => Line::of(self.dice.pick(&["FLUSHALL", "FLUSHDB"])),
            1 => Line::of("FLUSHALL").put(self.dice.pick(&["NOSUCH", "SYNC", "ASYNC"])),
            2..6 => Line::of("DBSIZE").put("now"),
            6..12 if self.choice.keys => {
                Line::of("KEYS").put(self.dice.pick(&["*", "{a}?", "[st]", "nothing", "s*:*"]))
            }
            _ => Line::of("DBSIZE"),
        }
    }

    /// A whole iteration with good options, or one call with bad ones.
    pub(super) fn scan(&mut self) -> Step {
        if self.dice.chance(35) {
            let bad = self.dice.pick(&[
                "SCAN",
                "SCAN abc",
                "SCAN 18446744073709551616",
                "SCAN 0 COUNT 0",
                "SCAN 0 COUNT -1",
                "SCAN 0 COUNT abc",
                "SCAN 0 COUNT",
                "SCAN 0 MATCH",
                "SCAN 0 TYPE",
                "SCAN 0 NOSUCH 1",
                "SCAN 0 COUNT 1.5",
            ]);
            let command = bad.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            return Step { command, how: How::Plain };
        }
        let mut line = Line(vec![self.spelling("SCAN")]).put("0");
        let mut options = ["MATCH", "COUNT", "TYPE"];
        options.rotate_left(self.dice.index(3));
        for option in options {
            if self.dice.chance(45) {
                let value = match option {
                    "MATCH" => {
                        self.dice.pick(&["*", "?", "{a}*", "*a*", "[^s]", "s*", "", "\\{a\\}1", "[a-z]"])
                    }
                    "COUNT" => self.dice.pick(&["1", "2", "10", "1000"]),
                    _ => self.dice.pick(&["stream", "STREAM", "string", "nosuch", ""]),
                };
                line = line.put(self.spelling(option)).put(value);
            }
        }
        Step { command: line.0, how: How::Scan }
    }
}
