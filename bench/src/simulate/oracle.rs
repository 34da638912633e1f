//! The rules, checked from what happened alone: nothing here knows how a room decides.

use super::crowd::{NEVER, User};
use super::room::Change;

const WINDOW_MS: u32 = 60_000;
const SLICE_MS: u32 = 6_000;
const MINUTE_MS: u64 = 60_000;
const SLICES_A_WINDOW: u32 = WINDOW_MS / SLICE_MS;

/// One admission, in the order in which they happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Admission {
    /// Its moment.
    pub(super) at_ms: u32,
    /// It did not wait.
    pub(super) direct: bool,
    /// Somebody present waited at that moment.
    pub(super) others_waited: bool,
}

/// The limit as operators set it over time, 0 while paused.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// Moments from which a limit holds, ascending.
    steps: Vec<(u64, u32)>,
    /// Moments at which anything changed.
    changes: Vec<u64>,
}

impl Limits {
    /// The limits that follow from the first one and the changes.
    pub(super) fn new(limit: u32, changes: &[(u64, Change)]) -> Limits {
        let (mut limit, mut paused) = (limit, false);
        let mut steps = vec![(0, limit)];
        for (at, change) in changes {
            match change {
                Change::Limit(next) => limit = *next,
                Change::Pause => paused = true,
                Change::Resume => paused = false,
            }
            steps.push((*at, if paused { 0 } else { limit }));
        }
        Limits { steps, changes: changes.iter().map(|(at, _)| *at).collect() }
    }

    /// The limit in force at a moment.
    pub(super) fn at(&self, at_ms: u64) -> u32 {
        let after = self.steps.partition_point(|(from, _)| *from <= at_ms);
        self.steps[after.max(1) - 1].1
    }

    /// Whether anything changed between two moments.
    fn changed(&self, from_ms: u64, to_ms: u64) -> bool {
        self.changes.iter().any(|at| (from_ms..to_ms).contains(at))
    }
}

/// Admissions that broke a cap: more than the limit within 60 s, or, from the queue or past somebody
/// present, more than a tenth of it (rounded up) within 6 s. An admission stops counting when it is exactly one window
/// old. Every admission is looked at.
pub(super) fn caps_broken(admissions: &[Admission], limits: &Limits) -> u64 {
    let (mut window_from, mut slice_from, mut broken) = (0, 0, 0);
    for (at, admission) in admissions.iter().enumerate() {
        let now_ms = admission.at_ms;
        while admissions[window_from].at_ms + WINDOW_MS <= now_ms {
            window_from += 1;
        }
        while admissions[slice_from].at_ms + SLICE_MS <= now_ms {
            slice_from += 1;
        }
        let limit = limits.at(u64::from(now_ms)) as usize;
        let slice_limit = limit.div_ceil(SLICES_A_WINDOW as usize);
        let sliced = !admission.direct || admission.others_waited;
        let earlier = at > 0 && admissions[at - 1].at_ms > now_ms;
        broken += u64::from(
            earlier || at + 1 - window_from > limit || (sliced && at + 1 - slice_from > slice_limit),
        );
    }
    broken
}

/// How much of the limit was used.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Use {
    /// Full minutes with enough present waiters, and the share used in each.
    pub(super) minutes: Vec<(usize, f64)>,
    /// The worst of them.
    pub(super) min_share: f64,
    /// All of them.
    pub(super) mean_share: f64,
}

/// The used share of the limit in each full minute in which there were at all times present waiters for
/// one slice. A minute counts if no setting changed in it or in the window before it: what was admitted
/// under another limit still fills the window.
pub(super) fn used(
    admissions: &[Admission],
    present_min: &[u32],
    queue_from_ms: u32,
    limits: &Limits,
) -> Use {
    let mut by_minute = vec![0u32; present_min.len() + 1];
    for admission in admissions {
        by_minute[(u64::from(admission.at_ms) / MINUTE_MS) as usize] += 1;
    }
    let mut used = Use { min_share: f64::INFINITY, ..Use::default() };
    let mut sum = 0.0;
    for (minute, present) in present_min.iter().enumerate() {
        let from_ms = minute as u64 * MINUTE_MS;
        let limit = limits.at(from_ms);
        let enough = *present >= limit.div_ceil(SLICES_A_WINDOW) && from_ms >= u64::from(queue_from_ms);
        if limit > 0 && enough && !limits.changed(from_ms.saturating_sub(MINUTE_MS), from_ms + MINUTE_MS) {
            let share = f64::from(by_minute[minute]) / f64::from(limit);
            used.minutes.push((minute, share));
            used.min_share = used.min_share.min(share);
            sum += share;
        }
    }
    used.mean_share = sum / used.minutes.len() as f64;
    used
}

/// The longest time by which anybody who joined later entered before somebody who kept polling: for each
/// such user, from the first admission of a later joiner to its own, in ms. Users are in join order.
/// One who kept polling and was never let in counts as overtaken for ever.
pub(super) fn overtaken_ms_max(users: &[User]) -> u32 {
    overtaken(users.iter().map(|user| (user.admitted_ms, user.kept_polling())))
}

