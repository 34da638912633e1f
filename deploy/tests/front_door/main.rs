//! The shipped binary, through its front door: started as a process, spoken to over its sockets, ended by signals.
//!
//! Nothing here waits for time to pass. A server is ready when it has printed its banner, gone when its process has
//! ended; a watchdog ends one that does neither.

mod clients;
mod expiry;
mod life;
mod memory;
mod refusal;
mod server;
mod sizes;
mod state;
