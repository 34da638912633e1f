//! What a connection needs only while bytes or answers are on their way, and the pool it comes from.
//!
//! An idle connection has none of this: that is what lets a worker hold hundreds of thousands.

use super::blocking::Who;
use super::pending::{Awaited, Pending};
use super::settled::Settled;
use crate::limit;
use crate::worker::ticket::{Address, SessionKey};
use sluice_engine::id::{Ticket, ZoneId};
use sluice_engine::measure::bytes_of;
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
    /// Of the bytes that wait, those that may answer no request; counted for all connections of the worker.
    pub(crate) pushed: usize,
    /// When the socket last took something of `output`, or when that began to wait.
    pub(crate) progressed: MonoMs,
    /// Requests without their reply on the wire.
    pub(crate) pending: Pending,
    /// Polls that their owners may hold until their turn comes.
    pub(crate) parked: Vec<(ZoneId, Ticket)>,
    /// A read that may wait is not answered yet: nothing behind it is read.
    pub(crate) blocked: bool,
}

impl Buffers {
    /// Bytes that wait for the socket.
    pub(crate) fn unsent(&self) -> usize {
        self.output.len() - self.sent
    }

    /// What it takes in memory, without the answers, which are charged for.
    pub(crate) fn held_bytes(&self) -> usize {
        let waits = match self.pending.awaited(self.pending.front()) {
            Some(Awaited::Key(key)) => key.blocked.as_ref().map_or(0, |blocked| bytes_of(&blocked.op)),
            _ => 0,
        };
        let parked = self.parked.capacity() * size_of::<(ZoneId, Ticket)>();
        let bytes = self.input.capacity() + self.output.capacity() + self.pending.held_bytes();
        bytes + parked + waits * limit::WAIT_COPIES
    }

    /// Whether the next reply is there and may be encoded.
    pub(crate) fn goes_on(&self) -> bool {
        self.pending.is_ready() && self.unsent() < limit::OUTPUT_BYTES_SOFT
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_idle(&self) -> bool {
        self.input.is_empty() && self.unsent() == 0 && self.pending.is_empty()
    }

    /// The read that waits for news, once everything before it is answered.
    pub(crate) fn waiting(&self, session: SessionKey) -> Option<Who> {
        let request = self.pending.front();
        let waits = matches!(self.pending.awaited(request), Some(Awaited::Key(key)) if key.blocked.is_some());
        waits.then_some(Who { session, request })
    }

    /// An answer came. False where nobody waits for it any more.
    ///
    /// A poll that was answered is not parked: to withdraw it would be a message that no credit stands for.
    pub(crate) fn settle(&mut self, number: u16, settled: Settled) -> bool {
        self.parked.retain(|(_, ticket)| Address::of(*ticket).request != number);
        self.pending.settle(number, settled)
    }

    fn reset(&mut self) {
        for buffer in [&mut self.input, &mut self.output] {
            buffer.clear();
            buffer.shrink_to(limit::BUFFER_KEEP_BYTES);
        }
        self.pending.shrink();
        self.sent = 0;
        self.began = None;
        self.parked.clear();
        self.blocked = false;
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
        debug_assert_eq!(buffers.pushed, 0, "what was pushed was counted as sent");
        if self.free.len() < limit::BUFFER_POOL_MAX {
            buffers.reset();
            self.free.push(buffers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffers, Pool};
    use crate::request::RequestKind;
    use crate::resp::encode::Proto;
    use crate::session::pending::{Awaited, Cost};
    use crate::session::settled::Settled;
    use crate::worker::ticket::{Address, SessionKey};
    use sluice_engine::error::Refusal;
    use sluice_engine::id::{GroupId, ZoneId};
    use sluice_engine::time::MonoMs;

    /// A poll that its owner may hold; its number.
    fn park(buffers: &mut Buffers) -> u16 {
        let request = buffers.pending.next_number();
        let session = SessionKey { slot: 0, generation: 0 };
        let zone = ZoneId { group: GroupId(0), ordinal: 1 };
        buffers.parked.push((zone, Address { worker: 1, session, request }.ticket()));
        buffers.pending.push_asked(Awaited::Resp(RequestKind::Poll, Proto::Resp2), Cost::Small, MonoMs(0));
        request
    }

    #[test]
    fn what_is_answered_is_no_longer_parked() {
        let mut buffers = Buffers::default();
        let (first, second) = (park(&mut buffers), park(&mut buffers));
        assert!(buffers.settle(second, Settled::refused(Refusal::Gone)));
        let parked: Vec<u16> =
            buffers.parked.iter().map(|(_, ticket)| Address::of(*ticket).request).collect();
        assert_eq!(parked, [first]);
    }

    #[test]
    fn buffers_come_back_empty_and_not_too_large() {
        let mut pool = Pool::default();
        let mut buffers = pool.take();
        buffers.output = vec![0; 1 << 20];
        buffers.sent = buffers.output.len();
        pool.give(buffers);
        let again = pool.take();
        assert!(again.is_idle() && again.output.is_empty());
        assert!(again.output.capacity() <= crate::limit::BUFFER_KEEP_BYTES);
    }
}
