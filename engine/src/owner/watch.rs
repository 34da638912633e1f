//! Who is present, and who has been silent too long.
//!
//! The owner looks at each block of waiters about once a second (*census*, at most
//! `CENSUS_BLOCKS` blocks a tick), and at a block in which somebody may have passed the deadline at
//! once: polls only move forward, so the oldest poll of a block bounds when that can happen, and between
//! two such moments the block need not be looked at. Soft state: rebuilt from the waiters at any time.

use crate::limit::BLOCK_SLOTS;
use crate::structure::Waiters;
use crate::time::LogTime;
use crate::zone::state::for_each_slot;
use std::collections::{BTreeMap, BTreeSet};

/// Blocks that the census visits in a tick; 131,072 places take about 0.2 ms.
const CENSUS_BLOCKS: usize = 256;
/// Blocks past a deadline that are looked at in a tick.
const DUE_BLOCKS: usize = 512;
/// A block is counted again after this long.
const CENSUS_MS: u64 = 1_000;
/// A block whose evictions were proposed is looked at again after this long, should they get lost.
const RECHECK_MS: u64 = 1_000;

/// A block whose silence some node may disprove is looked at again after this long.
const UNHEARD_RECHECK_MS: u64 = 250;

/// What one look at a block found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Look {
    /// Waiters heard of recently.
    pub(crate) present: u32,
    /// Age in ms of the oldest poll that is not yet past the deadline.
    oldest_ms: u32,
    /// Waiters past the deadline, a bit a place.
    pub(crate) silent: [u64; 8],
}

/// The silences that matter, and the moment before which nobody counts as silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Silence {
    pub(crate) presence_ms: u32,
    pub(crate) abandon_ms: u32,
    /// Nobody is held silent for what happened before: our own pauses are not theirs.
    pub(crate) floor: LogTime,
    /// Nobody is past a deadline that lies less than this before now: a poll may have come to a node that has not
    /// told of it yet.
    pub(crate) unheard_ms: u32,
    /// That is for other nodes to say, which takes them a while.
    pub(crate) waits_for_reports: bool,
}

/// Looks at every waiter of a block.
pub(crate) fn look(waiters: &Waiters, block: u64, silence: Silence, now: LogTime) -> Look {
    let floor_ms = u32::try_from(now.since_ms(silence.floor)).unwrap_or(u32::MAX);
    let mut look = Look::default();
    for_each_slot(waiters.live_words(block), |slot| {
        let age_ms = now.age_ms_of(waiters.polled_ms(block, slot as usize)).min(floor_ms);
        let proven_ms = age_ms.saturating_sub(silence.unheard_ms);
        if proven_ms > silence.abandon_ms {
            look.silent[slot as usize / 64] |= 1 << (slot % 64);
        } else {
            look.oldest_ms = look.oldest_ms.max(proven_ms);
            look.present += u32::from(age_ms <= silence.presence_ms);
        }
    });
    look
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    present: u32,
    at: LogTime,
    due: LogTime,
}

/// The blocks of a zone that hold waiters.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    blocks: BTreeMap<u64, Seen>,
    due: BTreeSet<(LogTime, u64)>,
    cursor: u64,
    present: u64,
}

/// A waiter second: so many waiters of a block, seen for so long.
pub(crate) struct Exposure {
    pub(crate) block: u64,
    pub(crate) live: u64,
    pub(crate) span_ms: u64,
}

impl Watch {
    /// Watches all blocks that hold waiters now.
    pub(crate) fn rebuild(waiters: &Waiters, now: LogTime) -> Watch {
        let mut watch = Watch::default();
        let mut from = 0;
        while let Some(block) = waiters.next_live_block(from) {
            watch.insert(block, Seen { present: waiters.block_count_live(block), at: now, due: now });
            from = block + 1;
        }
        watch
    }

    /// Waiters present, as last counted.
    pub(crate) fn present(&self) -> u64 {
        self.present
    }

