//! How long a worker is busy before it looks at its sockets again, in CPU time: what a noisy machine adds does not count.

use rustix::time::{ClockId, clock_gettime};
use sluice_engine::time::MonoMs;
use std::time::Duration;

/// Reads the thread's CPU clock, which takes a system call, at most once a millisecond.
pub(super) struct Stopwatch {
    looked: MonoMs,
    cpu: Duration,
}

impl Stopwatch {
    /// For the calling thread.
    pub(super) fn start(now: MonoMs) -> Stopwatch {
        Stopwatch { looked: now, cpu: thread_cpu() }
    }

    /// A turn has ended. CPU time since the last look, in µs: that of the turn, and of less than a millisecond before it.
    /// `None`: the last look was just now, so the turn was short.
    pub(super) fn turned(&mut self, now: MonoMs) -> Option<u64> {
        if now == self.looked {
            return None;
        }
        let cpu = thread_cpu();
        let spent = cpu.saturating_sub(self.cpu);
        (self.looked, self.cpu) = (now, cpu);
        Some(spent.as_micros() as u64)
    }
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::{MonoMs, Stopwatch, thread_cpu};
    use std::time::Duration;

    #[test]
    fn what_a_turn_burns_is_counted_once() {
        let mut watch = Stopwatch::start(MonoMs(1));
        assert_eq!(watch.turned(MonoMs(1)), None);
        let until = thread_cpu() + Duration::from_millis(3);
        while thread_cpu() < until {}
        let spent = watch.turned(MonoMs(4)).expect("a later millisecond");
        assert!(spent >= 3_000, "{spent} us");
        assert!(watch.turned(MonoMs(5)).is_some_and(|next| next < spent), "it begins anew");
    }
}
