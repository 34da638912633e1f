//! I4: a token is admitted at most once, at one stamp, and stays so for as long as its pass is valid.

use crate::cluster::client::{SETTLED_MS, ZoneRules};
use crate::cluster::judge::{Look, TokenText};
use crate::cluster::world::TROUBLE_MS;
use sluice_engine::reply::Standing;
use std::collections::BTreeMap;

/// While nodes are stopped and cut off, an admission may hang for so long between its stamp and its commit, ms: until then
/// its holder waits, for certain.
const HUNG_MS: u64 = 5_000;

#[derive(Default)]
pub(crate) struct Once {
    /// By token: its stamp, and when it was first told.
    admitted: BTreeMap<TokenText, (u64, u64)>,
    /// By token: the earliest moment that its stamp may stand for.
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
                let hung_ms = if look.sent < TROUBLE_MS + HUNG_MS { HUNG_MS } else { 0 };
                let earliest = self.waited.entry(look.token.clone()).or_default();
                *earliest = (*earliest).max(look.sent.saturating_sub(hung_ms));
            }
            (_, None) => {}
        }
        false
    }

    /// Its join was first asked for then, and may have been carried out at once: answers get lost.
    pub(crate) fn asked(&mut self, token: &TokenText, first: u64) {
        self.waited.entry(token.clone()).or_insert(first);
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
