//! Readers of every kind: each on a thread of its own, with a history for each stream that it reads.

mod blocking;
mod pushed;
mod ranges;
mod several;
mod single;
mod sse;

use std::thread::{Scope, ScopedJoinHandle};

use sluice_net::cursor::Cursor;

use crate::dice::Dice;
use crate::history::History;
use crate::plan::Plan;
use crate::stage::{Place, Stage};

/// What a reader was told of its streams.
pub(crate) enum Told {
    /// With numbers.
    Dense(Vec<History>),
    /// Payloads of one stream, by a reader that has ids only and is not told what it misses.
    Payloads { stream: usize, payloads: Vec<u64> },
}

/// Streams that a reader of several has at most.
const TOGETHER: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Single,
    Blocking,
    Ranges,
    Several,
    Pushed,
}

const KINDS: [Kind; 5] = [Kind::Single, Kind::Several, Kind::Blocking, Kind::Pushed, Kind::Ranges];

/// When a reader gives its connection up by itself, and where it goes then.
struct Fortune<'s> {
    dice: Dice,
    stage: &'s Stage,
    left: u64,
}

impl Fortune<'_> {
    /// One of the nodes. Whoever finds nobody there asks for another one.
    fn place(&mut self) -> &Place {
        self.left = 1 + self.dice.below(60);
        &self.stage.places[self.dice.index(self.stage.places.len())]
    }

    /// Whether the connection goes on after what was just told.
    fn holds(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        self.left > 0
    }
}

type Handles<'scope> = Vec<ScopedJoinHandle<'scope, Told>>;

/// As many readers of each stream as the plan has: half of them before the first append, the others as it goes on.
pub(crate) fn start<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    plan: &'env Plan,
    stage: &'env Stage,
) -> Handles<'scope> {
    let mut handles = Handles::new();
    for reader in 0..plan.readers {
        spawn_each(scope, plan, stage, KINDS[reader % KINDS.len()], reader % 2 == 1, &mut handles);
    }
    handles
}

/// One reader of each kind, when every stream has ended.
pub(crate) fn start_late<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    plan: &'env Plan,
    stage: &'env Stage,
) -> Handles<'scope> {
    let mut handles = Handles::new();
    KINDS.into_iter().for_each(|kind| spawn_each(scope, plan, stage, kind, false, &mut handles));
    handles
}

fn spawn_each<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    plan: &'env Plan,
    stage: &'env Stage,
    kind: Kind,
    comes_later: bool,
    handles: &mut Handles<'scope>,
) {
    let all: Vec<usize> = (0..plan.streams).collect();
    let together = match kind {
        Kind::Single | Kind::Blocking | Kind::Ranges => 1,
        Kind::Several | Kind::Pushed => TOGETHER,
    };
    for streams in all.chunks(together) {
        let mut dice = Dice::of_part(plan.seed, 1_000 + handles.len() as u64);
        let begins = if comes_later { dice.below(plan.appends) } else { 0 };
        let mut fortune = Fortune { dice, stage, left: 0 };
        let streams = streams.to_vec();
        let name = format!("{kind:?} of {streams:?}");
        let read = move || {
            stage.wait_for(begins);
            read(kind, &streams, &mut fortune)
        };
        let builder = std::thread::Builder::new().name(name).stack_size(256 << 10);
        handles.push(builder.spawn_scoped(scope, read).expect("a thread"));
    }
}

fn read(kind: Kind, streams: &[usize], fortune: &mut Fortune<'_>) -> Told {
    let mut histories: Vec<History> = streams.iter().map(|stream| History::of(*stream)).collect();
    match kind {
        Kind::Blocking => return blocking::read(streams[0], fortune),
        Kind::Single => single::read(&mut histories[0], fortune),
        Kind::Ranges => ranges::read(&mut histories[0], fortune),
        Kind::Several => several::read(&mut histories, fortune),
        Kind::Pushed => pushed::read(&mut histories, fortune),
    }
    Told::Dense(histories)
}

fn cursor_of(text: &str) -> Cursor {
    Cursor::parse(text.as_bytes()).unwrap_or_else(|| panic!("no cursor: {text}"))
}
