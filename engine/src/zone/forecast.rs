//! From what is known of a zone to a table of waits.
//!
//! Two steps. *Capacity*: how many permits will have been free by each second to come, from the
//! admission log under both caps and their even spacing for one window, then at the rate the zone measurably
//! reaches. *Demand*: how many of those ahead will still ask when a permit is free for them, from the
//! life table of [`Survival`]. That table knows departures; who departs was silent for a while before and
//! needed no permit in that time either. A waiter's wait is when capacity reaches the demand ahead of it.

use super::eta::EtaTable;
use super::survival::Survival;
use super::window::{Caps, Releases, Window};
use crate::time::LogTime;

/// Seconds for which releases are planned exactly enough; one longest window.
const PLAN_S: usize = 60;
/// The measured rate is trusted down to this share of the limit: a zone whose waiters
/// do not come keeps a finite estimate.
const USED_SHARE_MIN: f64 = 0.25;

/// Some waiters in join order, of about the same age.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cohort {
    /// How many wait.
    pub live: u64,
    /// Milliseconds since they joined.
    pub age_ms: u64,
}

/// Permits that will have been free by a moment.
#[derive(Debug)]
pub struct Capacity {
    /// Cumulative permits at the end of each second from now.
    by_second: Vec<f64>,
    per_second: f64,
    /// When the first one is free; the others follow it no faster than evenly spaced.
    first_ms: u64,
    spacing_ms: f64,
}

impl Capacity {
    /// Plans one window from the log, then goes on at `used_share` of the limit.
    #[must_use]
    pub fn plan(window: &Window, caps: Caps, now: LogTime, used_share: f64) -> Capacity {
        let used = used_share.clamp(USED_SHARE_MIN, 1.0);
        let rate = |cap: super::window::Cap| cap.count as f64 * 1_000.0 / cap.span_ms as f64;
        let per_second = rate(caps.window).min(rate(caps.slice));
        let mut planned = [0.0f64; PLAN_S];
        let mut by_second = Vec::with_capacity(PLAN_S);
        let mut sum = 0.0;
        for second in 0..PLAN_S {
            let at = now.plus_ms((second as u64 + 1) * 1_000);
            let free = |cap: super::window::Cap| {
                let past = window.count(at, cap.span_ms) as f64;
                let own = planned_within(&planned[..second], cap.span_ms);
                (cap.count as f64 - past - own).max(0.0)
            };
            planned[second] = free(caps.window).min(free(caps.slice)).min(per_second);
            sum += planned[second] * used;
            by_second.push(sum);
        }
        let first_ms = Releases::new(window, caps, now).next(window).since_ms(now);
        Capacity { by_second, per_second: per_second * used, first_ms, spacing_ms: 1_000.0 / per_second }
    }

    /// Milliseconds until `permits` (and a part of one) were free.
    #[must_use]
    pub fn wait_ms(&self, permits: f64) -> u64 {
        let at_least_ms = self.first_ms + (permits * self.spacing_ms) as u64;
        let second = self.by_second.partition_point(|sum| *sum <= permits);
        let planned_ms = match self.by_second.get(second) {
            Some(sum) => {
                let before = second.checked_sub(1).map_or(0.0, |before| self.by_second[before]);
                second as u64 * 1_000 + ((permits - before) / (sum - before) * 1_000.0) as u64
            }
            None => {
                let beyond = permits - self.by_second.last().copied().unwrap_or(0.0);
                (PLAN_S as f64 * 1_000.0 + beyond / self.per_second * 1_000.0) as u64
            }
        };
        planned_ms.max(at_least_ms)
    }
}

/// Planned permits of the seconds that end within `span_ms` before second `planned.len()`.
fn planned_within(planned: &[f64], span_ms: u64) -> f64 {
    let seconds = usize::try_from(span_ms.div_ceil(1_000)).unwrap_or(PLAN_S);
    planned[planned.len().saturating_sub(seconds.saturating_sub(1))..].iter().sum()
}

