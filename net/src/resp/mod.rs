//! RESP2 and RESP3, the protocol of Redis.
//!
//! ```text
//!  wire format, needs nothing else              what the commands mean (feature `server`)
//!  ───────────────────────────────              ─────────────────────────────────────────
//!  limit      every bound                       session   what a connection has told about itself
//!  malformed  why bytes are refused             server    what commands ask of the server around them
//!  args       the arguments of a request        command/  the table, one file a command:
//!  decode     bytes -> arguments                          arguments -> reply, or a question for the engine;
//!  encode     reply -> bytes                              the engine's answer -> reply
//!  reply      bytes -> reply (client side)
//! ```
//! Nothing here reads a socket, a clock or a lock. A worker decodes, lets `command::execute` run, and either
//! finds the reply written, or is handed a `Request` to ask and encodes what it is answered.

pub mod args;
#[cfg(feature = "server")]
pub mod command;
pub mod decode;
pub mod encode;
pub mod limit;
pub mod malformed;
pub mod reply;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
pub mod session;

#[cfg(test)]
mod tests;
