//! SIGTERM and SIGINT: the first asks the server to drain, a later one ends the process at once.
//!
//! What signals a process group and its leader both (`timeout`, some init processes) sends every signal twice: the echo
//! must not turn a drain into a kill.

use std::io;
use std::process;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::{limit, log};

/// What a shell reports for a process that a second signal ended.
const HURRIED_EXIT: i32 = 130;

/// Signals, caught from the moment this value exists.
pub(crate) struct Stop {
    signals: Signals,
    first: Option<i32>,
}

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { signals: Signals::new([SIGTERM, SIGINT])?, first: None })
    }

    /// Whether a signal has come; asked while the server still starts.
    pub(crate) fn has_come(&mut self) -> bool {
        self.first = self.first.or_else(|| self.signals.pending().next());
        self.first.is_some()
    }

    /// Blocks until the first signal. From then on another one, unless it is an echo, ends the process where it stands.
    pub(crate) fn wait(mut self) {
        let first = self.first.or_else(|| self.signals.forever().next());
        let arrived = Instant::now();
        tracing::info!(signal = first, "stopping; a second signal stops at once");
        std::thread::spawn(move || {
            let echo = Duration::from_millis(limit::SIGNAL_ECHO_MS);
            if self.signals.forever().any(|_| arrived.elapsed() >= echo) {
                tracing::warn!("stopped without draining");
                log::flush();
                process::exit(HURRIED_EXIT);
            }
        });
    }
}

/// As if SIGTERM had come.
pub(super) fn stop_this_process() {
    if let Err(error) = signal_hook::low_level::raise(SIGTERM) {
        tracing::error!(%error, "this process cannot be stopped");
    }
}

/// Calls `act` at each SIGHUP from now on, on a thread of its own.
pub(super) fn on_hangup(act: impl Fn() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP])?;
    std::thread::Builder::new().name("hangup".to_owned()).spawn(move || {
        for _ in signals.forever() {
            act();
        }
    })?;
    Ok(())
}
