//! How the kernel schedules the node's threads beside the workers of the same process.

use rustix::process::getpriority_process;
use thread_priority::{
    NormalThreadSchedulePolicy as Policy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

/// What the crate makes nice 0 of: its scale runs from 0, nice 19, to 99, nice -20.
const NICE_ZERO: u8 = 48;

/// Has the calling thread interrupt no other when it is woken: it takes its share of a core that is busy once whoever runs
/// there rests. On a core shared with a worker, each then finishes what it has, and finds more to do at once next time. Measured
/// with three nodes on one core: a third more joins.
///
/// A refusal is logged and otherwise ignored, and so is a process that was given a priority of its own: both cost speed only.
pub(super) fn yield_to_workers() {
    if getpriority_process(None) != Ok(0) {
        return;
    }
    if let Err(error) = become_batch() {
        tracing::debug!(error, "a thread is scheduled as any other");
    }
}

fn become_batch() -> Result<(), String> {
    let priority = ThreadPriority::Crossplatform(ThreadPriorityValue::try_from(NICE_ZERO)?);
    let policy = ThreadSchedulePolicy::Normal(Policy::Batch);
    set_thread_priority_and_policy(thread_native_id(), priority, policy).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{Policy, ThreadSchedulePolicy, become_batch, getpriority_process};
    use thread_priority::thread_schedule_policy;

    #[test]
    fn a_batch_thread_has_the_nice_value_of_any_other() {
        assert_eq!(become_batch(), Ok(()));
        assert_eq!(thread_schedule_policy(), Ok(ThreadSchedulePolicy::Normal(Policy::Batch)));
        assert_eq!(getpriority_process(None), Ok(0));
    }
}
