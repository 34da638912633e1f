//! Every bound of the configuration and the command line, with the relations between them.

use std::ops::RangeInclusive;

/// Data-plane threads that may be configured.
pub(crate) const WORKERS_MAX: usize = 64;
/// Client connections that may be configured.
pub(crate) const CONNECTIONS_MAX: usize = 4_000_000;
/// Client connections where the configuration says nothing and open files are plenty.
pub(crate) const CONNECTIONS_DEFAULT_MAX: usize = 1_000_000;
/// Connections that the kernel may be asked to hold before they are accepted.
pub(crate) const BACKLOG_MAX: u32 = 1 << 20;
/// The same where the configuration says nothing; `net.core.somaxconn` of Linux.
pub(crate) const BACKLOG_DEFAULT: u32 = 4_096;
/// Files the process needs beside its clients' connections: listeners, wakers, data files, standard streams, some air.
pub(crate) const FILES_RESERVED: u64 = 128 + ADMIN_CONNECTIONS_MAX as u64 + PEER_FILES_RESERVED;
/// Of these, for connections of other nodes.
pub(crate) const PEER_FILES_RESERVED: u64 = 256;
/// Where there are few files, what the process needs for itself is at most this part of them.
pub(crate) const FILES_RESERVED_PART: u64 = 4;
/// An address may have this part of all connections, where the configuration says nothing.
pub(crate) const ADDRESS_PART: usize = 4;
/// Networks of proxies that may be listed, and names of this machine.
pub(crate) const NAMES_MAX: usize = 64;
/// The least memory that a server can be asked to live in.
pub(crate) const MEMORY_BYTES_MIN: u64 = 16 << 20;
/// The log keeps recent entries in memory in this part of what the process may take, and no more than it has use for.
pub(crate) const LOG_CACHE_PART: u64 = 32;
/// And no more than this of any.
pub(crate) const LOG_CACHE_BYTES_MAX: u64 = 48 << 20;
/// How often it is looked whether somebody was refused for want of memory, ms.
pub(crate) const ALARM_CHECK_MS: u64 = 1_000;
/// A bound that stays in the way is told again after this long, ms.
pub(crate) const ALARM_PAUSE_MS: u64 = 60_000;
/// How often it is looked how much of memory the process has, ms.
pub(crate) const RESIDENT_CHECK_MS: u64 = 100;
/// From this many parts of the bound on, of so many, all that is free is given back at once...
pub(crate) const RESIDENT_NEAR_PARTS: u64 = 13;
/// See there.
pub(crate) const RESIDENT_PARTS: u64 = 16;
/// ...where the process has grown by one part in so many since, or after so many looks; else it would find nothing.
pub(crate) const RESIDENT_STEP_PARTS: u64 = 64;
/// See there.
pub(crate) const RESIDENT_AGAIN_LOOKS: u32 = 20;
/// Looks between two at which only pages go that have been free for long.
pub(crate) const RESIDENT_DECAY_LOOKS: u32 = 10;
/// What a machine that does not say how much memory it has is taken to have.
pub(crate) const MEMORY_BYTES_UNKNOWN: u64 = 1 << 30;
/// The longest drain delay.
pub(crate) const DRAIN_DELAY_MS_MAX: u64 = 600_000;
/// The drain delay of a server that other machines can reach: load balancers need time to notice.
pub(crate) const DRAIN_DELAY_MS_DEFAULT: u64 = 5_000;
/// A signal that follows the first one so closely is the same one, sent twice.
pub(crate) const SIGNAL_ECHO_MS: u64 = 500;
/// How long connections may take to finish once a server drains.
pub(crate) const DRAIN_WITHIN_MS: u64 = 10_000;
/// The longest time a connection may be allowed to say nothing.
pub(crate) const IDLE_TIMEOUT_MS_MAX: u64 = 86_400_000;
/// Groups of a new cluster where the configuration says nothing.
pub(crate) const GROUPS_DEFAULT: u16 = 6;
/// Groups of a new cluster. Each costs a few tasks and heartbeats on every node.
pub(crate) const GROUPS_MAX: u16 = 64;
/// How often a leader may be told to be heard of, ms.
pub(crate) const HEARTBEAT_MS: RangeInclusive<u64> = 10..=10_000;
/// The same where the configuration says nothing.
pub(crate) const HEARTBEAT_MS_DEFAULT: u64 = 220;
/// Heartbeats that may get lost before anybody asks for votes.
pub(crate) const HEARTBEATS_PER_ELECTION: u32 = 2;
/// Silence before an election, ms.
pub(crate) const ELECTION_MS: RangeInclusive<u64> = 50..=60_000;
/// The shortest silence before an election where the configuration says nothing.
pub(crate) const ELECTION_MIN_MS_DEFAULT: u64 = 450;
/// The longest one.
pub(crate) const ELECTION_MAX_MS_DEFAULT: u64 = 900;
/// The longest difference of wall clocks that may be allowed.
pub(crate) const CLOCK_SKEW_MS_MAX: u64 = 3_600_000;
/// The longest time for which a node that cannot be reached may hold up evictions.
pub(crate) const EVICT_HOLD_MS_MAX: u64 = 3_600_000;
/// The same where the configuration says nothing.
pub(crate) const EVICT_HOLD_MS_DEFAULT: u64 = 300_000;
/// Bytes that a group may log before a snapshot.
pub(crate) const SNAPSHOT_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 40;
/// The same where the configuration says nothing.
pub(crate) const SNAPSHOT_BYTES_DEFAULT: u64 = 64 << 20;
/// Bytes of a host's name, as DNS bounds it.
pub(crate) const HOST_BYTES_MAX: usize = 253;
/// Connections to the admin plane.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 64;
/// Bytes of a request's head there; the smallest that its library can be told.
pub(crate) const ADMIN_HEAD_BYTES_MAX: usize = 16 << 10;
/// Fields of a request's head there.
pub(crate) const ADMIN_HEADERS_MAX: usize = 64;
/// Time for a request's head to come.
pub(crate) const ADMIN_HEAD_MS_MAX: u64 = 10_000;
/// How long an answer there may wait for its reader.
pub(crate) const ADMIN_ANSWER_MS_MAX: u64 = 10_000;
/// Bytes of a request's body there.
pub(crate) const ADMIN_BODY_BYTES_MAX: usize = 16 << 10;
/// Time for a request's body to come there.
pub(crate) const ADMIN_BODY_MS_MAX: u64 = 10_000;
/// Pause before accepting again when the process has no file descriptor left.
pub(crate) const ADMIN_ACCEPT_RETRY_MS: u64 = 100;
/// How long a change of the cluster may take before its asker is told to look at the status.
pub(crate) const OPERATION_MS_MAX: u64 = 300_000;
/// Times that a node which does not wait yet is asked for, each of which takes the cluster about two seconds.
pub(crate) const NEWCOMER_TRIES: u32 = 5;
/// How long `cluster init --expect` waits for nodes.
pub(crate) const GATHER_MS_MAX: u64 = 30_000;
/// Between two looks how many are there.
pub(crate) const GATHER_LOOK_MS: u64 = 100;
/// How long `cluster status` waits for what other nodes know better.
pub(crate) const GLANCE_MS_MAX: u64 = 1_000;
/// Bytes of an answer of the admin plane.
pub(crate) const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// How long a start that has recovered waits for leaders before it serves without.
pub(crate) const LEADER_WAIT_MS: u64 = 1_000;
/// How long a worker may take to tell about zones.
pub(crate) const SURVEY_MS_MAX: u64 = 1_000;
/// Zones of which `/metrics` tells.
pub(crate) const METRICS_ZONES_MAX: usize = 10_000;
/// The highest base of four consecutive ports.
pub(crate) const PORT_BASE_MAX: u16 = u16::MAX - 3;
/// Bytes of a language tag, as the engine bounds it.
pub(crate) const LANGUAGE_BYTES_MAX: usize = 35;
/// While a node recovers, its shards are looked after this often.
pub(crate) const RECOVERY_TURN_MS: u64 = 1;
/// How long the command line waits for a server to take or give anything.
pub(crate) const CLI_PATIENCE_MS: u64 = 10_000;
/// Bytes of log lines that may wait to be written; what comes then is left out.
pub(crate) const LOG_BYTES_MAX: usize = 1 << 20;
/// What a line counts for beside its bytes.
pub(crate) const LOG_LINE_BYTES: usize = 32;
/// How long a process that ends waits for whoever reads its log.
pub(crate) const LOG_FLUSH_MS: u64 = 1_000;
/// Bytes of a configuration file or a file of credentials.
pub(crate) const FILE_BYTES_MAX: u64 = 64 << 20;
/// Bytes of the name in a line of credentials.
pub(crate) const CREDENTIAL_NAME_BYTES_MAX: usize = 128;
/// Zones that one configuration may list.
pub(crate) const ZONES_MAX: usize = 100_000;

