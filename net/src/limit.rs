//! Every bound of the server, with the relations between them. The wire format's own are in
//! `resp::limit`; what an operator may choose is in [`crate::config`].

use std::ops::Range;

/// Bytes asked of a socket at once: what one visit of a connection may bring in.
pub const READ_BYTES: usize = 16 * 1024;

/// Unsent bytes of a connection from which on nothing more is parsed for it.
pub const OUTPUT_BYTES_SOFT: usize = 64 * 1024;
/// The same while the process has little room for what is on its way.
pub const OUTPUT_BYTES_SCARCE: usize = 4 * 1024;
/// Values shorter than this are encoded at once; longer ones as their reader takes them.
pub const TELLING_BYTES_SHORT: usize = 16 * 1024;
/// What a question about streams counts as until its answer is there.
pub const QUESTION_BYTES: usize = 4 * 1024;
/// Bytes of changes under way of one connection, from which on nothing more is parsed for it.
pub const CHANGES_BYTES_MAX: usize = 256 * 1024;
/// What such a change takes, in copies of itself, until it is decided: with its owner, in its batch, in the log.
pub const CHANGE_COPIES: usize = 3;
/// What a read that waits takes, in copies of what it names: with it, and in lines.
pub const WAIT_COPIES: usize = 2;
/// What a hub takes, in copies of its stream's name: twice with it, in what is to be done, and with the owner.
pub const HUB_COPIES: usize = 4;
/// What it takes beside, about, with its place at the owner.
pub const HUB_BYTES: usize = 400;
/// Bytes of the replies of a transaction that are there before its operations on keys are carried out; commands beyond are refused.
pub const EXEC_TEXT_BYTES_MAX: usize = 1 << 20;
/// A worker tells the account of so many bytes more, or fewer, before its turn ends.
pub const TOLD_BYTES: u64 = 256 * 1024;
/// While the process has little room, a connection that takes nothing of what waits for it is closed after this long.
pub const SCARCE_STUCK_MS: u64 = 2_000;
/// While the process has no room, a request has this long to arrive whole.
pub const SPENT_REQUEST_MS: u64 = 1_000;
/// Requests of one connection that may be in flight at once.
pub const PIPELINE_DEPTH_MAX: usize = 1_024;
/// Requests answered for one connection before the others get their turn.
pub const REQUESTS_PER_VISIT_MAX: usize = 256;
/// What a connection keeps for reuse when it falls idle; larger buffers are given back.
pub const BUFFER_KEEP_BYTES: usize = 16 * 1024;
/// What a worker keeps of a buffer that it fills itself.
pub const SCRATCH_KEEP_BYTES: usize = 256 * 1024;
/// Sets of buffers that a worker keeps for connections that need one.
pub const BUFFER_POOL_MAX: usize = 256;

/// Worker threads of a server.
pub const WORKERS_MAX: usize = 64;
/// Groups that the key space may be shared out over: one request may have a part for each.
pub const GROUPS_MAX: usize = 1_024;
/// Connections of one worker; bounded by the bits of a ticket.
pub const SESSIONS_PER_WORKER_MAX: usize = 1 << SLOT_BITS;
/// Bits of a ticket, from the second on: worker, slot, generation of the slot, number of the request. The first bit
/// marks tickets of other nodes.
pub const WORKER_BITS: u32 = 6;
/// See [`WORKER_BITS`].
pub const SLOT_BITS: u32 = 22;
/// See [`WORKER_BITS`].
pub const GENERATION_BITS: u32 = 19;
/// See [`WORKER_BITS`].
pub const REQUEST_BITS: u32 = 16;

