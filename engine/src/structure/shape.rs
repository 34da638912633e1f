//! Sizes of the waiters' list, and how a sequence number splits into a path.
//!
//! Under loom everything shrinks, so that a handful of joins crosses words, blocks, chunks and regions.

/// Live bits used of one 64-bit word.
pub const WORD_BITS: usize = if cfg!(loom) { 2 } else { 64 };
/// Words of live bits of one block: one cache line.
pub const WORDS: usize = 8;
/// Places of one block.
pub const SLOTS: usize = WORD_BITS * WORDS;
/// Blocks of a chunk, and chunks of a region.
pub const FAN: usize = if cfg!(loom) { 2 } else { 64 };

/// One bit for each place of a block, lowest place first.
pub type LiveWords = [u64; WORDS];

/// Words that hold a chunk's span counters, four u16 lanes each.
pub(crate) const CHUNK_LANE_WORDS: usize = FAN.div_ceil(4);
/// Words that hold a region's span counters, two u32 lanes each.
pub(crate) const REGION_LANE_WORDS: usize = FAN.div_ceil(2);
/// Sequence numbers have 48 bits.
pub(crate) use crate::id::SEQ_END;

const BLOCKS_PER_REGION: u64 = (FAN * FAN) as u64;

#[cfg(not(loom))]
const _: () = {
    assert!(SLOTS as u64 == crate::limit::BLOCK_SLOTS);
    assert!(FAN as u64 == crate::limit::FAN_OUT);
};

/// The path to a block: which region of the list, chunk of the region, block of the chunk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Path {
    pub(crate) region: u64,
    pub(crate) chunk: usize,
    pub(crate) block: usize,
}

impl Path {
    pub(crate) fn of(block: u64) -> Path {
        let inside = (block % BLOCKS_PER_REGION) as usize;
        Path { region: block / BLOCKS_PER_REGION, chunk: inside / FAN, block: inside % FAN }
    }

    pub(crate) fn index(self) -> u64 {
        self.region * BLOCKS_PER_REGION + (self.chunk * FAN + self.block) as u64
    }
}

/// The block that holds sequence number `seq`, and its place there.
pub(crate) fn split(seq: u64) -> (u64, usize) {
    (seq / SLOTS as u64, (seq % SLOTS as u64) as usize)
}

/// The word of a place, and its bit there.
pub(crate) fn bit(slot: usize) -> (usize, u64) {
    (slot / WORD_BITS, 1 << (slot % WORD_BITS))
}

/// Live words with the bit of one place.
pub(crate) fn only(slot: usize) -> LiveWords {
    let (at, bit) = bit(slot);
    std::array::from_fn(|word| if word == at { bit } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::{Path, split};

    #[test]
    fn a_path_leads_back_to_its_block() {
        for block in [0, 1, 63, 64, 4_095, 4_096, 1 << 30] {
            assert_eq!(Path::of(block).index(), block);
        }
    }

    #[cfg(not(loom))]
    #[test]
    fn a_sequence_number_splits_at_the_block() {
        assert_eq!(split(511), (0, 511));
        assert_eq!(split(512), (1, 0));
    }
}
