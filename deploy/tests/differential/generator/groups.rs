//! Commands on consumer groups.

use super::{Generator, Line};

impl Generator {
    pub(super) fn xgroup_create(&mut self) -> Line {
        let line = Line::of("XGROUP").put(self.spelling("CREATE")).put(self.group_key()).put(self.group());
        let mut line = line.put(self.group_id());
        let make = self.dice.chance(80);
        let first = self.dice.chance(70);
        if make && first {
            line = line.put(self.spelling("MKSTREAM"));
        }
        if self.dice.chance(15) {
            line = line.put(self.spelling("ENTRIESREAD")).put(self.count());
        }
        if make && !first { line.put("MKSTREAM") } else { line }
    }

    /// Where a group begins.
    fn group_id(&mut self) -> String {
        match self.dice.below(10) {
            0..4 => "0".to_owned(),
            4..7 => "$".to_owned(),
            _ => self.id(),
        }
    }

    pub(super) fn xgroup_other(&mut self) -> Line {
        let line = Line::of("XGROUP");
        match self.dice.below(20) {
            0..7 => {
                let line = line.put(self.spelling("SETID")).put(self.group_key()).put(self.group());
                let line = line.put(self.group_id());
                match self.dice.chance(40) {
                    true => line.put(self.spelling("ENTRIESREAD")).put(self.count()),
                    false => line,
                }
            }
            7..11 => self.about_consumer(line, "CREATECONSUMER"),
            11..15 => self.about_consumer(line, "DELCONSUMER"),
            15..18 => line.put(self.spelling("DESTROY")).put(self.group_key()).put(self.group()),
            18 => line.put(self.dice.pick(&["HELP", "NOSUCH", "CREATE", "SETID", "DESTROY"])),
            _ => line.put(self.junk()).put(self.group_key()).put(self.group()),
        }
    }

    fn about_consumer(&mut self, line: Line, what: &str) -> Line {
        line.put(self.spelling(what)).put(self.group_key()).put(self.group()).put(self.consumer())
    }

    pub(super) fn xreadgroup(&mut self) -> Line {
        let mut line = Line::of("XREADGROUP").put(self.spelling("GROUP"));
        line = line.put(self.group()).put(self.consumer());
        for option in self.dice.pick(&[
            &[][..],
            &[],
            &[],
            &["COUNT"],
            &["COUNT"],
            &["NOACK"],
            &["COUNT", "NOACK"],
            &["BLOCK"],
            &["BLOCK", "COUNT"],
        ]) {
            line = line.put(self.spelling(option));
            match *option {
                "COUNT" => line = line.put(self.count()),
                "BLOCK" => line = line.put(self.block()),
                _ => {}
            }
        }
        self.streams(line, &[">", ">", ">", "0"], true)
    }

    pub(super) fn xack(&mut self) -> Line {
        let key = self.group_key();
        let line = Line::of("XACK").put(&key).put(self.group());
        let ids = (0..1 + self.dice.below(4)).map(|_| self.id_in(&key)).collect::<Vec<_>>();
        line.put_all(ids)
    }

    pub(super) fn xpending(&mut self) -> Line {
        let mut line = Line::of("XPENDING").put(self.group_key()).put(self.group());
        if self.dice.chance(30) {
            return line;
        }
        if self.dice.chance(30) {
            line = line.put(self.spelling("IDLE")).put(self.idle_least());
        }
        line = line.put(self.end("-")).put(self.end("+")).put(self.count());
        if self.dice.chance(35) { line.put(self.consumer()) } else { line }
    }

    /// An end of a range, as `bound`, but never a bare number.
    fn end(&mut self, open: &str) -> String {
        match self.dice.below(10) {
            0..5 => open.to_owned(),
            5 => self.edge_id(),
            6..8 => format!("({}", self.full_id()),
            _ => self.full_id(),
        }
    }

    pub(super) fn xclaim(&mut self) -> Line {
        let key = self.group_key();
        let line = Line::of("XCLAIM").put(&key).put(self.group()).put(self.consumer());
        let mut line = line.put(self.idle_least());
        for _ in 0..1 + self.dice.below(3) {
            line = line.put(self.id_in(&key));
        }
        for _ in 0..self.dice.weighted(&[(5, 0), (5, 1), (4, 2), (2, 3)]) {
            line = self.claim_option(line);
        }
        line
    }

    fn claim_option(&mut self, line: Line) -> Line {
        match self.dice.below(12) {
            0..2 => {
                let idle =
                    self.dice.pick(&["0", "5000000", "5000001", "-5", "9223372036854775807", "abc", ""]);
                line.put(self.spelling("IDLE")).put(idle)
            }
            2 => {
                let time = self.dice.pick(&["0", "1600000000000", "-1", "99999999999999", "abc", "1.5"]);
                line.put(self.spelling("TIME")).put(time)
            }
            3..5 => {
                let times = self.dice.pick(&["0", "9000", "77000", "-1", "9223372036854775807", "abc"]);
                line.put(self.spelling("RETRYCOUNT")).put(times)
            }
            5..8 => line.put(self.spelling("FORCE")),
            8..10 => line.put(self.spelling("JUSTID")),
            10 => line.put(self.spelling("LASTID")).put(self.full_id()),
            _ => line.put(self.dice.pick(&["NOSUCH", "IDLE", "TIME", "RETRYCOUNT", "LASTID", "1-1"])),
        }
    }

    pub(super) fn xautoclaim(&mut self) -> Line {
        let line = Line::of("XAUTOCLAIM").put(self.group_key()).put(self.group()).put(self.consumer());
        let idle = self.idle_least();
        let mut line = line.put(idle).put(match self.dice.below(10) {
            0..6 => "0-0".to_owned(),
            6 => "-".to_owned(),
            7 => self.edge_id(),
            8 => format!("({}", self.full_id()),
            _ => self.full_id(),
        });
        if self.dice.chance(45) {
            // Not much more than a million: the memory for the ids is taken at once.
            let small = self.dice.chance(85);
            let count = if small { (1 + self.dice.below(4)).to_string() } else { self.edge_number() };
            line = line.put(self.spelling("COUNT")).put(count);
        }
        if self.dice.chance(25) { line.put(self.spelling("JUSTID")) } else { line }
    }
}
