//! What a block remembers, as plain values: the unit of a snapshot.

use std::fmt;

use super::shape::{LiveWords, SLOTS, WORD_BITS, bit};
use crate::time::LogTime;

/// A block by value. Last polls are not in it: they are soft state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockImage {
    /// Which block: it holds sequence numbers from `block * SLOTS` on.
    pub block: u64,
    /// Places that were given out, from the lowest.
    pub fill: usize,
    /// Who waits.
    pub live: LiveWords,
    /// When the first of the block joined.
    pub joined_first: LogTime,
    /// When the latest of the block joined.
    pub joined_last: LogTime,
    /// Who was admitted, by place, ascending, and when.
    pub admitted: Vec<(u16, LogTime)>,
}

/// Why images do not make a list. The fault is the disk's or the peer's that they came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImageError {
    /// Blocks do not ascend, or one comes twice.
    Order {
        /// The offending block.
        block: u64,
    },
    /// A place at or past the tail is in use, or the tail has more than 48 bits.
    PastTail {
        /// The offending block.
        block: u64,
    },
    /// An admitted place is out of range, out of order, or waits as well.
    Admitted {
        /// The offending block.
        block: u64,
    },
    /// So far behind the first block that nobody can have joined so often meanwhile.
    Distant {
        /// The offending block.
        block: u64,
    },
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Order { block } => write!(f, "block {block} of a waiters' list is out of order"),
            ImageError::PastTail { block } => write!(f, "block {block} of a waiters' list is past its tail"),
            ImageError::Distant { block } => {
                write!(f, "block {block} is impossibly far behind the first of its waiters' list")
            }
            ImageError::Admitted { block } => write!(f, "block {block} has an impossible admission"),
        }
    }
}

impl std::error::Error for ImageError {}

impl BlockImage {
    /// Checks the image against a list that ends at `tail`.
    pub(crate) fn check(&self, tail: u64) -> Result<(), ImageError> {
        let block = self.block;
        if self.fill > SLOTS || self.fill != fill(block, tail) || self.live != up_to(self.fill, &self.live) {
            return Err(ImageError::PastTail { block });
        }
        let mut next = 0;
        for &(slot, _) in &self.admitted {
            let slot = usize::from(slot);
            if slot < next || slot >= self.fill || self.waits(slot) {
                return Err(ImageError::Admitted { block });
            }
            next = slot + 1;
        }
        Ok(())
    }

    fn waits(&self, slot: usize) -> bool {
        let (word, bit) = bit(slot);
        self.live[word] & bit != 0
    }
}

/// Places of `block` that a list ending at `tail` has given out.
pub(crate) fn fill(block: u64, tail: u64) -> usize {
    tail.saturating_sub(block.saturating_mul(SLOTS as u64)).min(SLOTS as u64) as usize
}

/// `words` without the bits from `end` on.
fn up_to(end: usize, words: &LiveWords) -> LiveWords {
    std::array::from_fn(|word| {
        let used = end.saturating_sub(word * WORD_BITS).min(WORD_BITS);
        words[word] & u64::MAX.checked_shr(64 - used as u32).unwrap_or(0)
    })
}