const _: () = {
    assert!(WORKERS_MAX <= sluice_net::limit::WORKERS_MAX);
    assert!(CONNECTIONS_MAX <= sluice_net::limit::SESSIONS_PER_WORKER_MAX);
    assert!(BACKLOG_DEFAULT <= BACKLOG_MAX);
    assert!(MEMORY_BYTES_MIN <= MEMORY_BYTES_UNKNOWN);
    assert!(CONNECTIONS_DEFAULT_MAX <= CONNECTIONS_MAX);
    assert!(DRAIN_DELAY_MS_DEFAULT <= DRAIN_DELAY_MS_MAX);
    assert!(HEARTBEAT_MS_DEFAULT * HEARTBEATS_PER_ELECTION as u64 <= ELECTION_MIN_MS_DEFAULT);
    assert!(ELECTION_MIN_MS_DEFAULT < ELECTION_MAX_MS_DEFAULT);
    assert!(ELECTION_MAX_MS_DEFAULT <= *ELECTION_MS.end());
    assert!(EVICT_HOLD_MS_DEFAULT <= EVICT_HOLD_MS_MAX);
    assert!(GROUPS_MAX <= sluice_raft::node::limit::GROUPS_MAX);
    assert!(PORT_BASE_MAX.checked_add(3).is_some());
};
