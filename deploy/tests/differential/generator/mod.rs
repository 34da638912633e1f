//! Random commands: mostly sensible ones over a few keys, so that they meet each other, and among them every kind of nonsense.
//!
//! | file | what it makes |
//! |---|---|
//! | `values.rs` | keys, ids, numbers and other words, edge values among them |
//! | `streams.rs` | commands on streams |
//! | `groups.rs` | commands on consumer groups |
//! | `keys.rs` | commands on keys whatever they hold, expiry, the whole keyspace |
//! | `nonsense.rs` | what turns a good command into a bad one |
//!
//! Nothing here depends on a reply, so a case is known from its seed alone and can be sent in pipelines. What would give
//! different replies at different speeds is never made; `differences.rs` lists what follows from that.

mod groups;
mod keys;
mod nonsense;
mod streams;
mod values;

use crate::dice::Dice;

pub(crate) use keys::FAR_MOMENTS;

/// A command as it is sent: its words.
pub(crate) type Command = Vec<Vec<u8>>;

pub(crate) fn words<W: AsRef<[u8]>>(words: &[W]) -> Command {
    words.iter().map(|word| word.as_ref().to_vec()).collect()
}

/// How a step is run and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Sent, and one reply compared.
    Plain,
    /// A whole iteration is run on each side, and what it found compared as a sorted set.
    Scan,
    /// As `Difference::XsetidBelowDeleted` says.
    SetId,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) command: Command,
    pub(crate) how: How,
}

/// Steps that only make sense together: a transaction, or what has to be there before a command.
pub(crate) type Unit = Vec<Step>;

/// Which commands are made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// KEYS and WATCH are only made on request, because a server may do without them.
    pub(crate) keys: bool,
    pub(crate) watch: bool,
    /// Names of commands, in capitals, that are not made; neither is what they are part of.
    pub(crate) without: Vec<String>,
}

impl Choice {
    /// Whether nothing in a unit is unwanted. `GROUPS` stands for all that has to do with consumer groups.
    fn wants(&self, unit: &Unit) -> bool {
        unit.iter().all(|step| {
            let name = String::from_utf8_lossy(&step.command[0]).to_ascii_uppercase();
            let second = step.command.get(1).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
            let of_groups = ["XGROUP", "XREADGROUP", "XACK", "XPENDING", "XCLAIM", "XAUTOCLAIM"]
                .contains(&&*name)
                || (name == "XINFO" && [&b"GROUPS"[..], b"CONSUMERS"].contains(&&*second));
            let is_unwanted = |unwanted: &String| *unwanted == name || (unwanted == "GROUPS" && of_groups);
            !self.without.iter().any(is_unwanted)
        })
    }
}

/// The units of case `case` of `seed`: about `count` commands.
pub(crate) fn case(seed: u64, case: u64, count: usize, choice: &Choice) -> Vec<Unit> {
    let mut generator = Generator {
        dice: Dice::of_part(seed, case),
        choice: choice.clone(),
        height: 2,
        added: Vec::new(),
        lives: 0,
        in_transaction: false,
    };
    let mut units = generator.beginning();
    let mut made = 0;
    while made < count {
        let unit = generator.unit();
        made += unit.len();
        units.push(unit);
    }
    units.retain(|unit| choice.wants(unit));
    units
}

struct Generator {
    dice: Dice,
    choice: Choice,
    /// About the first number of the highest id so far, so that new ones are often just above it.
    height: u64,
    /// Keys and ids of the last entries, so that others often name what is there.
    added: Vec<(Vec<u8>, String)>,
    /// How many times to live were made: no two are the same within a case.
    lives: u64,
    in_transaction: bool,
}

/// A command that is being put together.
struct Line(Command);

impl Line {
    fn of(name: &str) -> Self {
        Self(vec![name.as_bytes().to_vec()])
    }

    fn put(mut self, word: impl AsRef<[u8]>) -> Self {
        self.0.push(word.as_ref().to_vec());
        self
    }

    fn put_all<W: AsRef<[u8]>>(self, words: impl IntoIterator<Item = W>) -> Self {
        words.into_iter().fold(self, Self::put)
    }
}

type Maker = fn(&mut Generator) -> Line;

const STREAMS: &[(u64, Maker)] = &[
    (26, Generator::xadd),
    (3, Generator::xlen),
    (8, Generator::xrange),
    (8, Generator::xread),
    (5, Generator::xdel),
    (3, Generator::xtrim),
    (2, Generator::xsetid),
    (8, Generator::xinfo),
];

