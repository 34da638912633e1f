//! The published table of estimated waits, by rank.
//!
//! Log-linear, as in an HDR histogram: eight steps for each power of two of the rank, linear in
//! between, so a table for ten million waiters has 180 cells and a look-up is a shift and a multiply.

use crate::reply::Eta;
use crate::time::LogTime;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

const STEP_BITS: u32 = 3;
const STEPS: u64 = 1 << STEP_BITS;

/// Estimated waits at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EtaTable {
    made_at: LogTime,
    /// Waits in ms at the ranks of [`rank_of`]; empty where nobody enters now. At most [`CELLS_MAX`].
    #[serde(deserialize_with = "few_cells")]
    cells: Vec<u32>,
}

/// Cells of a table for every place that a zone may have, and the one that ends it.
const CELLS_MAX: usize = ((48 - STEP_BITS + 1) as usize) * STEPS as usize + 2;

/// Reads the cells of a table that another node made.
fn few_cells<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u32>, D::Error> {
    let cells = Vec::deserialize(from)?;
    if cells.len() <= CELLS_MAX { Ok(cells) } else { Err(D::Error::custom("no zone has so many ranks")) }
}

impl EtaTable {
    /// Nobody can say.
    #[must_use]
    pub fn unknown() -> EtaTable {
        EtaTable { made_at: LogTime(0), cells: Vec::new() }
    }

    /// A table from a function that never decreases, for ranks up to `rank_max`.
    #[must_use]
    pub fn build(made_at: LogTime, rank_max: u64, mut wait_ms: impl FnMut(u64) -> u64) -> EtaTable {
        let len = (cell_of(rank_max) + 2).min(CELLS_MAX);
        let cells = (0..len).map(|cell| u32::try_from(wait_ms(rank_of(cell))).unwrap_or(u32::MAX)).collect();
        EtaTable { made_at, cells }
    }

    /// The wait of somebody with `rank` waiters ahead, asked now.
    #[must_use]
    pub fn eta(&self, rank: u64, now: LogTime) -> Eta {
        let Some(last) = self.cells.len().checked_sub(2) else { return Eta::Unknown };
        let cell = cell_of(rank).min(last);
        let (low, high) = (rank_of(cell), rank_of(cell + 1));
        let (from, to) = (u64::from(self.cells[cell]), u64::from(self.cells[cell + 1]));
        let ahead = rank.saturating_sub(low);
        // Cells are a power of two apart, so the division is a shift in practice.
        let wait_ms = from.saturating_add(to.saturating_sub(from).saturating_mul(ahead) / (high - low));
        Eta::Ms(wait_ms.saturating_sub(now.since_ms(self.made_at)))
    }
}

fn cell_of(rank: u64) -> usize {
    if rank < STEPS {
        return rank as usize;
    }
    let exponent = 63 - rank.leading_zeros();
    let step = (rank >> (exponent - STEP_BITS)) & (STEPS - 1);
    ((exponent - STEP_BITS + 1) as usize) * STEPS as usize + step as usize
}

fn rank_of(cell: usize) -> u64 {
    let (power, step) = (cell as u64 / STEPS, cell as u64 % STEPS);
    match power {
        0 => step,
        _ => (STEPS + step) << (power - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::{EtaTable, cell_of, rank_of};
    use crate::reply::Eta;
    use crate::time::LogTime;

    #[test]
    fn cells_and_ranks_are_inverse() {
        for cell in 0..400 {
            assert_eq!(cell_of(rank_of(cell)), cell);
            assert_eq!(cell_of(rank_of(cell + 1) - 1), cell);
        }
    }

    #[test]
    fn a_straight_line_is_told_exactly_and_time_passes() {
        let table = EtaTable::build(LogTime(100), 1_000_000, |rank| rank * 6);
        for rank in [0, 1, 7, 8, 9, 1_000, 123_457, 1_000_000] {
            assert_eq!(table.eta(rank, LogTime(100)), Eta::Ms(rank * 6));
        }
        assert_eq!(table.eta(1_000, LogTime(1_100)), Eta::Ms(5_000));
        assert_eq!(table.eta(1, LogTime(1_100)), Eta::Ms(0));
        assert_eq!(EtaTable::unknown().eta(5, LogTime(0)), Eta::Unknown);
    }
}
