//! The wall clock as the node uses it: without its steps.
//!
//! What the system calls the time can be set by anybody who may, to anything, while keys wait for it to expire. So it is
//! taken once, at the start, and goes on by the monotonic clock; towards what the system says it moves by at most one part in
//! [`SLEW_PARTS`]. A step is thus followed slowly if it stays, forgotten if it is taken back, and told in either case.

use crate::clock::Clock;
use sluice_engine::time::{MonoMs, WallMs};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

/// The wall clock gains or loses one part in so many where the system's stands elsewhere: 36 s an hour.
const SLEW_PARTS: i64 = 100;
/// The system's clock is read this often.
const READ_MS: u64 = 50;
/// A difference of this much is no drift: the clock was set.
const STEP_MS: i64 = 200;

/// Wall time, and what the system makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reading {
    /// Never steps.
    pub(crate) wall: WallMs,
    /// As the system says.
    pub(crate) clock: WallMs,
}

/// The clock of the process, for all its threads.
pub(crate) struct Wall {
    clock: Clock,
    disciplined: Mutex<Disciplined>,
    /// Wall time, and the system's clock, minus the monotonic clock, ms. Written under the lock.
    offset_ms: AtomicI64,
    system_ms: AtomicI64,
}

impl Wall {
    /// A clock that begins at what the system says now.
    pub(crate) fn start(clock: Clock) -> Wall {
        let (now, system) = (clock.now(), system_ms());
        let offset_ms = system - signed(now);
        Wall {
            clock,
            disciplined: Mutex::new(Disciplined { offset_us: offset_ms * 1_000, read_at: now, told_ms: 0 }),
            offset_ms: AtomicI64::new(offset_ms),
            system_ms: AtomicI64::new(offset_ms),
        }
    }

    /// Wall time at `now`, which was read lately.
    pub(crate) fn at(&self, now: MonoMs) -> Reading {
        // Whoever finds it busy takes what is there: another thread is reading the clock just now.
        if let Ok(mut disciplined) = self.disciplined.try_lock()
            && now.0 >= disciplined.read_at.0 + READ_MS
        {
            self.read(&mut disciplined);
        }
        let at = |offset: &AtomicI64| wall(signed(now) + offset.load(Ordering::Acquire));
        Reading { wall: at(&self.offset_ms), clock: at(&self.system_ms) }
    }

    /// Wall time now.
    pub(crate) fn now(&self) -> WallMs {
        self.at(self.clock.now()).wall
    }

    /// By how much the system's clock is ahead of wall time, ms.
    pub(crate) fn step_ms(&self) -> i64 {
        self.system_ms.load(Ordering::Acquire) - self.offset_ms.load(Ordering::Acquire)
    }

    fn read(&self, disciplined: &mut Disciplined) {
        // Both clocks are read again, together: `now` may be old, and what lies between would look like a step.
        let (now, system) = (self.clock.now(), system_ms());
        let step_ms = disciplined.follow(now, system);
        if let Some(step_ms) = disciplined.news(step_ms) {
            tell(step_ms);
        }
        self.system_ms.store(system - signed(now), Ordering::Release);
        self.offset_ms.store(disciplined.offset_us.div_euclid(1_000), Ordering::Release);
    }
}

fn tell(step_ms: i64) {
    if step_ms == 0 {
        tracing::warn!("the system's clock and the time that this node goes by agree again");
    } else {
        tracing::error!(
            step_ms,
            "the system's clock was set, and is ahead of the time that this node goes by by so many ms (below 0: behind). Nothing \
             expires by that: the time is followed by 36 s an hour. Set the clock right; where it is right now, restart the node"
        );
    }
}

/// What makes steps slow.
#[derive(Debug)]
struct Disciplined {
    /// Wall time minus the monotonic clock.
    offset_us: i64,
    read_at: MonoMs,
    /// The step that was last told.
    told_ms: i64,
}

