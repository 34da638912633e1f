//! The original rule, as its Lua scripts have it, in virtual time.
//!
//! A sorted set of waiters by join time, a hash of last polls, a log of admissions. Enter if the rank among
//! *all* entries is below the free permits of both windows; every 30 s the entries that were silent for
//! over a minute are removed. Ranks come from a Fenwick tree (Fenwick, 1994) over the join order.

use std::collections::VecDeque;

use super::room::{Answer, Change, Room};

const WINDOW_MS: u64 = 60_000;
const SLICE_MS: u64 = 6_000;
const SWEEP_MS: u64 = 30_000;
const SILENT_MS: u64 = 60_000;
const NOT_QUEUED: u64 = u64::MAX;

/// The room of the scripts.
pub(super) struct OriginalRoom {
    limit: u64,
    poll_ms: u32,
    paused: bool,
    queued: Fenwick,
    waiting: u64,
    /// Last polls by user; [`NOT_QUEUED`] for who is not in the set.
    polled: Vec<u64>,
    entered: VecDeque<u64>,
    /// Index in `entered` of the first admission within the slice.
    slice_from: usize,
    next_sweep_ms: u64,
    answers: Vec<(u32, Answer)>,
}

impl OriginalRoom {
    /// An empty room.
    pub(super) fn new(users: u32, limit: u32, poll_ms: u32) -> OriginalRoom {
        OriginalRoom {
            limit: u64::from(limit),
            poll_ms,
            paused: false,
            queued: Fenwick::new(users as usize),
            waiting: 0,
            polled: vec![NOT_QUEUED; users as usize],
            entered: VecDeque::new(),
            slice_from: 0,
            next_sweep_ms: SWEEP_MS,
            answers: Vec::new(),
        }
    }

    fn enter(&mut self, now_ms: u64, direct: bool) -> Answer {
        self.entered.push_back(now_ms);
        Answer::Admitted { at_ms: now_ms, direct }
    }

    fn wait(&self, rank: u64) -> Answer {
        let eta_ms = u32::try_from(rank * 60 / self.limit * 1_000).ok();
        let position = u32::try_from(rank + 1).unwrap_or(u32::MAX);
        Answer::Waiting { position, eta_ms, poll_ms: self.poll_ms }
    }

    /// `ZREMRANGEBYSCORE enter 0 now-60000`, then `ZCARD`.
    fn in_window(&mut self, now_ms: u64) -> u64 {
        while self.entered.front().is_some_and(|at| at + WINDOW_MS <= now_ms) {
            self.entered.pop_front();
            self.slice_from = self.slice_from.saturating_sub(1);
        }
        self.entered.len() as u64
    }

    /// `ZCOUNT enter now-6000 now`, both ends included.
    fn in_slice(&mut self, now_ms: u64) -> u64 {
        while self.entered.get(self.slice_from).is_some_and(|at| at + SLICE_MS < now_ms) {
            self.slice_from += 1;
        }
        (self.entered.len() - self.slice_from) as u64
    }

    fn remove(&mut self, user: u32) {
        self.polled[user as usize] = NOT_QUEUED;
        self.queued.add(user as usize, -1);
        self.waiting -= 1;
    }

    fn sweep(&mut self, now_ms: u64) {
        for user in 0..self.polled.len() {
            let polled = self.polled[user];
            if polled != NOT_QUEUED && polled + SILENT_MS < now_ms {
                self.remove(user as u32);
            }
        }
    }
}

impl Room for OriginalRoom {
    fn join(&mut self, user: u32, now_ms: u64) {
        let answer = if self.waiting == 0 && !self.paused && self.in_window(now_ms) < self.limit {
            self.enter(now_ms, true)
        } else {
            let rank = self.waiting;
            self.queued.add(user as usize, 1);
            self.polled[user as usize] = now_ms;
            self.waiting += 1;
            self.wait(rank)
        };
        self.answers.push((user, answer));
    }

    fn poll(&mut self, user: u32, now_ms: u64) -> Option<Answer> {
        if self.polled[user as usize] == NOT_QUEUED {
            return Some(Answer::Gone);
        }
        self.polled[user as usize] = now_ms;
        let rank = self.queued.before(user as usize);
        let window = self.limit.saturating_sub(self.in_window(now_ms));
        let slice = (self.limit / 10).saturating_sub(self.in_slice(now_ms));
        if rank < window.min(slice) && !self.paused {
            self.remove(user);
            return Some(self.enter(now_ms, false));
        }
        Some(self.wait(rank))
    }

    fn change(&mut self, change: Change, _now_ms: u64) {
        match change {
            Change::Limit(limit) => self.limit = u64::from(limit),
            Change::Pause => self.paused = true,
            Change::Resume => self.paused = false,
        }
    }

    fn turn(&mut self, now_ms: u64, answers: &mut Vec<(u32, Answer)>) {
        if now_ms >= self.next_sweep_ms {
            self.next_sweep_ms += SWEEP_MS;
            self.sweep(now_ms);
        }
        answers.append(&mut self.answers);
    }
}

/// Counts by prefix.
#[derive(Debug)]
struct Fenwick {
    sums: Vec<i32>,
}

impl Fenwick {
    fn new(len: usize) -> Fenwick {
        Fenwick { sums: vec![0; len + 1] }
    }

    fn add(&mut self, at: usize, by: i32) {
        let mut node = at + 1;
        while node < self.sums.len() {
            self.sums[node] += by;
            node += node & node.wrapping_neg();
        }
    }

    /// The sum of everything before `at`.
    fn before(&self, at: usize) -> u64 {
        let (mut node, mut sum) = (at, 0);
        while node > 0 {
            sum += self.sums[node];
            node &= node - 1;
        }
        u64::try_from(sum).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::OriginalRoom;
    use crate::simulate::room::{Answer, Room};

    fn joined(room: &mut OriginalRoom, user: u32, now_ms: u64) -> Answer {
        let mut answers = Vec::new();
        room.join(user, now_ms);
        room.turn(now_ms, &mut answers);
        answers[0].1
    }

    fn enters(answer: Option<Answer>) -> bool {
        matches!(answer, Some(Answer::Admitted { .. }))
    }

    #[test]
    fn the_scripts_rule_counts_the_silent_ahead_and_sweeps_them_each_half_minute() {
        let mut room = OriginalRoom::new(32, 10, 3_000);
        assert!((0..10).all(|user| enters(Some(joined(&mut room, user, 0)))));
        let silent = joined(&mut room, 10, 1);
        assert_eq!(silent, Answer::Waiting { position: 1, eta_ms: Some(0), poll_ms: 3_000 });
        joined(&mut room, 11, 1);
        // One permit a slice, and the first in the set does not come for it.
        assert!(!enters(room.poll(11, 60_000)));
        room.turn(90_000, &mut Vec::new());
        assert!(enters(room.poll(11, 90_000)));
        assert_eq!(room.poll(10, 90_001), Some(Answer::Gone));
    }

    #[test]
    fn the_slice_includes_both_its_ends_as_zcount_does() {
        let mut room = OriginalRoom::new(32, 10, 3_000);
        (0..13).for_each(|user| room.join(user, 0));
        assert!(enters(room.poll(10, 60_000)));
        assert!(!enters(room.poll(11, 66_000)));
        assert!(enters(room.poll(11, 66_001)));
    }
}
