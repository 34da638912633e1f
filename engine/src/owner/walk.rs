//! Makes the frontier: walks the present waiters in join order against the permits to come.
//!
//! A tick's walk is bounded. Blocks whose latest poll is old are skipped by their mark; a long run of them
//! that a tick cannot get past is continued by the next tick. What is found is published even if
//! the walk could not reach a whole poll period ahead.

use super::watch::Silence;
use crate::limit::BLOCK_SLOTS;
use crate::structure::Waiters;
use crate::time::LogTime;
use crate::zone::frontier::{Ahead, Frontier, FrontierBuilder};
use crate::zone::pace::Pace;
use crate::zone::state::for_each_slot;
use crate::zone::window::{Caps, Releases, Window};

/// Blocks whose marks one walk reads: about 0.3 ms when every mark is a cache miss.
const WALK_BLOCKS: usize = 4_096;
/// Waiters that a walk may count for each millisecond that passes: about 5 % of the owner's time.
const WAITERS_A_MS: u64 = 10_000;
/// Waiters that one walk counts: about 0.5 ms.
const WALK_WAITERS: usize = 100_000;

/// Where the last walk stopped among the silent, and what it learned.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// Blocks before this one were found silent by the walk under way.
    resume: u64,
    /// The last complete walk met nobody present.
    pub(crate) nobody_present: bool,
    /// Waiters that the last walk counted.
    counted: usize,
    /// When the turn of the first present waiter comes, as the last walk found it.
    pub(crate) first_due: Option<LogTime>,
}

/// The moments of the permits to come, as the caps free them and as evenly as they are handed out.
pub(crate) struct Turns {
    pub(crate) releases: Releases,
    pub(crate) pace: Pace,
    pub(crate) caps: Caps,
}

impl Turns {
    fn next(&mut self, window: &Window) -> LogTime {
        let at = self.pace.next(self.caps, self.releases.next(window));
        self.pace.spend(self.caps, at);
        at
    }
}

/// From when, and how far, a walk looks ahead.
#[derive(Clone, Copy)]
pub(crate) struct Reach {
    pub(crate) now: LogTime,
    /// How far turns are published.
    pub(crate) horizon_ms: u64,
    /// How far ahead of their turn waiters come and are parked.
    pub(crate) ahead: Ahead,
}

/// What a walk found.
pub(crate) enum Found {
    /// A frontier to publish.
    Frontier(Frontier),
    /// Only silent blocks so far; the next tick goes on.
    SilentSoFar,
}

impl Walk {
    /// How old what it found may become before permits are handed out by it: as long as a walk is quick, a turn
    /// of the owner makes a new one; a walk over very many is spread over several.
    pub(crate) fn may_age_ms(&self) -> u64 {
        self.counted as u64 / WAITERS_A_MS
    }

    /// Walks from the first live block, or on from where the silent ended the last walk.
    pub(crate) fn go(
        &mut self,
        waiters: &Waiters,
        window: &Window,
        mut turns: Turns,
        silence: Silence,
        reach: Reach,
    ) -> Found {
        let Reach { now, horizon_ms, ahead } = reach;
        let mut builder = FrontierBuilder::new(horizon_ms, ahead);
        self.first_due = None;
        let horizon = now.plus_ms(horizon_ms);
        let (mut present, mut beyond) = (0usize, false);
        let mut block = waiters.first_live_block().map(|first| first.max(self.resume));
        for _ in 0..WALK_BLOCKS {
            let Some(next) = block.and_then(|from| waiters.next_live_block(from)) else {
                return self.reached_tail(builder, present, turns.next(window), horizon);
            };
            if !is_silent(waiters, next, silence, now) {
                for_each_slot(waiters.live_words(next), |slot| {
                    let polled = waiters.polled_ms(next, slot as usize);
                    if beyond || is_absent(polled, silence, now) {
                        return;
                    }
                    present += 1;
                    let due = turns.next(window);
                    self.first_due = self.first_due.or(Some(due));
                    beyond = due > horizon;
                    if !beyond {
                        builder.push(crate::id::Seq(next * BLOCK_SLOTS + slot), due);
                    }
                });
            }
            if beyond || present >= WALK_WAITERS {
                return self.finish(builder, present);
            }
            block = Some(next + 1);
        }
        if present > 0 {
            return self.finish(builder, present);
        }
        self.resume = block.unwrap_or(0);
        Found::SilentSoFar
    }

    fn reached_tail(
        &mut self,
        mut builder: FrontierBuilder,
        present: usize,
        due: LogTime,
        horizon: LogTime,
    ) -> Found {
        if due <= horizon {
            builder.push_tail(due);
        }
        let found = self.finish(builder, present);
        self.nobody_present = present == 0;
        found
    }

    fn finish(&mut self, builder: FrontierBuilder, present: usize) -> Found {
        self.counted = present;
        self.resume = 0;
        self.nobody_present = false;
        Found::Frontier(builder.finish())
    }
}

fn is_silent(waiters: &Waiters, block: u64, silence: Silence, now: LogTime) -> bool {
    let latest = waiters.mark(block).unwrap_or_default().max(silence.floor);
    now.since_ms(latest) > u64::from(silence.presence_ms)
}

fn is_absent(polled: u32, silence: Silence, now: LogTime) -> bool {
    let age_ms = u64::from(now.age_ms_of(polled)).min(now.since_ms(silence.floor));
    age_ms > u64::from(silence.presence_ms)
}
