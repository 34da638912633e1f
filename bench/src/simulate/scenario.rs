//! Who comes when, who leaves, who pauses: a crowd drawn from one seed.

use std::str::FromStr;

use clap::Args;

use super::room::Change;
use crate::error::{BenchError, Result};
use crate::limit::{SIMULATED_MS_MAX, SIMULATED_USERS_MAX, SIMULATED_WAIT_MS_MAX};
use crate::random::Random;

/// Who leaves does so within this long of joining.
const LEAVE_WITHIN_MS: u64 = 300_000;
/// Who pauses begins the next pause within this long.
const PAUSE_WITHIN_MS: u64 = 600_000;
const PAUSE_MS: Span = Span { from: 5_000, to: 50_000 };
/// Most pauses of one user.
const PAUSES_MAX: u64 = 3;

/// The crowd and the zone that a simulation has.
#[derive(Debug, Clone, Args)]
pub struct Scenario {
    /// A small crowd of the same shape, for a quick check.
    #[arg(long)]
    pub smoke: bool,
    /// Everybody who comes [default: 1,000,000; 50,000 with --smoke].
    #[arg(long)]
    pub users: Option<u32>,
    /// Admissions a minute [default: 10,000; 2,000 with --smoke].
    #[arg(long)]
    pub limit: Option<u32>,
    /// Everything drawn follows from this number.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The zone's poll period.
    #[arg(long, default_value_t = 3_000)]
    pub poll_ms: u32,
    /// Apps that poll each period, whatever they are told.
    #[arg(long)]
    pub ignore_appointments: bool,
    /// Round trips, drawn anew for each request; half before the server and half after it.
    #[arg(long, default_value = "50..300")]
    pub rtt_ms: Span,
    /// Who leaves silently, at a moment within five minutes of joining.
    #[arg(long, default_value_t = 0.35)]
    pub leave_share: f64,
    /// Who makes pauses of 5 to 50 s while waiting, one to three of them.
    #[arg(long, default_value_t = 0.10)]
    pub pause_share: f64,
    /// Who joins in the first seconds; the others join evenly over the time after.
    #[arg(long, default_value_t = 0.5)]
    pub first_share: f64,
    /// How long the first take to join, in seconds.
    #[arg(long, default_value_t = 60)]
    pub first_s: u64,
    /// How long the others take to join, in seconds [default: 1,800; 750 with --smoke].
    #[arg(long)]
    pub rest_s: Option<u64>,
    /// Changes the limit at a second: 900:5000. May be given several times.
    #[arg(long)]
    pub change: Vec<LimitAt>,
    /// Pauses the zone between two seconds: 900..960. May be given several times.
    #[arg(long)]
    pub pause: Vec<Span>,
}

/// Two numbers, the second not below the first, as `50..300` or `300`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The lower.
    pub from: u32,
    /// The upper.
    pub to: u32,
}

/// A limit from a second on, as `900:5000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitAt {
    /// Second since the start.
    pub second: u32,
    /// The limit from then on.
    pub limit: u32,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Span, String> {
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        let span = Span { from: number(from)?, to: number(to)? };
        if span.from > span.to { Err(format!("{text} ends before it begins")) } else { Ok(span) }
    }
}

impl FromStr for LimitAt {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<LimitAt, String> {
        let (second, limit) = text.split_once(':').ok_or("expected SECOND:LIMIT")?;
        Ok(LimitAt { second: number(second)?, limit: number(limit)? })
    }
}

fn number(text: &str) -> std::result::Result<u32, String> {
    text.parse().map_err(|_| format!("{text:?} is not a whole number"))
}

/// What is drawn for a user before it comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// When its join reaches the server.
    pub(super) joins_ms: u32,
    /// When it leaves, if it is still there; `u32::MAX` for never.
    pub(super) leaves_ms: u32,
    /// Pauses it will make.
    pub(super) pauses: u8,
    /// When the first of them may begin.
    pub(super) pause_ms: u32,
}

impl Scenario {
    /// The number of users, with its default.
    pub(super) fn users(&self) -> u32 {
        self.users.unwrap_or(if self.smoke { 50_000 } else { 1_000_000 })
    }

    /// The limit at the start, with its default.
    pub(super) fn limit(&self) -> u32 {
        self.limit.unwrap_or(if self.smoke { 2_000 } else { 10_000 })
    }

