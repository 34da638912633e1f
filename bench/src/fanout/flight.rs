//! A message on its way to every reader.

use std::time::{Duration, Instant};

use crate::limit::DRAIN_MS_MAX;

/// Bits of a word.
const BITS: usize = u64::BITS as usize;

pub(super) struct Flight {
    pub(super) publisher: usize,
    pub(super) number: u64,
    /// Readers that have not had it.
    pub(super) left: u64,
    begun: Instant,
    /// One bit for each reader that has.
    had: Vec<u64>,
}

impl Flight {
    pub(super) fn begin(publisher: usize, number: u64, readers: u64) -> Flight {
        let words = (readers as usize).div_ceil(BITS);
        Flight { publisher, number, left: readers, begun: Instant::now(), had: vec![0; words] }
    }

    /// It came to a reader; nanoseconds since it was appended, or `None` where it had come before.
    pub(super) fn arrive(&mut self, reader: usize) -> Option<u64> {
        let (word, bit) = (&mut self.had[reader / BITS], 1 << (reader % BITS));
        if *word & bit != 0 {
            return None;
        }
        *word |= bit;
        self.left -= 1;
        Some(self.begun.elapsed().as_nanos() as u64)
    }

    /// Whether it is no longer waited for.
    pub(super) fn is_lost(&self) -> bool {
        self.begun.elapsed() > Duration::from_millis(DRAIN_MS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Flight;

    #[test]
    fn each_reader_counts_once() {
        let mut flight = Flight::begin(0, 7, 65);
        for reader in [0, 63, 64] {
            assert!(flight.arrive(reader).is_some());
        }
        assert_eq!(flight.left, 62);
        assert_eq!(flight.arrive(64), None);
        assert_eq!(flight.left, 62);
    }
}
