//! Every bound of a node, with the relations between them.

/// Groups of a cluster, unless it was founded with another number.
pub const GROUPS: u16 = 6;
/// Groups of any cluster. Each costs a few tasks and heartbeats on every node.
pub const GROUPS_MAX: u16 = 64;
/// Bits of log time.
pub const LOG_TIME_BITS: u32 = 48;
/// Entries that stay in the log behind a snapshot, so that a node that installs it finds what came meanwhile.
pub const LOG_KEPT_ENTRIES: u64 = 5_000;
/// Entries that are purged at once, at least.
pub const PURGE_ENTRIES_MIN: u64 = 64;
/// Deadline of one step of sending a snapshot: the last one takes as long as the other needs to load it, ms.
pub const SNAPSHOT_CALL_MS: u64 = 120_000;
/// When a leader tries again whose follower's disk is full, ms.
pub const FULL_RETRY_MS: u32 = 250;
/// When a candidate tries again that gets no vote because something is not proven yet, ms.
pub const PROOF_RETRY_MS: u32 = 250;
/// How often it is checked whether a snapshot is due, ms.
pub const SNAPSHOT_CHECK_MS: u64 = 500;
/// Bytes of a group's log after which a snapshot is taken, unless configured.
pub const SNAPSHOT_BYTES: u64 = 64 << 20;
/// Segments of the log that are kept: what lies before them has to be in snapshots, and goes.
pub const LOG_SEGMENTS_KEPT: u32 = 4;
/// A node that stops waits this long for others to take its groups over, ms.
pub const HAND_OVER_MS: u64 = 1_500;
/// How often it looks whether they did, ms.
pub const HAND_OVER_CHECK_MS: u64 = 20;

const _: () = assert!(HAND_OVER_CHECK_MS < HAND_OVER_MS);

/// Threads that wait for the disk in the place of the node's own. Each lives for some seconds without work.
pub const DISK_THREADS_MAX: usize = 64;

/// How often it is looked whether the disk is full, ms.
pub const RELIEVE_CHECK_MS: u64 = 100;
/// A node whose disk is full tries again to give its groups away after this, ms.
pub const RELIEVE_RETRY_MS: u64 = 1_000;
/// A node whose disk is full stands for election after a group has had no leader for so long, ms.
pub const STAND_ALL_THE_SAME_MS: u64 = 5_000;

/// Nodes tell each other how they are this often, ms.
pub const TELL_MS: u64 = 500;
/// What is promised is written down this often, where it changes, ms.
pub const LEDGER_MS: u64 = 1_000;
/// How long one may take to answer, ms.
pub const TELL_WITHIN_MS: u64 = 1_000;
/// Nodes that are remembered to have said what they know, unless there are more members.
pub const ASKED_MAX: usize = 1_000;
/// What a node said counts for so long, ms.
pub const TOLD_VALID_MS: u64 = 5_000;

const _: () = {
    assert!(RELIEVE_CHECK_MS < RELIEVE_RETRY_MS && RELIEVE_RETRY_MS < STAND_ALL_THE_SAME_MS);
    assert!(2 * (TELL_MS + TELL_WITHIN_MS) < TOLD_VALID_MS);
};

/// Deadline of a message about an operation, ms: catching up may take most of it.
pub const ADMIN_CALL_MS: u64 = 300_000;
/// How long an operation waits for a leader, or for a node to say that it took its id, ms.
pub const ADMIN_WAIT_MS: u64 = 10_000;
/// How long an operation waits for a node to announce itself, ms: less than clients have patience for one reply.
pub const NEWCOMER_WAIT_MS: u64 = 2_000;
/// How long a node has to say whether it leads a group, ms.
pub const LOOK_CALL_MS: u64 = 500;
/// A node that knows no leader of a group asks the others at every so many-th try.
pub const ASK_AROUND_TRIES: u64 = 10;
/// Pause before something is tried or looked at again, ms.
pub const RETRY_MS: u64 = 100;
/// How long a transfer of leadership may take, ms.
pub const TRANSFER_MS: u64 = 3_000;
/// How long one step of a change may take, ms.
pub const STEP_MS: u64 = 60_000;
/// How long a new node may take to catch up within one operation, ms.
pub const CATCH_UP_MS: u64 = 120_000;
/// A node that is no further behind may vote and lead.
pub const BEHIND_ENTRIES_MAX: u64 = 100;
/// A node that waits announces itself this often, ms.
pub const ANNOUNCE_MS: u64 = 1_000;
/// One that was not heard of for this long does not wait any more, ms.
pub const WAITING_MS: u64 = 5_000;
/// How long a waiting node has to write down the id that it is offered, ms.
pub const ADOPT_MS: u64 = 3_000;
/// How often a node looks whether it belongs to its cluster, ms.
pub const BELONG_MS: u64 = 1_000;
/// How long another one has to tell it, ms: it may have to ask a third.
pub const BELONG_CALL_MS: u64 = 2_000;
/// How often the leader of the first group compares the members of all groups with what was decided, ms.
pub const HEAL_MS: u64 = 1_000;
/// Nodes whose addresses a new one is told, and whom it asks at once.
pub const CONTACTS_MAX: usize = 16;
/// Waiting nodes that are remembered.
pub const WAITING_MAX: usize = 64;

/// Bytes of published messages that may wait for the node's thread, which hands them to the connections of the others.
pub const PUBLISHED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Rings after which owners are woken even where the node's thread has more to do.
pub const RINGS_MAX: usize = 64;

const _: () = {
    assert!(CATCH_UP_MS < ADMIN_CALL_MS && STEP_MS < ADMIN_CALL_MS);
    assert!(ADMIN_WAIT_MS / RETRY_MS > ASK_AROUND_TRIES && LOOK_CALL_MS < ADMIN_WAIT_MS);
    assert!(ADMIN_CALL_MS <= crate::peer::limit::CALL_MS_MAX);
    assert!(crate::peer::limit::CAST_BYTES_MAX <= PUBLISHED_BYTES_MAX);
    assert!(ADOPT_MS < ADMIN_WAIT_MS && BELONG_MS < ADMIN_WAIT_MS && LOOK_CALL_MS < BELONG_CALL_MS);
    assert!(ANNOUNCE_MS < NEWCOMER_WAIT_MS && NEWCOMER_WAIT_MS < ADMIN_WAIT_MS);
    assert!(ANNOUNCE_MS * 2 < WAITING_MS && RETRY_MS < TRANSFER_MS);
};

/// How often it is looked who leads what, ms.
pub const BALANCE_CHECK_MS: u64 = 1_000;
/// Nobody gives leadership away sooner after any change of leaders, ms.
pub const BALANCE_CALM_MS: u64 = 5_000;

/// How often it is looked whether this node's wall clock lets it lead, ms.
pub const CLOCKS_CHECK_MS: u64 = 200;
/// After leadership was given away for the clock's sake it is not given away again for this long, ms.
pub const CLOCKS_AGAIN_MS: u64 = 2_000;
