//! A line in the log while somebody is refused for want of memory: which bound it was, what takes how much, and how to help.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use sluice_engine::memory::{Bound, Memory};
use sluice_net::observer::Observer;

use crate::limit;

/// Watches until it is dropped.
pub(super) struct Alarm {
    _stop: Sender<()>,
}

impl Alarm {
    /// Watches the memory of a running server, on a thread of its own.
    pub(super) fn watch(server: Observer) -> Alarm {
        let (stop, stopped) = channel::<()>();
        let pause = Duration::from_millis(limit::ALARM_CHECK_MS);
        thread::spawn(move || {
            let mut lines = Lines::default();
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                for line in lines.due(&server.memory(), Instant::now()) {
                    tracing::warn!("{line}");
                }
            }
        });
        Alarm { _stop: stop }
    }
}

/// What was said of each bound, and when.
#[derive(Default)]
struct Lines {
    said: [Option<(u64, Instant)>; Bound::ALL.len()],
}

impl Lines {
    /// The lines to write now: one for each bound that was in somebody's way since its last line, each at most so often.
    fn due(&mut self, memory: &Memory, now: Instant) -> Vec<String> {
        let mut lines = Vec::new();
        for (said, (bound, refused)) in self.said.iter_mut().zip(memory.refused) {
            let (before, is_due) = match *said {
                None => (0, true),
                Some((before, at)) => (before, now - at >= Duration::from_millis(limit::ALARM_PAUSE_MS)),
            };
            // A full zone is what max_waiting is for, and no want of memory.
            if is_due && refused > before && bound != Bound::MaxWaiting {
                *said = Some((refused, now));
                lines.push(line(bound, refused - before, memory));
            }
        }
        lines
    }
}

fn line(bound: Bound, refused: u64, memory: &Memory) -> String {
    let (used, shares) = (memory.used, memory.shares);
    format!(
        "out of memory: {bound}; {refused} requests were refused. zones: {} of {} bytes, streams: {} of {}, together: {} of \
         {}; raise memory_max, lower max_waiting of zones, or trim streams (XTRIM, EXPIRE, a namespace)",
        used.zones,
        shares.zones,
        used.streams,
        shares.streams,
        used.all(),
        shares.all,
    )
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use crate::limit;
    use sluice_engine::memory::{Bound, Memory, Shares, Used};
    use std::time::{Duration, Instant};

    fn memory(streams: u64, waiting: u64) -> Memory {
        let refused = Bound::ALL.map(|bound| match bound {
            Bound::Streams => (bound, streams),
            Bound::MaxWaiting => (bound, waiting),
            _ => (bound, 0),
        });
        Memory { used: Used { zones: 5, streams: 750 }, shares: Shares::of(1_000), refused }
    }

    #[test]
    fn a_bound_that_is_reached_is_told_at_once_and_then_now_and_again() {
        let (mut lines, start) = (Lines::default(), Instant::now());
        assert!(lines.due(&memory(0, 9), start).is_empty(), "a zone at max_waiting is no alarm");
        let first = lines.due(&memory(3, 9), start);
        assert_eq!(first.len(), 1);
        assert!(
            first[0].contains("streams of this node take their share") && first[0].contains("750 of 750"),
            "{first:?}"
        );
        assert!(lines.due(&memory(9, 9), start + Duration::from_secs(1)).is_empty());
        let later = start + Duration::from_millis(limit::ALARM_PAUSE_MS);
        assert!(lines.due(&memory(10, 9), later)[0].contains("; 7 requests"), "those since the last line");
        assert!(
            lines.due(&memory(10, 9), later + Duration::from_secs(3_600)).is_empty(),
            "nobody was refused since"
        );
    }
}
