//! I4: a token is admitted at most once, at one stamp, and stays so for as long as its pass is valid.

use crate::cluster::client::{SETTLED_MS, ZoneRules};
use crate::cluster::judge::{Look, TokenText};
use sluice_engine::reply::Standing;
use std::collections::BTreeMap;

/// By token: its stamp, and when it was first told.
#[derive(Default)]
pub(crate) struct Once {
    admitted: BTreeMap<TokenText, (u64, u64)>,
    /// By token: when it was not admitted for certain.
    waited: BTreeMap<TokenText, u64>,
    /// Jumps of clocks: when, and how far, ms. The log's time follows its leader's.
    jumps: Vec<(u64, u64)>,
}

impl Once {
    /// True where the token is seen admitted for the first time.
    pub(crate) fn looked(&mut self, look: &Look<'_>) -> bool {
        let before = self.admitted.get(look.token).copied();
        match (look.answer, before) {
            (Ok(Standing::Admitted(stamp)), None) => {
                self.admitted.insert(look.token.clone(), (stamp.0, look.answered));
                return true;
            }
            (Ok(Standing::Admitted(stamp)), Some((first, _))) => {
                assert!(stamp.0 == first, "I4: admitted at {first} and again at {}", stamp.0);
            }
            (Ok(Standing::Waiting(waiting)), Some((_, told))) => {
                // Another node may be a moment behind.
                let is_behind = waiting.stale || look.sent < told + SETTLED_MS;
                assert!(is_behind, "I4: told that it is admitted at {told}, at {} it waits", look.answered);
            }
            (Err(_), Some((_, told))) => {
                // It may have been told long after.
                let from = self.waited.get(look.token).copied().unwrap_or(told);
                let valid_ms = ZoneRules::of(look.zone).pass_ms - SETTLED_MS;
                // The log's time stands still while nobody leads, and its clock may be fast.
                assert!(
                    look.answered + 2_000 + self.jumped_since(from) >= from + valid_ms,
                    "I4: admitted at {told}, and gone at {}",
                    look.answered
                );
            }
            (Ok(Standing::Waiting(waiting)), None) if !waiting.stale => {
                self.waited.insert(look.token.clone(), look.sent);
            }
            (_, None) => {}
        }
        false
    }

    pub(crate) fn jumped(&mut self, at: u64, by_ms: u64) {
        self.jumps.push((at, by_ms));
    }

    fn jumped_since(&self, from: u64) -> u64 {
        let later = self.jumps.iter().filter(|(at, _)| *at + SETTLED_MS >= from);
        later.map(|(_, by_ms)| by_ms).sum()
    }

    pub(crate) fn is_admitted(&self, token: &TokenText) -> bool {
        self.admitted.contains_key(token)
    }
}
