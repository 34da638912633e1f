//! What came of one run, and whether it is what the rules promise.

use serde::Serialize;

use super::crowd::{NEVER, Record, User};
use super::oracle::{Accuracy, Limits, accuracy, caps_broken, overtaken_ms_max, used};
use super::told::Told;

/// Who joins when the queue is this old is told by a zone that has measured itself.
const SETTLED_MS: u32 = 600_000;
const USED_SHARE_MIN: f64 = 0.97;
/// Apps that come when they like miss some of their turns.
const USED_SHARE_MIN_IGNORING: f64 = 0.95;
const MEDIAN_MAX: f64 = 0.10;
const P90_MAX: f64 = 0.25;
const MEDIAN_MAX_EARLY: f64 = 0.30;

/// The figures of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Admissions in all.
    pub admitted: u64,
    /// Polls answered.
    pub polls: u64,
    /// Simulated time until the last user was served, s.
    pub lasted_s: f64,
    /// Admissions that broke a cap.
    pub caps_broken: u64,
    /// Full minutes with enough present waiters, and the share of the limit used in each.
    pub queue_minutes: Vec<(usize, f64)>,
    /// Share of the limit used in the worst of them.
    pub used_share_min: f64,
    /// Share of the limit used in all of them.
    pub used_share_mean: f64,
    /// Longest time by which somebody who kept polling was overtaken, ms; 4294967295 for ever.
    pub overtaken_ms_max: u32,
    /// Positions that grew from one answer to the next.
    pub position_growths: u64,
    /// Users dropped although they polled within the deadline.
    pub wrong_evictions: u64,
    /// Errors of what was told half-way.
    pub half_way: Errors,
    /// Errors of what was told at the join, after ten queued minutes.
    pub at_join: Errors,
    /// Errors of what was told at the join, before.
    pub at_early_join: Errors,
}

/// Relative errors of estimates.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Errors {
    /// Estimates compared.
    pub count: u64,
    /// Their median error, as a share of what happened.
    pub median: f64,
    /// The error that a tenth of them exceeds.
    pub p90: f64,
}

/// One line of the report: a figure as text for each rule, the target, and whether it was met.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) target: String,
    pub(super) value: fn(&Figures) -> String,
    pub(super) is_met: Option<bool>,
}

impl Figures {
    /// What the record shows.
    pub(super) fn of(record: &Record, limits: &Limits, poll_ms: u32) -> Figures {
        let used = used(&record.admissions, &record.present_min, record.queue_from_ms, limits);
        let settled_ms = record.queue_from_ms.saturating_add(SETTLED_MS);
        let joined = |late: bool| {
            let told = told_and_happened(record, poll_ms, |user, history| {
                ((user.joined_ms() >= settled_ms) == late).then(|| history.first()).flatten()
            });
            Errors::from(accuracy(told))
        };
        Figures {
            admitted: record.admissions.len() as u64,
            polls: record.polls,
            lasted_s: record.end_ms as f64 / 1_000.0,
            caps_broken: caps_broken(&record.admissions, limits),
            queue_minutes: used.minutes,
            used_share_min: used.min_share,
            used_share_mean: used.mean_share,
            overtaken_ms_max: overtaken_ms_max(&record.users),
            position_growths: record.position_growths,
            wrong_evictions: record.wrong_evictions,
            half_way: Errors::from(accuracy(told_and_happened(record, poll_ms, |user, history| {
                history.nearest(user.joined_ms().midpoint(user.admitted_ms))
            }))),
            at_join: joined(true),
            at_early_join: joined(false),
        }
    }

