//! An answer that comes later than its request, in a form that outlives the request's bytes.

use crate::cluster::Decision;
use sluice_engine::error::Refusal;
use sluice_engine::reply::Reply;

/// What an owner says, or whoever runs the cluster.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Settled {
    /// To a join, a leave, a poll or a change.
    Reply(Reply),
    /// To a change of the cluster.
    Decided(Box<Decision>),
}

impl Settled {
    /// No.
    pub(crate) fn refused(refusal: Refusal) -> Settled {
        Settled::Reply(Reply::Refused(refusal))
    }

    /// Bytes that are charged for it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Settled::Reply(Reply::Key(_, charge) | Reply::Keys(_, charge)) => charge.bytes() as usize,
            Settled::Reply(_) | Settled::Decided(_) => 0,
        }
    }
}
