//! Readers and waiters that are gone: who follows and hangs up is forgotten in parts, so that no turn looks at all of them.

use super::Hub;
use crate::hub::reader::{Outlets, Reader, Seat, Waiter, Waits};
use std::ops::Bound;

impl Hub {
    /// The reader at `at` is looked at again, with as few others as may be.
    fn restart_at(&mut self, at: usize) {
        if self.is_at_work() {
            self.again |= at < self.next;
        } else {
            self.next = at;
        }
    }

    /// Forgets readers that are gone and waiters that wait no more, `room` looks at most; true where all were looked at, else the
    /// next call goes on. Those that wait for this node are told what they lack again.
    pub(in crate::hub) fn sweep(
        &mut self,
        room: &mut usize,
        outlets: &mut impl Outlets,
        is_blocked: impl Fn(&Waiter) -> bool,
    ) -> bool {
        let (mut reader, mut waiter, mut full) = std::mem::take(&mut self.swept);
        while *room > 0
            && let Some(Reader { seat, waits, .. }) = self.readers.get(reader)
        {
            *room -= 1;
            let waits_for_node = matches!(waits, Waits::Node(_));
            if !outlets.is_there(*seat, &self.key) {
                self.remove(reader);
                continue;
            }
            if waits_for_node {
                self.restart_at(reader);
            }
            reader += 1;
        }
        while *room > 0
            && let Some(it) = self.waiters.get(waiter)
        {
            *room -= 1;
            if is_blocked(it) {
                waiter += 1;
            } else {
                self.waiters.swap_remove(waiter);
            }
        }
        while *room > 0
            && let Some(seat) = self.full_after(full)
        {
            *room -= 1;
            if !outlets.is_there(seat, &self.key) {
                self.full.remove(&seat);
            }
            full = Some(seat);
        }
        let is_whole =
            reader >= self.readers.len() && waiter >= self.waiters.len() && self.full_after(full).is_none();
        if !is_whole {
            self.swept = (reader, waiter, full);
        }
        is_whole
    }

    /// The next of the readers whose connection is full.
    fn full_after(&self, seat: Option<Seat>) -> Option<Seat> {
        let from = seat.map_or(Bound::Unbounded, Bound::Excluded);
        self.full.range((from, Bound::Unbounded)).next().map(|(seat, _)| *seat)
    }

    /// Forgets a reader. The last one comes to its place: where the round under way has passed that, there is another.
    fn remove(&mut self, at: usize) {
        self.again |= self.is_at_work() && at < self.next;
        self.readers.swap_remove(at);
        self.next = self.next.min(self.readers.len());
        if !self.is_at_work() && std::mem::take(&mut self.again) {
            self.next = 0;
        }
    }
}
