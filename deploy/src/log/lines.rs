//! Lines on their way to standard error, which nobody may be reading.
//!
//! A pipe that is full holds up whoever writes to it, and among those who log is the thread that carries heartbeats. So lines wait here
//! for a thread of their own, which alone writes. Invariant: whoever leaves a line never waits for a reader; what finds no room is left
//! out, and how much that was is told as soon as something is read again.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::limit::{LOG_BYTES_MAX, LOG_LINE_BYTES};

/// The lines of this process.
pub(super) static LINES: Lines = Lines::new();

/// Lines that wait for whoever writes them.
pub(super) struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Lines that found no room, and were not told of.
    left_out: u64,
    is_writing: bool,
    /// A thread writes them.
    has_writer: bool,
}

impl Lines {
    const fn new() -> Lines {
        let waiting = VecDeque::new();
        let state = State { waiting, bytes: 0, left_out: 0, is_writing: false, has_writer: false };
        Lines { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// From now on a thread writes the lines; false where there is none to be had.
    pub(super) fn begin(&'static self) -> bool {
        let run = || while self.write_some(&mut io::stderr()) {};
        let begun = thread::Builder::new().name("log".to_owned()).spawn(run).is_ok();
        self.lock().has_writer |= begun;
        begun
    }

    /// Leaves a line, if there is room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.bytes + line.len() + LOG_LINE_BYTES > LOG_BYTES_MAX {
            state.left_out += 1;
            return;
        }
        state.take(line);
        self.changed.notify_all();
    }

    /// Leaves a line in any case, for this process is about to end with it, and waits so long for all to be written. False where
    /// nobody writes them.
    pub(super) fn push_last(&self, line: &[u8], within: Duration) -> bool {
        let mut state = self.lock();
        if !state.has_writer {
            return false;
        }
        state.take(line);
        self.changed.notify_all();
        drop(state);
        self.flush(within);
        true
    }

    /// Waits until all is written, but no longer than this.
    pub(super) fn flush(&self, within: Duration) {
        let until = Instant::now() + within;
        let mut state = self.lock();
        while state.has_writer && (state.is_writing || !state.waiting.is_empty()) {
            let rest = until.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            state = self.changed.wait_timeout(state, rest).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for lines and writes them. True: to be called again.
    fn write_some(&self, out: &mut impl Write) -> bool {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let lines = std::mem::take(&mut state.waiting);
        (state.bytes, state.is_writing) = (0, true);
        drop(state);
        // Where standard error is closed there is nobody to tell.
        let _ = lines.iter().try_for_each(|line| out.write_all(line)).and_then(|()| out.flush());
        let mut state = self.lock();
        let left_out = std::mem::take(&mut state.left_out);
        state.is_writing = false;
        drop(state);
        self.changed.notify_all();
        if left_out > 0 {
            tracing::warn!(left_out, "lines of this log were left out: nobody read standard error");
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, line: &[u8]) {
        self.bytes += line.len() + LOG_LINE_BYTES;
        self.waiting.push_back(line.to_vec());
    }
}

/// Takes the logger's lines, each in one write.
pub(super) struct Queued;

impl Write for Queued {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        LINES.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{LOG_BYTES_MAX, LOG_LINE_BYTES, Lines};

    #[test]
    fn lines_that_nobody_writes_take_bounded_room_and_are_counted() {
        let lines = Lines::new();
        let line = [b'x'; 1_000];
        let room = LOG_BYTES_MAX / (line.len() + LOG_LINE_BYTES);
        (0..room + 7).for_each(|_| lines.push(&line));
        let state = lines.lock();
        assert_eq!((state.waiting.len(), state.left_out), (room, 7));
        drop(state);
        let mut out = Vec::new();
        assert!(lines.write_some(&mut out));
        assert_eq!(out.len(), room * line.len());
        let state = lines.lock();
        assert_eq!((state.waiting.len(), state.bytes, state.left_out), (0, 0, 0));
    }

    #[test]
    fn a_last_line_finds_room_and_waits_for_no_reader() {
        let lines = Lines::new();
        assert!(!lines.push_last(b"end", std::time::Duration::ZERO), "nobody writes");
        lines.lock().has_writer = true;
        (0..LOG_BYTES_MAX).for_each(|_| lines.push(b"x"));
        assert!(lines.push_last(b"end", std::time::Duration::ZERO), "it came back, and nobody has read");
        assert_eq!(lines.lock().waiting.back().map(Vec::as_slice), Some(&b"end"[..]));
    }
}