/// Makes the table for the waiters of `cohorts`, first in the queue first. Who departs was silent for `silent_ms`
/// before, and passed over.
#[must_use]
pub fn table(
    now: LogTime,
    capacity: &Capacity,
    survival: &Survival,
    silent_ms: u64,
    cohorts: impl Iterator<Item = Cohort>,
) -> EtaTable {
    let knots = demand(capacity, survival, silent_ms, cohorts);
    let rank_max = knots.last().map_or(0, |knot| knot.0);
    let mut at = 0;
    EtaTable::build(now, rank_max, |rank| {
        while knots.get(at + 1).is_some_and(|next| next.0 <= rank) {
            at += 1;
        }
        capacity.wait_ms(between(&knots, at, rank))
    })
}

/// Pairs of rank and expected demand ahead of that rank.
fn demand(
    capacity: &Capacity,
    survival: &Survival,
    silent_ms: u64,
    cohorts: impl Iterator<Item = Cohort>,
) -> Vec<(u64, f64)> {
    let (mut rank, mut ahead) = (0u64, 0.0f64);
    let mut knots = vec![(0, 0.0)];
    for cohort in cohorts {
        let share = survival.share(cohort.age_ms, capacity.wait_ms(ahead) + silent_ms);
        rank += cohort.live;
        ahead += cohort.live as f64 * share;
        knots.push((rank, ahead));
    }
    knots
}

fn between(knots: &[(u64, f64)], at: usize, rank: u64) -> f64 {
    let (from_rank, from) = knots[at];
    let beyond = rank.saturating_sub(from_rank) as f64;
    match knots.get(at + 1) {
        Some((to_rank, to)) if *to_rank > from_rank => {
            from + (to - from) * beyond / (to_rank - from_rank) as f64
        }
        // Past the last waiter: joiners to come, none of whom has left yet.
        _ => from + beyond,
    }
}

#[cfg(test)]
mod tests {
    use super::{Capacity, Cohort, table};
    use crate::reply::Eta;
    use crate::time::LogTime;
    use crate::zone::survival::Survival;
    use crate::zone::window::{Cap, Caps, Window};

    const CAPS: Caps =
        Caps { window: Cap { count: 600, span_ms: 60_000 }, slice: Cap { count: 60, span_ms: 6_000 } };

    fn wait_s(table: &super::EtaTable, rank: u64, now: LogTime) -> u64 {
        match table.eta(rank, now) {
            Eta::Ms(ms) => ms / 1_000,
            Eta::Unknown => panic!("an open queue has an estimate"),
        }
    }

    #[test]
    fn after_a_burst_nothing_frees_for_a_while() {
        let mut window = Window::default();
        (0..600).for_each(|_| window.push(LogTime(10_000)));
        let now = LogTime(20_000);
        let capacity = Capacity::plan(&window, CAPS, now, 1.0);
        assert_eq!(capacity.wait_ms(0.0), 50_000);
        assert_eq!(capacity.wait_ms(5.0), 50_500);
        assert_eq!(capacity.wait_ms(60.0), 56_000);
    }

    #[test]
    fn old_waiters_are_counted_whole_and_young_ones_by_the_life_table() {
        let (window, now) = (Window::default(), LogTime(1));
        let capacity = Capacity::plan(&window, CAPS, now, 1.0);
        let survival = Survival::default();
        let old =
            table(now, &capacity, &survival, 0, std::iter::once(Cohort { live: 60_000, age_ms: 900_000 }));
        let young = table(now, &capacity, &survival, 0, (0..60).map(|_| Cohort { live: 1_000, age_ms: 0 }));
        let (old_s, young_s) = (wait_s(&old, 60_000, now), wait_s(&young, 60_000, now));
        assert!((5_900..=6_100).contains(&old_s), "{old_s}");
        assert!((4_300..=4_700).contains(&young_s), "{young_s}");
    }
}
