//! Reads that wait until something comes: `XREAD BLOCK`, `XREADGROUP BLOCK`.

use crate::resp::encode::{Proto, Writer};
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::op::KeyOp;

/// A read that may wait.
pub(crate) struct Blocked {
    /// What it asks for: a [`KeyOp::Read`] or a [`KeyOp::ReadGroup`], all of its streams in it.
    pub(crate) op: KeyOp,
    /// How long, in ms; 0: for ever.
    pub(crate) wait_ms: u64,
}

/// A read that may wait found nothing: here its wait begins. `ids` are those behind which its streams were read, in order.
///
/// For the time being it is told so at once.
pub(crate) fn found_nothing(read: &Blocked, ids: &[StreamId], proto: Proto, out: &mut Vec<u8>) {
    let _ = (&read.op, read.wait_ms, ids);
    Writer::new(out, proto).null_array();
}
