//! I5: the position that a token is shown never rises, whichever nodes answer; only what is marked stale is exempt.

use crate::cluster::client::SETTLED_MS;
use crate::cluster::judge::{Look, TokenText};
use sluice_engine::reply::Standing;
use std::collections::BTreeMap;

/// By token: what it was shown, and when.
#[derive(Default)]
pub(crate) struct Positions {
    shown: BTreeMap<TokenText, Vec<(u64, u64)>>,
}

impl Positions {
    pub(crate) fn looked(&mut self, look: &Look<'_>) {
        let Ok(Standing::Waiting(waiting)) = look.answer else { return };
        if waiting.stale {
            return;
        }
        let shown = self.shown.entry(look.token.clone()).or_default();
        let earlier =
            shown.iter().filter(|(at, _)| at + SETTLED_MS <= look.sent).map(|(_, position)| *position);
        if let Some(least) = earlier.min() {
            let now = waiting.position;
            assert!(
                now <= least,
                "I5: a token was shown {now} at {}..{} after {shown:?}",
                look.sent,
                look.answered
            );
        }
        shown.push((look.answered, waiting.position));
    }
}
