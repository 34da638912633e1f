//! Whole nodes on real disks and real sockets, with their owners driven by the test.

mod server;
mod single;
mod three;
