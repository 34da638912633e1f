//! What one user was told, and what of it contradicts what the user was told before.

use sluice_client::{Place, State};
use std::time::{Duration, Instant};

/// Two polls closer together than this may be answered by nodes that are as far apart.
const APART: Duration = Duration::from_millis(250);

/// A user that has been given a token.
#[derive(Clone, Debug)]
pub(super) struct User {
    pub(super) zone: usize,
    pub(super) token: String,
    /// The position last told, and when the answer that told it was asked for and had come.
    last: Option<(u64, Instant)>,
    pub(super) admitted_at_ms: Option<u64>,
    /// Was told to wait at least once.
    pub(super) has_waited: bool,
    pub(super) next_poll: Instant,
    /// Of the current poll, when it was first tried.
    pub(super) retries: u32,
}

impl User {
    pub(super) fn new(zone: usize, place: &Place, now: Instant) -> User {
        let mut user = User {
            zone,
            token: place.token.clone(),
            last: None,
            admitted_at_ms: None,
            has_waited: false,
            next_poll: now,
            retries: 0,
        };
        // A first answer contradicts nothing.
        let _ = user.told(place, now, now);
        user
    }

    pub(super) fn is_admitted(&self) -> bool {
        self.admitted_at_ms.is_some()
    }

    /// Takes in an answer; the contradiction, if there is one.
    pub(super) fn told(&mut self, place: &Place, asked: Instant, now: Instant) -> Option<String> {
        match place.state {
            State::Admitted => self.told_admitted(place),
            State::Waiting => self.told_position(place, asked, now),
        }
    }

    fn told_admitted(&mut self, place: &Place) -> Option<String> {
        let at = place.admitted_at_ms;
        match self.admitted_at_ms {
            None if at.is_none() => Some(format!("{}: admitted without a moment", self.token)),
            None => {
                self.admitted_at_ms = at;
                None
            }
            known if known == at => None,
            known => Some(format!("{}: admitted at {known:?}, later at {at:?}", self.token)),
        }
    }

    fn told_position(&mut self, place: &Place, asked: Instant, now: Instant) -> Option<String> {
        self.has_waited = true;
        if let Some(at) = self.admitted_at_ms
            && !place.stale
        {
            return Some(format!("{}: waits at {} although admitted at {at}", self.token, place.position));
        }
        if place.stale {
            return None;
        }
        let wrong = self.last.filter(|(position, told)| {
            place.position > *position && asked.saturating_duration_since(*told) >= APART
        });
        self.last = Some((place.position, now));
        wrong.map(|(before, _)| format!("{}: position {before}, later {}", self.token, place.position))
    }
}
