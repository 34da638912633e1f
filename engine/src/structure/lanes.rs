//! Small counters packed side by side in 64-bit words, so that a prefix sum reads few cache lines.
//!
//! Sums are SWAR: whole words are added lane by lane, the last one masked, and one multiplication adds the
//! lanes up. No lane and no sum may overflow its width; `limit` asserts that for the shapes in use.

use super::own::own;
use crate::sync::{AtomicU64, Ordering::Relaxed};

/// `PER` counters of `64 / PER` bits in each of `WORDS` words. Written by the owner, read by any thread.
pub(crate) struct Lanes<const WORDS: usize, const PER: usize>([AtomicU64; WORDS]);

impl<const WORDS: usize, const PER: usize> Lanes<WORDS, PER> {
    const BITS: usize = 64 / PER;
    const LANE: u64 = u64::MAX >> (64 - Self::BITS);
    /// A one in every lane: multiplying by it leaves the sum of all lanes in the top one.
    const ONES: u64 = u64::MAX / Self::LANE;

    pub(crate) fn new() -> Self {
        Lanes(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Owner only.
    pub(crate) fn get(&self, lane: usize) -> u64 {
        (own(&self.0[lane / PER]) >> (lane % PER * Self::BITS)) & Self::LANE
    }

    /// Owner only: one writer, so a load and a store do, without a locked instruction.
    pub(crate) fn add(&self, lane: usize, n: u64) {
        debug_assert!(self.get(lane) + n <= Self::LANE);
        let word = &self.0[lane / PER];
        word.store(own(word) + (n << (lane % PER * Self::BITS)), Relaxed);
    }

    /// Owner only.
    pub(crate) fn sub(&self, lane: usize, n: u64) {
        assert!(self.get(lane) >= n, "a span counter fell below zero");
        let word = &self.0[lane / PER];
        word.store(own(word) - (n << (lane % PER * Self::BITS)), Relaxed);
    }

    /// Sum of the lanes before `lane`.
    pub(crate) fn before(&self, lane: usize) -> u64 {
        let (whole, part) = self.0.split_at(lane / PER);
        let sum = whole.iter().fold(0, |sum, word| sum + word.load(Relaxed));
        let mask = (1u64 << (lane % PER * Self::BITS)) - 1;
        (sum + (part[0].load(Relaxed) & mask)).wrapping_mul(Self::ONES) >> (64 - Self::BITS)
    }

    /// Owner only: the first lane from `from` on that is not zero.
    pub(crate) fn next_nonzero(&self, from: usize) -> Option<usize> {
        let mut skip = from % PER * Self::BITS;
        for (index, word) in self.0.iter().enumerate().skip(from / PER) {
            let rest = own(word) >> skip << skip;
            if rest != 0 {
                return Some(index * PER + rest.trailing_zeros() as usize / Self::BITS);
            }
            skip = 0;
        }
        None
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Lanes;

    #[test]
    fn prefix_sums_equal_naive_sums_with_every_lane_full() {
        let (narrow, wide) = (Lanes::<16, 4>::new(), Lanes::<32, 2>::new());
        for lane in 0..64 {
            assert_eq!(narrow.before(lane), lane as u64 * 512);
            assert_eq!(wide.before(lane), lane as u64 * 32_768);
            narrow.add(lane, 512);
            wide.add(lane, 32_768);
        }
        narrow.sub(3, 500);
        assert_eq!((narrow.get(3), narrow.before(4), narrow.before(3)), (12, 3 * 512 + 12, 3 * 512));
    }

    #[test]
    fn empty_lanes_are_skipped() {
        let lanes = Lanes::<16, 4>::new();
        assert_eq!(lanes.next_nonzero(0), None);
        lanes.add(5, 1);
        lanes.add(63, 2);
        assert_eq!(lanes.next_nonzero(0), Some(5));
        assert_eq!(lanes.next_nonzero(5), Some(5));
        assert_eq!(lanes.next_nonzero(6), Some(63));
        assert_eq!(lanes.next_nonzero(63), Some(63));
    }
}