    /// How long the others take to join, with its default.
    fn rest_s(&self) -> u64 {
        self.rest_s.unwrap_or(if self.smoke { 750 } else { 1_800 })
    }

    /// Refuses what cannot be simulated.
    pub(super) fn check(&self) -> Result<()> {
        let shares = [self.leave_share, self.pause_share, self.first_share];
        let wrong = if !(1..=SIMULATED_USERS_MAX).contains(&self.users()) {
            format!("--users must be between 1 and {SIMULATED_USERS_MAX}")
        } else if self.limit() == 0 || self.change.iter().any(|change| change.limit == 0) {
            "a limit must be at least 1".to_owned()
        } else if shares.iter().any(|share| !(0.0..=1.0).contains(share)) {
            "a share must be between 0 and 1".to_owned()
        } else if self.poll_ms > SIMULATED_WAIT_MS_MAX || self.rtt_ms.to > SIMULATED_WAIT_MS_MAX {
            format!("--poll-ms and --rtt-ms may be at most {SIMULATED_WAIT_MS_MAX}")
        } else if self.first_s.saturating_add(self.rest_s()).saturating_mul(1_000) > SIMULATED_MS_MAX / 2 {
            format!("joins may take at most {} s", SIMULATED_MS_MAX / 2_000)
        } else {
            return Ok(());
        };
        Err(BenchError::Argument(wrong))
    }

    /// Everybody, in the order in which their joins reach the server.
    pub(super) fn plans(&self, users: u32, random: &mut Random) -> Vec<Plan> {
        let mut plans: Vec<Plan> = (0..users).map(|_| self.plan(random)).collect();
        plans.sort_by_key(|plan| plan.joins_ms);
        plans
    }

    /// What operators change, in order.
    pub(super) fn changes(&self) -> Vec<(u64, Change)> {
        let at = |second: u32| u64::from(second) * 1_000;
        let limits = self.change.iter().map(|change| (at(change.second), Change::Limit(change.limit)));
        let pauses = self
            .pause
            .iter()
            .flat_map(|span| [(at(span.from), Change::Pause), (at(span.to), Change::Resume)]);
        let mut changes: Vec<(u64, Change)> = limits.chain(pauses).collect();
        changes.sort_by_key(|(at, _)| *at);
        changes
    }

    fn plan(&self, random: &mut Random) -> Plan {
        let sent = if chance(random, self.first_share) {
            random.below((self.first_s * 1_000).max(1))
        } else {
            self.first_s * 1_000 + random.below((self.rest_s() * 1_000).max(1))
        };
        let joins = sent + u64::from(self.rtt_ms.draw(random)) / 2;
        let leaves = chance(random, self.leave_share).then(|| joins + random.below(LEAVE_WITHIN_MS));
        let pauses = chance(random, self.pause_share).then(|| 1 + random.below(PAUSES_MAX));
        Plan {
            joins_ms: joins as u32,
            leaves_ms: leaves.map_or(u32::MAX, |at| at as u32),
            pauses: pauses.unwrap_or(0) as u8,
            pause_ms: (joins + next_pause_ms(random)) as u32,
        }
    }
}

impl Span {
    /// A number between the two, both included.
    pub(super) fn draw(self, random: &mut Random) -> u32 {
        self.from + random.below(u64::from(self.to - self.from) + 1) as u32
    }
}

/// How long one pause is.
pub(super) fn pause_ms(random: &mut Random) -> u64 {
    u64::from(PAUSE_MS.draw(random))
}

/// How long until somebody who pauses does so again.
pub(super) fn next_pause_ms(random: &mut Random) -> u64 {
    random.below(PAUSE_WITHIN_MS)
}

fn chance(random: &mut Random, share: f64) -> bool {
    (random.below(1 << 32) as f64) < share * (1u64 << 32) as f64
}

#[cfg(test)]
mod tests {
    use super::{LimitAt, Span};

    #[test]
    fn spans_and_changes_are_read_strictly() {
        assert_eq!("50..300".parse(), Ok(Span { from: 50, to: 300 }));
        assert_eq!("300".parse(), Ok(Span { from: 300, to: 300 }));
        assert!("300..50".parse::<Span>().is_err() && "a..b".parse::<Span>().is_err());
        assert_eq!("900:5000".parse(), Ok(LimitAt { second: 900, limit: 5_000 }));
        assert!("900".parse::<LimitAt>().is_err());
    }
}
