//! Runs cases of random commands, and makes a failing one small enough to be read.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use crate::differences::{Difference, Judge};
use crate::generator::{Choice, Command, How, Unit, case, words};
use crate::pair::{Kind, Mismatch, Pair, Servers, shown};
use crate::reply::Protocol;

/// Commands in a case; each case begins without any key.
const CASE_COMMANDS: usize = 250;
/// Commands sent before their replies are read.
const PIPELINE: usize = 64;
/// Runs that a failing case is given to become smaller.
const SHRINK_RUNS: usize = 300;

/// What is run.
pub(crate) struct Campaign {
    pub(crate) kind: Kind,
    pub(crate) seeds: std::ops::RangeInclusive<u64>,
    /// A seed.
    pub(crate) commands: usize,
    /// Only this case of each seed.
    pub(crate) case: Option<u64>,
    pub(crate) choice: Choice,
}

impl Campaign {
    /// As the environment says; `deploy/tests/differential/main.rs` has the names.
    pub(crate) fn from_environment() -> Self {
        let read = |name: &str| std::env::var(name).ok();
        let number = |name: &str| -> Option<u64> {
            read(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
        };
        let seeds = read("SLUICE_DIFF_SEEDS").unwrap_or_else(|| "1..4".to_owned());
        let (first, last) = seeds.split_once("..").unwrap_or((&seeds, &seeds));
        let seed = |text: &str| -> u64 {
            text.parse().unwrap_or_else(|_| panic!("SLUICE_DIFF_SEEDS is as 1..4 or 7, not {seeds:?}"))
        };
        let list = |name: &str| -> Vec<String> {
            read(name).unwrap_or_default().split(',').map(str::to_ascii_uppercase).collect()
        };
        let also = list("SLUICE_DIFF_ALSO");
        Self {
            kind: Kind::chosen(),
            seeds: seed(first)..=seed(last),
            commands: number("SLUICE_DIFF_COMMANDS").map_or(5_000, |count| usize::try_from(count).unwrap()),
            case: number("SLUICE_DIFF_CASE"),
            choice: Choice {
                keys: also.iter().any(|name| name == "KEYS"),
                watch: also.iter().any(|name| name == "WATCH"),
                without: list("SLUICE_DIFF_WITHOUT"),
            },
        }
    }

    /// Runs everything: what was met, or what is wrong.
    pub(crate) fn run(&self, servers: &Servers) -> Result<Met, String> {
        let mut met = Met::default();
        for seed in self.seeds.clone() {
            let protocol = protocol_of(seed);
            let mut pair = servers.connect(protocol);
            let cases = u64::try_from(self.commands.div_ceil(CASE_COMMANDS)).expect("not so many");
            for number in (0..cases).filter(|number| self.case.is_none_or(|only| only == *number)) {
                let units = case(seed, number, CASE_COMMANDS, &self.choice);
                if let Err(found) = run_case(&mut pair, &units) {
                    return Err(self.report(servers, seed, number, &units, &found));
                }
                met.commands += units.iter().map(Vec::len).sum::<usize>();
            }
            met.add(&pair.judge);
        }
        Ok(met)
    }

    fn report(&self, servers: &Servers, seed: u64, number: u64, units: &[Unit], found: &Found) -> String {
        let protocol = protocol_of(seed);
        let peer = servers.peer_name();
        let mut text = format!("seed {seed}, case {number}, {protocol:?}: the replies differ to\n");
        text += &found.mismatch.text(peer);
        text += "\nbefore it, about the same key:\n";
        for command in related(units, found) {
            text += &format!("    {}\n", shown(command));
        }
        // A server that is silent would be waited for in every run, and one that ended is not there any more.
        if !found.mismatch.is_silence() {
            text += &Shrink { servers, protocol, runs: 0 }.least(&units[..=found.unit]);
        }
        text + &format!("again: {}\n", self.again(seed, number))
    }
}

impl Campaign {
    /// The command that runs one case again.
    fn again(&self, seed: u64, number: u64) -> String {
        let mut again = String::new();
        if self.kind == Kind::Redis {
            again += "SLUICE_DIFF_PEER=redis ";
        }
        let also = [(self.choice.keys, "keys"), (self.choice.watch, "watch")];
        let also: Vec<&str> = also.iter().filter(|(is_made, _)| *is_made).map(|(_, name)| *name).collect();
        for (name, list) in [("ALSO", also.join(",")), ("WITHOUT", self.choice.without.join(","))] {
            if !list.is_empty() {
                again += &format!("SLUICE_DIFF_{name}={list} ");
            }
        }
        again += &format!(
            "SLUICE_DIFF_SEEDS={seed} SLUICE_DIFF_CASE={number} SLUICE_DIFF_COMMANDS={} ",
            self.commands
        );
        again + "cargo test -p sluice --test differential random_commands"
    }
}

/// What a campaign without a mismatch has met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    commands: usize,
    differences: [u64; Difference::ALL.len()],
    /// For each command: answered with something, with nothing, with an error.
    pub(crate) answered: BTreeMap<String, [u64; 3]>,
}

