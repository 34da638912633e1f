//! Why a connection's input is not read any further for now.

/// The reason, and so what has to happen before it goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// More bytes have to come: the input must hold `needed`.
    Starved { needed: usize },
    /// An earlier request has to be answered.
    Waiting,
    /// Every earlier request has to be answered.
    Behind,
    /// A read that may wait has to be answered.
    Blocked,
    /// Others are served first.
    Budget,
    /// The client has to read what was sent.
    Full,
    /// Nothing more is read: the connection ends once everything asked is answered.
    Close,
}

/// How far a visit came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Driven {
    /// Bytes of the input that are done with.
    pub(crate) consumed: usize,
    pub(crate) stop: Stop,
}
