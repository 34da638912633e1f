//! Whole nodes on real disks and real sockets, with their owners driven by the test.
//!
//! Seen to fail: `single` with the log's writer answering before it writes; `three` with a node that forwards to itself.

mod server;
mod single;
mod three;
