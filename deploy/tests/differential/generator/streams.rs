//! Commands on streams.

use super::{Generator, Line};

impl Generator {
    pub(super) fn xadd(&mut self) -> Line {
        let automatic = self.dice.chance(8);
        // Ids of the clock make every later id of ours too low, so they have a key of their own for the most part.
        let key = if automatic && self.dice.chance(85) { b"clock".to_vec() } else { self.key() };
        let mut line = Line::of("XADD").put(&key);
        let mut options = self.trimming(20);
        if self.dice.chance(12) {
            let at = if self.dice.chance(50) { 0 } else { options.len() };
            options.insert(at, self.spelling("NOMKSTREAM"));
        }
        line = line.put_all(options);
        let id = if automatic { "*".to_owned() } else { self.new_id() };
        self.remember(key, &id);
        line = line.put(id);
        for _ in 0..1 + self.dice.below(3) {
            line = line.put(self.field()).put(self.field());
        }
        line
    }

    fn remember(&mut self, key: Vec<u8>, id: &str) {
        const REMEMBERED: usize = 40;
        if self.added.len() == REMEMBERED {
            self.added.remove(0);
        }
        self.added.push((key, id.replace('*', "0")));
    }

    /// An id for a new entry: mostly just above the highest one.
    fn new_id(&mut self) -> String {
        match self.dice.below(100) {
            0..4 => self.edge_id(),
            4..10 => self.id(),
            10..50 => {
                self.height += self.dice.below(2);
                format!("{}-*", self.height)
            }
            _ => {
                self.height += self.dice.below(2);
                let sequence = self.sequence();
                format!("{}-{sequence}", self.height)
            }
        }
    }

    /// Trimming options, in `percent` of a hundred cases.
    fn trimming(&mut self, percent: u64) -> Vec<Vec<u8>> {
        if !self.dice.chance(percent) {
            return Vec::new();
        }
        let by_length = self.dice.chance(55);
        let mut options = vec![self.spelling(if by_length { "MAXLEN" } else { "MINID" })];
        let how = self.dice.weighted(&[(5, ""), (4, "="), (5, "~")]);
        if !how.is_empty() {
            options.push(how.into());
        }
        let threshold = match self.dice.below(12) {
            0 => self.edge_number(),
            _ if by_length => (self.dice.below(12) + 1).to_string(),
            _ if self.dice.chance(60) => format!("{}-1", self.height.saturating_sub(8)),
            _ => self.id(),
        };
        options.push(threshold.into_bytes());
        if self.dice.chance(if how == "~" { 40 } else { 8 }) {
            options.push(self.spelling("LIMIT"));
            options.push(self.count().into_bytes());
        }
        if self.dice.chance(5) {
            options.extend(self.trimming(100));
        }
        options
    }

    pub(super) fn xtrim(&mut self) -> Line {
        let key = self.key();
        let trimming = self.trimming(97);
        Line::of("XTRIM").put(key).put_all(trimming)
    }

    pub(super) fn xlen(&mut self) -> Line {
        Line::of("XLEN").put(self.key())
    }

    pub(super) fn xrange(&mut self) -> Line {
        let back = self.dice.chance(45);
        let (name, first, second) = if back { ("XREVRANGE", "+", "-") } else { ("XRANGE", "-", "+") };
        let key = self.key();
        let line = Line::of(name).put(key).put(self.bound(first)).put(self.bound(second));
        if !self.dice.chance(40) {
            return line;
        }
        let line = line.put(self.spelling("COUNT")).put(self.count());
        if self.dice.chance(10) { line.put("COUNT").put("2") } else { line }
    }

    pub(super) fn xread(&mut self) -> Line {
        let mut line = Line::of("XREAD");
        for option in
            self.dice.pick(&[&[][..], &["COUNT"], &["BLOCK"], &["COUNT", "BLOCK"], &["BLOCK", "COUNT"]])
        {
            let value = if *option == "COUNT" { self.count() } else { self.block() };
            line = line.put(self.spelling(option)).put(value);
        }
        self.streams(line, &["$", "0", "0-0", "0-1", "3"], false)
    }

    /// How long to block. Outside a transaction nobody would wake a client that blocks for ever.
    pub(super) fn block(&mut self) -> String {
        match self.dice.below(10) {
            0 => self
                .dice
                .pick(&["-1", "abc", "", "1.5", "9223372036854775808", "-9223372036854775808"])
                .to_owned(),
            1..5 if self.in_transaction => self.dice.pick(&["0", "1000000"]).to_owned(),
            _ => "1".to_owned(),
        }
    }

    /// `STREAMS`, keys and ids: sometimes of different number, sometimes one key twice.
    pub(super) fn streams(&mut self, line: Line, special: &[&str], of_group: bool) -> Line {
        let key = if of_group { Self::group_key } else { Self::key };
        let count = self.dice.weighted(&[(6, 1), (3, 2), (1, 3), (1, 0)]);
        let mut keys: Vec<Vec<u8>> = (0..count).map(|_| key(self)).collect();
        if count == 2 && self.dice.chance(20) {
            keys[1] = keys[0].clone();
        }
        // See `Difference::SeveralGroups`.
        if of_group && keys.windows(2).any(|pair| pair[0] != pair[1]) {
            keys = (0..count).map(|_| self.dice.pick(&["{a}1", "{a}1", "{a}2", "b{a}"]).into()).collect();
        }
        let ids = if self.dice.chance(3) { count + 1 } else { count };
        let mut line = line.put(self.spelling("STREAMS")).put_all(keys);
        for _ in 0..ids {
            line = if self.dice.chance(70) { line.put(self.dice.pick(special)) } else { line.put(self.id()) };
        }
        line
    }

    pub(super) fn xdel(&mut self) -> Line {
        let key = self.key();
        let ids = (0..1 + self.dice.below(4)).map(|_| self.id_in(&key)).collect::<Vec<_>>();
        Line::of("XDEL").put(key).put_all(ids)
    }

    pub(super) fn xsetid(&mut self) -> Line {
        self.height += 1;
        let id = if self.dice.chance(60) { self.height.to_string() } else { self.id() };
        let mut line = Line::of("XSETID").put(self.key()).put(id);
        if self.dice.chance(40) {
            line = line.put(self.spelling("ENTRIESADDED")).put(self.count());
        }
        if self.dice.chance(35) {
            line = line.put(self.spelling("MAXDELETEDID")).put(self.id());
        }
        line
    }

    pub(super) fn xinfo(&mut self) -> Line {
        let line = Line::of("XINFO");
        match self.dice.below(20) {
            0..6 => line.put(self.spelling("STREAM")).put(self.key()),
            6..12 => {
                let line = line.put(self.spelling("STREAM")).put(self.key()).put(self.spelling("FULL"));
                match self.dice.below(10) {
                    0..5 => line.put(self.spelling("COUNT")).put(self.count()),
                    5 => line.put("COUNT"),
                    _ => line,
                }
            }
            12..15 => line.put(self.spelling("GROUPS")).put(self.group_key()),
            15..18 => line.put(self.spelling("CONSUMERS")).put(self.group_key()).put(self.group()),
            18 => line.put(self.dice.pick(&["HELP", "NOSUCH", "STREAM", "CONSUMERS", "GROUPS"])),
            _ => line.put(self.junk()).put(self.key()),
        }
    }
}
