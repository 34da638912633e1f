//! A log on a faulty disk, and the entries that tests put into it.

use crate::disk::FaultyDisk;
use openraft::EntryPayload;
use openraft::RaftLogReader;
use openraft::async_runtime::AsyncRuntime;
use openraft::entry::RaftEntry;
use openraft::storage::RaftLogStorage;
use openraft_rt_sim::SimRuntime;
use sluice_raft::log::{Entry, GroupLog, Log, LogError, LogId, LogOptions};
use sluice_raft::types::{Batch, Command};
use std::sync::Arc;

/// Segments are as small as they may be, so that a test sees many.
pub(crate) const SEGMENT_BYTES: u64 = 16 << 10;

pub(crate) fn options() -> LogOptions {
    let mut options = LogOptions::new(1, 2, 3);
    options.segment_bytes = SEGMENT_BYTES;
    options.cache_bytes = 2 << 10;
    options
}

/// Opens the log and lets its writer run.
pub(crate) async fn open(disk: &FaultyDisk<SimRuntime>) -> Result<Log<SimRuntime>, LogError> {
    let log = Log::open(Arc::new(disk.clone()), options()).await?;
    SimRuntime::spawn(log.writer());
    Ok(log)
}

/// Runs a story in virtual time.
pub(crate) fn run<T>(story: impl Future<Output = T>) -> T {
    SimRuntime::with_seed(1).block_on(story)
}

pub(crate) fn id(term: u64, index: u64) -> LogId {
    LogId { leader_id: term.into(), index }
}

/// An entry with `bytes` bytes of commands.
pub(crate) fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    if bytes == 0 {
        return Entry::new_blank(id(term, index));
    }
    let commands = vec![index as u8; bytes];
    let batch = Batch { session: term, proposal: index, stamp: 0, wall: 0, commands: commands.into() };
    Entry { log_id: id(term, index), payload: EntryPayload::Normal(Command::Batch(batch)) }
}

/// Indices of all entries that a group has.
pub(crate) async fn indices(log: &mut GroupLog<SimRuntime>) -> Vec<u64> {
    let entries = log.try_get_log_entries(..).await.expect("the log can be read");
    entries.iter().map(|entry| entry.log_id.index).collect()
}

/// Index of the last entry that a group has or had.
pub(crate) async fn last(log: &mut GroupLog<SimRuntime>) -> Option<u64> {
    let state = log.get_log_state().await.expect("the log can be read");
    state.last_log_id.map(|id| id.index)
}
