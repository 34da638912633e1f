//! RESP and HTTP for a waiting room: sockets in, answers out, on a few pinned threads.
//!
//! ```text
//! The life of one request
//!
//!  kernel ─▶ worker: turn ─▶ session: visit ─▶ resp or http: decode ─▶ Request
//!                                                                         │ worker::shards
//!                        poll, peek, settings: any thread ◀───────────────┤
//!                            engine::directory                            │ join, leave, change, a turn
//!                                  │                                      ▼
//!                                  │                 owner on this worker, or by mailbox on another
//!                                  ▼                                      │ after the turn
//!  kernel ◀─ one write ◀─ encode ◀─ Answer ◀── session: pending (replies in order) ◀┘
//! ```
//! Reading order: [`request`], [`server`], `worker/mod`, `session/visit`, `session/line`, then the language of
//! interest: [`resp`] or `http`. Every bound is in [`limit`], every setting in [`config`].
//!
//! What answers no request (a published message) takes another way: `pubsub` finds the listeners, and `session/push` puts it
//! among their replies.
//!
//! Each worker owns the connections it was given and the shards of its groups. A poll is answered where it
//! arrived, without a lock, a message or an allocation. Workers share counters, the register of connections
//! and bounded mailboxes, nothing else.
//!
//! This crate may not know how shards are replicated, configuration files, or how a zone decides.
//!
//! The feature `codec` alone is the wire format of [`resp`]; `server` (default) is everything.

#![forbid(unsafe_code)]

#[cfg(feature = "server")]
pub mod auth;
#[cfg(feature = "server")]
pub mod caller;
#[cfg(feature = "server")]
mod clients;
#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
pub mod cluster;
#[cfg(feature = "server")]
pub mod config;
#[cfg(feature = "server")]
pub mod cursor;
#[cfg(all(fuzzing, feature = "server"))]
pub mod fuzzing;
#[cfg(feature = "server")]
mod grant;
#[cfg(feature = "server")]
mod http;
#[cfg(feature = "server")]
mod hub;
#[cfg(feature = "server")]
pub mod limit;
#[cfg(feature = "server")]
pub mod network;
#[cfg(feature = "server")]
pub mod observer;
#[cfg(feature = "server")]
mod pass;
#[cfg(feature = "server")]
mod protocol;
#[cfg(feature = "server")]
pub mod provenance;
#[cfg(feature = "server")]
pub mod pubsub;
#[cfg(feature = "server")]
pub mod request;
#[cfg(feature = "codec")]
pub mod resp;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "server")]
mod session;
#[cfg(feature = "server")]
mod shared;
#[cfg(feature = "server")]
mod shares;
#[cfg(feature = "server")]
pub mod stats;
#[cfg(feature = "server")]
mod wall;
#[cfg(feature = "server")]
mod worker;
