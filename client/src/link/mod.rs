//! One multiplexed connection: many callers' commands out in one write, many replies in by one read.
//!
//! `queue.rs` is what callers and the connection share, pure; `pump.rs` is the task that owns the socket; `pending.rs` is the
//! future of one reply; `place.rs` reads the reply that comes most.

mod pending;
mod place;
mod pump;
mod queue;

#[cfg(test)]
mod tests;

pub(crate) use pending::Pending;
pub(crate) use pump::Pump;
pub(crate) use queue::{Answer, Freed, Queue, SlotId, Submission, Ticket, Want};
