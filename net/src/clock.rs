//! The clocks, read once a turn: monotonic milliseconds for the engine, a date for HTTP.

use sluice_engine::time::MonoMs;
use std::time::{Duration, Instant, SystemTime};

/// Monotonic milliseconds since one moment of the process, the same for every part of it.
///
/// ```
/// let clock = sluice_net::clock::Clock::start();
/// assert!(clock.now() <= clock.now());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that says 0 now. Make one for the process and pass it on.
    #[must_use]
    pub fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn now(&self) -> MonoMs {
        MonoMs(self.origin.elapsed().as_millis() as u64)
    }
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