/// Readiness events taken from the kernel at once.
pub const EVENTS_PER_TURN: usize = 256;
/// How long a turn takes up requests of connections that have just said something, in µs: whoever else has something waits for the
/// next one.
pub const TURN_FRESH_US: u64 = TURN_US / 2;
/// The same for what other workers sent, and for connections that have waited since the turn before.
pub const TURN_MAIL_US: u64 = TURN_US / 2;
/// See [`TURN_MAIL_US`].
pub const TURN_WAITED_US: u64 = TURN_US / 2;
/// The measure of these.
pub const TURN_US: u64 = 1_000;
/// Cheap requests after which the clock is looked at; after any other it is at once.
pub const REQUESTS_PER_LOOK: u32 = 16;
/// Bytes of an answer that take as long to write as a cheap request.
pub const BYTES_PER_STEP: usize = 256;
/// Requests that a turn takes up; whoever else has something waits for the next one, so that owners and late answers have theirs.
pub const REQUESTS_PER_TURN_MAX: usize = 1_024;
/// Connections visited before their answers are written, should a turn have so many.
pub const VISITS_PER_WRITE_MAX: usize = 64;
/// Connections accepted at once, per listener.
pub const ACCEPTS_PER_TURN: usize = 64;
/// Operations on the cluster that the connections of one worker may have under way.
pub const OPERATIONS_MAX: usize = 64;
/// Zones of one question for statistics: a worker answers them in one go.
pub const SURVEY_ZONES_MAX: usize = 128;
/// Questions for statistics that may wait for one worker.
pub const SURVEYS_MAX: usize = 8;
/// New sockets on their way to one worker.
pub const SOCKETS_IN_TRANSIT_MAX: usize = 1_024;
/// Requests that one worker may have under way at the others, all together.
pub const CREDITS: usize = 4_096;
/// Entries of one stream that a worker keeps for the stream's readers.
pub const HUB_CACHE_ENTRIES_MAX: usize = 128;
/// Bytes of them; one entry is kept in any case.
pub const HUB_CACHE_BYTES_MAX: usize = 128 * 1024;
/// Entries that a reader who is further behind is given at once.
pub const FOLLOW_ENTRIES_MAX: u64 = 64;
/// Bytes of them, about.
pub const FOLLOW_BYTES_MAX: u64 = 64 * 1024;
/// The longest life that an append over HTTP may give its stream: what JSON still tells exactly.
pub const STREAM_TTL_MS_MAX: u64 = 1 << 53;
/// Keys and prefixes that one subscribe token names.
pub const GRANT_KEYS_MAX: usize = 64;
/// Bytes of them, with two more each: the token must fit a cookie of 4096 bytes, and a request line.
pub const GRANT_BYTES_MAX: usize = 2_048;
/// Passes that a turn of a worker signs: about a millisecond.
pub const PASSES_PER_TURN: usize = 50;
/// Passes that a worker keeps for those who ask again, half a kilobyte each.
pub const PASSES_KEPT: usize = 4_096;
/// How long a subscribe token holds where nobody says.
pub const GRANT_TTL_MS: u64 = 60_000;
/// How long it may hold: it cannot be taken back.
pub const GRANT_TTL_MS_MAX: u64 = 3_600_000;
/// Entries of a range over HTTP where the caller names no number.
pub const RANGE_ENTRIES: u64 = 100;
/// The most that it may name.
pub const RANGE_ENTRIES_MAX: u64 = 1_000;
/// Bytes of a range, about, and one entry in any case.
pub const RANGE_BYTES_MAX: u64 = 1 << 20;
/// Readers further behind than the cache for whom a worker asks at once; the others wait: that is how a burst of reconnects is
/// paced.
pub const FOLLOWS_MAX: usize = 256;
/// The same while the process has little room for what is on its way.
pub const FOLLOWS_SCARCE_MAX: usize = 8;
/// Of these, so many on behalf of one connection: what the first bring may be all that it takes.
pub const FOLLOWS_PER_SESSION_MAX: usize = 8;
/// Streams that a worker asks at once to be told of: each is answered with how far it reaches. Beyond them new readers wait.
pub const LISTENS_MAX: usize = 1_024;
/// Streams that are looked at, at once, for those to be asked so: new ones, and as many of all after a loss.
pub const LISTEN_LOOKS_MAX: usize = 256;
/// What an entry of a hub takes, in copies of itself: as it came, and encoded.
pub const CACHE_COPIES: usize = 3;
/// What a stream that is followed takes beside its name, about.
pub const FOLLOWED_BYTES: usize = 400;
/// What the streams of one connection of server-sent events may take before they are counted.
pub const FOLLOWED_BYTES_FREE: u64 = 1_024;
/// A reader who was told more elsewhere than this node has waits so long for it, then learns that its place is lost. Only time in
/// which this node could prove that what it has is new counts.
pub const NODE_BEHIND_MS_MAX: u64 = 3_000;
/// Questions about streams that may wait for one worker, and answers and tidings: from other workers, and from
/// owners of its own.
pub const WISHES_MAX: usize = 4_096;
/// See [`WISHES_MAX`].
pub const TIDINGS_MAX: usize = 16_384;
/// Streams that one RESP connection follows.
pub const FOLLOWED_MAX: usize = 1 << 17;
/// Streams over one connection of server-sent events: each frame carries every stream's cursor.
pub const STREAMS_PER_READER_MAX: usize = 64;
/// Readers that one turn tells something.
pub const TELLS_PER_TURN_MAX: usize = 1_024;
/// Of these, so many before what they were told is written: buffers are lent for as long.
pub const TELLS_PER_WRITE_MAX: usize = 16;
/// How long a turn answers what workers want of streams, in µs, beside what else it does; what remains waits for the next one.
pub const WISHES_US: u64 = TURN_US / 2;
/// The same for reading what owners answered and told.
pub const NEWS_US: u64 = TURN_US / 2;
/// The same for telling readers.
pub const TELLS_US: u64 = TURN_US;
/// Blocked reads that are woken and ask again in one turn.
pub const WAITS_ASKED_PER_TURN_MAX: usize = 1_024;
/// Blocked reads that one turn ends, each of them, because their time is over, and takes out of their lines.
pub const WAITS_ENDED_PER_TURN_MAX: usize = 1_024;
/// Streams that one worker follows.
pub const HUBS_MAX: usize = 1 << 20;

