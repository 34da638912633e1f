//! A zone.
pub mod eta;
pub mod forecast;
pub mod frontier;
pub mod settings;
pub mod survival;
pub mod window;
