//! (skeleton)

#[cfg(feature = "server")]
pub mod request;
