//! Wall time as a group's log says it, and whose clock may move it.
//!
//! ```text
//!  a node's clock, read outside ──▶ steps are taken off, its pace is bounded ──▶ wall: what this node would log
//!                               ──▶ as it is ─────────────────────────────────▶ clock: what nodes compare
//!
//!  leader: log's wall time goes on from where the last leader's ended, as its log and its pulses say, at the pace of this
//!          process's own clock.
//!          It moves to this node's wall time where others agree, at once if forward, slowly if back.
//!  others: the leader's, as its pulses say, late by the way
//! ```
//! So nothing expires by a jump that no other node vouches for. A node that is alone has nobody to ask: it may jump when it
//! starts, since it may have been away for as long as its clock says, and never after that.
//!
//! A clock that stands elsewhere than those of most others makes its node unfit to lead, and others are told not to
//! hand it anything.

use super::Owner;
use crate::limit::WALL_SLEW_PARTS;
use crate::sequencer::{Clocks, NodeId, Role};
use crate::time::{MonoMs, Offset, WallMs};

/// What a leader tells of its clock while it does not know what it shows.
pub(super) const UNKNOWN: WallMs = WallMs(0);

/// How far another node's clock is ahead of one's own: somewhere between two values, ms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ahead {
    least_ms: i64,
    most_ms: i64,
}

impl Ahead {
    /// Of a reading `theirs` that was made between `before_ms` ago and now, while one's own clock says `mine` now.
    pub(super) fn of(theirs: WallMs, mine: WallMs, before_ms: u64) -> Ahead {
        let least_ms = signed(theirs.0).saturating_sub(signed(mine.0));
        Ahead { least_ms, most_ms: least_ms.saturating_add(signed(before_ms)) }
    }

    /// Of the clock that a leader tells in answer to what was sent at `moment`. `None` where it is not known what one of the two
    /// clocks shows: a node that starts catches up before anybody tells it.
    pub(super) fn of_leader(theirs: WallMs, wall: &Wall, mono: MonoMs, moment: MonoMs) -> Option<Ahead> {
        let mine = wall.clock(mono)?;
        (theirs != UNKNOWN).then(|| Ahead::of(theirs, mine, mono.0.saturating_sub(moment.0)))
    }

    /// From what another node sent; `None` where that is nothing.
    pub(super) fn between((least_ms, most_ms): (i64, i64)) -> Option<Ahead> {
        (least_ms <= most_ms).then_some(Ahead { least_ms, most_ms })
    }

    /// As it is sent.
    pub(super) fn bounds_ms(self) -> (i64, i64) {
        (self.least_ms, self.most_ms)
    }

    /// Whether both may be the same to within `skew_ms`.
    pub(super) fn agrees(self, skew_ms: u64) -> bool {
        self.least_ms <= signed(skew_ms) && self.most_ms >= -signed(skew_ms)
    }

    /// The value nearest to 0, ms.
    pub(super) fn nearest_ms(self) -> i64 {
        if self.least_ms > 0 { self.least_ms } else { self.most_ms.min(0) }
    }
}

/// Wall time at this node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wall {
    /// Wall time of this node, and its clock as it is, minus the monotonic clock, ms.
    own_ms: i64,
    clock_ms: i64,
    /// The log's wall time minus the monotonic clock, ms.
    log_ms: i64,
    moved_at: MonoMs,
    /// Nobody has said what the wall clock shows: log time stands for it.
    is_unset: bool,
    /// The log's wall time is what a leader told.
    is_told: bool,
}

impl Wall {
    pub(super) fn new(wall: WallMs, mono: MonoMs) -> Wall {
        let at = minus(wall, mono);
        Wall { own_ms: at, clock_ms: at, log_ms: at, moved_at: mono, is_unset: true, is_told: false }
    }

    /// What this node's clocks say.
    pub(super) fn set(&mut self, mono: MonoMs, wall: WallMs, clock: WallMs) {
        (self.own_ms, self.clock_ms) = (minus(wall, mono), minus(clock, mono));
        self.is_unset = false;
    }

