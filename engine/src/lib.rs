//! # sluice-engine: waiting rooms as a deterministic state machine that any thread may read
//!
//! ```text
//!   any thread                                the shard's owner thread
//!  ┌───────────────────────────┐             ┌────────────────────────────────────────────────┐
//!  │ directory: token → answer │             │ owner: pending commands, ticks, parked polls   │
//!  │   MAC, place, last poll,  │  Turn: ask  │    │ propose              ▲ replies            │
//!  │   position, ETA           │────────────▶│    ▼                      │                    │
//!  │          reads            │             │ sequencer ──committed──▶ shard::apply ─▶ zones │
//!  └──────────┬────────────────┘             └──────────────────────────────┬─────────────────┘
//!             └───────────── structure: lock-free, one writer ◀─────────────┘ writes
//! ```
//!
//! Reading order: [`command`] and [`reply`] (what goes in and out), [`zone`] (the rules), `shard` (the state
//! machine), [`owner`] (what is proposed and when), [`directory`] (the poll), [`structure`] (how ranks
//! are kept), [`stream`] (keys and their streams), [`snapshot`]. [`node::open`] puts them together; [`limit`] has
//! every bound, [`measure`] says what a command takes in the log, [`memory`] what state may take, and [`cost`] what it
//! is counted as.
//!
//! The engine may not know sockets, bytes on the wire, async, the wall clock, randomness, files or raft: time
//! is passed in, secrets are passed in, and the same log gives the same state everywhere.

pub mod account;
pub mod command;
pub mod cost;
pub mod directory;
pub mod error;
pub mod id;
pub mod keyring;
pub mod limit;
pub mod mailbox;
pub mod measure;
pub mod memory;
pub mod node;
pub mod owner;
mod parted_map;
pub mod pass;
pub mod readers;
pub mod reply;
pub(crate) mod room;
pub mod sequencer;
pub(crate) mod shard;
pub mod slot;
pub mod snapshot;
pub mod stream;
pub mod structure;
mod sync;
pub mod time;
pub mod token;
pub mod zone;
