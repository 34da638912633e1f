//! Every bound of a group, with the relations between them.

use crate::limit::{RECORD_BYTES_MAX, RECORD_OVERHEAD_BYTES};
use crate::peer::limit::{BODY_BYTES_MAX, ENTRY_OVERHEAD_BYTES};
use sluice_engine::limit::COMMAND_BYTES_MAX;

/// Batches of one owner between its proposal and its commit: as many as it makes in a slow round trip, for it makes one only
/// so often.
pub const PROPOSALS_MAX: usize = 8;
/// Bytes of them from which on no other one is taken: one batch more at the most.
pub const PROPOSALS_BYTES_MAX: usize = 4 << 20;
/// Bytes of one batch as the log has it: the largest command, and what stands in front.
pub const BATCH_BYTES_MAX: usize = COMMAND_BYTES_MAX + 16;

/// Committed entries that may wait for an owner.
pub const LANE_COMMITTED_MAX: usize = 1_024;
/// Bytes of their commands, as the log has them.
pub const LANE_BYTES_MAX: usize = 8 << 20;
/// Messages of soft state that may wait for an owner; more are dropped.
pub const LANE_SOFT_MAX: usize = 64;

/// Slices of a snapshot that may wait to be written.
pub const SLICES_MAX: usize = 4;

/// Requests of other nodes' clients that may wait for an owner.
pub const ASKED_MAX: usize = 16_384;
/// Requests of this node's clients on their way to the leader.
pub const FORWARDED_MAX: usize = 16_384;
/// Requests that go to the leader in one message, at most.
pub const FORWARD_BATCH_MAX: usize = 1 << FORWARD_BATCH_BITS;
/// Bytes of these requests, as a message has them.
pub const FORWARDED_BYTES_MAX: usize = 16 << 20;
/// Bytes of the requests in one message; a larger request goes alone.
pub const FORWARD_BYTES_MAX: usize = 1 << 20;
/// Bits of a ticket that tell the requests of one message apart.
pub const FORWARD_BATCH_BITS: u32 = 10;
/// Messages with several requests on their way to the leader. While they are under way the next one gathers.
pub const FORWARD_CALLS_MAX: usize = 2;
/// Messages of soft state that may wait to be sent.
pub const CASTS_MAX: usize = 64;
/// Deadline of a forwarded request, ms: a poll may be parked at the leader for most of it.
pub const FORWARD_MS: u64 = 8_000;

/// What a caller is advised to wait while too much is under way, ms.
pub const BUSY_RETRY_MS: u32 = 100;

/// How often a leader that gives its place away looks whether its owner has heard of it, ms.
pub const GIVE_CHECK_MS: u64 = 2;

/// How often it is checked whether the leader can still be reached, ms.
pub const ROLE_CHECK_MS: u64 = 50;

const _: () = {
    assert!(PROPOSALS_MAX < LANE_COMMITTED_MAX);
    assert!(PROPOSALS_BYTES_MAX <= LANE_BYTES_MAX);
    assert!(sluice_engine::limit::PARK_MS_MAX < FORWARD_MS);
    // Whatever an owner proposes or passes on fits one record of the log and one message to another node: sizes are refused
    // where something is proposed, never where it is written.
    assert!(sluice_engine::limit::BATCH_BYTES_MAX <= COMMAND_BYTES_MAX);
    assert!(BATCH_BYTES_MAX + ENTRY_OVERHEAD_BYTES + RECORD_OVERHEAD_BYTES <= RECORD_BYTES_MAX);
    assert!(BATCH_BYTES_MAX + 2 * ENTRY_OVERHEAD_BYTES <= BODY_BYTES_MAX);
    assert!(FORWARD_BYTES_MAX <= COMMAND_BYTES_MAX && COMMAND_BYTES_MAX <= FORWARDED_BYTES_MAX);
    assert!(FORWARD_CALLS_MAX * FORWARD_BATCH_MAX <= ASKED_MAX);
};