/// As [`overtaken_ms_max`], for pairs of admission and whether the user kept polling.
fn overtaken(users: impl DoubleEndedIterator<Item = (u32, bool)>) -> u32 {
    let (mut first_later, mut worst) = (NEVER, 0);
    for (admitted_ms, kept_polling) in users.rev() {
        if kept_polling {
            worst = worst.max(match admitted_ms {
                NEVER => NEVER,
                at => at.saturating_sub(first_later),
            });
        }
        first_later = first_later.min(admitted_ms);
    }
    worst
}

/// Estimates against what happened.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Accuracy {
    /// How many were compared.
    pub(super) count: u64,
    /// Relative error, as a share of what happened.
    pub(super) median: f64,
    /// The error that a tenth exceeds.
    pub(super) p90: f64,
}

/// Relative errors of pairs (told, happened), in ms. A wait of nothing has no relative error.
pub(super) fn accuracy(pairs: impl Iterator<Item = (u32, u32)>) -> Accuracy {
    let mut errors: Vec<f64> = pairs
        .filter(|(_, happened)| *happened > 0)
        .map(|(told, happened)| f64::from(told.abs_diff(happened)) / f64::from(happened))
        .collect();
    errors.sort_unstable_by(f64::total_cmp);
    let quantile = |share: f64| errors.get((errors.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    Accuracy { count: errors.len() as u64, median: quantile(0.5), p90: quantile(0.9) }
}

#[cfg(test)]
mod tests {
    use super::{Admission, Limits, NEVER, accuracy, caps_broken, overtaken, used};
    use crate::simulate::room::Change;

    fn queued(at_ms: u32) -> Admission {
        Admission { at_ms, direct: false, others_waited: true }
    }

    /// Ten a minute, one each six seconds.
    fn even() -> Vec<Admission> {
        (0..40).map(|n| queued(n * 6_000)).collect()
    }

    #[test]
    fn caps_hold_to_the_millisecond() {
        let limits = Limits::new(10, &[]);
        assert_eq!(caps_broken(&even(), &limits), 0);
        let mut early = even();
        early[20].at_ms -= 1;
        assert_eq!(caps_broken(&early, &limits), 1, "one a millisecond early breaks a slice");
        let burst = |count: u32, at_ms: u32| {
            (0..count).map(move |_| Admission { at_ms, direct: true, others_waited: false })
        };
        assert_eq!(caps_broken(&burst(10, 0).collect::<Vec<_>>(), &limits), 0, "a burst without a queue");
        assert_eq!(caps_broken(&burst(11, 0).collect::<Vec<_>>(), &limits), 1, "one over the limit");
        let after = |at_ms: u32| burst(10, 0).chain([queued(at_ms)]).collect::<Vec<_>>();
        assert_eq!(caps_broken(&after(59_999), &limits), 1);
        assert_eq!(caps_broken(&after(60_000), &limits), 0);
        let past: Vec<_> = burst(2, 0).map(|one| Admission { others_waited: true, ..one }).collect();
        assert_eq!(caps_broken(&past, &limits), 1, "a direct admission past a waiter keeps the slice");
    }

    #[test]
    fn a_limit_holds_from_its_change_on() {
        let limits = Limits::new(10, &[(60_000, Change::Limit(5)), (120_000, Change::Pause)]);
        assert_eq!([0, 59_999, 60_000, 120_000].map(|at| limits.at(at)), [10, 10, 5, 0]);
        assert_eq!(caps_broken(&even(), &limits), 30);
    }

    #[test]
    fn the_used_share_sees_one_lost_slice() {
        let limits = Limits::new(10, &[]);
        let whole = used(&even(), &[5; 4], 0, &limits);
        assert_eq!((whole.minutes.len(), whole.min_share, whole.mean_share), (4, 1.0, 1.0));
        let mut lost = even();
        lost.remove(15);
        assert_eq!(used(&lost, &[5; 4], 0, &limits).min_share, 0.9);
        assert_eq!(
            used(&lost, &[5, 0, 5, 5], 0, &limits).minutes.len(),
            3,
            "nobody was there in that minute"
        );
    }

    #[test]
    fn overtaking_is_measured_against_the_first_who_came_later() {
        let users = |list: &[(u32, bool)]| overtaken(list.iter().copied());
        assert_eq!(users(&[(100, true), (200, true), (300, true)]), 0);
        assert_eq!(users(&[(5_000, true), (4_000, true), (1_500, false)]), 3_500);
        assert_eq!(users(&[(5_000, false), (4_000, true)]), 0, "who paused may be overtaken");
        assert_eq!(users(&[(NEVER, true), (4_000, true)]), NEVER, "never let in");
    }

    #[test]
    fn errors_are_relative_to_what_happened() {
        let exact = accuracy([(100, 100), (50, 50)].into_iter());
        assert_eq!((exact.count, exact.median, exact.p90), (2, 0.0, 0.0));
        let off = accuracy((1..=100).map(|n| (1_000 + n, 1_000)));
        assert!((off.median - 0.051).abs() < 1e-9 && (off.p90 - 0.091).abs() < 1e-9, "{off:?}");
        assert_eq!(accuracy([(150, 100)].into_iter()).median, 0.5);
    }
}
