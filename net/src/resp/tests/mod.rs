//! Bytes in, bytes out.
//!
//! | file | what it holds |
//! |---|---|
//! | `requests.rs` | the request decoder: a table, every split, slow senders |
//! | `replies.rs` | the writer and the reply decoder: tables, every split, bounds |
//! | `peer.rs` | both against another implementation, on generated values |
//! | `connections.rs` | commands that need no zone, byte for byte as Redis answers them |
//! | `clients.rs` | `CLIENT LIST`, `INFO` and `KILL` |
//! | `zones.rs` | what zone commands ask, and how answers look |
//! | `streams.rs` | what commands about streams and keys ask, and why they are refused |
//! | `cluster.rs` | the cluster's views, and what its commands ask |
//! | `transactions.rs` | `MULTI` and what follows |
//! | `table.rs` | every entry of the table: arity, texts, rights |

#[cfg(feature = "server")]
mod clients;
#[cfg(feature = "server")]
mod cluster;
#[cfg(feature = "server")]
mod connections;
#[cfg(feature = "server")]
mod fixture;
mod peer;
mod replies;
mod requests;
#[cfg(feature = "server")]
mod streams;
#[cfg(feature = "server")]
mod table;
#[cfg(feature = "server")]
mod transactions;
#[cfg(feature = "server")]
mod zones;