impl Met {
    fn add(&mut self, judge: &Judge) {
        self.differences.iter_mut().zip(judge.met).for_each(|(sum, part)| *sum += part);
        for (name, counts) in &judge.answered {
            let sums = self.answered.entry(name.clone()).or_default();
            sums.iter_mut().zip(counts).for_each(|(sum, part)| *sum += part);
        }
    }
}

impl Display for Met {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} commands agree, but for what is listed:", self.commands)?;
        for (difference, times) in Difference::ALL.iter().zip(self.differences) {
            writeln!(f, "{times:>8} {}\n         {}", difference.text().0, difference.text().1)?;
        }
        writeln!(f, "answered with something, with nothing, with an error:")?;
        for (name, [some, none, error]) in self.answered.iter().filter(|(name, _)| !name.starts_with("Q?")) {
            writeln!(f, "{some:>8} {none:>8} {error:>8} {}", name.escape_debug())?;
        }
        Ok(())
    }
}

/// Half of the seeds speak the one, half the other.
fn protocol_of(seed: u64) -> Protocol {
    if seed.is_multiple_of(2) { Protocol::Resp3 } else { Protocol::Resp2 }
}

/// Where in a case, and what.
struct Found {
    unit: usize,
    step: usize,
    mismatch: Mismatch,
}

fn run_case(pair: &mut Pair, units: &[Unit]) -> Result<(), Found> {
    let flush = words(&["FLUSHALL"]);
    pair.compare(&[&flush]).map_err(|(_, mismatch)| Found { unit: 0, step: 0, mismatch })?;
    let mut waiting: Vec<(usize, usize, &Command)> = Vec::new();
    for (unit, steps) in units.iter().enumerate() {
        for (step, part) in steps.iter().enumerate() {
            if part.how == How::Plain {
                waiting.push((unit, step, &part.command));
            }
            if part.how != How::Plain || waiting.len() >= PIPELINE {
                send_waiting(pair, &mut waiting)?;
            }
            if part.how != How::Plain {
                pair.compare_special(part).map_err(|mismatch| Found { unit, step, mismatch })?;
            }
        }
    }
    send_waiting(pair, &mut waiting)
}

fn send_waiting(pair: &mut Pair, waiting: &mut Vec<(usize, usize, &Command)>) -> Result<(), Found> {
    let commands: Vec<&Command> = waiting.iter().map(|(_, _, command)| *command).collect();
    let outcome = pair.compare(&commands);
    let outcome = outcome.map_err(|(at, mismatch)| {
        let (unit, step, _) = waiting[at];
        Found { unit, step, mismatch }
    });
    waiting.clear();
    outcome
}

