//! The sliding-window log of admissions, exact to the millisecond.
//!
//! Runs of equal stamps, each with the number of admissions before it, so that "how many in the last
//! w ms" is one binary search for any w: a live change of the window needs nothing recomputed.
//! At most one run a millisecond is kept for [`WINDOW_MS_MAX`](crate::limit::WINDOW_MS_MAX), so
//! 60,000 runs of 16 bytes. Everything here is a pure function of the log and a moment.

use crate::limit::WINDOW_MS_MAX;
use crate::time::LogTime;
use crate::zone::settings::ZoneSettings;
use std::collections::VecDeque;

/// Admissions that share a stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    /// Their stamp.
    pub(crate) at: LogTime,
    /// Admissions of the zone before this run.
    pub(crate) before: u64,
}

/// The admissions of the longest window, and how many there were in all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Window {
    runs: VecDeque<Run>,
    total: u64,
}

/// The caps that an admission must keep: at most `count` in any `span_ms`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cap {
    /// Admissions allowed.
    pub count: u64,
    /// In any so many milliseconds.
    pub span_ms: u64,
}

/// The caps of a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Caps {
    /// Always kept.
    pub window: Cap,
    /// Kept while anybody present waits.
    pub slice: Cap,
}

impl Caps {
    /// The caps that these settings ask for.
    #[must_use]
    pub fn of(settings: &ZoneSettings) -> Caps {
        Caps {
            window: Cap { count: u64::from(settings.limit), span_ms: u64::from(settings.window_ms) },
            slice: Cap { count: settings.slice_limit(), span_ms: u64::from(settings.slice_ms) },
        }
    }
}

impl Window {
    /// Admissions since the zone was created.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Records one admission. Stamps never decrease.
    pub fn push(&mut self, at: LogTime) {
        assert!(
            self.runs.back().is_none_or(|run| run.at <= at),
            "an admission was stamped before an earlier one"
        );
        if self.runs.back().is_none_or(|run| run.at < at) {
            self.runs.push_back(Run { at, before: self.total });
        }
        self.total += 1;
        while self.runs.front().is_some_and(|run| run.at.plus_ms(u64::from(WINDOW_MS_MAX)) <= at) {
            self.runs.pop_front();
        }
    }

    /// Admissions in the `span_ms` that end now: those with a stamp after `now - span_ms`.
    #[must_use]
    pub fn count(&self, now: LogTime, span_ms: u64) -> u64 {
        let first = self.runs.partition_point(|run| run.at.plus_ms(span_ms) <= now);
        self.runs.get(first).map_or(0, |run| self.total - run.before)
    }

    /// Admissions free now under one cap.
    #[must_use]
    pub fn free(&self, now: LogTime, cap: Cap) -> u64 {
        cap.count.saturating_sub(self.count(now, cap.span_ms))
    }

    /// Permits free now under both caps.
    #[must_use]
    pub fn permits(&self, now: LogTime, caps: Caps) -> u64 {
        self.free(now, caps.window).min(self.free(now, caps.slice))
    }

    /// The stamp of the admission with this ordinal, from 0. `None` where it is no longer kept.
    pub(crate) fn stamp_of(&self, ordinal: u64) -> Option<LogTime> {
        let after = self.runs.partition_point(|run| run.before <= ordinal);
        after.checked_sub(1).and_then(|at| self.runs.get(at)).map(|run| run.at)
    }

    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        self.runs.iter().copied()
    }

    pub(crate) fn run_count(&self) -> usize {
        self.runs.len()
    }

    /// The inverse of `runs` and `total`. `None` where they contradict each other.
    pub(crate) fn restore(runs: Vec<Run>, total: u64) -> Option<Window> {
        let ordered = runs.windows(2).all(|w| w[0].at < w[1].at && w[0].before < w[1].before);
        let counted = runs.last().is_none_or(|run| run.before < total);
        (ordered && counted).then(|| Window { runs: runs.into(), total })
    }
}

/// When the permits to come are free: permit 0 first, each as early as both caps allow if every
/// earlier one is used the moment it is free.
///
/// ```
/// use sluice_engine::time::LogTime;
/// use sluice_engine::zone::window::{Cap, Caps, Releases, Window};
/// let caps = Caps { window: Cap { count: 4, span_ms: 60_000 }, slice: Cap { count: 2, span_ms: 6_000 } };
/// let window = Window::default();
/// let mut releases = Releases::new(&window, caps, LogTime(1_000));
/// let due: Vec<u64> = (0..5).map(|_| releases.next(&window).0).collect();
/// assert_eq!(due, [1_000, 1_000, 7_000, 7_000, 61_000]);
/// ```
#[derive(Debug)]
pub struct Releases {
    caps: Caps,
    /// Ordinal of the next planned admission.
    next: u64,
    first: u64,
    last: LogTime,
    planned: Vec<Run>,
    window_at: usize,
    slice_at: usize,
}

