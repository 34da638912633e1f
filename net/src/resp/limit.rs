//! Every bound of the RESP codec. They stand apart from the server's own because the codec is used without it.

/// Arguments of one request, its name included. The largest today is a zone with every text in every language.
pub const ARGS_MAX: usize = 1_024;
/// Bytes of one argument.
pub const BULK_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of one inline request, its line end included.
pub const INLINE_BYTES_MAX: usize = 16 * 1_024;
/// Bytes of one request with all its framing: a connection never has to hold more of its input than this.
pub const REQUEST_BYTES_MAX: usize = 128 * 1_024;

/// Bytes of a pattern, wherever one is taken. What it is compared with costs at most 18 steps a byte then.
pub const PATTERN_BYTES_MAX: usize = 1_024;
/// Steps that one command may take to compare names with a pattern: a few milliseconds. Who wants more asks for less at once.
pub const PATTERN_STEPS_MAX: u64 = 8 << 20;
/// Places that one step of a `SCAN` looks at, whatever its `COUNT`: about a millisecond.
pub const SCAN_PLACES_MAX: u64 = 2_000;

/// Commands of one transaction.
pub const QUEUED_COMMANDS_MAX: usize = 4_096;
/// Bytes of them, as they came; a connection in a transaction holds them until it ends.
pub const QUEUED_BYTES_MAX: usize = 1 << 20;

/// The same where the server has little room for what connections hold.
pub const QUEUED_BYTES_SCARCE: usize = 8 * 1_024;

/// Arguments of a request before login; as Redis has it.
pub const UNAUTHENTICATED_ARGS_MAX: usize = 10;
/// Bytes of an argument before login; as Redis has it.
pub const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16 * 1_024;

/// Digits of a length, and its sign: 2^63 has 19.
pub const LENGTH_DIGITS_MAX: usize = 20;
/// Bytes of an argument's frame when the argument is empty: `$0 CR LF CR LF`.
pub const ARGUMENT_FRAME_BYTES_MIN: usize = 6;

/// Nesting of a reply. The deepest one that Redis makes, `COMMAND DOCS`, has 9.
pub const REPLY_DEPTH_MAX: usize = 32;
/// Elements of one reply, all levels together.
pub const REPLY_ELEMENTS_MAX: usize = 1 << 20;
/// Bytes of one string of a reply.
pub const REPLY_BULK_BYTES_MAX: usize = 64 << 20;
/// Bytes of one line of a reply: a simple string, an error, a number.
pub const REPLY_LINE_BYTES_MAX: usize = 64 * 1_024;
/// Bytes of the shortest reply, `_ CR LF`.
pub const REPLY_BYTES_MIN: usize = 3;

const _: () = {
    assert!(ARGS_MAX * ARGUMENT_FRAME_BYTES_MIN < REQUEST_BYTES_MAX);
    assert!(BULK_BYTES_MAX < REQUEST_BYTES_MAX);
    assert!(INLINE_BYTES_MAX <= REQUEST_BYTES_MAX);
    assert!(REQUEST_BYTES_MAX <= QUEUED_BYTES_MAX);
    assert!(UNAUTHENTICATED_ARGS_MAX <= ARGS_MAX);
    assert!(UNAUTHENTICATED_BULK_BYTES_MAX <= BULK_BYTES_MAX);
    // Spans hold offsets of a request in 32 bits.
    assert!(REQUEST_BYTES_MAX <= u32::MAX as usize);
};
