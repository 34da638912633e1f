//! Judges what all users were told, after the fact.

use super::history::User;
use std::collections::{BTreeMap, HashMap};

const WINDOW_MS: u64 = 60_000;
const SLICE_MS: u64 = 6_000;

/// What every zone of a run allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Admissions in a window.
    pub(super) limit: usize,
}

impl Rules {
    fn slice_limit(self) -> usize {
        (self.limit as u64 * SLICE_MS).div_ceil(WINDOW_MS) as usize
    }
}

/// Everything wrong with these histories: tokens given twice, caps exceeded.
pub(super) fn judge(users: &[User], rules: Rules) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for user in users {
        *seen.entry(&user.token).or_default() += 1;
    }
    wrong.extend(
        seen.iter()
            .filter(|(_, times)| **times > 1)
            .map(|(token, times)| format!("{token}: given to {times}")),
    );
    for (zone, admissions) in by_zone(users) {
        wrong.extend(caps(zone, &admissions, rules));
    }
    wrong
}

/// Admissions of each zone in order: the moment, and whether it came from the queue.
fn by_zone(users: &[User]) -> BTreeMap<usize, Vec<(u64, bool)>> {
    let mut zones: BTreeMap<usize, Vec<(u64, bool)>> = BTreeMap::new();
    for user in users {
        if let Some(at) = user.admitted_at_ms {
            zones.entry(user.zone).or_default().push((at, user.has_waited));
        }
    }
    zones.values_mut().for_each(|admissions| admissions.sort_unstable());
    zones
}

fn caps(zone: usize, admissions: &[(u64, bool)], rules: Rules) -> Vec<String> {
    let (mut window, mut slice) = (0, 0);
    let mut wrong = Vec::new();
    for (at, (moment, queued)) in admissions.iter().enumerate() {
        while admissions[window].0 + WINDOW_MS <= *moment {
            window += 1;
        }
        while admissions[slice].0 + SLICE_MS <= *moment {
            slice += 1;
        }
        if at + 1 - window > rules.limit {
            wrong.push(format!("zone {zone}: {} admissions in the minute before {moment}", at + 1 - window));
        }
        if *queued && at + 1 - slice > rules.slice_limit() {
            wrong.push(format!("zone {zone}: {} admissions in the 6 s before {moment}", at + 1 - slice));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::{Rules, judge};
    use crate::chaos::history::User;
    use sluice_client::{Place, State};
    use std::time::{Duration, Instant};

    fn place(token: &str, state: State, position: u64, admitted_at_ms: Option<u64>) -> Place {
        let token = token.to_owned();
        Place {
            state,
            token,
            position,
            eta_ms: None,
            poll_ms: 1_000,
            pass: None,
            admitted_at_ms,
            stale: false,
        }
    }

    fn admitted(token: &str, at: u64, queued: bool) -> User {
        let now = Instant::now();
        let mut user = User::new(0, &place(token, State::Admitted, 0, Some(at)), now);
        user.has_waited = queued;
        user
    }

    #[test]
    fn a_full_window_and_one_more_is_seen_and_so_is_a_full_slice() {
        let rules = Rules { limit: 10 };
        let spread: Vec<User> = (0..10u64).map(|n| admitted(&format!("t{n}"), n * 6_000, true)).collect();
        assert!(judge(&spread, rules).is_empty());
        let mut more = spread.clone();
        more.push(admitted("one more", 59_999, false));
        assert_eq!(judge(&more, rules).len(), 1);
        let pair = [admitted("a", 100, true), admitted("b", 6_099, true)];
        assert_eq!(judge(&pair, rules).len(), 1);
        let burst = [admitted("a", 100, false), admitted("b", 6_099, false)];
        assert!(judge(&burst, rules).is_empty());
    }

    #[test]
    fn a_token_given_twice_a_position_that_grows_and_a_second_admission_are_seen() {
        let twice = [admitted("a", 100, false), admitted("a", 100, false)];
        assert_eq!(judge(&twice, Rules { limit: 10 }).len(), 1);
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        let mut user = User::new(0, &place("a", State::Waiting, 7, None), now);
        assert!(user.told(&place("a", State::Waiting, 8, None), now, later).is_none(), "asked at once");
        assert!(
            user.told(&place("a", State::Waiting, 9, None), later + Duration::from_secs(1), later).is_some()
        );
        assert!(user.told(&place("a", State::Admitted, 0, Some(5)), later, later).is_none());
        assert!(user.told(&place("a", State::Admitted, 0, Some(6)), later, later).is_some());
        assert!(user.told(&place("a", State::Waiting, 1, None), later, later).is_some());
    }
}
