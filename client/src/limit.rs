//! Every bound of the client.

use std::time::Duration;

/// Longest reply that is taken from a server, in bytes.
pub(crate) const REPLY_BYTES_MAX: usize = 64 << 20;

/// Bytes asked from the socket at once.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// A buffer that has grown beyond this is given back once it is empty, in bytes.
pub(crate) const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// Joins in flight while many are made.
pub(crate) const JOINS_IN_FLIGHT_MAX: u64 = 500;

/// How long a connection attempt or a reply may take of the blocking connection.
pub(crate) const TIMEOUT_MS: u64 = 30_000;

/// How long a call takes at most, all its tries together, unless told otherwise.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may take to be there, login included, unless told otherwise.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Shortest time that a call or a connection may be given.
pub(crate) const TIMEOUT_MIN: Duration = Duration::from_millis(10);

/// Longest time that a call or a connection may be given.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Units in flight over one connection, unless told otherwise: a call takes one for each [`UNIT_BYTES`] begun.
pub(crate) const IN_FLIGHT: usize = 8_192;

/// Units that a connection may ever have in flight.
pub(crate) const IN_FLIGHT_MAX: usize = 1 << 20;

/// Bytes of a request that count as one unit, so that the bound of units is one of memory too.
pub(crate) const UNIT_BYTES: usize = 1_024;

/// Calls that may wait until there is room in flight, unless told otherwise.
pub(crate) const WAITING: usize = 65_536;

/// Addresses of a cluster.
pub(crate) const ADDRESSES_MAX: usize = 64;

/// How often calls are looked through for those whose time is over.
pub(crate) const SWEEP: Duration = Duration::from_millis(20);

/// A node that says nothing for this part of a call's time while it owes replies is asked whether it is there …
pub(crate) const PROBE_PART: f64 = 0.35;

/// … and is given up after this one, so that there is time left for another node.
pub(crate) const SILENCE_PART: f64 = 0.7;

/// How long a node is left alone after it failed once; each further failure doubles it …
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(40);

/// … up to this.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// How often calls move on at most from a node that is there but of no use.
pub(crate) const PASS_OVER_EVERY: Duration = Duration::from_millis(200);

/// Waits of a refusal that names no other delay.
pub(crate) const RETRY_MS: u64 = 100;

/// The longest wait that a refusal may ask for.
pub(crate) const RETRY_MS_MAX: u64 = 60_000;

/// How often a place is asked for at most, whatever a server says.
pub(crate) const POLL_MS_MIN: u64 = 20;

/// How often a place is asked for at least: more than a zone can set.
pub(crate) const POLL_MS_MAX: u64 = 600_000;

/// Streams that one follower has; as many as a server lets a connection follow.
pub(crate) const FOLLOWED_MAX: usize = 1 << 17;

/// Channels and patterns of one subscription; as many as a server lets a connection have.
pub(crate) const SUBSCRIBED_MAX: usize = 16_384;

/// Bytes of the name of a channel or pattern; as many as a server takes.
pub(crate) const CHANNEL_BYTES_MAX: usize = 1_024;

/// Requests of a follower that may be unanswered at once.
pub(crate) const ASKED_MAX: usize = 256;

/// Bytes of requests that a follower or subscription holds until they are sent.
pub(crate) const LISTENER_OUTPUT_BYTES_MAX: usize = 256 << 10;

/// A connection that only listens is asked whether it is there after this silence …
pub(crate) const LISTENER_PROBE: Duration = Duration::from_secs(2);

/// … and given up when it has not answered for so long.
pub(crate) const LISTENER_PATIENCE: Duration = Duration::from_secs(3);

/// Wishes to listen that wait for a hub.
pub(crate) const HUB_ASKED: usize = 1_024;

/// Entries of each stream that a hub keeps for who comes later.
pub(crate) const HUB_KEPT: usize = 64;

/// Events that wait for a listener; who has more is let go.
pub(crate) const LISTENING_BUFFER: usize = 2 * HUB_KEPT;

/// How often a hub looks for streams that nobody listens to any more.
pub(crate) const HUB_SWEEP: Duration = Duration::from_secs(5);

/// When a hub tries again whose credentials were refused.
pub(crate) const HUB_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Bytes of the longest pass that is looked at; one is about half a kilobyte.
#[cfg(feature = "pass")]
pub(crate) const PASS_BYTES_MAX: usize = 4_096;

/// Passes that were verified and are remembered for at least that many others: half a kilobyte each.
#[cfg(feature = "pass")]
pub(crate) const PASSES_SEEN: usize = 16_384;

/// Parts in which they are remembered, each with a lock.
#[cfg(feature = "pass")]
pub(crate) const SEEN_SHARDS: usize = 16;

/// Revoked passes that are remembered.
#[cfg(feature = "pass")]
pub(crate) const REVOKED_MAX: usize = 1 << 20;

const _: () = assert!(READ_BYTES <= REPLY_BYTES_MAX, "a read never exceeds what may be held");
const _: () = assert!(READ_BYTES <= BUFFER_BYTES_KEPT, "an ordinary buffer is kept");
const _: () = assert!(JOINS_IN_FLIGHT_MAX * 256 <= REPLY_BYTES_MAX as u64, "pipelined replies fit the bound");
const _: () =
    assert!(IN_FLIGHT <= IN_FLIGHT_MAX && IN_FLIGHT_MAX <= u32::MAX as usize, "a semaphore counts units");
const _: () = assert!(PROBE_PART < SILENCE_PART && SILENCE_PART < 1.0, "asked first, given up in time");
const _: () = assert!(BACKOFF_MIN.as_millis() <= BACKOFF_MAX.as_millis(), "it grows");
const _: () = assert!(POLL_MS_MIN <= POLL_MS_MAX, "a range");
