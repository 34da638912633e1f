//! The clocks: monotonic milliseconds for the engine, which go on while the machine sleeps, and a date for HTTP.

use rustix::time::{ClockId, clock_gettime};
use sluice_engine::time::MonoMs;
use std::time::{Duration, SystemTime};

/// What was known before the machine slept is as old as if it had been awake.
#[cfg(target_os = "linux")]
const ELAPSED: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const ELAPSED: ClockId = ClockId::Monotonic;

/// Monotonic milliseconds since one moment of the process, the same for every part of it.
///
/// ```
/// let clock = sluice_net::clock::Clock::start();
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin_ms: u64,
}

impl Clock {
    /// A clock that says 0 now. Make one for the process and pass it on.
    #[must_use]
    pub fn start() -> Clock {
        Clock { origin_ms: elapsed_ms() }
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn now(&self) -> MonoMs {
        MonoMs(elapsed_ms().saturating_sub(self.origin_ms))
    }
}

fn elapsed_ms() -> u64 {
    let at = clock_gettime(ELAPSED);
    at.tv_sec as u64 * 1_000 + at.tv_nsec as u64 / 1_000_000
}

/// The date as HTTP writes it, made again only when its second is over.
pub(crate) struct HttpDate {
    text: [u8; HttpDate::BYTES],
    /// Monotonic moment at which the text is out of date.
    until: MonoMs,
}

impl HttpDate {
    pub(crate) const BYTES: usize = 29;

    pub(crate) fn new() -> HttpDate {
        HttpDate { text: [b' '; HttpDate::BYTES], until: MonoMs(0) }
    }

    /// Reads the wall clock if the second may be over.
    pub(crate) fn refresh(&mut self, now: MonoMs) {
        if now < self.until {
            return;
        }
        let wall = SystemTime::now();
        let text = httpdate::fmt_http_date(wall);
        if text.len() == HttpDate::BYTES {
            self.text.copy_from_slice(text.as_bytes());
        }
        let since = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.until = MonoMs(now.0 + 1_000 - u64::from(since.subsec_millis()));
    }

    /// For example `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub(crate) fn text(&self) -> &[u8; HttpDate::BYTES] {
        &self.text
    }
}
