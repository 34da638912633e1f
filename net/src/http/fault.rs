//! Why an HTTP connection cannot go on. Each case has its status; after any of them it closes,
//! because nobody knows where the next request would begin.

/// A fault of the client's framing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Not HTTP, or open to two readings.
    Malformed(&'static str),
    /// The request did not end in time.
    Slow,
    /// The body is longer than allowed.
    BodyTooLarge,
    /// The request line is longer than allowed.
    LineTooLong,
    /// An expectation other than `100-continue`.
    Expectation,
    /// The head is longer than allowed, or has too many fields.
    HeadTooLarge,
    /// A transfer coding other than chunked.
    Coding,
    /// A version other than 1.0 and 1.1.
    Version,
}

impl Fault {
    /// The status of the last answer.
    pub(crate) fn status(self) -> u16 {
        match self {
            Fault::Malformed(_) => 400,
            Fault::Slow => 408,
            Fault::BodyTooLarge => 413,
            Fault::LineTooLong => 414,
            Fault::Expectation => 417,
            Fault::HeadTooLarge => 431,
            Fault::Coding => 501,
            Fault::Version => 505,
        }
    }

    /// What a person reads.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Fault::Malformed(why) => why,
            Fault::Slow => "the request took too long to arrive",
            Fault::BodyTooLarge => "the body is too large",
            Fault::LineTooLong => "the request line is too long",
            Fault::Expectation => "only 100-continue can be expected",
            Fault::HeadTooLarge => "the request head is too large",
            Fault::Coding => "the only transfer coding is chunked",
            Fault::Version => "the versions are HTTP/1.0 and HTTP/1.1",
        }
    }
}
