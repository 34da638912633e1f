//! Every bound of a node, with the relations between them.

/// Groups of a cluster, unless it was founded with another number.
pub const GROUPS: u16 = 6;
/// Entries that stay in the log behind a snapshot, so that a node that installs it finds what came meanwhile.
pub const LOG_KEPT_ENTRIES: u64 = 5_000;
/// Entries that are purged at once, at least.
pub const PURGE_ENTRIES_MIN: u64 = 64;
/// Deadline of one step of sending a snapshot: the last one takes as long as the other needs to load it, ms.
pub const SNAPSHOT_CALL_MS: u64 = 120_000;
/// When a leader tries again whose follower's disk is full, ms.
pub const FULL_RETRY_MS: u32 = 250;
/// How often it is checked whether a snapshot is due, ms.
pub const SNAPSHOT_CHECK_MS: u64 = 500;
/// Bytes of a group's log after which a snapshot is taken, unless configured.
pub const SNAPSHOT_BYTES: u64 = 64 << 20;
/// Segments that one group may keep from being deleted before it has to take a snapshot.
pub const PINNED_SEGMENTS_MAX: u64 = 4;
/// A node that stops waits this long for others to take its groups over, ms.
pub const HAND_OVER_MS: u64 = 1_500;
/// How often it looks whether they did, ms.
pub const HAND_OVER_CHECK_MS: u64 = 20;

const _: () = assert!(HAND_OVER_CHECK_MS < HAND_OVER_MS);
