//! When event streams want attention: their next poll or heartbeat, in buckets of [`limit::WHEEL_TICK_MS`].
//!
//! A hand goes round over the buckets. What lies beyond one round is put into the last bucket and again from there.
//! Nothing is taken out before its time: an entry that no longer counts, because its stream asked for another moment or
//! is gone, is recognised by its moment or its key when it comes up. A stream's entry costs 16 bytes.
//! Putting takes constant time, and so does each bucket that the hand passes.

use super::ticket::SessionKey;
use crate::limit;
use sluice_engine::time::MonoMs;

/// A stream, and the moment for which it asked.
pub(crate) type Due = (SessionKey, MonoMs);

/// The moments that the streams of a worker wait for.
pub(crate) struct Wheel {
    buckets: Vec<Vec<Due>>,
    /// The first tick whose bucket may hold something.
    tick: u64,
    len: usize,
}

impl Wheel {
    /// An empty one.
    pub(crate) fn new() -> Wheel {
        Wheel { buckets: (0..limit::WHEEL_BUCKETS).map(|_| Vec::new()).collect(), tick: 0, len: 0 }
    }

    /// Asks for attention at a moment, or at most a tick later.
    pub(crate) fn put(&mut self, key: SessionKey, at: MonoMs) {
        self.place(self.tick, key, at);
    }

    /// Into a bucket of this round, not before tick `first`.
    fn place(&mut self, first: u64, key: SessionKey, at: MonoMs) {
        let last = self.tick + self.buckets.len() as u64 - 1;
        let tick = at.0.div_ceil(limit::WHEEL_TICK_MS).clamp(first, last);
        self.len += 1;
        self.bucket(tick).push((key, at));
    }

    /// Appends those whose moment has come to `due`, which holds at most `max` afterwards; others stay for the next call.
    pub(crate) fn take(&mut self, now: MonoMs, max: usize, due: &mut Vec<Due>) {
        let until = now.0 / limit::WHEEL_TICK_MS;
        while self.tick <= until && self.len > 0 {
            while let Some((key, at)) = self.bucket(self.tick).pop() {
                self.len -= 1;
                if at > now {
                    // From beyond the round: into any bucket but this one.
                    self.place(self.tick + 1, key, at);
                    continue;
                }
                due.push((key, at));
                if due.len() >= max {
                    return;
                }
            }
            self.tick += 1;
        }
        self.tick = self.tick.max(until);
    }

    /// When the next bucket that is not empty is due.
    pub(crate) fn next(&self) -> Option<MonoMs> {
        if self.len == 0 {
            return None;
        }
        let buckets = self.buckets.len() as u64;
        let index = |tick: u64| (tick % buckets) as usize;
        (self.tick..self.tick + buckets)
            .find(|tick| self.buckets.get(index(*tick)).is_some_and(|bucket| !bucket.is_empty()))
            .map(|tick| MonoMs(tick * limit::WHEEL_TICK_MS))
    }

    fn bucket(&mut self, tick: u64) -> &mut Vec<Due> {
        let index = (tick % self.buckets.len() as u64) as usize;
        &mut self.buckets[index]
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionKey, Wheel};
    use sluice_engine::time::MonoMs;

    fn key(slot: u32) -> SessionKey {
        SessionKey { slot, generation: 0 }
    }

    /// Turns the wheel to each moment it names and lists who came up, with their moment and the wheel's.
    fn run(wheel: &mut Wheel, until: u64) -> Vec<(u32, u64, u64)> {
        let mut seen = Vec::new();
        while let Some(next) = wheel.next().filter(|next| next.0 <= until) {
            let mut due = Vec::new();
            wheel.take(next, 2, &mut due);
            seen.extend(due.iter().map(|(key, at)| (key.slot, at.0, next.0)));
        }
        seen
    }

    #[test]
    fn each_comes_up_at_its_moment_or_within_a_tick() {
        let mut wheel = Wheel::new();
        for (slot, at) in [(0, 120), (1, 0), (2, 3_000), (3, 15_000), (4, 600_000), (5, 3_000), (6, 3_000)] {
            wheel.put(key(slot), MonoMs(at));
        }
        let seen = run(&mut wheel, 1_000_000);
        let mut slots: Vec<u32> = seen.iter().map(|(slot, ..)| *slot).collect();
        slots.sort_unstable();
        assert_eq!(slots, [0, 1, 2, 3, 4, 5, 6], "each once: {seen:?}");
        assert!(seen.iter().all(|(_, at, came)| (*at..at + 51).contains(came)), "{seen:?}");
        assert!(seen.is_sorted_by_key(|(_, at, _)| *at), "{seen:?}");
        assert_eq!((wheel.len, wheel.next()), (0, None));
    }

    #[test]
    fn a_hand_that_stood_still_misses_nobody() {
        let mut wheel = Wheel::new();
        wheel.put(key(0), MonoMs(50));
        wheel.put(key(1), MonoMs(40_000));
        let mut due = Vec::new();
        wheel.take(MonoMs(30_000), 10, &mut due);
        assert_eq!(due, [(key(0), MonoMs(50))]);
        wheel.put(key(2), MonoMs(20_000));
        assert_eq!(run(&mut wheel, 100_000), [(2, 20_000, 30_050), (1, 40_000, 40_000)]);
    }
}
