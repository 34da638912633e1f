//! Every bound of the engine, with the relations between them.

/// Bytes of a zone's name.
pub const ZONE_NAME_BYTES_MAX: usize = 128;
/// Zones a shard may hold.
pub const ZONES_PER_SHARD_MAX: usize = 65_536;
/// Admissions a window may allow.
pub const ZONE_LIMIT_MAX: u32 = 100_000_000;
/// The longest window; the admission log keeps this much, so a window may grow live and stay exact.
pub const WINDOW_MS_MAX: u32 = 60_000;
/// The longest silence that may be allowed; far below the wrap of a last-poll cell.
pub const ABANDON_MS_MAX: u32 = 86_400_000;
/// Live waiters that a zone may be configured for.
pub const WAITERS_MAX: u64 = 1_000_000_000;
/// Bytes of one text of a zone (title, message, address).
pub const TEXT_BYTES_MAX: usize = 2_048;
/// Languages of one text.
pub const LANGUAGES_MAX: usize = 16;

/// Places of one block of the waiters' list.
pub const BLOCK_SLOTS: u64 = 512;
/// Blocks of a chunk, and chunks of a region.
pub const FAN_OUT: u64 = 64;

/// Breakpoints of a published frontier.
pub const FRONTIER_POINTS_MAX: usize = 64;
/// Ticks of the owner: how often frontiers are published.
pub const TICK_MS: u64 = 50;
/// An appointed waiter is told to come this much, and one permit's interval, before its turn: more than common
/// round trips, and early enough to take the permit of one who does not come.
pub const EARLY_MS: u64 = 400;
/// A poll is parked when its turn is at most this far away, and one interval, while appointments are kept; see
/// `owner::hold`.
pub const HOLD_MS: u64 = 1_000;
/// A free permit may go to a waiter whose own turn is at most this far away, and one interval; see `owner::desk`.
pub const LOOKAHEAD_MS: u64 = 500;
/// Intervals between permits count up to this: in slow zones polls are not held for longer.
pub const INTERVAL_MS_MAX: u64 = 1_000;
/// A parked poll is answered after this long, whatever happens.
pub const PARK_MS_MAX: u64 = 7_000;
/// A poll that is parked for a whole poll period may wait this much longer for a permit that is late.
pub const PARK_SLACK_MS: u64 = 1_000;
/// The shortest wait that an appointment asks for.
pub const POLL_MS_MIN: u64 = 20;
/// Parked polls of a shard.
pub const PARKED_MAX: usize = 65_536;

/// A poll is late when it comes this much before the deadline or later: the owner, or on another node the leader, then says
/// whether the place is still there. More than nodes' clocks of one log differ by while they answer by themselves.
pub const LATE_MS: u32 = 1_000;
/// Threads of a process that answer polls.
pub const READERS_MAX: usize = 64;
/// Late polls that a node keeps to tell the next leader of.
pub const LATE_KEPT_MAX: usize = 65_536;

/// Parts of a process that may listen to streams.
pub const LISTENERS_MAX: u32 = 64;
/// Bytes of appended entries that one turn tells listeners; who is not told asks.
pub const TIDINGS_BYTES_MAX: usize = 4 << 20;

/// Request ids remembered by a shard, and for how long.
pub const REQUESTS_MAX: usize = 1_000_000;
/// Log time for which a request id is remembered.
pub const REQUEST_TTL_MS: u64 = 120_000;

/// For how long a revoked pass is told of, ms: longer than any lives.
pub const REVOKED_MS: u64 = 25 * 3_600_000;

/// Passes that may be revoked at once: about 8 MB. More of them have a key in common, which is revoked instead.
pub const REVOCATIONS_MAX: u64 = 100_000;

/// Writes are to be tried again after this long where no leader is known: an election takes about as long.
pub const NO_LEADER_RETRY_MS: u32 = 500;

/// Commands in one batch.
pub const BATCH_COMMANDS_MAX: usize = 1_024;
/// Operations that one turn of an owner applies, but for the rest of a batch, and requests of other nodes that it takes up:
/// who catches up lets others have the thread, too.
pub const OPERATIONS_A_TURN: usize = 512;
/// Bytes of one command as the log has it; a larger one is refused where it is proposed.
pub const COMMAND_BYTES_MAX: usize = 4 << 20;
/// Parts of what was removed that one turn of an owner frees: blocks of streams, chunks of groups, keys.
pub const WASTE_A_TURN: usize = 2_048;
/// Followed keys of which one turn tells that they went, where all keys did.
pub const EARS_A_TURN: usize = 1_024;
/// What takes as long as one operation: so many pending entries that are looked through.
pub const WALK_AN_OPERATION: u64 = 1_024;
/// Pending entries that the commands of one batch may have to look through, about 4 ms: one of more goes alone.
pub const BATCH_WALK_MAX: u64 = OPERATIONS_A_TURN as u64 * WALK_AN_OPERATION;
/// The same for all that waits, about a quarter of a second: what has to look through any is refused beyond it.
pub const PENDING_WALK_MAX: u64 = 32 << 20;
/// Bytes of the commands of one batch, as the log has them; a larger command goes alone.
pub const BATCH_BYTES_MAX: usize = 512 * 1024;
/// Bytes of commands that may wait for the sequencer at one owner.
pub const PENDING_BYTES_MAX: usize = 16 << 20;
/// Operations that may wait there: a command is one, a transaction as many as it has.
pub const PENDING_OPERATIONS_MAX: usize = 65_536;

