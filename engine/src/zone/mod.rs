//! A zone.
pub mod settings;
