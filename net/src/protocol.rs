//! Which language a listener speaks.

/// The protocol of a listener and of its connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Protocol {
    /// RESP2, RESP3 and inline commands.
    Resp,
    /// HTTP/1.0 and HTTP/1.1.
    Http,
}