const _: () = {
    // Whoever is sent away just before it would be parked comes back within a poll period and a round trip; nobody
    // who joined later may have taken a permit until the difference has passed.
    assert!(LOOKAHEAD_MS + EARLY_MS < HOLD_MS);
    assert!(HOLD_MS + INTERVAL_MS_MAX + PARK_SLACK_MS <= PARK_MS_MAX);
    assert!(EARLY_MS < PARK_SLACK_MS);
    assert!(ABANDON_MS_MAX < u32::MAX / 4);
    assert!(BLOCK_SLOTS.is_multiple_of(64));
    assert!(BATCH_COMMANDS_MAX <= PENDING_OPERATIONS_MAX);
    assert!(BATCH_WALK_MAX <= TRANSACTION_WALK_MAX && TRANSACTION_WALK_MAX <= PENDING_WALK_MAX);
    assert!(BATCH_BYTES_MAX <= COMMAND_BYTES_MAX && COMMAND_BYTES_MAX <= PENDING_BYTES_MAX);
    // Every text of a zone at its bound, tags of languages and numbers beside them.
    assert!(2 * LANGUAGES_MAX * (TEXT_BYTES_MAX + 64) + TEXT_BYTES_MAX + 1_024 <= BATCH_BYTES_MAX);
    // Lane sums of the span counters must not overflow: see structure::span.
    assert!(BLOCK_SLOTS * FAN_OUT <= u16::MAX as u64);
    assert!(BLOCK_SLOTS * FAN_OUT * FAN_OUT <= u32::MAX as u64);
};

/// Wall time of a log that is ahead of the nodes' clocks goes slower by one part in so many until it is not.
pub const WALL_SLEW_PARTS: i64 = 100;
/// What nodes' wall clocks may differ by, unless it is set otherwise.
pub const CLOCK_SKEW_MS_DEFAULT: u64 = 500;

/// Requests that one owner may have on their way to the leader.
pub const FORWARDED_MAX: usize = 65_536;
/// A write that was passed on is given up after this long.
pub const FORWARD_WRITE_MS: u64 = 5_000;
/// A poll that was passed on may be parked there.
pub const FORWARD_POLL_MS: u64 = PARK_MS_MAX + 1_000;
/// A reply waits at most so long for this node to apply what the leader had.
pub const HELD_MS_MAX: u64 = 1_000;
/// A proposal that is neither committed nor refused after this long is answered with NOLEADER.
pub const PROPOSAL_MS_MAX: u64 = 3_000;
/// While a proposal is undecided for longer, no admission is proposed: what users see stays close to its stamp.
pub const PROPOSAL_LATE_MS: u64 = 250;

/// While a batch is under way, what comes meanwhile gathers for at most this long before it goes as the next one.
pub const GATHER_MS: u64 = 10;

/// A leader's clock may be ahead of what a node knows, by the log and its own clock since, or by wall time, by at most this;
/// a pulse that says more is not believed.
pub const PULSE_AHEAD_MS_MAX: u64 = 86_400_000;
/// Nodes exchange soft state this often.
pub const PULSE_MS: u64 = 50;
/// A node answers polls by itself while its state is at most this old.
pub const FRESH_MS: u64 = 250;
/// A leader's state counts as the newest this long after it heard of a majority: less than any election takes.
pub const LEASE_MS: u64 = 500;
/// A follower begins a pass over its waiters this often.
pub const REPORT_MS: u64 = 500;
/// Blocks that a follower looks at in one step of a pass; 131,072 places take about 0.2 ms.
pub const REPORT_BLOCKS: usize = 256;
/// A report reaches back by this much more than it must: threads read the clock a little apart.
pub const REPORT_OVERLAP_MS: u64 = 100;
/// After a change of leader, polls of so long ago are reported again.
pub const REPORT_AGAIN_MS: u64 = 30_000;
/// Slices of a snapshot that one turn makes, at most.
pub const SLICES_A_TURN: usize = 4;

const _: () = {
    assert!(PULSE_MS * 2 < FRESH_MS);
    assert!(FRESH_MS + REPORT_OVERLAP_MS < LATE_MS as u64);
    assert!(HELD_MS_MAX < FORWARD_WRITE_MS);
    assert!(GATHER_MS < PROPOSAL_LATE_MS);
    assert!(PROPOSAL_LATE_MS < PROPOSAL_MS_MAX && PROPOSAL_MS_MAX < FORWARD_WRITE_MS);
};

