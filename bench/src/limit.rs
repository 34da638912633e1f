//! Every bound of the load generator and of the comparison.
//!
//! A wrong number on the command line must end in a sentence, not in a machine without memory: what is
//! allocated in advance is bounded here, and what arrives from a server is bounded here as well.

/// Most connections of one load run; below the 20,000 open files that a process commonly gets.
pub const CONNECTIONS_MAX: u32 = 10_000;

/// Most requests in flight on one connection.
pub const PIPELINE_MAX: u32 = 1_024;

/// Highest fixed arrival rate, in requests per second over all connections.
pub const RATE_MAX_PER_S: u64 = 20_000_000;

/// Longest run, in seconds, warm-up and measurement each.
pub const SECONDS_MAX: u64 = 3_600;

/// Most bytes of pre-encoded requests. Past it only a random sample of the tokens is dealt.
pub const DECK_BYTES_MAX: usize = 512 << 20;

/// Longest encoded request: a Lua call names its zone three times.
pub const REQUEST_BYTES_MAX: usize = 4 << 10;

/// Longest name of a zone or text of a token.
pub const NAME_BYTES_MAX: usize = 512;

/// New tokens prepared for one run of Lua joins; a longer run joins the first of them again.
pub const LUA_JOINS_MAX: usize = 2_000_000;

/// How often a request that never varies is repeated in the deck, so that a whole pipeline is one slice.
pub const DECK_REPEATS: usize = 4_096;

/// Zones, or streams, that requests without tokens are spread over.
pub const ZONES_MAX: u64 = 50_000;

/// Readers of one stream that a fan-out has: a process may hold 20,000 files here.
pub const READERS_MAX: u64 = 19_000;

/// Tasks that call over one connection.
pub const CLIENT_TASKS_MAX: usize = 100_000;
/// Publishers of one fan-out.
pub const PUBLISHERS_MAX: u64 = 50;
/// Messages of one fan-out.
pub const MESSAGES_MAX: u64 = 1_000_000;

/// Most tokens held in memory, read from a file or collected from joins.
pub const TOKENS_MAX: usize = 10_000_000;

/// Tokens a comparison keeps of those that wait, taken evenly from all.
pub const DECK_TOKENS: usize = 1_000_000;

/// Largest value for the GET operation, in bytes.
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Bytes read from a socket in one call; one buffer serves all connections.
pub const READ_BYTES: usize = 256 << 10;

/// Longest line (RESP) or head (HTTP) that is carried over from one read to the next.
pub const PARTIAL_BYTES_MAX: usize = 64 << 10;

/// Most elements of one RESP reply, nested ones included.
pub const REPLY_ELEMENTS_MAX: u64 = 1 << 20;

/// Largest RESP bulk or HTTP body that is skipped over.
pub const BODY_BYTES_MAX: u64 = 512 << 20;

/// Most header lines of one HTTP reply.
pub const HEADERS_MAX: usize = 64;

/// How much of the first error reply is kept for the report.
pub const ERROR_TEXT_BYTES_MAX: usize = 200;

/// Readiness events taken from the kernel at once.
pub const EVENTS_MAX: usize = 1_024;

/// How long a run waits for what is still unanswered when its time is over.
pub const DRAIN_MS_MAX: u64 = 5_000;

/// How long a started server may take until it accepts connections.
pub const READY_MS_MAX: u64 = 15_000;

/// How long to wait before asking a starting server again.
pub const READY_RETRY_MS: u64 = 10;

/// How often consecutive free ports are looked for.
pub const PORT_TRIES_MAX: u32 = 100;

/// Most rounds of a comparison.
pub const ROUNDS_MAX: u32 = 99;

/// Paths that wrk requests in turn; its Lua memory holds each as a whole request.
pub const WRK_PATHS_MAX: usize = 200_000;

/// Largest reply that is read as a sample of a size.
pub const SAMPLE_BYTES_MAX: usize = 64 << 10;

/// Largest latency the histogram tells apart; longer ones count as this.
pub const LATENCY_NS_MAX: u64 = SECONDS_MAX * 1_000_000_000;

/// Finest latency the histogram tells apart.
pub const LATENCY_NS_MIN: u64 = 1;

/// Most users of a simulation; each takes about 350 bytes.
pub const SIMULATED_USERS_MAX: u32 = 20_000_000;

/// How far ahead a simulated event may lie: the longest pause and a poll period, with room.
pub const SIMULATED_AHEAD_MS_MAX: u64 = 131_072;

/// Estimates kept of each simulated user's wait; even.
pub const SIMULATED_TOLD_MAX: usize = 32;

/// Longest simulated time; moments are kept in 32 bits.
pub const SIMULATED_MS_MAX: u64 = 1_000_000_000;

/// Longest round trip and poll period that a simulation may have.
pub const SIMULATED_WAIT_MS_MAX: u32 = 30_000;

const _: () = assert!(SIMULATED_TOLD_MAX.is_multiple_of(2) && SIMULATED_TOLD_MAX < 256, "a history halves");
const _: () = assert!(SIMULATED_MS_MAX < u32::MAX as u64, "simulated moments fit 32 bits");
const _: () =
    assert!(50_000 + 2 * SIMULATED_WAIT_MS_MAX as u64 <= SIMULATED_AHEAD_MS_MAX, "a pause and a poll fit");
const _: () = assert!(PARTIAL_BYTES_MAX <= READ_BYTES, "what is carried over came from at most one read");
const _: () = assert!(ERROR_TEXT_BYTES_MAX < PARTIAL_BYTES_MAX, "an error text is cut from one line");
const _: () = assert!(NAME_BYTES_MAX * 4 + 512 <= REQUEST_BYTES_MAX, "a request fits its bound");
const _: () = assert!(DECK_TOKENS <= TOKENS_MAX, "the tokens of a comparison can be held");
const _: () = assert!(LUA_JOINS_MAX * 256 <= DECK_BYTES_MAX, "prepared joins fit the deck");
const _: () = assert!(LATENCY_NS_MIN * 2 <= LATENCY_NS_MAX, "the histogram needs at least one octave");
const _: () = assert!(DECK_BYTES_MAX <= u32::MAX as usize, "the deck keeps its offsets in 32 bits");
const _: () = assert!(DRAIN_MS_MAX * 1_000_000 < LATENCY_NS_MAX, "an unanswered request fits the histogram");
