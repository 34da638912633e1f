//! An answer that comes later than its request, in a form that outlives the request's bytes.

use crate::cluster::Decision;
use crate::worker::desk::Desk;
use sluice_engine::error::Refusal;
use sluice_engine::reply::{Reply, Standing};
use sluice_engine::time::LogTime;
use sluice_engine::token::Token;

/// What an owner says, or whoever runs the cluster.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Settled {
    /// To a join, a leave, a poll or a change.
    Reply(Reply),
    /// To a change of the cluster.
    Decided(Box<Decision>),
    /// To a join or a poll of somebody who was let in, with the pass that was made for it.
    Passed(Box<Passed>),
}

/// An admission and its pass.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Passed {
    pub(crate) token: Token,
    pub(crate) stamp: LogTime,
    pub(crate) pass: Option<Box<[u8]>>,
}

impl Settled {
    /// The same, and where it tells of an admission with its pass: so each turn makes a few passes of a reply of many parts,
    /// and none is left to make when it is written.
    pub(crate) fn with_pass(self, desk: &mut Desk) -> Settled {
        let Settled::Reply(Reply::Place { token, standing: Standing::Admitted(stamp) }) = self else {
            return self;
        };
        let (directory, signer) = (&desk.shared.directory, &mut desk.signer);
        let text = directory.text(&token);
        let pass = text.and_then(|text| signer.pass(directory, &token, text.as_bytes(), stamp));
        let pass = pass.map(Box::from);
        Settled::Passed(Box::new(Passed { token, stamp, pass }))
    }

    /// No.
    pub(crate) fn refused(refusal: Refusal) -> Settled {
        Settled::Reply(Reply::Refused(refusal))
    }

    /// Bytes that are charged for it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Settled::Reply(Reply::Key(_, charge) | Reply::Keys(_, charge)) => charge.bytes() as usize,
            Settled::Passed(passed) => passed.pass.as_ref().map_or(0, |pass| pass.len()),
            Settled::Reply(_) | Settled::Decided(_) => 0,
        }
    }
}