    /// A leader says that it is so late.
    pub(super) fn follow(&mut self, mono: MonoMs, told: WallMs) {
        (self.log_ms, self.moved_at) = (minus(told, mono), mono);
        self.is_told = true;
    }

    /// Goes on from the log's latest; or from what the last leader told, since nothing may have been logged for long.
    fn lead(&mut self, mono: MonoMs, logged: WallMs) {
        let told = if self.is_told { self.now(mono) } else { WallMs(0) };
        let from = logged.max(told);
        if from > WallMs(0) {
            (self.log_ms, self.moved_at) = (minus(from, mono), mono);
        }
    }

    /// Goes on to this moment, and to this node's own wall time where that is proven.
    pub(super) fn advance(&mut self, mono: MonoMs, is_proven: bool) {
        let past_ms = mono.0.saturating_sub(self.moved_at.0);
        let slew_ms = signed(past_ms) / WALL_SLEW_PARTS;
        if is_proven && self.own_ms >= self.log_ms {
            (self.log_ms, self.moved_at) = (self.own_ms, mono);
        } else if is_proven && slew_ms > 0 {
            self.log_ms -= slew_ms.min(self.log_ms - self.own_ms);
            self.moved_at = mono;
        }
    }

    /// The log's wall time.
    pub(super) fn now(&self, mono: MonoMs) -> WallMs {
        Offset::of_ms(self.log_ms).at(mono)
    }

    /// This node's clock as it is; `None` while nobody has said what it shows.
    pub(super) fn clock(&self, mono: MonoMs) -> Option<WallMs> {
        (!self.is_unset).then(|| Offset::of_ms(self.clock_ms).at(mono))
    }

    /// The same, or the log time that stands for it.
    pub(super) fn clock_or_log(&self, mono: MonoMs) -> WallMs {
        Offset::of_ms(self.clock_ms).at(mono)
    }

    /// When the log's wall time will be `at`, on this process's clock.
    pub(super) fn when(&self, at: WallMs) -> MonoMs {
        Offset::of_ms(self.log_ms).back(at)
    }
}

impl Owner {
    /// What the wall clock says at this moment, and what it would say without what was taken off for its steps. Where nobody
    /// says it, log time stands for both.
    pub fn set_wall(&mut self, now: MonoMs, wall: WallMs, clock: WallMs) {
        self.wall.set(now, wall, clock);
    }

    /// Wall time now: never before that of the log.
    pub(super) fn wall_now(&self) -> WallMs {
        self.wall.now(self.mono).max(self.shard.wall)
    }

    /// Moves the log's wall time on, once a turn.
    pub(super) fn advance_wall(&mut self) {
        if self.role != Role::Leader {
            return;
        }
        let is_proven = !self.wall.is_unset && (self.is_alone || self.agrees_with_most());
        self.wall.advance(self.mono, is_proven);
    }

    /// Goes on from the last leader's wall time, whatever this node's own clock says.
    pub(super) fn lead_wall(&mut self) {
        self.wall.lead(self.mono, self.shard.wall);
    }

    /// Whether so many other nodes' clocks agree with this one's that with it they are most.
    fn agrees_with_most(&self) -> bool {
        let others = self.sequencer.others().len();
        let agree = self.others_ahead().filter(|(_, ahead)| ahead.agrees(self.clock_skew_max_ms)).count();
        2 * (agree + 1) > others + 1
    }

    /// By how much this node's clock is ahead of those of others, as they say.
    fn others_ahead(&self) -> impl Iterator<Item = (NodeId, Ahead)> + '_ {
        self.sequencer.others().iter().filter_map(|node| Some((*node, self.heard.get(node)?.ahead?)))
    }

    /// Tells the sequencer whose clock stands elsewhere than most. Two nodes that disagree are both under suspicion, and neither
    /// is found guilty.
    pub(super) fn judge_clocks(&mut self) {
        let others = self.sequencer.others().len();
        let (agree, off): (Vec<_>, Vec<_>) =
            self.others_ahead().partition(|(_, ahead)| ahead.agrees(self.clock_skew_max_ms));
        let is_off = others > 1 && 2 * off.len() > others;
        let nearest_ms = off.iter().map(|(_, ahead)| ahead.nearest_ms()).min_by_key(|ms| ms.unsigned_abs());
        let others_off = if is_off { Vec::new() } else { off.iter().map(|(node, _)| *node).collect() };
        let most_agree = 2 * (agree.len() + 1) > others + 1;
        self.sequencer.judge_clocks(Clocks {
            ahead_ms: if is_off || !most_agree { nearest_ms.unwrap_or(0) } else { 0 },
            is_off,
            others_off,
        });
    }
}

