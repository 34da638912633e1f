//! Those who wait: each with its own habit of polling.

use sluice_engine::id::{Ticket, UserHash};
use sluice_engine::reply::Standing;
use sluice_engine::token::Token;
use sluice_engine::zone::settings::ZoneName;

use super::Answer;

/// How a client polls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Habit {
    /// When it was told to.
    Obeys,
    /// Every three seconds, as apps did that ignore the advice.
    EveryThreeSeconds,
    /// After any pause, some of them longer than allowed.
    Fitful,
    /// A few times, then not for a long while.
    Quits,
    /// A few times, then it gives its place up.
    Leaves,
}

pub(crate) const HABITS: [Habit; 6] =
    [Habit::Obeys, Habit::Obeys, Habit::EveryThreeSeconds, Habit::Fitful, Habit::Quits, Habit::Leaves];

/// What a client does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wish {
    Join,
    Poll,
    Leave,
    /// Waits for the reply of a ticket.
    Listen(Ticket),
}

/// Somebody who joins, polls and goes, again and again.
pub(crate) struct Client {
    pub(crate) zone: ZoneName,
    pub(crate) habit: Habit,
    pub(crate) user: Option<UserHash>,
    pub(crate) request: Option<u64>,
    pub(crate) token: Option<Token>,
    pub(crate) wish: Wish,
    /// When, on the monotonic clock.
    pub(crate) at: u64,
    polls_left: u32,
}

impl Client {
    pub(crate) fn new(zone: ZoneName, at: u64, rng: &mut fastrand::Rng) -> Client {
        let habit = HABITS[rng.usize(0..HABITS.len())];
        let user = rng.bool().then(|| UserHash(u128::from(rng.u64(0..20)) << 64 | 7));
        let request = (rng.u8(0..3) == 0).then(|| rng.u64(0..40));
        Client { zone, habit, user, request, token: None, wish: Wish::Join, at, polls_left: rng.u32(1..12) }
    }

    /// Something came back for this client's token; it decides what it does next.
    pub(crate) fn heard(&mut self, answer: Answer, now: u64, abandon_ms: u32, rng: &mut fastrand::Rng) {
        let told_ms = match answer {
            Ok(Standing::Waiting(waiting)) => u64::from(waiting.poll_ms),
            // The admitted look once more now and then: the answer must stay.
            Ok(Standing::Admitted(_)) => rng.u64(500..40_000),
            Err(_) => return self.start_over(now, rng),
        };
        let abandon_ms = u64::from(abandon_ms);
        self.polls_left = self.polls_left.saturating_sub(1);
        let pause_ms = match self.habit {
            Habit::Obeys | Habit::Leaves => told_ms,
            Habit::EveryThreeSeconds => 3_000,
            Habit::Fitful => rng.u64(1..abandon_ms + abandon_ms / 4),
            Habit::Quits if self.polls_left == 0 => abandon_ms + rng.u64(2_000..20_000),
            Habit::Quits => told_ms,
        };
        let leaves = self.habit == Habit::Leaves && self.polls_left == 0;
        self.wish = if leaves { Wish::Leave } else { Wish::Poll };
        self.at = now + pause_ms.max(1);
    }

    /// Forgets its token and joins again after a while.
    pub(crate) fn start_over(&mut self, now: u64, rng: &mut fastrand::Rng) {
        self.token = None;
        self.wish = Wish::Join;
        self.at = now + rng.u64(100..30_000);
        self.polls_left = rng.u32(1..12);
        if rng.bool() {
            self.request = (rng.u8(0..3) == 0).then(|| rng.u64(0..40));
        }
    }
}
