//! Load, comparisons and measurements of sluice.
//!
//! ```text
//! sluice-bench load      one kind of request against one server          load/
//! sluice-bench fill      waiters into zones, their tokens into a file    fill.rs
//! sluice-bench compare   sluice against Redis with Lua and nginx         compare/ ─▶ load/, fill.rs
//! sluice-bench client    many tasks over one connection, and redis-rs   client/
//! sluice-bench fanout    one stream and many readers                    fanout/
//! sluice-bench gateway   one connection and thousands of streams         gateway.rs
//! sluice-bench hoard     much that is asked for and not read           hoard.rs
//! sluice-bench chaos     a cluster of processes while nodes fail       chaos/
//! sluice-bench micro     the engine in process: ns a poll, bytes a waiter micro/
//! sluice-bench simulate  a crowd in virtual time, and its promises       simulate/ ─▶ the engine
//! sluice-bench sink      a server that answers without looking           sink.rs
//! ```
//!
//! Reading order: `load/mod.rs`, `load/pacing.rs` (what a latency is), `compare/mod.rs`, `compare/row.rs`
//! (what is compared and which ratio is the aim).
//!
//! This crate knows servers by their wire alone, and of the engine only its public interface. Nothing depends on it.

#![forbid(unsafe_code)]

pub mod chaos;
pub mod client;
pub mod compare;
pub mod error;
pub mod fanout;
pub mod fill;
pub mod gateway;
pub mod hoard;
pub mod limit;
pub mod load;
pub mod micro;
pub mod random;
pub mod simulate;
pub mod sink;