fn minus(wall: WallMs, mono: MonoMs) -> i64 {
    Offset::between(mono, wall).ms()
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Ahead, Wall};
    use crate::limit::WALL_SLEW_PARTS;
    use crate::time::{MonoMs, WallMs};

    const HOUR: u64 = 3_600_000;
    const THEN: u64 = 1_700_000_000_000;

    #[test]
    fn an_unproven_jump_moves_nothing_and_a_proven_one_does() {
        let mut wall = Wall::new(WallMs(THEN), MonoMs(10));
        wall.set(MonoMs(10), WallMs(THEN + HOUR), WallMs(THEN + HOUR));
        wall.advance(MonoMs(1_010), false);
        assert_eq!(wall.now(MonoMs(1_010)), WallMs(THEN + 1_000));
        assert_eq!(wall.when(WallMs(THEN + 5_000)), MonoMs(5_010));
        wall.advance(MonoMs(1_010), true);
        assert_eq!(wall.now(MonoMs(1_010)), WallMs(THEN + HOUR + 1_000));
    }

    #[test]
    fn a_log_that_is_ahead_goes_on_a_little_slower_until_it_is_not() {
        let mut wall = Wall::new(WallMs(THEN), MonoMs(0));
        wall.set(MonoMs(0), WallMs(THEN - 100), WallMs(THEN - 100));
        let mut last = wall.now(MonoMs(0));
        for mono in (0..20_000).step_by(50) {
            wall.advance(MonoMs(mono), true);
            let now = wall.now(MonoMs(mono));
            let slowest = (50 - 50 / WALL_SLEW_PARTS - 1) as u64;
            assert!(mono == 0 || (slowest..=50).contains(&(now.0 - last.0)), "{mono}: {last:?} {now:?}");
            last = now;
        }
        assert_eq!(wall.now(MonoMs(20_000)), WallMs(THEN + 19_900));
    }

    #[test]
    fn a_new_leader_goes_on_from_what_the_last_one_logged_or_told() {
        let mut wall = Wall::new(WallMs(THEN + HOUR), MonoMs(0));
        wall.lead(MonoMs(1_000), WallMs(THEN));
        assert_eq!(
            wall.now(MonoMs(1_500)),
            WallMs(THEN + 500),
            "nobody told anything since this process began"
        );
        wall.follow(MonoMs(2_000), WallMs(THEN + 2_000));
        wall.lead(MonoMs(9_000), WallMs(THEN + 1_000));
        assert_eq!(wall.now(MonoMs(9_000)), WallMs(THEN + 9_000), "nothing was logged for eight seconds");
        wall.lead(MonoMs(9_000), WallMs(THEN + 9_100));
        assert_eq!(wall.now(MonoMs(9_000)), WallMs(THEN + 9_100));
    }

    #[test]
    fn clocks_agree_where_they_may_be_the_same() {
        let ahead = |theirs, before_ms| Ahead::of(WallMs(theirs), WallMs(THEN), before_ms);
        assert!(ahead(THEN - 40, 60).agrees(500) && ahead(THEN + 480, 60).agrees(500));
        assert!(!ahead(THEN + 501, 60).agrees(500) && !ahead(THEN - 561, 60).agrees(500));
        assert_eq!(ahead(THEN + HOUR, 60).nearest_ms(), HOUR as i64);
        assert_eq!(ahead(THEN - HOUR, 60).nearest_ms(), 60 - HOUR as i64);
        assert_eq!(ahead(THEN - 30, 60).nearest_ms(), 0);
    }
}