const GROUPS: &[(u64, Maker)] = &[
    (13, Generator::xgroup_create),
    (5, Generator::xgroup_other),
    (14, Generator::xreadgroup),
    (8, Generator::xack),
    (7, Generator::xpending),
    (8, Generator::xclaim),
    (6, Generator::xautoclaim),
];

const KEYS: &[(u64, Maker)] = &[
    (2, Generator::remove),
    (5, Generator::exists),
    (5, Generator::expire),
    (8, Generator::ttl),
    (2, Generator::whole),
];

impl Generator {
    /// Streams with groups, in most cases: groups that only chance makes are too rare to read from.
    fn beginning(&mut self) -> Vec<Unit> {
        let mut units = Vec::new();
        for key in ["s", "t", "{a}1"] {
            for group in ["g", "h"] {
                if self.dice.chance(85) {
                    let create = ["XGROUP", "CREATE", key, group, "0", "MKSTREAM"];
                    units.push(vec![plain(words(&create))]);
                }
            }
        }
        units
    }

    fn unit(&mut self) -> Unit {
        match self.dice.below(100) {
            0..6 => self.transaction(),
            6..8 => vec![plain(self.stray())],
            8..10 => vec![self.scan()],
            _ => self.one(),
        }
    }

    /// One command, with what has to be there before it.
    fn one(&mut self) -> Unit {
        let makers = self.dice.weighted(&[(48, STREAMS), (36, GROUPS), (16, KEYS)]);
        let maker = self.dice.weighted(makers);
        let Line(command) = maker(self);
        let spoiled = self.spoil(command.clone());
        let command = if has_several_slots(&spoiled) { command } else { spoiled };
        let mut unit: Unit = consumers_of(&command).into_iter().map(plain).collect();
        let sets_id = command[0].eq_ignore_ascii_case(b"XSETID");
        if sets_id && self.in_transaction {
            unit.extend(self.afresh(&command));
        }
        let how = if sets_id && !self.in_transaction { How::SetId } else { How::Plain };
        let removed = matches!(command[0].as_slice(), b"DEL" | b"UNLINK").then(|| command.get(1).cloned());
        unit.push(Step { command, how });
        if let Some(Some(key)) = removed
            && self.dice.chance(60)
        {
            // With a group again, so that the commands on groups have something to work on.
            unit.push(plain(words(&[&b"XGROUP"[..], b"CREATE", &key, b"g", b"0", b"MKSTREAM"])));
        }
        unit
    }

    /// Makes the stream of an XSETID anew, so that nothing was deleted from it yet: in a transaction nobody can look first.
    fn afresh(&mut self, command: &Command) -> Unit {
        let key = command.get(1).cloned().unwrap_or_default();
        let group = Line::of("XGROUP").put("CREATE").put(&key).put("g").put("$").put("MKSTREAM");
        vec![plain(Line::of("DEL").put(&key).0), plain(group.0)]
    }

    fn transaction(&mut self) -> Unit {
        self.in_transaction = true;
        let mut unit = vec![plain(self.spelled("MULTI"))];
        for _ in 0..self.dice.below(6) {
            match self.dice.below(40) {
                0 => unit.push(plain(words(&["MULTI"]))),
                1 => {
                    // Ends it, so that nothing may follow that is only for transactions.
                    unit.push(plain(words(&["EXEC", "now"])));
                    break;
                }
                2 => unit.push(plain(words(&["NOSUCH", "command"]))),
                3 if self.choice.watch => unit.push(plain(words(&["WATCH", "s"]))),
                _ => unit.extend(self.one()),
            }
        }
        let end = if self.dice.chance(12) { "DISCARD" } else { "EXEC" };
        unit.push(plain(self.spelled(end)));
        self.in_transaction = false;
        unit
    }

    /// What belongs to no key: ends without a beginning, commands and subcommands that nobody knows.
    fn stray(&mut self) -> Command {
        let stray = self.dice.weighted(&[
            (2, "EXEC"),
            (2, "DISCARD"),
            (1, "EXEC now"),
            (1, "DISCARD now"),
            (1, "MULTI now"),
            (1, "XNOSUCH s 1 2"),
            (1, "XGROUP"),
            (1, "XINFO"),
            (1, "XGROUP HELP now"),
            (1, "XINFO HELP now"),
        ]);
        if self.choice.watch && self.dice.chance(50) {
            let watch = self.dice.pick(&["WATCH s", "WATCH", "UNWATCH", "UNWATCH s", "WATCH s t {a}1"]);
            return watch.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        }
        if self.dice.chance(30) {
            let name = self.junk();
            let words = (0..self.dice.below(4)).map(|_| self.junk()).collect::<Vec<_>>();
            // An empty name would be answered the same, but is not worth telling apart from no command.
            return Line(vec![[b"Q?".to_vec(), name].concat()]).put_all(words).0;
        }
        stray.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }
}

