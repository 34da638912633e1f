//! Event streams, and the keys that name them: what Redis calls the keyspace, holding streams only.
//!
//! ```text
//! op        what is asked                        value    what is answered
//! id        ms-seq                               fields   an entry's content, packed
//! nested    how deep they are read
//! text      keys and names                       entries  entries on their way out ── clip: a long range of them
//!
//! keyspace  slots, deadlines, memory ─┬─ index   key → slot            namespace, policy  bounds by prefix
//!                                     ├─ state   one stream ── run ── block: its entries
//!                                     │                     └─ group ── consumers, pending, lag
//!                                     ├─ requests   repeats of an append
//!                                     └─ waste   what was removed and is still to be freed
//! price   what an answer may take, known before it is made          walked  steps, for tests
//! append  read  keys  group_change  group_read  claim  info            one file a family of operations
//! reserved  keys of the server's own
//! ```
//! An entry has two positions: its Redis id, and its number within the stream's *epoch*, which is dense from 1. No epoch is
//! given twice ([`keyspace`]), so a key that is made anew has another one and no reader takes one stream for the other.

mod append;
pub(crate) mod block;
mod claim;
mod clip;
pub(crate) mod consumers;
pub mod entries;
mod fault;
pub mod fields;
pub(crate) mod group;
mod group_change;
mod group_read;
pub mod id;
pub(crate) mod index;
mod info;
mod keys;
pub(crate) mod keyspace;
mod lag;
pub(crate) mod namespace;
mod nested;
pub mod op;
pub(crate) mod pending;
pub mod policy;
mod price;
mod read;
pub(crate) mod requests;
pub mod reserved;
pub(crate) mod run;
pub(crate) mod slots;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub mod text;
pub mod value;
pub(crate) mod walked;
pub(crate) mod waste;

pub use crate::shard::ears::{ListenerId, Tidings};