/// Of all connections, the part that is kept for each port.
pub const PORT_SHARE_PARTS: usize = 8;
/// Cells of the table that counts connections by address.
pub const ADDRESS_CELLS: usize = 1 << 16;
/// Connections that are looked at to find one to give up, where there are too many.
pub const LOOKS_FOR_IDLE: usize = 64;
/// Slots of a worker that are looked at for them, empty ones included.
pub const SLOTS_FOR_IDLE: usize = 1_024;
/// Who said something less long ago is not given up for another.
pub const IDLE_MS_MIN: u64 = 1_000;
/// Silence after which an HTTP connection is closed while few are left of its port's share.
pub const IDLE_SHORT_MS: u64 = 5_000;

/// That HTTP came to the RESP port is said at most so often.
pub const HTTP_TOLD_MS: u64 = 60_000;

/// Pause before accepting again when the process has no file descriptor left at all.
pub const ACCEPT_RETRY_MS: u64 = 100;
/// How often every connection's deadlines are looked at.
pub const SWEEP_MS: u64 = 500;
/// Parts in which the connections are swept, so that one turn never walks all of them.
pub const SWEEP_PARTS: u64 = 5;
/// Streams, readers and connections that wait for room, each, that one such part looks at for those who follow streams.
pub const HUB_LOOKS_PER_SWEEP: usize = 16 * 1_024;
/// The longest a worker sleeps, so that the cached date never lags.
pub const SLEEP_MS_MAX: u64 = 500;
/// A closed connection's leftovers are read and dropped this long, so that the peer sees the last answer.
pub const LINGER_MS: u64 = 1_000;

/// How finely the moments of event streams are told apart.
pub const WHEEL_TICK_MS: u64 = 50;
/// Moments that the wheel of a worker holds at once; those beyond them are put off.
pub const WHEEL_BUCKETS: u64 = 128;
/// Event streams that a turn attends to; the others wait for the next one.
pub const WAKES_PER_TURN_MAX: usize = 256;
/// Silence after which a sign of life is sent to the reader of an event stream, unless configured: below what proxies allow.
pub const HEARTBEAT_MS: u64 = 15_000;
/// How long a browser that was cut off is told to wait before it comes back: drawn anew for each connection, so that
/// those who are cut off together do not come back together.
pub const RETRY_MS: Range<u32> = 1_000..3_000;
/// The same when the server stops: a longer span, because all its readers are cut off at once.
pub const DRAIN_RETRY_MS: Range<u32> = 500..5_000;

