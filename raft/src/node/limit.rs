//! Every bound of a node, with the relations between them.

/// Groups of a cluster, unless it was founded with another number.
pub const GROUPS: u16 = 6;
/// Entries that stay in the log behind a snapshot, so that a node that installs it finds what came meanwhile.
pub const LOG_KEPT_ENTRIES: u64 = 5_000;
/// Entries that are purged at once, at least.
pub const PURGE_ENTRIES_MIN: u64 = 64;
/// Deadline of one step of sending a snapshot: the last one takes as long as the other needs to load it, ms.
pub const SNAPSHOT_CALL_MS: u64 = 120_000;
