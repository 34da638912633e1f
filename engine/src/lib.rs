//! The engine.
pub mod command;
pub mod error;
pub mod id;
pub mod keyring;
pub mod limit;
pub mod reply;
pub mod sequencer;
pub mod structure;
mod sync;
pub mod time;
pub mod token;
pub mod zone;
