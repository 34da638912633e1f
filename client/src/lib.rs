//! Talks to sluice over RESP.
//!
//! ```text
//! tasks ── Client: zone / stream / publish / call                                  client.rs, zone.rs, stream.rs, wait.rs
//!            │  deadline, retries, failover                                        pool.rs, node.rs
//!            ▼
//!          two connections a node, for questions and for changes:                  link/
//!          commands out in one write, replies in order
//!
//! one reader ── Follower: entries of many streams, each once                       follow/
//!   many readers ── Hub: one follower for all of them                              hub.rs
//!            └─ Subscription: published messages                                   subscribe.rs
//!                 │  a connection of its own, made again when lost                 listener.rs
//!                 ▼
//!               connect.rs, socket.rs, input.rs        bytes of RESP: resp of sluice-net
//!
//! HTTP services ── guard: a room in front of their routes                          guard/
//!                └─ pass: verifies passes, asking nobody                           pass.rs
//!
//! threads that block: blocking.rs, and connection.rs (one plain connection, for tools)
//! ```
//! Reading order: `client.rs`, `pool.rs`, `node.rs`, `link/mod.rs`, then `listener.rs` and `follow/mod.rs`. Every bound is in
//! `limit.rs`.
//!
//! Tasks of this crate are one for each connection of calls, and none for listeners: those are driven by whoever reads them.
//!
//! This crate may not know the engine, replication or the server's sockets; it sees what any client sees.
//!
//! ```no_run
//! # async fn example() -> Result<(), sluice_client::Error> {
//! use sluice_client::{Append, Client, Join};
//! let nodes = ["10.0.0.1:7379", "10.0.0.2:7379", "10.0.0.3:7379"];
//! let client = Client::builder(nodes).credentials("gateway", "secret").build()?;
//! let zone = client.zone("shop");
//! let place = zone.join(Join { user: Some("u-17"), ..Join::default() }).await?;
//! println!("number {}, about {:?} ms to go", place.position, place.eta_ms);
//! let place = zone.admitted(&place.token).await?; // waits for its turn
//! println!("enter with {:?}", place.pass);
//! let keep = Append { maxlen: Some(1_000), ..Append::default() };
//! client.stream("visits:shop").append(&[("user", "u-17")], keep).await?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod blocking;
mod builder;
mod client;
mod connect;
mod connection;
mod cursor;
mod error;
mod fault;
mod follow;
#[cfg(feature = "guard")]
pub mod guard;
mod hub;
mod input;
mod limit;
mod link;
mod listener;
mod metrics;
mod node;
#[cfg(feature = "pass")]
pub mod pass;
mod pool;
mod reply;
mod settings;
mod socket;
mod stream;
mod subscribe;
mod wait;
mod zone;

pub use builder::Builder;
pub use client::Client;
pub use connection::{Connection, encode_command};
pub use cursor::Cursor;
pub use error::ClientError;
pub use fault::Error;
pub use follow::{After, Event, Follower, Reason};
pub use hub::{Hub, Listening};
pub use metrics::Metrics;
pub use reply::{Place, State, ZoneSettings, ZoneStats};
/// At the head of bytes from a server [`decode`] finds a [`Reply`], whole or not; in a whole one is its [`Value`].
///
/// ```
/// use sluice_client::{Reply, Value, decode};
/// let Ok(Reply::Value { value, consumed }) = decode(b":7\r\n+OK\r\n") else { panic!("it is whole") };
/// assert_eq!((value.integer(), consumed), (Some(7), 4));
/// assert!(matches!(decode(b"$5\r\nab"), Ok(Reply::Incomplete { .. })));
/// ```
pub use sluice_net::resp::reply::{Reply, Value, decode};
pub use stream::{Append, Entry, Fields, Stream};
pub use subscribe::{News, Subscription};
#[cfg(feature = "tls")]
pub use tokio_rustls::rustls;
pub use wait::Wait;
pub use zone::{Join, Zone};
