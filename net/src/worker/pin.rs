//! Binding a thread to a processor, within those that the process was given.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Binds the calling thread to the n-th processor of the inherited mask, wrapping around.
/// A refusal is logged and otherwise ignored: it costs speed, not correctness.
pub(super) fn to_processor(index: usize) {
    let bound = sched_getaffinity(None).and_then(|mask| {
        let allowed: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| mask.is_set(*cpu)).collect();
        let Some(cpu) = allowed.get(index % allowed.len().max(1)) else { return Ok(()) };
        let mut one = CpuSet::new();
        one.set(*cpu);
        sched_setaffinity(None, &one)
    });
    if let Err(error) = bound {
        tracing::debug!(%error, worker = index, "a worker is not bound to a processor");
    }
}
