//! Random delays that keep clients from coming back all at once. Not for secrets.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A source of delays: a 64-bit xorshift, each worker's own.
pub(crate) struct Jitter(u64);

impl Jitter {
    /// One that no other is like.
    pub(crate) fn new() -> Jitter {
        Jitter(RandomState::new().build_hasher().finish() | 1)
    }

    /// A number from `low` to below `high`.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        debug_assert!(low < high, "the range is not empty");
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + (self.0 % u64::from(high - low)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::Jitter;

    #[test]
    fn delays_lie_in_their_range_and_differ() {
        let mut jitter = Jitter::new();
        let drawn: Vec<u32> = (0..64).map(|_| jitter.between(2_000, 5_000)).collect();
        assert!(drawn.iter().all(|ms| (2_000..5_000).contains(ms)), "{drawn:?}");
        assert!(drawn.windows(2).any(|pair| pair[0] != pair[1]), "{drawn:?}");
    }
}
