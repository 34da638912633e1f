//! SIGTERM and SIGINT: the first asks the server to drain, the second ends the process at once.

use std::io;
use std::process;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What a shell reports for a process that a second signal ended.
const HURRIED_EXIT: i32 = 130;

/// Signals, caught from the moment this value exists.
pub(crate) struct Stop {
    signals: Signals,
}

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { signals: Signals::new([SIGTERM, SIGINT])? })
    }

    /// Blocks until the first signal. From then on another one ends the process where it stands.
    pub(crate) fn wait(mut self) {
        let first = self.signals.forever().next();
        tracing::info!(signal = first, "stopping; a second signal stops at once");
        std::thread::spawn(move || {
            if self.signals.forever().next().is_some() {
                tracing::warn!("stopped without draining");
                process::exit(HURRIED_EXIT);
            }
        });
    }
}
