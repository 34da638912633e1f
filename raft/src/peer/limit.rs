//! Every bound of the peer protocol, with the relations between them.

use crate::limit::SNAPSHOT_CHUNK_BYTES_MAX;

/// Bytes of a frame's header.
pub const HEADER_BYTES: usize = 16;
/// Bytes of a frame's body.
pub const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of a handshake's body: until it is over, nothing larger is read from a stranger.
pub const HELLO_BYTES_MAX: usize = 4 * 1024;
/// Proofs of a claim: of the newest secret and of the one before it, and one more.
pub const CLAIM_PROOFS_MAX: usize = 3;
/// Bytes of a frame with a request that carries neither entries, commands nor a snapshot.
pub const SMALL_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a cast; larger matter goes in several.
pub const CAST_BYTES_MAX: usize = 256 * 1024;
/// What a frame of a cast has beside its content, at most.
pub const CAST_OVERHEAD_BYTES: usize = 16;
/// Characters of a peer's software version and of an address.
pub const TEXT_CHARS_MAX: usize = 256;

/// Calls and casts of one lane to one peer that may be queued.
pub const LANE_CALLS_MAX: usize = 4_096;
/// What a call counts for at least among the bytes of its lane: about what is kept for it until it is answered.
pub const CALL_BYTES_MIN: usize = 512;
/// Bytes of calls and casts that may be queued or unanswered on the vote lane to one peer.
pub const VOTE_LANE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of them on the append lane: every group's window fits, for as many groups as there may usefully be.
pub const APPEND_LANE_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Bytes of them on the bulk lane.
pub const BULK_LANE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of the vote lane that casts may fill; the rest is for votes and heartbeats.
pub const CASTS_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of the bulk lane that casts of published messages may fill; the rest is for forwarded commands and snapshots.
pub const PUBLISH_CASTS_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Appends of one group to one peer that may be unanswered.
pub const APPEND_WINDOW_CALLS: usize = 32;
/// Bytes of their entries.
pub const APPEND_WINDOW_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of entries in one append; what lies beyond follows in the next. A single larger entry still goes alone.
pub const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Entries in one append; leaders send a few hundred.
pub const APPEND_ENTRIES_MAX: usize = 4_096;
/// What an entry takes beside its commands, at most: log id, lengths, kind.
pub const ENTRY_OVERHEAD_BYTES: usize = 128;

/// Requests of one connection being served at once; no more are read meanwhile.
pub const SERVING_MAX: usize = 1_024;
/// Bytes of them. One request is always let in, however large.
pub const SERVING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Connections that nodes which have proven what they know may have to this one.
pub const CONNECTIONS_MAX: usize = 256;
/// Connections of one such node: its lanes, and as many again for each time that it came back and was not missed yet.
pub const CONNECTIONS_A_NODE: usize = 12;
/// Connections of all nodes together that wait to be added.
pub const CONNECTIONS_OF_NEWCOMERS: usize = 64;
/// Connections of those who have proven nothing yet.
pub const UNPROVEN_CONNECTIONS_MAX: usize = 128;
/// How many of these one address may have; of IPv6 a /64.
pub const UNPROVEN_A_SOURCE: usize = 64;
/// Names of hosts that are looked up at once: each takes a thread until the system's resolver answers.
pub const NAMES_MAX: usize = 32;
/// Listen backlog.
pub const BACKLOG: i32 = 1_024;
/// Bytes collected before they are written.
pub const WRITE_BYTES: usize = 64 * 1024;
/// A connection's read buffer beyond this is given back once it is empty.
pub const READ_KEEP_BYTES: usize = 256 * 1024;
/// Bytes asked of a socket at once.
pub const READ_BYTES: usize = 64 * 1024;

/// Time for a TCP connection to come about, ms.
pub const CONNECT_MS: u64 = 1_000;
/// Time for TLS and the handshake after that, ms.
pub const HANDSHAKE_MS: u64 = 3_000;
/// Sent bytes that stay unacknowledged this long end the connection, ms.
pub const UNACKED_MS: u32 = 3_000;
/// A peer that takes no answer for this long is disconnected, ms.
pub const WRITE_STALL_MS: u64 = 5_000;
/// A connection that has said nothing for this long after its last call's deadline is given up, ms.
pub const STALL_GRACE_MS: u64 = 5_000;
/// A connection without calls is closed after this, ms.
pub const IDLE_MS: u64 = 60_000;
/// Pause after the first failed connection, ms. It doubles up to [`RETRY_MS_MAX`].
pub const RETRY_MS_MIN: u64 = 50;
/// See [`RETRY_MS_MIN`].
pub const RETRY_MS_MAX: u64 = 500;
/// Of connections that are refused, one line is logged after this long in any case, ms.
pub const REFUSED_LOG_MS: u64 = 60_000;
/// Pause before accepting again when no connection could be, ms.
pub const ACCEPT_RETRY_MS: u64 = 100;
/// An append's deadline where openraft asks for less: a stalled disk must not make the leader send everything twice, ms.
pub const APPEND_MS: u64 = 2_000;
/// The longest deadline of any call, ms.
pub const CALL_MS_MAX: u64 = 10 * 60 * 1_000;

const _: () = {
    assert!(CONNECTIONS_A_NODE < CONNECTIONS_MAX && UNPROVEN_A_SOURCE < UNPROVEN_CONNECTIONS_MAX);
    assert!(HELLO_BYTES_MAX > 4 * TEXT_CHARS_MAX);
    assert!(CLAIM_PROOFS_MAX * crate::secret::PROOF_BYTES * 2 < HELLO_BYTES_MAX);
    assert!(BODY_BYTES_MAX <= u32::MAX as usize);
    assert!(CAST_BYTES_MAX < CASTS_BYTES_MAX && CASTS_BYTES_MAX < VOTE_LANE_BYTES_MAX);
    assert!(CAST_BYTES_MAX < PUBLISH_CASTS_BYTES_MAX && PUBLISH_CASTS_BYTES_MAX < BULK_LANE_BYTES_MAX);
    // An append that was cut to size fits a frame, whatever its last entry's overhead.
    assert!(APPEND_BYTES_MAX * 2 <= BODY_BYTES_MAX);
    assert!(APPEND_BYTES_MAX <= APPEND_WINDOW_BYTES && APPEND_WINDOW_BYTES <= APPEND_LANE_BYTES_MAX);
    assert!(SNAPSHOT_CHUNK_BYTES_MAX < BODY_BYTES_MAX && BODY_BYTES_MAX <= BULK_LANE_BYTES_MAX);
    // What one message brings, the log can write.
    assert!(BODY_BYTES_MAX + crate::limit::RECORD_OVERHEAD_BYTES <= crate::limit::RECORD_BYTES_MAX);
    assert!(APPEND_WINDOW_CALLS < LANE_CALLS_MAX && APPEND_WINDOW_CALLS <= SERVING_MAX);
    assert!(RETRY_MS_MIN <= RETRY_MS_MAX && RETRY_MS_MAX < CONNECT_MS);
};