/// The word that a command is about: its key, mostly.
fn subject(command: &Command) -> Option<&Vec<u8>> {
    const SUBCOMMANDS: [&str; 9] = [
        "STREAM",
        "GROUPS",
        "CONSUMERS",
        "CREATE",
        "CREATECONSUMER",
        "DELCONSUMER",
        "SETID",
        "DESTROY",
        "GROUP",
    ];
    let is_named = |word: &Vec<u8>, name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if let Some(at) = command.iter().position(|word| is_named(word, "STREAMS")) {
        return command.get(at + 1);
    }
    let is_subcommand = |word: &Vec<u8>| SUBCOMMANDS.iter().any(|name| is_named(word, name));
    command.iter().skip(1).find(|word| !is_subcommand(word))
}

/// The last commands before the one that failed that are about the same.
fn related<'a>(units: &'a [Unit], found: &Found) -> Vec<&'a Command> {
    const SHOWN: usize = 12;
    let before = units[..=found.unit].iter().enumerate().flat_map(|(unit, steps)| {
        let end = if unit == found.unit { found.step } else { steps.len() };
        steps[..end].iter().map(|step| &step.command)
    });
    let subject = subject(&found.mismatch.command);
    let mut related: Vec<&Command> =
        before.filter(|command| subject.is_none_or(|subject| command.contains(subject))).collect();
    related.drain(..related.len().saturating_sub(SHOWN));
    related
}

/// Makes a failing case smaller by leaving parts out.
struct Shrink<'a> {
    servers: &'a Servers,
    protocol: Protocol,
    runs: usize,
}

impl Shrink<'_> {
    /// As few units as still make replies differ, as a text.
    fn least(&mut self, units: &[Unit]) -> String {
        let Some(mut found) = self.fails(units) else {
            return "run again alone, the case agrees: its replies depend on speed or on earlier cases\n"
                .to_owned();
        };
        let mut units = units[..=found.unit].to_vec();
        if let Some((about, again)) = self.about_the_same(&units, &found) {
            (units, found) = (about, again);
        }
        let mut part = units.len().div_ceil(2);
        loop {
            let smaller = self.without_parts(&mut units, &mut found, part);
            if self.runs >= SHRINK_RUNS || (part == 1 && !smaller) {
                break;
            }
            part = part.div_ceil(2);
        }
        let mut text = format!("the least that was found to differ, after {} runs:\n", self.runs);
        for step in units.iter().flatten() {
            text += &format!("    {}\n", shown(&step.command));
        }
        text + &format!("  whose replies differ to\n  {}\n", found.mismatch.text(self.servers.peer_name()))
    }

    fn fails(&mut self, units: &[Unit]) -> Option<Found> {
        self.runs += 1;
        // New connections: the old ones may have replies under way.
        run_case(&mut self.servers.connect(self.protocol), units).err()
    }

    /// Only what is about the same as the command that failed, if that fails too.
    fn about_the_same(&mut self, units: &[Unit], found: &Found) -> Option<(Vec<Unit>, Found)> {
        let subject = subject(&found.mismatch.command)?.clone();
        let is_about = |unit: &&Unit| unit.iter().any(|step| step.command.contains(&subject));
        let mut about: Vec<Unit> = units.iter().filter(is_about).cloned().collect();
        let again = self.fails(&about)?;
        about.truncate(again.unit + 1);
        Some((about, again))
    }

    /// Leaves out each part that is not needed; whether there was any.
    fn without_parts(&mut self, units: &mut Vec<Unit>, found: &mut Found, part: usize) -> bool {
        let mut start = 0;
        let mut smaller = false;
        while start < units.len() && self.runs < SHRINK_RUNS {
            let mut fewer = units.clone();
            fewer.drain(start..(start + part).min(units.len()));
            match self.fails(&fewer) {
                Some(again) => {
                    fewer.truncate(again.unit + 1);
                    (*units, *found, smaller) = (fewer, again, true);
                }
                None => start += part,
            }
        }
        smaller
    }
}