/// Bytes of an HTTP request line (414 beyond).
pub const HTTP_LINE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of an HTTP head, request line included (431 beyond).
pub const HTTP_HEAD_BYTES_MAX: usize = 16 * 1024;
/// Fields of an HTTP head (431 beyond).
pub const HTTP_FIELDS_MAX: usize = 64;
/// Bytes of an HTTP body once its framing is removed (413 beyond).
pub const HTTP_BODY_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an HTTP request with all its framing.
pub const HTTP_REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a request id or a user id.
pub const IDENTITY_BYTES_MAX: usize = 256;
/// Digits of a chunk's length, leading zeros included.
pub const CHUNK_DIGITS_MAX: usize = 8;
/// Origins that may be allowed by name.
pub const ORIGINS_MAX: usize = 64;

/// Bytes of the name of a channel to subscribe or publish to.
pub const CHANNEL_BYTES_MAX: usize = 1_024;
/// Channels and patterns that one connection may listen to.
pub const SUBSCRIPTIONS_PER_SESSION_MAX: usize = 16_384;
/// Channels and patterns that all connections together may listen to.
pub const SUBSCRIPTIONS_MAX: usize = 1 << 20;
/// What a subscription takes beside its name, about: with its connection, its worker, and the node.
pub const SUBSCRIPTION_BYTES: usize = 400;
/// Steps that each byte of a channel's name may take where a message is compared with all patterns. Most patterns take one.
pub const PATTERNS_PRICE_MAX: usize = 1 << 14;
/// The same for the patterns of one connection, so that it does not keep others from having any.
pub const PATTERNS_PRICE_PER_SESSION_MAX: usize = PATTERNS_PRICE_MAX / 8;
/// Steps in which a message is compared with all patterns: a millisecond or two. A channel whose name would take more is not
/// published to.
pub const PUBLISH_STEPS_MAX: u64 = 1 << 20;
/// Bytes of a channel's name that is published to whatever others listen to.
pub const CHANNEL_BYTES_SURE: usize = 63;
/// Unsent bytes of a connection beyond which it is pushed nothing more, but closed: it does not read.
pub const PUSHED_BYTES_MAX: usize = 8 << 20;
/// Unsent pushed bytes of all connections of one worker, beyond which those that would hold more than [`PUSHED_BYTES_FAIR`]
/// are closed when something more comes for them.
pub const PUSHED_BYTES_PER_WORKER_MAX: usize = 256 << 20;
/// See [`PUSHED_BYTES_PER_WORKER_MAX`].
pub const PUSHED_BYTES_FAIR: usize = 64 * 1024;
/// Bytes pushed to a worker's connections, and connections that were pushed something, from which on they are written before
/// more is pushed.
pub const PUSHED_BYTES_PER_WRITE: usize = 2 << 20;
/// See [`PUSHED_BYTES_PER_WRITE`].
pub const PUSHED_PER_WRITE_MAX: usize = 1_024;
/// Listeners that are pushed a message before the clock is looked at.
pub const PUSHES_PER_LOOK: usize = 256;
/// Published messages on their way to one worker; those beyond are lost for its connections.
pub const PUBLISHED_IN_TRANSIT_MAX: usize = 4_096;
/// Bytes of them.
pub const PUBLISHED_BYTES_IN_TRANSIT_MAX: usize = 16 << 20;
/// Batches of other nodes on their way to the worker that takes them in; their bytes are bounded as those of messages are.
pub const BATCHES_IN_TRANSIT_MAX: usize = 1_024;
/// Bytes of messages that are handed to other nodes at once; more go in several.
pub const BATCH_BYTES_MAX: usize = 192 * 1024;
/// A message counts as one more request of its turn for so many receivers.
pub const RECEIVERS_PER_REQUEST: usize = 16;
/// Of a turn's requests, those that messages of other workers and nodes may stand for.
pub const PUBLISHED_PER_TURN_MAX: usize = REQUESTS_PER_TURN_MAX / 2;