impl Releases {
    /// A plan that starts now.
    #[must_use]
    pub fn new(window: &Window, caps: Caps, now: LogTime) -> Releases {
        Releases {
            caps,
            next: window.total,
            first: window.total,
            last: now,
            planned: Vec::new(),
            window_at: 0,
            slice_at: 0,
        }
    }

    /// The moment at which the next permit is free. `window` is the one the plan was made for.
    pub fn next(&mut self, window: &Window) -> LogTime {
        let mut at = self.last;
        let (mut window_at, mut slice_at) = (self.window_at, self.slice_at);
        for (cap, hint) in [(self.caps.window, &mut window_at), (self.caps.slice, &mut slice_at)] {
            let Some(blocking) = self.next.checked_sub(cap.count) else { continue };
            let stamp = if blocking < self.first {
                window.stamp_of(blocking)
            } else {
                self.planned_stamp(blocking, hint)
            };
            at = at.max(stamp.map_or(at, |stamp| stamp.plus_ms(cap.span_ms)));
        }
        (self.window_at, self.slice_at) = (window_at, slice_at);
        if self.planned.last().is_none_or(|run| run.at < at) {
            self.planned.push(Run { at, before: self.next });
        }
        self.next += 1;
        self.last = at;
        at
    }

    /// Planned ordinals are asked for in order, so a hint moves forward only.
    fn planned_stamp(&self, ordinal: u64, hint: &mut usize) -> Option<LogTime> {
        while self.planned.get(*hint + 1).is_some_and(|run| run.before <= ordinal) {
            *hint += 1;
        }
        self.planned.get(*hint).map(|run| run.at)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cap, Caps, Releases, Window};
    use crate::time::LogTime;

    fn filled(stamps: &[u64]) -> Window {
        let mut window = Window::default();
        stamps.iter().for_each(|at| window.push(LogTime(*at)));
        window
    }

    #[test]
    fn an_admission_leaves_the_window_exactly_when_it_is_one_window_old() {
        let window = filled(&[1_000, 1_000, 2_000]);
        assert_eq!(window.count(LogTime(60_999), 60_000), 3);
        assert_eq!(window.count(LogTime(61_000), 60_000), 1);
        assert_eq!(window.count(LogTime(62_000), 60_000), 0);
    }

    #[test]
    fn any_span_is_counted_from_the_same_log() {
        let window = filled(&[10, 20, 30, 40]);
        let counts: Vec<u64> = [1, 10, 11, 21, 100].iter().map(|ms| window.count(LogTime(40), *ms)).collect();
        assert_eq!(counts, [1, 1, 2, 3, 4]);
    }

    #[test]
    fn a_full_window_frees_nothing_until_its_first_admission_is_old() {
        let window = filled(&[5_000; 10]);
        let caps =
            Caps { window: Cap { count: 10, span_ms: 60_000 }, slice: Cap { count: 1, span_ms: 6_000 } };
        let mut releases = Releases::new(&window, caps, LogTime(20_000));
        let due: Vec<u64> = (0..3).map(|_| releases.next(&window).0).collect();
        assert_eq!(due, [65_000, 71_000, 77_000]);
        assert_eq!(window.permits(LogTime(64_999), caps), 0);
        assert_eq!(window.permits(LogTime(65_000), caps), 1);
    }

    #[test]
    fn runs_older_than_the_longest_window_are_dropped() {
        let mut window = Window::default();
        (0..200_000u64).for_each(|ms| window.push(LogTime(ms)));
        assert_eq!(window.run_count(), 60_000);
        assert_eq!(window.total(), 200_000);
    }

    /// The plan is right when using it keeps every cap and any earlier use would break one.
    #[test]
    fn planned_releases_are_as_early_as_the_caps_allow() {
        let mut state = 7u64;
        for round in 0..200 {
            let mut draw = |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % below
            };
            let caps = Caps {
                window: Cap { count: 1 + draw(20), span_ms: 600 },
                slice: Cap { count: 1 + draw(5), span_ms: 60 },
            };
            let mut at = 0;
            let past: Vec<u64> = (0..draw(40))
                .map(|_| {
                    at += draw(50);
                    at
                })
                .collect();
            let mut window = filled(&past);
            let now = LogTime(at + draw(300));
            let mut releases = Releases::new(&window.clone(), caps, now);
            let start = window.clone();
            let mut earliest = now;
            for _ in 0..60 {
                let due = releases.next(&start);
                let mut probe = earliest;
                while window.permits(probe, caps) == 0 {
                    probe = probe.plus_ms(1);
                }
                assert_eq!(due, probe, "round {round}");
                window.push(due);
                earliest = due;
            }
        }
    }
}
