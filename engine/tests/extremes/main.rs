//! Any command, request and message that its type can hold, with numbers at their ends.
//!
//! ```text
//! draw     makes them          sizes    what a command is counted as is what the codec writes
//! hostile  other nodes that say whatever can be decoded, to a real owner
//! ```

mod draw;
mod hostile;
mod sizes;
