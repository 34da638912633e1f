//! An answer that comes later than its request, in a form that outlives the request's bytes.

use sluice_engine::error::Refusal;
use sluice_engine::reply::Reply;

/// What an owner says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Settled {
    /// To a join, a leave, a poll or a change.
    Reply(Reply),
}

impl Settled {
    /// No.
    pub(crate) fn refused(refusal: Refusal) -> Settled {
        Settled::Reply(Reply::Refused(refusal))
    }
}
