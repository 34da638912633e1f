//! Where a late reply belongs: worker, slot, generation of the slot, number of the request.
//!
//! ```text
//! bit 63 62      57 56            35 34           16 15            0
//!     0  worker     slot             generation      request
//! ```
//! The generation changes whenever a slot is reused, so a reply never reaches another connection.

use crate::limit;
use sluice_engine::id::Ticket;

/// A connection of one worker, for as long as it lives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct SessionKey {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

/// A ticket, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    pub(crate) worker: usize,
    pub(crate) session: SessionKey,
    pub(crate) request: u16,
}

const SLOT_SHIFT: u32 = limit::GENERATION_BITS + limit::REQUEST_BITS;
const WORKER_SHIFT: u32 = SLOT_SHIFT + limit::SLOT_BITS;

impl Address {
    /// Packs it.
    pub(crate) fn ticket(self) -> Ticket {
        debug_assert!(self.session.generation < 1 << limit::GENERATION_BITS, "a generation has 19 bits");
        Ticket(
            (self.worker as u64) << WORKER_SHIFT
                | u64::from(self.session.slot) << SLOT_SHIFT
                | u64::from(self.session.generation) << limit::REQUEST_BITS
                | u64::from(self.request),
        )
    }

    /// Takes a ticket of ours apart.
    pub(crate) fn of(ticket: Ticket) -> Address {
        let field = |shift: u32, bits: u32| (ticket.0 >> shift) & ((1 << bits) - 1);
        Address {
            worker: field(WORKER_SHIFT, limit::WORKER_BITS) as usize,
            session: SessionKey {
                slot: field(SLOT_SHIFT, limit::SLOT_BITS) as u32,
                generation: field(limit::REQUEST_BITS, limit::GENERATION_BITS) as u32,
            },
            request: field(0, limit::REQUEST_BITS) as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Address, SessionKey};

    #[test]
    fn every_field_comes_back() {
        let session = SessionKey { slot: (1 << 22) - 1, generation: 5 };
        let largest = SessionKey { slot: 7, generation: (1 << 19) - 1 };
        for address in [
            Address { worker: 63, session, request: u16::MAX },
            Address { worker: 0, session: largest, request: 0 },
            Address { worker: 1, session: SessionKey { slot: 0, generation: 0 }, request: 1 },
        ] {
            assert_eq!(Address::of(address.ticket()), address);
            assert_eq!(address.ticket().0 & sluice_engine::sequencer::REMOTE, 0, "not one of another node");
        }
    }
}
