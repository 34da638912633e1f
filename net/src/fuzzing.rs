//! A door to what is private, for fuzz targets; it is there in builds made for them only (`--cfg fuzzing`).

use crate::http::decode::{Decoded, decode};

/// What the HTTP decoder says of an input.
#[derive(PartialEq, Eq, Debug)]
pub enum HttpSaid {
    /// A request of `consumed` bytes, and all that was read of it.
    Complete {
        /// Bytes of it in the input.
        consumed: usize,
        /// A text that differs where anything that was read differs.
        request: String,
    },
    /// More is needed.
    Incomplete {
        /// Bytes that the input must hold before it can be complete.
        needed: usize,
    },
    /// The connection cannot go on.
    Invalid,
}

/// Decodes the request at the head of `input`.
#[must_use]
pub fn http_request(input: &[u8]) -> HttpSaid {
    let mut joined = Vec::new();
    match decode(input, &mut joined) {
        Decoded::Complete(call, consumed) => HttpSaid::Complete { consumed, request: format!("{call:?}") },
        Decoded::Incomplete { needed, .. } => HttpSaid::Incomplete { needed },
        Decoded::Invalid(_) => HttpSaid::Invalid,
    }
}