impl Disciplined {
    /// The system's clock says `system` at `now`: goes there as far as it may. By how much it is still ahead, ms.
    fn follow(&mut self, now: MonoMs, system: i64) -> i64 {
        let past_us = signed(MonoMs(now.0.saturating_sub(self.read_at.0))).saturating_mul(1_000);
        let wanted_us = (system - signed(now)).saturating_mul(1_000);
        let most_us = past_us / SLEW_PARTS;
        self.offset_us += wanted_us.saturating_sub(self.offset_us).clamp(-most_us, most_us);
        self.read_at = now;
        wanted_us.saturating_sub(self.offset_us) / 1_000
    }

    /// What is to be told: a step where it is another one than was told last, 0 where it is over.
    fn news(&mut self, step_ms: i64) -> Option<i64> {
        let is_step = step_ms.abs() >= STEP_MS;
        let is_news = if is_step { (step_ms - self.told_ms).abs() >= STEP_MS } else { self.told_ms != 0 };
        if !is_news {
            // It shrinks, as it is followed.
            self.told_ms = if is_step { step_ms } else { 0 };
            return None;
        }
        self.told_ms = if is_step { step_ms } else { 0 };
        Some(self.told_ms)
    }
}

fn system_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 2_000)
}

fn signed(mono: MonoMs) -> i64 {
    i64::try_from(mono.0).unwrap_or(i64::MAX / 2_000)
}

fn wall(ms: i64) -> WallMs {
    WallMs(u64::try_from(ms).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Disciplined, SLEW_PARTS};
    use sluice_engine::time::MonoMs;

    const THEN: i64 = 1_700_000_000_000;
    const HOUR: i64 = 3_600_000;

    /// Reads each 50 ms a system's clock that was set by `step_ms`; what was told, and by how much time went wrong.
    fn read(disciplined: &mut Disciplined, from: u64, until: u64, step_ms: i64) -> (Vec<i64>, i64) {
        let mut told = Vec::new();
        for now in (from..until).step_by(50) {
            let left = disciplined.follow(MonoMs(now), THEN + now as i64 + step_ms);
            told.extend(disciplined.news(left));
        }
        (told, disciplined.offset_us / 1_000 - THEN)
    }

    #[test]
    fn a_step_of_an_hour_that_is_taken_back_moves_nothing_that_anybody_could_see() {
        for step_ms in [HOUR, -HOUR, 1_000, -1_000] {
            let mut disciplined = Disciplined { offset_us: THEN * 1_000, read_at: MonoMs(0), told_ms: 0 };
            assert_eq!(read(&mut disciplined, 50, 1_000, 0), (vec![], 0));
            let (told, off_ms) = read(&mut disciplined, 1_000, 1_500, step_ms);
            assert_eq!(told.len(), 1, "told once: {told:?}");
            assert!(off_ms.abs() <= 500 / SLEW_PARTS, "{off_ms} ms");
            let (told, off_ms) = read(&mut disciplined, 1_500, 3_000, 0);
            assert_eq!((told, off_ms), (vec![0], 0), "and when it is over");
        }
    }

    #[test]
    fn a_step_that_stays_is_followed_slowly_and_told_once() {
        let mut disciplined = Disciplined { offset_us: THEN * 1_000, read_at: MonoMs(0), told_ms: 0 };
        let (told, off_ms) = read(&mut disciplined, 50, 150_000, 1_000);
        assert_eq!((told.len(), off_ms), (2, 1_000), "at its begin and at its end: {told:?}");
    }

    #[test]
    fn a_pause_is_no_step() {
        let mut disciplined = Disciplined { offset_us: THEN * 1_000, read_at: MonoMs(0), told_ms: 0 };
        assert!(read(&mut disciplined, 50, 1_000, 0).0.is_empty());
        assert_eq!(read(&mut disciplined, 31_000, 32_000, 0), (vec![], 0));
    }
}