fn plain(command: Command) -> Step {
    Step { command, how: How::Plain }
}

/// What creates the consumers that a command names, as `Difference::ConsumerCreated` says.
fn consumers_of(command: &Command) -> Vec<Command> {
    let is = |word: &Vec<u8>, name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let create = |key: &Vec<u8>, group: &Vec<u8>, consumer: &Vec<u8>| {
        Line::of("XGROUP").put("CREATECONSUMER").put(key).put(group).put(consumer).0
    };
    match command.as_slice() {
        [name, key, group, consumer, ..] if is(name, "XCLAIM") || is(name, "XAUTOCLAIM") => {
            vec![create(key, group, consumer)]
        }
        [name, rest @ ..] if is(name, "XREADGROUP") => {
            let Some(reader) = reader_of(rest) else { return Vec::new() };
            reader.keys.iter().map(|key| create(key, reader.group, reader.consumer)).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether an XREADGROUP names keys of several hash slots, as `Difference::SeveralGroups` says.
fn has_several_slots(command: &Command) -> bool {
    if !command[0].eq_ignore_ascii_case(b"XREADGROUP") {
        return false;
    }
    let keys = reader_of(&command[1..]).map(|reader| reader.keys).unwrap_or_default();
    keys.windows(2).any(|pair| tag(&pair[0]) != tag(&pair[1]))
}

/// The part of a key that its slot follows from.
fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    let rest = &key[open + 1..];
    match rest.iter().position(|byte| *byte == b'}') {
        Some(close @ 1..) => &rest[..close],
        _ => key,
    }
}

/// Who reads what in an XREADGROUP.
struct Reader<'a> {
    group: &'a Vec<u8>,
    consumer: &'a Vec<u8>,
    keys: &'a [Vec<u8>],
}

/// Finds it as Redis does; `None` where that finds an error.
fn reader_of(mut rest: &[Vec<u8>]) -> Option<Reader<'_>> {
    let mut named = None;
    while let [option, others @ ..] = rest {
        rest = match (option.to_ascii_uppercase().as_slice(), others) {
            (b"GROUP", [group, consumer, others @ ..]) => {
                named = Some((group, consumer));
                others
            }
            (b"COUNT" | b"BLOCK", [_, others @ ..]) => others,
            (b"NOACK", others) => others,
            (b"STREAMS", keys_and_ids) => {
                let (group, consumer) = named?;
                return Some(Reader { group, consumer, keys: &keys_and_ids[..keys_and_ids.len() / 2] });
            }
            _ => return None,
        };
    }
    None
}

#[test]
fn a_case_is_known_from_its_seed() {
    let made = |seed, number| format!("{:?}", case(seed, number, 200, &Choice::default()));
    assert_eq!(made(1, 3), made(1, 3));
    assert_ne!(made(1, 3), made(1, 4));
    assert_ne!(made(1, 3), made(2, 3));
}

#[test]
fn keys_of_a_tag_have_one_slot() {
    let reads = |one, other| words(&["xreadgroup", "GROUP", "g", "c", "STREAMS", one, other, ">", ">"]);
    assert!(has_several_slots(&reads("s", "t")) && has_several_slots(&reads("{}x", "{}y")));
    assert!(!has_several_slots(&reads("s", "s")) && !has_several_slots(&reads("{a}1", "b{a}")));
}

#[test]
fn consumers_are_created_before_they_are_used() {
    let command = words(&["xreadgroup", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", "t", ">", ">"]);
    let expected = ["s", "t"].map(|key| words(&["XGROUP", "CREATECONSUMER", key, "g", "c"]));
    assert_eq!(consumers_of(&command), expected);
    let misleading = words(&["XREADGROUP", "GROUP", "STREAMS", "GROUP", "STREAMS", "STREAMS", "0"]);
    let expected = words(&["XGROUP", "CREATECONSUMER", "STREAMS", "STREAMS", "GROUP"]);
    assert_eq!(consumers_of(&misleading), [expected]);
    assert_eq!(consumers_of(&words(&["XREADGROUP", "GROUP", "g"])), Vec::<Command>::new());
}
