//! One Raft group on this node.
//!
//! ```text
//!   owner's thread                     raft's runtime
//!  ┌────────┐ propose ▶ proposals ──▶ submit ──▶ openraft ──▶ log, peers
//!  │ port   │                                       │ apply
//!  │        │ ◀──────── lane ◀───────────────── machine            roles: leader, follower, cut
//!  │        │ forward, report, pulse ▶ errands ──▶ peers           watch: who leads, and since when it was silent
//!  └────────┘ ◀──────── lane ◀──────── asked ◀──── peers           slices, snapshot: files
//!                                                                  giving: leadership given away
//! ```
//! The two sides share only queues and numbers (`shared`); neither waits for the other but in `lane`, for room. What owners
//! leave in the queues is taken when they ring at the `gate`.

mod carry;
mod errands;
mod gate;
mod giving;
mod lane;
pub mod limit;
mod machine;
mod port;
mod proposals;
mod roles;
mod shared;
mod slices;
mod snapshot;
mod submit;
#[cfg(test)]
mod tests;
mod watch;

pub use crate::queue::Waker;
pub(crate) use gate::{Gate, open_gate};
pub(crate) use giving::give_away;
pub use machine::Machine;
pub use port::Port;
pub(crate) use roles::Lead;
pub(crate) use shared::{Clock, Shared};
pub(crate) use snapshot::Files;
pub use snapshot::{Background, Job};

use crate::types::Types;

/// openraft's handle of a group.
pub(crate) type Raft<R> = openraft::Raft<Types<R>, Machine<R>>;

pub(crate) use carry::{carry, serve_asks, take_cast};
pub(crate) use submit::submit;
pub(crate) use watch::watch;
