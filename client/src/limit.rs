//! Every bound of the client.

/// Longest reply that is taken from a server, in bytes.
pub(crate) const REPLY_BYTES_MAX: usize = 64 << 20;

/// Bytes asked from the socket at once.
pub(crate) const READ_BYTES: usize = 64 << 10;

/// Joins in flight while many are made.
pub(crate) const JOINS_IN_FLIGHT_MAX: u64 = 500;

/// How long a connection attempt or a reply may take.
pub(crate) const TIMEOUT_MS: u64 = 30_000;

const _: () = assert!(READ_BYTES <= REPLY_BYTES_MAX, "a read never exceeds what may be held");
const _: () = assert!(JOINS_IN_FLIGHT_MAX * 256 <= REPLY_BYTES_MAX as u64, "pipelined replies fit the bound");
