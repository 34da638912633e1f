//! Who was heard of: a node that does not lead tells the leader, the leader keeps count of what it was told.
//!
//! Last polls are stored where the poll arrives. A follower walks its zones in *passes*; each pass reports everybody who
//! polled since the last pass that the leader confirmed began. Nobody is dropped for a silence that some node that
//! answers polls might disprove: deadlines count only up to the moment that every one of them has reported.

use super::wall::Ahead;
use crate::id::Seq;
use crate::limit::{
    BLOCK_SLOTS, LATE_KEPT_MAX, REPORT_AGAIN_MS, REPORT_BLOCKS, REPORT_MS, REPORT_OVERLAP_MS,
};
use crate::sequencer::{BlockPolls, ZonePolls};
use crate::time::{LogTime, MonoMs};
use crate::zone::state::{ZoneState, for_each_slot};
use std::collections::BTreeMap;

/// A pass whose end was sent and is not yet confirmed.
#[derive(Clone, Copy, Debug)]
struct Sent {
    began: LogTime,
    at: MonoMs,
}

/// The follower's walk.
#[derive(Debug, Default)]
pub(super) struct Reporter {
    /// When the pass under way began; `None` between passes.
    began: Option<LogTime>,
    /// Where it goes on: zone and block.
    cursor: (u64, u64),
    /// Polls after this are reported: the start of the last pass that the leader has confirmed. A process begins at 0 and
    /// so reports everybody once: what its predecessor heard and did not tell is held against nobody.
    since: LogTime,
    /// The last whole pass that was sent.
    sent: Option<Sent>,
    /// Start of the last whole pass.
    covers: LogTime,
    /// A whole pass over this state was confirmed.
    told_all: bool,
    /// Late polls that the leader was not asked about, by zone and place, and when they came. They are no last polls: what
    /// comes after them is late as well.
    late: BTreeMap<(u64, u64), LogTime>,
}

impl Reporter {
    /// Whether the leader knows of everybody whom this node holds for heard of, or did up to a while ago.
    pub(super) fn has_told_all(&self) -> bool {
        self.told_all
    }

    /// A late poll that is to be reported. Past the bound it is let go: its waiter came when it may have been dropped already.
    pub(super) fn keep(&mut self, ordinal: u64, seq: Seq, now: LogTime) {
        if self.late.len() < LATE_KEPT_MAX || self.late.contains_key(&(ordinal, seq.0)) {
            self.late.insert((ordinal, seq.0), now);
        }
    }

    /// Another state: everybody in it counts as heard of, which no leader knows.
    pub(super) fn replaced(&mut self, since: LogTime) {
        self.restart(since);
        self.told_all = false;
    }

    /// A leader that may know nothing of what earlier ones were told, or a state that polls did not make.
    pub(super) fn restart(&mut self, since: LogTime) {
        let (told_all, late) = (self.told_all, std::mem::take(&mut self.late));
        *self = Reporter { since: since.min(self.since), told_all, late, ..Reporter::default() };
    }

    /// One step of the walk: what is to be reported now, and up to when everything has been. Polls of the last `unstored_ms` may be
    /// on their way on another thread.
    pub(super) fn step(
        &mut self,
        zones: &BTreeMap<u64, ZoneState>,
        now: LogTime,
        mono: MonoMs,
        unstored_ms: u64,
    ) -> (Vec<ZonePolls>, LogTime) {
        self.keep_up_with(now);
        if self.began.is_none() && now.since_ms(self.covers) >= REPORT_MS {
            self.began = Some(LogTime(now.0.saturating_sub(unstored_ms)));
            self.cursor = (0, 0);
        }
        let mut found = Vec::new();
        if let Some(began) = self.began
            && self.walk(zones, now, &mut found)
        {
            self.began = None;
            self.push_late(&mut found);
            self.covers = began;
            self.sent = Some(Sent { began, at: mono });
        }
        (found, self.covers)
    }

    /// The log's time here may go back: a former leader's clock was ahead of its successor's log. Whoever polls from then
    /// on polls at moments that are reported already by their number, and are not.
    fn keep_up_with(&mut self, now: LogTime) {
        let latest = self.covers.max(self.began.unwrap_or_default());
        if latest > now.plus_ms(REPORT_OVERLAP_MS) {
            self.restart(LogTime(now.0.saturating_sub(REPORT_AGAIN_MS)));
        } else if self.covers > now {
            self.covers = LogTime(now.0.saturating_sub(REPORT_OVERLAP_MS));
        }
    }

    /// The leader has seen what was sent at this moment, and so everything before.
    pub(super) fn confirmed(&mut self, echo: MonoMs) {
        if let Some(sent) = self.sent.take_if(|sent| sent.at <= echo) {
            self.since = sent.began;
            self.told_all = true;
            self.late.retain(|_, at| *at >= sent.began);
        }
    }

