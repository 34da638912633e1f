//! The load generator.
//!
//! ```text
//! Arguments ─▶ Plan ─▶ Runner (one thread, epoll)
//!                        ├─ Deck       requests, encoded and shuffled beforehand
//!                        ├─ Pacing     when they are due
//!                        ├─ Line       one connection: socket, Framing, requests in flight
//!                        └─ Recorder   latencies ─▶ LoadReport
//! ```
//!
//! One thread is enough to load a server that runs on one core, and lets `taskset` pin the generator. In
//! closed mode it measures the most a server can do; at a fixed rate (`--rate`) it measures latency, from the
//! moment each request was due. The latter spins on its core: a sleeping generator would add the time it takes
//! to wake to every latency.

mod arguments;
mod deck;
mod framing;
mod line;
mod operation;
mod pacing;
mod recorder;
mod runner;
mod setup;
mod tokens;

pub use arguments::Arguments;
pub(crate) use deck::STREAM_EVENT_BYTES;
pub use framing::FramingError;
pub use operation::Operation;
pub use recorder::{Latency, LoadReport};
pub use tokens::Tokens;

use crate::error::Result;

/// Runs one load against a server and reports what it found.
///
/// # Errors
/// Arguments that make no sense, a server that is not there, closes connections or does not speak the protocol.
/// Error *replies* do not end a run; they are counted in the report.
pub fn run(arguments: &Arguments) -> Result<LoadReport> {
    let plan = arguments.plan()?;
    let tokens = arguments.tokens()?;
    let deck = setup::prepare(&plan, &tokens)?;
    // The deck holds the text of all requests now; ten million tokens need not be held twice.
    drop(tokens);
    runner::Runner::connect(&plan, deck)?.run()
}

/// How many whole RESP replies `bytes` holds.
///
/// # Errors
/// They are not RESP.
pub fn count_resp_replies(bytes: &[u8]) -> Result<u64> {
    count(framing::Framing::Resp(framing::RespFraming::default()), bytes)
}

/// How many whole HTTP replies `bytes` holds.
///
/// # Errors
/// They are not HTTP replies of stated length.
pub fn count_http_replies(bytes: &[u8]) -> Result<u64> {
    count(framing::Framing::Http(framing::HttpFraming::default()), bytes)
}

fn count(mut framing: framing::Framing, bytes: &[u8]) -> Result<u64> {
    let mut tally = framing::Tally::default();
    framing.feed(bytes, &mut tally)?;
    Ok(tally.replies)
}