    /// The lines of the report. Estimates are not judged where an operator's change made them wrong.
    pub(super) fn lines(&self, poll_ms: u32, ignoring: bool, changed: bool) -> Vec<Line> {
        let used_min = if ignoring { USED_SHARE_MIN_IGNORING } else { USED_SHARE_MIN };
        let share = |errors: Errors, met: bool| (!changed && errors.count > 0).then_some(met);
        let at_most = |limit: f64| format!("<= {}", percent(limit));
        let line =
            |name, target: &str, is_met, value| Line { name, target: target.to_owned(), value, is_met };
        vec![
            line("admitted", "", None, |f| f.admitted.to_string()),
            line("polls", "", None, |f| f.polls.to_string()),
            line("lasted, s", "", None, |f| format!("{:.0}", f.lasted_s)),
            line("full minutes with a queue", "", None, |f| f.queue_minutes.len().to_string()),
            line("admissions over a cap", "0", Some(self.caps_broken == 0), |f| f.caps_broken.to_string()),
            line(
                "limit used, worst minute",
                &format!(">= {}", percent(used_min)),
                (!self.queue_minutes.is_empty()).then_some(self.used_share_min >= used_min),
                |f| percent(f.used_share_min),
            ),
            line("limit used, mean", "", None, |f| percent(f.used_share_mean)),
            line(
                "overtaken by at most, ms",
                &format!("<= {poll_ms}"),
                Some(self.overtaken_ms_max <= poll_ms),
                |f| overtaken(f.overtaken_ms_max),
            ),
            line("positions that grew", "0", Some(self.position_growths == 0), |f| {
                f.position_growths.to_string()
            }),
            line("pollers dropped", "0", Some(self.wrong_evictions == 0), |f| f.wrong_evictions.to_string()),
            line(
                "wait told half-way, median error",
                &at_most(MEDIAN_MAX),
                share(self.half_way, self.half_way.median <= MEDIAN_MAX),
                |f| percent(f.half_way.median),
            ),
            line(
                "wait told half-way, P90",
                &at_most(P90_MAX),
                share(self.half_way, self.half_way.p90 <= P90_MAX),
                |f| percent(f.half_way.p90),
            ),
            line(
                "told at join after 10 min, median",
                &at_most(MEDIAN_MAX),
                share(self.at_join, self.at_join.median <= MEDIAN_MAX),
                |f| percent(f.at_join.median),
            ),
            line(
                "told at join after 10 min, P90",
                &at_most(P90_MAX),
                share(self.at_join, self.at_join.p90 <= P90_MAX),
                |f| percent(f.at_join.p90),
            ),
            line(
                "told at join before, median",
                &at_most(MEDIAN_MAX_EARLY),
                share(self.at_early_join, self.at_early_join.median <= MEDIAN_MAX_EARLY),
                |f| percent(f.at_early_join.median),
            ),
            line("told at join before, P90", "", None, |f| percent(f.at_early_join.p90)),
            line("waits compared, half-way", "", None, |f| f.half_way.count.to_string()),
            line("waits compared, join after 10 min", "", None, |f| f.at_join.count.to_string()),
            line("waits compared, join before", "", None, |f| f.at_early_join.count.to_string()),
        ]
    }
}

/// Somebody who kept polling and never entered was overtaken for good.
fn overtaken(ms: u32) -> String {
    if ms == NEVER { "ever".to_owned() } else { ms.to_string() }
}

impl From<Accuracy> for Errors {
    fn from(accuracy: Accuracy) -> Errors {
        Errors { count: accuracy.count, median: accuracy.median, p90: accuracy.p90 }
    }
}

/// For each user who was let in after waiting: an estimate that `choose` takes, and how long it took. What was left
/// of a wait must have been a poll period: a shorter one ends with the app's next poll, not with the queue's advance.
fn told_and_happened(
    record: &Record,
    poll_ms: u32,
    choose: impl Fn(&User, &super::told::History) -> Option<Told>,
) -> impl Iterator<Item = (u32, u32)> {
    record.users.iter().zip(&record.told).filter(|(user, _)| user.admitted_ms != NEVER).filter_map(
        move |(user, history)| {
            let told = choose(user, history)?;
            let happened_ms = user.admitted_ms.saturating_sub(told.at_ms);
            (happened_ms >= poll_ms).then_some((told.eta_ms, happened_ms))
        },
    )
}

fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.2} %", share * 100.0) } else { "-".to_owned() }
}
