//! Structures that one thread writes and any thread reads without a lock.
//!
//! ```text
//! waiters  ── owner half ──┐                      published   one immutable value, replaced whole
//! view     ── reader half ─┤                      zone_table  u64 -> T, open addressing
//!                          ▼
//!          directory ─▶ span (region) ─▶ span (chunk) ─▶ block
//!                           lanes            lanes       bitmap, last polls, stamps
//! ```
//!
//! Read `waiters` first, then `view`; `shape` has the sizes, `epoch` the pointers and when memory goes back.
//! This module may not know zones, windows or commands. All `unsafe` of these structures is about following
//! an epoch-protected pointer, which `epoch` explains with the cost of the safe form.

mod block;
mod directory;
mod epoch;
mod image;
mod lanes;
mod own;
mod published;
mod shape;
mod span;
mod view;
mod waiters;
mod zone_table;

pub(crate) use epoch::collect;
pub use epoch::{Guard, pin};
pub use image::{BlockImage, ImageError};
pub use published::Published;
pub use shape::{FAN, LiveWords, SLOTS, WORD_BITS, WORDS};
pub use view::{Handle, Lookup, WaitersView};
pub use waiters::{AdmittedSummary, Waiters};
pub use zone_table::ZoneTable;

#[cfg(all(test, not(loom)))]
mod model;
#[cfg(all(test, not(loom)))]
mod reclaim;
