//! Talks to sluice over RESP.
//!
//! ```text
//! Connection ── join / poll / leave / zone_set / stats ──▶ typed replies     connection.rs, reply.rs
//!            └─ call (any command) ──▶ Value                                resp::reply of sluice-net
//! ```
//!
//! Today this is one blocking connection for tools and tests: no pool, no reconnect, no push messages. Each call
//! is one round trip, except [`Connection::join_many`], which pipelines.
//!
//! This crate may not know the engine, replication or the server's sockets; it sees what any client sees.

#![forbid(unsafe_code)]

mod connection;
mod error;
mod limit;
mod reply;

pub use connection::{Connection, encode_command};
pub use error::ClientError;
pub use reply::{Place, State, ZoneSettings, ZoneStats};
pub use sluice_net::resp::reply::{Reply, Value, decode};
