//! (skeleton)

#[cfg(feature = "server")]
pub mod request;
#[cfg(feature = "codec")]
pub mod resp;
