//! A writer: appends under request ids until each is acknowledged, and does to its streams what their fate is.

use sluice_net::resp::reply::Value;

use crate::dice::Dice;
use crate::plan::{Fate, Plan};
use crate::stage::Stage;
use crate::wire::{Wire, text};

/// An acknowledged append.
pub(crate) struct Written {
    pub(crate) stream: usize,
    pub(crate) payload: u64,
}

/// The last payload of each stream.
pub(crate) const LAST: u64 = u64::MAX;
/// Payloads of a writer begin at its number times this.
pub(crate) const PER_WRITER: u64 = 1 << 32;

/// Everything of one writer; its payloads ascend in each stream.
pub(crate) fn write(plan: &Plan, stage: &Stage, number: usize) -> Vec<Written> {
    let mut dice = Dice::of_part(plan.seed, number as u64);
    let mut door = Door::new(stage, number);
    // A stream has two writers, where there are two.
    let own: Vec<usize> = (0..plan.streams)
        .filter(|stream| [stream % plan.writers, (stream + 1) % plan.writers].contains(&number))
        .collect();
    let mut written = Vec::new();
    for count in 0..plan.appends / plan.writers as u64 {
        let stream = own[dice.index(own.len())];
        let payload = number as u64 * PER_WRITER + count;
        let maxlen = 3 + dice.below(20);
        let trims = matches!(Plan::fate(stream), Fate::Trimmed | Fate::Both) && dice.chance(60);
        door.append(stream, payload, trims.then_some(maxlen));
        written.push(Written { stream, payload });
        stage.appended();
        door.afflict(stream, &mut dice);
    }
    written
}

/// Appends the last entry of each stream, and ends it.
pub(crate) fn complete(plan: &Plan, stage: &Stage) -> Vec<Written> {
    let mut door = Door::new(stage, 0);
    let end = |stream| {
        door.append(stream, LAST, None);
        door.insist(&["X.END", &Plan::key(stream)]);
        Written { stream, payload: LAST }
    };
    let written = (0..plan.streams).map(end).collect();
    stage.is_complete();
    written
}

/// Whichever node takes a command.
struct Door<'s> {
    stage: &'s Stage,
    at: usize,
    wire: Option<Wire>,
}

impl Door<'_> {
    fn new(stage: &Stage, at: usize) -> Door<'_> {
        Door { stage, at: at % stage.places.len(), wire: None }
    }

    fn append(&mut self, stream: usize, payload: u64, maxlen: Option<u64>) {
        let (key, payload, maxlen) =
            (Plan::key(stream), payload.to_string(), maxlen.map(|max| max.to_string()));
        let mut words = vec!["XADD", &key];
        words.extend(maxlen.iter().flat_map(|max| ["MAXLEN", "=", max.as_str()]));
        words.extend(["REQUEST", &payload, "*", "n", &payload]);
        self.insist(&words);
    }

    /// Now and then.
    fn afflict(&mut self, stream: usize, dice: &mut Dice) {
        let (key, fate) = (Plan::key(stream), Plan::fate(stream));
        match dice.below(40) {
            0 if matches!(fate, Fate::Trimmed | Fate::Both) => self.insist(&["XTRIM", &key, "MAXLEN", "1"]),
            1 if matches!(fate, Fate::Recreated | Fate::Both) => self.insist(&["DEL", &key]),
            2 if matches!(fate, Fate::Recreated | Fate::Both) => self.insist(&["PEXPIRE", &key, "5"]),
            _ => {}
        }
    }

    /// Repeats the command until it is done, here or elsewhere.
    fn insist(&mut self, words: &[&str]) {
        loop {
            match self.attempt(words) {
                Some(Ok(())) => return,
                Some(Err(why)) if ["NOLEADER", "BUSY"].iter().any(|code| why.starts_with(code)) => {}
                Some(Err(why)) => panic!("{words:?}: {why}"),
                None => {}
            }
            self.wire = None;
            self.at = (self.at + 1) % self.stage.places.len();
            std::thread::yield_now();
        }
    }

    /// `None`: the connection was lost.
    fn attempt(&mut self, words: &[&str]) -> Option<Result<(), String>> {
        if self.wire.is_none() {
            self.wire = Wire::connect(&self.stage.places[self.at].resp).ok();
        }
        let reply = self.wire.as_mut()?.ask(words, |reply| match reply {
            Value::Error(_) => Err(text(reply)),
            _ => Ok(()),
        });
        reply.ok()
    }
}