/// Bytes of one block of a stream; a larger entry has a block for itself.
pub const STREAM_BLOCK_BYTES: usize = 4_096;
/// Bytes of one entry, packed.
pub const ENTRY_BYTES_MAX: usize = 512 << 20;
/// Keys of a shard.
pub const KEYS_PER_SHARD_MAX: usize = 1 << 31;
/// Bytes of entries in one answer to a read, about; whoever reads goes on from where it is.
pub const READ_BYTES_MAX: usize = 1 << 20;
/// Bytes of entries in the answer to a range; a longer one is refused rather than cut short.
pub const RANGE_BYTES_MAX: usize = 64 << 20;
/// Bytes of the largest answer, as it is made and as it is encoded together; a node with little memory bounds it lower.
pub const ANSWER_BYTES_MAX: u64 = 2 * RANGE_BYTES_MAX as u64 + (1 << 20);
/// Bytes of memory that a process takes which serves nobody, with what its log keeps in memory.
pub const PROCESS_BYTES: u64 = 80 << 20;
/// Bytes that what is on its way may take at least, unless that is more than half of all memory.
pub const PASSING_BYTES_MIN: u64 = 5 << 20;
/// Answers up to this have room of their own.
pub const ANSWER_BYTES_SMALL: u64 = 32 * 1_024;
/// Answers below this are not counted one by one.
pub const CHARGE_BYTES_MIN: u64 = 1_024;
/// Bytes of answers to questions that one turn makes; small ones are made in any case.
pub const ANSWERED_BYTES_A_TURN: u64 = 4 << 20;
/// A question waits so long for room for its answer, then its asker is told to come back.
pub const ANSWER_WAIT_MS: u64 = 3_000;
/// While questions wait, room is looked for this often.
pub const ANSWER_RETRY_MS: u64 = 5;
/// Clients that wait for the hash of one group's state; more are refused.
pub const HASHES_MAX: usize = 1_024;
/// A hash that the state does not stand still for is given up after so long.
pub const HASH_MS_MAX: u64 = 5_000;
/// Pending entries of one chunk.
pub const PENDING_CHUNK: usize = 128;
/// Consumers of one group.
pub const CONSUMERS_PER_GROUP_MAX: usize = 65_536;
/// Consumers of one chunk: a change copies as many names where a snapshot shares them.
pub const CONSUMER_CHUNK: usize = 16;
/// Pending entries in one answer; a longer one is refused rather than cut short.
pub const PENDING_TOLD_MAX: usize = 1 << 17;
/// Entries that one step of an automatic claim looks at, for each that it may claim.
pub const CLAIM_ATTEMPTS: u64 = 10;
/// Entries that one step of an automatic claim looks at, whatever it may claim.
pub const CLAIM_ATTEMPTS_MAX: u64 = 4_096;
/// Pending entries that the operations of one transaction may have to look through, as [`CLAIM_ATTEMPTS_MAX`] are for one claim:
/// some 30 ms, in which its group does nothing else.
pub const TRANSACTION_WALK_MAX: u64 = 4 << 20;
/// Places that one step of a scan looks at.
pub const SCAN_PLACES_MAX: u64 = 10_000;
/// Bytes of keys after which a step of a scan ends.
pub const SCAN_BYTES_MAX: usize = 256 * 1024;
/// Append requests that a shard remembers.
pub const ADD_REQUESTS_MAX: usize = 1_000_000;
/// Levels of values within values, in what other nodes send: those that commands make have eight at most.
pub const NESTED_MAX: usize = 16;
/// Bytes that one append lets go to bring its namespace back within its bound, or twice what it adds where that is more.
pub const ROOM_BYTES_AN_ADD: u64 = 256 * 1_024;
/// Namespaces of a shard.
pub const NAMESPACES_MAX: usize = 1_024;
/// Bytes of a namespace's prefix.
pub const PREFIX_BYTES_MAX: usize = 256;

const _: () = {
    // The reply to a read fits what a session may send, and a group read's answer what a batch may weigh.
    assert!(READ_BYTES_MAX < RANGE_BYTES_MAX);
    // A read that is as long as reads may be is an answer that may be made.
    assert!(2 * READ_BYTES_MAX as u64 + ANSWER_BYTES_SMALL < ANSWER_BYTES_MAX);
    assert!(2 * (READ_BYTES_MAX as u64 + 128 * 1_024) < PASSING_BYTES_MIN / 2);
    assert!(CHARGE_BYTES_MIN < ANSWER_BYTES_SMALL);
    assert!(ANSWER_WAIT_MS < FORWARD_WRITE_MS);
    // Slots are 32 bits wide.
    assert!(KEYS_PER_SHARD_MAX <= u32::MAX as usize);
};