    /// How many blocks are watched.
    pub(crate) fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks that hold waiters, or did when last looked at.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = u64> + '_ {
        self.blocks.keys().copied()
    }

    /// Somebody joined.
    pub(crate) fn joined(&mut self, seq: u64, now: LogTime, abandon_ms: u32) {
        let block = seq / BLOCK_SLOTS;
        match self.blocks.get_mut(&block) {
            Some(seen) => {
                seen.present += 1;
                self.present += 1;
            }
            None => self.insert(block, Seen { present: 1, at: now, due: now.plus_ms(u64::from(abandon_ms)) }),
        }
    }

    /// Somebody present was let in, or left.
    pub(crate) fn departed(&mut self, seq: u64) {
        if let Some(seen) = self.blocks.get_mut(&(seq / BLOCK_SLOTS))
            && seen.present > 0
        {
            seen.present -= 1;
            self.present -= 1;
        }
    }

    /// Deadlines changed: every block is looked at again, as the ticks' budget allows.
    pub(crate) fn deadlines_changed(&mut self, now: LogTime) {
        self.due = self.blocks.keys().map(|block| (now, *block)).collect();
        self.blocks.values_mut().for_each(|seen| seen.due = now);
    }

    /// One tick of looking. `evict` gets each block's silent waiters, `exposed` what the census saw.
    pub(crate) fn tick(
        &mut self,
        waiters: &Waiters,
        silence: Silence,
        now: LogTime,
        mut evict: impl FnMut(u64, [u64; 8]),
        mut exposed: impl FnMut(Exposure),
    ) {
        // While nodes report, proof comes no faster than their reports do.
        let least_ms = if silence.waits_for_reports { UNHEARD_RECHECK_MS } else { 0 };
        for block in self.take_due(now).into_iter().chain(self.next_census(now)) {
            let live = u64::from(waiters.block_count_live(block));
            if let Some(seen) = self.blocks.get(&block) {
                exposed(Exposure { block, live, span_ms: now.since_ms(seen.at) });
            }
            if live == 0 {
                self.remove(block);
                continue;
            }
            let look = look(waiters, block, silence, now);
            let silent = look.silent != [0; 8];
            if silent {
                evict(block, look.silent);
            }
            // The next deadline of the block may come sooner than the answer to what was proposed.
            let next_ms = u64::from(silence.abandon_ms - look.oldest_ms) + 1;
            let ahead_ms = if silent { next_ms.min(RECHECK_MS) } else { next_ms.max(least_ms) };
            self.insert(block, Seen { present: look.present, at: now, due: now.plus_ms(ahead_ms) });
        }
    }

    fn take_due(&self, now: LogTime) -> Vec<u64> {
        self.due.iter().take(DUE_BLOCKS).take_while(|(due, _)| *due <= now).map(|(_, block)| *block).collect()
    }

    /// The blocks whose turn it is, if they have not been looked at just now.
    fn next_census(&mut self, now: LogTime) -> Vec<u64> {
        let mut turn = Vec::new();
        for _ in 0..CENSUS_BLOCKS.min(self.blocks.len()) {
            let next = self.blocks.range(self.cursor..).next().or_else(|| self.blocks.iter().next());
            match next {
                Some((block, seen)) if now.since_ms(seen.at) >= CENSUS_MS => {
                    turn.push(*block);
                    self.cursor = block + 1;
                }
                _ => break,
            }
        }
        turn
    }

    fn insert(&mut self, block: u64, seen: Seen) {
        self.remove(block);
        self.present += u64::from(seen.present);
        self.due.insert((seen.due, block));
        self.blocks.insert(block, seen);
    }

    fn remove(&mut self, block: u64) {
        if let Some(seen) = self.blocks.remove(&block) {
            self.present -= u64::from(seen.present);
            self.due.remove(&(seen.due, block));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Silence, Watch};
    use crate::structure::Waiters;
    use crate::time::LogTime;

    const SILENCE: Silence = Silence {
        presence_ms: 7_000,
        abandon_ms: 60_000,
        floor: LogTime(0),
        unheard_ms: 0,
        waits_for_reports: false,
    };

    /// Runs ticks up to `until` and returns who was dropped, and when.
    fn dropped(
        waiters: &mut Waiters,
        watch: &mut Watch,
        silence: Silence,
        from: u64,
        until: u64,
    ) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        for now in (from..until).step_by(50) {
            let mut silent = Vec::new();
            watch.tick(waiters, silence, LogTime(now), |block, slots| silent.push((block, slots)), |_| {});
            for (block, slots) in silent {
                let removed = waiters.remove_slots(block, &slots);
                super::for_each_slot(removed, |slot| all.push((block * 512 + slot, now)));
            }
        }
        all
    }

    #[test]
    fn i6_the_silent_are_dropped_within_a_tick_of_their_deadline_and_nobody_else() {
        let mut waiters = Waiters::new();
        let mut watch = Watch::default();
        for join in 0..1_500u64 {
            let seq = waiters.append(LogTime(join)).0;
            watch.joined(seq, LogTime(join), SILENCE.abandon_ms);
        }
        let dropped = dropped(&mut waiters, &mut watch, SILENCE, 1_500, 62_000);
        assert_eq!(dropped.len(), 1_500);
        for (seq, at) in dropped {
            assert!((60_001..60_151).contains(&(at - seq)), "{seq} joined at {seq} and was dropped at {at}");
        }
        assert_eq!(watch.present(), 0);
    }

    #[test]
    fn nobody_is_dropped_for_silence_before_the_floor() {
        let mut waiters = Waiters::new();
        let mut watch = Watch::default();
        let seq = waiters.append(LogTime(0)).0;
        watch.joined(seq, LogTime(0), SILENCE.abandon_ms);
        let floored = Silence { floor: LogTime(50_000), ..SILENCE };
        assert_eq!(dropped(&mut waiters, &mut watch, floored, 50_000, 110_000), []);
        assert_eq!(dropped(&mut waiters, &mut watch, floored, 110_000, 111_200).len(), 1);
    }
}
