//! Every bound of the raft crate, with the relations between them.

/// Bytes of one segment of the log, preallocated. Two stand ready at any time: the one written to and the next.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Segments no smaller than this hold one record of every kind.
pub const SEGMENT_BYTES_MIN: u64 = 16 << 10;
/// Bytes of one record of the log, header included.
pub const RECORD_BYTES_MAX: usize = 24 << 20;
/// What of it is no content: its head and its end.
pub const RECORD_OVERHEAD_BYTES: usize = 20;
/// Bytes that are written between two syncs of the log, unless one record alone is larger.
pub const FLUSH_BYTES_MAX: usize = 4 << 20;
/// Bytes of recent entries kept in memory for a group. Entries not yet written are kept beyond that.
pub const CACHE_BYTES_MAX: usize = 8 << 20;
/// The same with little memory: what followers that keep up are sent.
pub const CACHE_BYTES_MIN: usize = 64 << 10;
/// Bytes of entries that one read of a log returns, unless one entry alone is larger.
pub const READ_BYTES_MAX: usize = 1 << 20;
/// How often a full disk is asked again, ms.
pub const FULL_RETRY_MS: u64 = 250;

/// How far above this node's own term one may be that a peer names. An election raises a term by one and takes 450 ms: so many of them
/// are 61 years, and a node that was away for less, or is new, still follows.
pub const TERM_STEP_MAX: u64 = 1 << 32;
/// The highest term there is: steps of a faulty member end here, far from where a term would overflow.
pub const TERM_MAX: u64 = 1 << 62;
/// The highest index of an entry.
pub const INDEX_MAX: u64 = 1 << 62;
/// A repaired vote is so far above the last entry's term: above any that the node can truly have voted in.
pub const REPAIRED_TERM_STEP: u64 = 1_000_000;
const _: () =
    assert!(REPAIRED_TERM_STEP < TERM_STEP_MAX && TERM_STEP_MAX < TERM_MAX && TERM_MAX < u64::MAX / 2);

/// The highest id of a node: one more than it is a number that every client of the admin port can read.
pub const NODE_ID_MAX: u64 = 1 << 52;

/// Characters of a join secret, at least: what can be guessed is none.
pub const JOIN_SECRET_CHARS_MIN: usize = 16;
/// Characters of a join secret, at most.
pub const JOIN_SECRET_CHARS_MAX: usize = 512;

/// Pause after a snapshot did not fit on the disk, ms.
pub const SNAPSHOT_RETRY_MS: u64 = 5_000;
/// Bytes of one chunk of a snapshot file.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 1 << 20;
/// Bytes of what describes a snapshot: the last log id and the membership.
pub const SNAPSHOT_META_BYTES_MAX: usize = 1 << 20;
/// Bytes of a snapshot that are written between two syncs, so that the log's own syncs wait for little.
pub const SNAPSHOT_SYNC_BYTES: u64 = 8 << 20;

const _: () = assert!(RECORD_BYTES_MAX as u64 * 2 < SEGMENT_BYTES);
const _: () = assert!(SEGMENT_BYTES <= u32::MAX as u64, "places in a segment are 32 bits");
const _: () = assert!(FLUSH_BYTES_MAX <= RECORD_BYTES_MAX);
const _: () = assert!(CACHE_BYTES_MIN < CACHE_BYTES_MAX);
const _: () = assert!(SEGMENT_BYTES_MIN <= SEGMENT_BYTES);
