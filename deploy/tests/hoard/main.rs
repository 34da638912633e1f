//! Clients that ask for much and read nothing: `memory_max` holds by the sum of all accounts, others are answered meanwhile, and
//! what was taken comes back.
//!
//! ```text
//! hoarder  connections whose pipelines are written and never read      memory   what the kernel says of the process
//! names    what is listened to, by clients who do read
//! state    what is kept, until there is no room for more
//! stage    a server with small memory and values at their bounds       table    every command and call, with its rows
//! ```
//! A server of the built binary, with two workers, so that what is asked for belongs to the asking worker and to the other one.
//!
//! Seen to fail: with questions that are answered whether anybody reads or not (two connections with three hundred `XRANGE` of
//! 6 MB went past any bound).

#[allow(dead_code, reason = "each test binary uses its part")]
#[path = "../front_door/server.rs"]
mod server;

mod hoarder;
mod memory;
mod names;
mod rows;
mod stage;
mod state;
mod table;
mod unread;
