//! A leaf: 512 places, with who still waits, when each last polled and when each was admitted.
//!
//! Orderings, which the loom tests defend:
//! - Every store to a live word is a release and every reader's load an acquire. Clearing the bit of an
//!   admitted waiter thus publishes its stamp, and so does any later store to the same word; setting the bit
//!   of a joiner publishes the counters that were raised for all who joined before it.
//! - Everything else is relaxed. A poll that happened before a scan is seen by it, because a cell and the
//!   mark only ever show a thread that value or a later one.

use super::{
    epoch::{EpochPtr, Guard},
    own::own,
    shape::{LiveWords, SLOTS, WORDS, bit},
};
use crate::{
    sync::{
        AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::LogTime,
};

/// Steps of a block's mark.
const MARK_SHIFT: u32 = 10;
/// Offsets of admissions saturate here: a waiter admitted 49 days after its block began.
const OFFSET_MAX: u64 = u32::MAX as u64 - 1;

type Cells = [AtomicU32; SLOTS];

/// 2,176 bytes, 4.25 a place; 2,048 more from its first admission on.
#[repr(C, align(64))]
pub(crate) struct Block {
    /// Who still waits. Written by the owner. A cache line of its own: every poll reads it.
    live: [AtomicU64; WORDS],
    /// Offset + 1 ms from `base` of each admission, 0 where there was none. Written by the owner, made at the first.
    admitted: EpochPtr<Cells>,
    /// First join here. Constant.
    base: LogTime,
    /// Latest join here. Written by the owner.
    joined_last: AtomicU64,
    /// Latest admission here. Written by the owner.
    admitted_last: AtomicU64,
    /// Admissions here. Written by the owner.
    admitted_count: AtomicU32,
    /// Latest poll here in steps of 1,024 ms. Written by any thread, forward only.
    mark: AtomicU32,
    polled: Polled,
}

/// Low 32 bits of each waiter's latest poll. Written by any thread. Keeps clear of the header's line.
#[repr(C, align(64))]
struct Polled(Cells);

impl Block {
    /// A block whose first joiner comes at `now`.
    pub(crate) fn starting_at(now: LogTime) -> Block {
        Block {
            live: std::array::from_fn(|_| AtomicU64::new(0)),
            admitted: EpochPtr::null(),
            base: now,
            joined_last: AtomicU64::new(now.0),
            admitted_last: AtomicU64::new(0),
            admitted_count: AtomicU32::new(0),
            mark: AtomicU32::new(mark_of(now)),
            polled: Polled(cells()),
        }
    }

    /// Owner only: somebody joins at `slot`. The caller has raised the counters above.
    pub(crate) fn join(&self, slot: usize, now: LogTime) {
        self.touch(slot, now);
        self.joined_last.store(now.0, Relaxed);
        let (word, bit) = bit(slot);
        self.live[word].store(own(&self.live[word]) | bit, Release);
    }

    /// Owner only: the latest join was at `last`.
    pub(crate) fn joined_until(&self, last: LogTime) {
        self.joined_last.store(last.0, Relaxed);
    }

    /// Owner only: those of `mask` who wait do no longer; returns who they were.
    pub(crate) fn clear(&self, mask: &LiveWords) -> LiveWords {
        std::array::from_fn(|word| {
            let old = own(&self.live[word]);
            if old & mask[word] != 0 {
                self.live[word].store(old & !mask[word], Release);
            }
            old & mask[word]
        })
    }

    /// Owner only: remembers an admission. Its live bit is cleared after this, so that no reader ever finds neither.
    /// Says whether the stamps had to be allocated.
    pub(crate) fn stamp(&self, slot: usize, at: LogTime, guard: &Guard) -> bool {
        let fresh = self.admitted.load(guard).is_none();
        if fresh {
            self.admitted.fill(cells());
        }
        let stamps = self.admitted.load(guard).expect("just filled");
        stamps[slot].store((at.since_ms(self.base).min(OFFSET_MAX) + 1) as u32, Relaxed);
        self.admitted_count.store(self.admitted_count.load(Relaxed) + 1, Relaxed);
        self.admitted_last.store(self.admitted_last.load(Relaxed).max(at.0), Relaxed);
        fresh
    }

    /// Owner only.
    pub(crate) fn waits(&self, slot: usize) -> bool {
        let (word, bit) = bit(slot);
        own(&self.live[word]) & bit != 0
    }

    /// Any thread: whether `slot` waits. Acquire: its stamp is visible where it does no longer, the counters of those
    /// before it where it does.
    pub(crate) fn is_live(&self, slot: usize) -> bool {
        let (word, bit) = bit(slot);
        self.live[word].load(Acquire) & bit != 0
    }

    /// Live waiters before `slot`.
    pub(crate) fn before(&self, slot: usize) -> u64 {
        let (last, bit) = bit(slot);
        let whole = self.live[..last].iter().map(|word| word.load(Relaxed).count_ones()).sum::<u32>();
        u64::from(whole + (self.live[last].load(Relaxed) & (bit - 1)).count_ones())
    }

    pub(crate) fn admitted_at(&self, slot: usize, guard: &Guard) -> Option<LogTime> {
        let offset = self.admitted.load(guard)?[slot].load(Relaxed);
        (offset > 0).then(|| self.base.plus_ms(u64::from(offset - 1)))
    }

    /// Any thread: a poll of `slot` at `now`.
    pub(crate) fn touch(&self, slot: usize, now: LogTime) {
        self.polled.0[slot].store(now.low32(), Relaxed);
        self.raise_mark(now);
    }

    /// Any thread: a poll of `slot` at an earlier moment. One that is stored already and came later stays.
    pub(crate) fn touch_at_least(&self, slot: usize, at: LogTime) {
        let cell = &self.polled.0[slot];
        let mut old = cell.load(Relaxed);
        while at.age_ms_of(old) > 0 {
            match cell.compare_exchange_weak(old, at.low32(), Relaxed, Relaxed) {
                Ok(_) => break,
                Err(newer) => old = newer,
            }
        }
        self.raise_mark(at);
    }

    fn raise_mark(&self, now: LogTime) {
        let new = mark_of(now);
        let mut old = self.mark.load(Relaxed);
        // A compare-exchange rather than a store: a slower thread must not take the mark back.
        while new > old {
            match self.mark.compare_exchange_weak(old, new, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(newer) => old = newer,
            }
        }
    }

    /// Any thread: asks the cache for the lines that a poll of `slot` will touch, and does not wait for them.
    /// A plain load would: it cannot retire before its line is there. Measured over the socket, 16 polls in a
    /// pipeline among a million waiters: the wait for the live word was a seventh of the server's time.
    pub(crate) fn prefetch(&self, slot: usize) {
        #[cfg(target_arch = "x86_64")]
        for line in [(&raw const self.live).cast::<i8>(), (&raw const self.polled.0[slot]).cast()] {
            // SAFETY: a prefetch is a hint: it reads nothing and cannot fault, whatever the address.
            unsafe { std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(line) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = slot;
    }

    /// Owner only.
    pub(crate) fn live_words(&self) -> LiveWords {
        std::array::from_fn(|word| own(&self.live[word]))
    }

    pub(crate) fn polled(&self, slot: usize) -> u32 {
        self.polled.0[slot].load(Relaxed)
    }

    /// The last moment of the mark's step, which no poll that this thread can know of is later than.
    pub(crate) fn mark(&self) -> LogTime {
        LogTime(((u64::from(self.mark.load(Relaxed)) + 1) << MARK_SHIFT) - 1)
    }

    pub(crate) fn joined(&self) -> (LogTime, LogTime) {
        (self.base, LogTime(self.joined_last.load(Relaxed)))
    }

    pub(crate) fn admitted(&self) -> (u32, LogTime) {
        (self.admitted_count.load(Relaxed), LogTime(self.admitted_last.load(Relaxed)))
    }

    pub(crate) fn has_stamps(&self, guard: &Guard) -> bool {
        self.admitted.load(guard).is_some()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: a block is dropped when no reader can reach it, so none can reach its stamps.
        unsafe { self.admitted.free() }
    }
}

/// The step of 1,024 ms that `now` lies in; 32 bits of them are 139 years.
fn mark_of(now: LogTime) -> u32 {
    u32::try_from(now.0 >> MARK_SHIFT).unwrap_or(u32::MAX)
}

fn cells() -> Cells {
    std::array::from_fn(|_| AtomicU32::new(0))
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Block>() == 2_176 && size_of::<Cells>() == 2_048);
