//! # sluice-raft: replication of shards with openraft
//!
//! ```text
//! types   what openraft is set up with            cluster  node ids, format version, slot map: the cluster's own metadata
//! disk    files, as a trait                       log      one segmented log a node for all groups
//! peer    frames, handshake, calls between nodes  group    one Raft group: state machine, snapshots, the owner's port
//! node    all groups of a node, put together      queue    from any thread to one task
//! secret  what nodes prove to each other that they know
//! ```
//! It may not know RESP, HTTP, sessions, or how a zone works inside.

#![forbid(unsafe_code)]

pub mod cluster;
pub mod codec;
pub mod disk;
pub mod group;
pub mod limit;
pub mod log;
pub mod node;
pub mod peer;
mod queue;
pub mod secret;
pub mod snapshot;
pub mod types;
