//! What users were told about their wait, thinned so that every user's whole history fits.
//!
//! A history keeps estimates at even steps; when it is full, every second one goes and the step
//! doubles. So some estimate was told within a thirty-second of the wait around any moment of it.

use crate::limit::SIMULATED_TOLD_MAX;

const STEP_MS: u32 = 3_000;

/// One estimate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Told {
    /// When, ms since the start.
    pub(super) at_ms: u32,
    /// How long it would take.
    pub(super) eta_ms: u32,
}

/// One user's estimates. The first is the one told at the join.
#[derive(Clone, Debug)]
pub(super) struct History {
    told: [Told; SIMULATED_TOLD_MAX],
    len: u8,
    step_doublings: u8,
}

impl History {
    /// Nothing told yet.
    pub(super) fn new() -> History {
        History { told: [Told::default(); SIMULATED_TOLD_MAX], len: 0, step_doublings: 0 }
    }

    /// Adds an estimate; returns the moment from which the next one is wanted.
    pub(super) fn push(&mut self, told: Told) -> u32 {
        if usize::from(self.len) == SIMULATED_TOLD_MAX {
            (0..SIMULATED_TOLD_MAX / 2).for_each(|at| self.told[at] = self.told[at * 2]);
            self.len = (SIMULATED_TOLD_MAX / 2) as u8;
            self.step_doublings += 1;
        }
        self.told[usize::from(self.len)] = told;
        self.len += 1;
        let step = u64::from(STEP_MS) << self.step_doublings;
        u32::try_from(u64::from(self.told[0].at_ms) + step * u64::from(self.len)).unwrap_or(u32::MAX)
    }

    /// The estimate told at the join, if there was one.
    pub(super) fn first(&self) -> Option<Told> {
        self.told[..usize::from(self.len)].first().copied()
    }

    /// The estimate told nearest to a moment.
    pub(super) fn nearest(&self, at_ms: u32) -> Option<Told> {
        self.told[..usize::from(self.len)].iter().copied().min_by_key(|told| told.at_ms.abs_diff(at_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::{History, Told};

    #[test]
    fn any_moment_of_a_wait_has_an_estimate_nearby() {
        let mut history = History::new();
        let mut wanted = 0;
        for at_ms in (5_000..2_000_000u32).step_by(3_100) {
            if at_ms >= wanted {
                wanted = history.push(Told { at_ms, eta_ms: 2_000_000 - at_ms });
            }
        }
        assert_eq!(history.first().map(|told| told.at_ms), Some(5_000));
        for at_ms in (5_000..1_900_000).step_by(1_000) {
            let nearest = history.nearest(at_ms).unwrap().at_ms;
            assert!(nearest.abs_diff(at_ms) <= 2_000_000 / 32, "{nearest} for {at_ms}");
        }
    }
}