    fn push_late(&self, found: &mut Vec<ZonePolls>) {
        for (ordinal, seq) in self.late.keys() {
            let (block, slot) = (seq / BLOCK_SLOTS, seq % BLOCK_SLOTS);
            if found.last().is_none_or(|zone| zone.ordinal != *ordinal) {
                found.push(ZonePolls { ordinal: *ordinal, blocks: Vec::new() });
            }
            let Some(zone) = found.last_mut() else { return };
            if zone.blocks.last().is_none_or(|polls| polls.block != block) {
                zone.blocks.push(BlockPolls { block, slots: [0; 8] });
            }
            if let Some(polls) = zone.blocks.last_mut() {
                polls.slots[(slot / 64) as usize] |= 1 << (slot % 64);
            }
        }
    }

    /// Walks on; true where the pass is whole.
    fn walk(&mut self, zones: &BTreeMap<u64, ZoneState>, now: LogTime, found: &mut Vec<ZonePolls>) -> bool {
        let span_ms = now.since_ms(self.since).saturating_add(REPORT_OVERLAP_MS);
        let mut budget = REPORT_BLOCKS;
        for (ordinal, zone) in zones.range(self.cursor.0..) {
            let mut from = if *ordinal == self.cursor.0 { self.cursor.1 } else { 0 };
            let mut blocks = Vec::new();
            while let Some(block) = zone.waiters.next_live_block(from) {
                if budget == 0 {
                    self.cursor = (*ordinal, block);
                    push(found, *ordinal, blocks);
                    return false;
                }
                budget -= 1;
                blocks.extend(polls_of(zone, block, now, span_ms));
                from = block + 1;
            }
            push(found, *ordinal, blocks);
        }
        true
    }
}

fn push(found: &mut Vec<ZonePolls>, ordinal: u64, blocks: Vec<BlockPolls>) {
    if !blocks.is_empty() {
        found.push(ZonePolls { ordinal, blocks });
    }
}

/// Who of a block polled within the last `span_ms`.
fn polls_of(zone: &ZoneState, block: u64, now: LogTime, span_ms: u64) -> Option<BlockPolls> {
    let mut slots = [0; 8];
    for_each_slot(zone.waiters.live_words(block), |slot| {
        let age_ms = u64::from(now.age_ms_of(zone.waiters.polled_ms(block, slot as usize)));
        if age_ms <= span_ms {
            slots[slot as usize / 64] |= 1 << (slot % 64);
        }
    });
    (slots != [0; 8]).then_some(BlockPolls { block, slots })
}

/// Places of one block's bits.
pub(super) fn places(polls: &BlockPolls) -> impl Iterator<Item = u64> + '_ {
    let first = polls.block.saturating_mul(BLOCK_SLOTS);
    (0..BLOCK_SLOTS)
        .filter(|slot| polls.slots[(slot / 64) as usize] >> (slot % 64) & 1 == 1)
        .map(move |slot| first.saturating_add(slot))
}

/// What the leader knows of another node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// The latest message's moment on the sender's clock.
    pub(super) sent: Option<MonoMs>,
    /// Everybody who polled there before this has been reported.
    pub(super) covers: LogTime,
    /// When anything came from it.
    pub(super) at: LogTime,
    /// How far this node's wall clock is ahead of that one's, as that one finds.
    pub(super) ahead: Option<Ahead>,
}

#[cfg(test)]
mod tests {
    use super::Reporter;
    use crate::limit::{REPORT_MS, REPORT_OVERLAP_MS};
    use crate::time::{LogTime, MonoMs};
    use std::collections::BTreeMap;

    /// What a step at this moment of the log says it covers.
    fn covers(reporter: &mut Reporter, now: u64) -> u64 {
        let (found, covers) = reporter.step(&BTreeMap::new(), LogTime(now), MonoMs(now), 0);
        assert!(found.is_empty());
        covers.0
    }

    #[test]
    fn what_is_covered_is_never_ahead_of_the_time() {
        let mut reporter = Reporter::default();
        assert_eq!(covers(&mut reporter, 50_000), 50_000);
        assert_eq!(covers(&mut reporter, 50_000 + REPORT_MS - 1), 50_000, "a pass a while");
        reporter.confirmed(MonoMs(50_000));
        assert_eq!(reporter.since, LogTime(50_000));
        // A little is the way's doing, and the next pass overlaps this one.
        assert_eq!(covers(&mut reporter, 49_990), 49_990 - REPORT_OVERLAP_MS);
        assert_eq!(reporter.since, LogTime(50_000));
        // Much is another leader's clock: everything is told again.
        assert_eq!(covers(&mut reporter, 45_000), 45_000, "a pass at once");
        assert_eq!(reporter.since, LogTime(15_000));
        assert_eq!(covers(&mut reporter, 45_000 + REPORT_MS), 45_000 + REPORT_MS);
    }
}
