//! What the server counts. Each worker counts in plain numbers and publishes once a turn, so counting
//! costs the poll path an addition and nothing shared.

use crate::limit;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One worker's totals since it started.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections refused because there were too many, or no descriptor was left.
    pub refused: u64,
    /// Requests answered over RESP.
    pub resp_requests: u64,
    /// Requests answered over HTTP.
    pub http_requests: u64,
    /// Of all requests, polls.
    pub polls: u64,
    /// Of all requests, joins.
    pub joins: u64,
    /// Error replies.
    pub errors: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Turns of a worker that took more CPU time than [`limit::TURN_US_MAX`].
    pub long_turns: u64,
    /// Messages published.
    pub published: u64,
    /// Published messages handed to subscribers, once for each.
    pub delivered: u64,
}

const FIELDS: usize = 12;

impl Counts {
    fn to_array(self) -> [u64; FIELDS] {
        [
            self.accepted,
            self.refused,
            self.resp_requests,
            self.http_requests,
            self.polls,
            self.joins,
            self.errors,
            self.bytes_in,
            self.bytes_out,
            self.long_turns,
            self.published,
            self.delivered,
        ]
    }

    fn from_array(of: [u64; FIELDS]) -> Counts {
        let [
            accepted,
            refused,
            resp_requests,
            http_requests,
            polls,
            joins,
            errors,
            bytes_in,
            bytes_out,
            long_turns,
            published,
            delivered,
        ] = of;
        Counts {
            accepted,
            refused,
            resp_requests,
            http_requests,
            polls,
            joins,
            errors,
            bytes_in,
            bytes_out,
            long_turns,
            published,
            delivered,
        }
    }
}

/// One worker's totals as others may read them. Written by that worker only.
#[derive(Default)]
#[repr(align(128))]
struct Published([AtomicU64; FIELDS]);

/// A request that took long.
#[derive(Clone, Debug)]
pub(crate) struct Slow {
    pub(crate) id: u64,
    pub(crate) wall_s: u64,
    pub(crate) took_us: u64,
    pub(crate) command: &'static str,
    pub(crate) peer: SocketAddr,
}

#[derive(Default)]
struct SlowLog {
    entries: VecDeque<Slow>,
    next_id: u64,
}

/// The counters of all workers, and the slow log.
pub struct Stats {
    workers: Vec<Published>,
    /// What the totals were when they were last set back.
    base: Mutex<Counts>,
    slow: Mutex<SlowLog>,
    /// Requests of the last whole second; written by worker 0.
    rate: AtomicU64,
    /// CPU time of the longest turn of any worker, in µs.
    longest_turn_us: AtomicU64,
}

impl Stats {
    pub(crate) fn new(workers: usize) -> Stats {
        Stats {
            workers: (0..workers).map(|_| Published::default()).collect(),
            base: Mutex::default(),
            slow: Mutex::default(),
            rate: AtomicU64::new(0),
            longest_turn_us: AtomicU64::new(0),
        }
    }

    /// Shows a worker's totals to everybody.
    pub(crate) fn publish(&self, worker: usize, counts: &Counts) {
        let Some(published) = self.workers.get(worker) else { return };
        for (cell, count) in published.0.iter().zip(counts.to_array()) {
            cell.store(count, Ordering::Relaxed);
        }
    }

    /// Totals of all workers since the start, or since they were set back.
    #[must_use]
    pub fn totals(&self) -> Counts {
        let base = lock(&self.base).to_array();
        let mut sum = self.raw().to_array();
        for (total, base) in sum.iter_mut().zip(base) {
            *total = total.saturating_sub(base);
        }
        Counts::from_array(sum)
    }

    /// Sets the totals back to 0.
    pub(crate) fn reset(&self) {
        *lock(&self.base) = self.raw();
    }

    pub(crate) fn raw(&self) -> Counts {
        let mut sum = [0; FIELDS];
        for worker in &self.workers {
            for (total, cell) in sum.iter_mut().zip(&worker.0) {
                *total += cell.load(Ordering::Relaxed);
            }
        }
        Counts::from_array(sum)
    }

    pub(crate) fn set_rate(&self, requests: u64) {
        self.rate.store(requests, Ordering::Relaxed);
    }

    /// Requests of the last whole second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.rate.load(Ordering::Relaxed)
    }

    /// Notes what a turn took, in µs of CPU time.
    pub(crate) fn note_turn(&self, spent_us: u64) {
        if spent_us > self.longest_turn_us.load(Ordering::Relaxed) {
            self.longest_turn_us.fetch_max(spent_us, Ordering::Relaxed);
        }
    }

    /// CPU time of the longest turn of any worker since the start, in µs.
    #[must_use]
    pub fn longest_turn_us(&self) -> u64 {
        self.longest_turn_us.load(Ordering::Relaxed)
    }

    /// Notes a slow request; the oldest one makes room. `id` is filled in.
    pub(crate) fn note_slow(&self, slow: Slow) {
        let mut log = lock(&self.slow);
        if log.entries.len() == limit::SLOW_LOG_MAX {
            log.entries.pop_front();
        }
        let id = log.next_id;
        log.next_id += 1;
        log.entries.push_back(Slow { id, ..slow });
    }

    /// The slow requests, the latest first.
    pub(crate) fn slow(&self) -> Vec<Slow> {
        lock(&self.slow).entries.iter().rev().cloned().collect()
    }

    pub(crate) fn reset_slow(&self) {
        lock(&self.slow).entries.clear();
    }
}

/// A poisoned lock guards plain numbers here: they are as good as before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{Counts, Slow, Stats};
    use crate::limit;
    use std::net::SocketAddr;

    #[test]
    fn totals_add_workers_and_forget_at_reset() {
        let stats = Stats::new(2);
        stats.publish(0, &Counts { polls: 3, ..Counts::default() });
        stats.publish(1, &Counts { polls: 4, bytes_out: 9, ..Counts::default() });
        assert_eq!(stats.totals(), Counts { polls: 7, bytes_out: 9, ..Counts::default() });
        stats.reset();
        stats.publish(1, &Counts { polls: 6, bytes_out: 9, ..Counts::default() });
        assert_eq!(stats.totals(), Counts { polls: 2, ..Counts::default() });
    }

    #[test]
    fn the_slow_log_is_bounded_and_latest_first() {
        let stats = Stats::new(1);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        for took_us in 0..=limit::SLOW_LOG_MAX as u64 {
            stats.note_slow(Slow { id: 0, wall_s: 0, took_us, command: "q.join", peer });
        }
        let slow = stats.slow();
        assert_eq!((slow.len(), slow[0].id), (limit::SLOW_LOG_MAX, limit::SLOW_LOG_MAX as u64));
        stats.reset_slow();
        assert!(stats.slow().is_empty());
    }
}