/// Retry advice when another worker's mailbox is full.
pub const BUSY_RETRY_MS: u32 = 100;
/// Entries of the slow log.
pub const SLOW_LOG_MAX: usize = 128;

/// A turn of a worker that takes more CPU time than this, in µs, is counted: meanwhile nobody was answered.
pub const TURN_US_MAX: u64 = 5_000;

const _: () = {
    assert!(WORKER_BITS + SLOT_BITS + GENERATION_BITS + REQUEST_BITS == 63);
    assert!(sluice_engine::sequencer::REMOTE == 1 << 63);
    assert!(WORKERS_MAX <= 1 << WORKER_BITS);
    // A request number must not come round while its namesake is in flight. The last request of a full pipeline may take more
    // numbers: one for each command of a transaction, for each group, and for the reply.
    assert!(
        PIPELINE_DEPTH_MAX + crate::resp::limit::QUEUED_COMMANDS_MAX + GROUPS_MAX + 1
            < 1 << (REQUEST_BITS - 1)
    );
    assert!(WORKERS_MAX <= sluice_engine::limit::LISTENERS_MAX as usize);
    assert!(HTTP_LINE_BYTES_MAX < HTTP_HEAD_BYTES_MAX);
    assert!(HTTP_HEAD_BYTES_MAX + HTTP_BODY_BYTES_MAX < HTTP_REQUEST_BYTES_MAX);
    assert!(TELLING_BYTES_SHORT < OUTPUT_BYTES_SOFT);
    assert!(OUTPUT_BYTES_SOFT >= READ_BYTES && OUTPUT_BYTES_SCARCE < OUTPUT_BYTES_SOFT);
    // Pipelines of sixteen questions are asked together.
    assert!(QUESTION_BYTES * 16 <= OUTPUT_BYTES_SOFT);
    assert!(crate::resp::limit::REQUEST_BYTES_MAX < CHANGES_BYTES_MAX);
    // A transaction within its bounds is never too large for the log: an operation takes there little more than what was sent
    // for it, or the text of a fault.
    assert!(
        crate::resp::limit::QUEUED_BYTES_MAX + crate::resp::limit::QUEUED_COMMANDS_MAX * 512
            <= sluice_engine::limit::COMMAND_BYTES_MAX
    );
    assert!(REQUESTS_PER_VISIT_MAX <= REQUESTS_PER_TURN_MAX);
    // Any message fits a batch, and a subscriber that reads can be pushed the largest.
    assert!(CHANNEL_BYTES_MAX + crate::resp::limit::BULK_BYTES_MAX + 8 <= BATCH_BYTES_MAX);
    assert!(2 * (CHANNEL_BYTES_MAX + crate::resp::limit::BULK_BYTES_MAX) < PUSHED_BYTES_MAX);
    assert!(PUSHED_BYTES_FAIR < PUSHED_BYTES_MAX && PUSHED_BYTES_MAX < PUSHED_BYTES_PER_WORKER_MAX);
    assert!(SUBSCRIPTIONS_PER_SESSION_MAX <= SUBSCRIPTIONS_MAX);
    assert!(CHANNEL_BYTES_MAX <= crate::resp::limit::PATTERN_BYTES_MAX);
    // A pattern takes one step, and its price for each byte.
    assert!((CHANNEL_BYTES_SURE + 1) * PATTERNS_PRICE_MAX <= PUBLISH_STEPS_MAX as usize);
    // A step of a scan can be compared with any pattern.
    assert!(
        (sluice_engine::limit::SCAN_BYTES_MAX + crate::resp::limit::BULK_BYTES_MAX) * 18
            <= crate::resp::limit::PATTERN_STEPS_MAX as usize
    );
    // Workers to wake are bits of a word.
    assert!(WORKERS_MAX <= 64);
    assert!(SWEEP_MS.is_multiple_of(SWEEP_PARTS));
    assert!(WHEEL_BUCKETS > 1 && WHEEL_TICK_MS > 0);
    // By default a waiter is present for 7 s after its last poll: who comes back by then has lost nothing.
    assert!(DRAIN_RETRY_MS.end < 7_000 && RETRY_MS.end <= DRAIN_RETRY_MS.end);
};
