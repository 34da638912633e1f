//! # sluice-raft: replication of shards
//!
//! Empty today. A node orders its commands with `sluice_engine::sequencer::Local`; this crate will hold the
//! second implementation of that port, on openraft: groups, log, snapshots, peers and membership.
//!
//! It may not know RESP, HTTP, sessions, or how a zone works inside.

#![forbid(unsafe_code)]
