//! Resident size and processor time of this process, and the cost of a dependent random read.

use crate::error::{BenchError, Result};
use crate::random::Random;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;

const READS: u64 = 4_000_000;

/// Resident bytes of this process.
///
/// # Errors
/// Where the kernel does not say.
pub(super) fn resident_bytes() -> Result<u64> {
    let path = "/proc/self/status";
    let text = std::fs::read_to_string(path)
        .map_err(|source| BenchError::Io { doing: format!("reading {path}"), source })?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes =
        line.and_then(|rest| rest.split_whitespace().next()).and_then(|count| count.parse::<u64>().ok());
    Ok(kilobytes.unwrap_or(0) * 1_024)
}

/// Nanoseconds of one read whose address depends on the read before, in `bytes` of memory.
///
/// One random cycle through all cells (Sattolo 1986), a cell a cache line, so that neither the
/// prefetcher nor the line helps.
pub(super) fn random_read_ns(bytes: usize) -> f64 {
    let cells = (bytes / 64).max(16);
    let mut next: Vec<[u32; 16]> = (0..cells).map(|cell| [cell as u32; 16]).collect();
    let mut random = Random::new(11);
    for cell in (1..cells).rev() {
        next.swap(cell, random.below(cell as u64) as usize);
    }
    let mut at = 0u32;
    let start = Stopwatch::start();
    for _ in 0..READS {
        at = next[at as usize][0];
    }
    black_box(at);
    start.ns() / READS as f64
}

/// Processor time of this thread: what else runs on the core meanwhile is not counted.
pub(super) struct Stopwatch(f64);

impl Stopwatch {
    pub(super) fn start() -> Stopwatch {
        Stopwatch(thread_ns())
    }

    /// Nanoseconds since the start.
    pub(super) fn ns(&self) -> f64 {
        thread_ns() - self.0
    }
}

fn thread_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
