//! What a connection needs only while bytes or answers are on their way, and the pool it comes from.
//!
//! An idle connection has none of this: that is what lets a worker hold hundreds of thousands.

use super::pending::Pending;
use crate::limit;
use sluice_engine::id::{Ticket, ZoneId};
use sluice_engine::time::MonoMs;

/// Bytes and answers on their way.
#[derive(Default)]
pub(crate) struct Buffers {
    /// Bytes that were read and not understood yet.
    pub(crate) input: Vec<u8>,
    /// When the incomplete request in `input` began.
    pub(crate) began: Option<MonoMs>,
    /// Bytes that the socket did not take, from `sent` on.
    pub(crate) output: Vec<u8>,
    pub(crate) sent: usize,
    /// When the socket last took something of `output`, or when that began to wait.
    pub(crate) progressed: MonoMs,
    /// Requests without their reply on the wire.
    pub(crate) pending: Pending,
    /// Polls that their owners may hold until their turn comes.
    pub(crate) parked: Vec<(ZoneId, Ticket)>,
}

impl Buffers {
    /// Bytes that wait for the socket.
    pub(crate) fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.input.is_empty() && self.unsent() == 0 && self.pending.is_empty()
    }

    fn reset(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            buffer.clear();
            buffer.shrink_to(limit::BUFFER_KEEP_BYTES);
        }
        self.sent = 0;
        self.began = None;
        self.parked.clear();
    }
}

/// Buffers to use again, so that traffic does not allocate.
#[derive(Default)]
pub(crate) struct Pool {
    #[allow(clippy::vec_box, reason = "boxes move between connections and the pool without copying")]
    free: Vec<Box<Buffers>>,
}

impl Pool {
    /// Empty ones.
    pub(crate) fn take(&mut self) -> Box<Buffers> {
        self.free.pop().unwrap_or_default()
    }

    /// Takes idle ones back.
    pub(crate) fn give(&mut self, mut buffers: Box<Buffers>) {
        debug_assert!(buffers.is_idle(), "buffers are given back when nothing is in them");
        if self.free.len() < limit::BUFFER_POOL_MAX {
            buffers.reset();
            self.free.push(buffers);
        }
    }
}
