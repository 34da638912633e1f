//! I6: who polls within the deadline, at any node, is never dropped.
//!
//! What only a node that then crashed had heard is lost with it: the last moments before, and what it was told while it was
//! cut off. So answers marked stale do not count here, and silence is allowed a little less than its deadline.

use crate::cluster::client::ZoneRules;
use crate::cluster::i4_once::Once;
use crate::cluster::judge::{Look, TokenText};
use sluice_engine::error::Refusal;
use sluice_engine::reply::Standing;
use std::collections::{BTreeMap, BTreeSet};

/// A node tells the leader within this whom it heard, ms.
const UNREPORTED_MS: u64 = 2_000;

/// When each token's holder was last heard of for certain.
#[derive(Default)]
pub(crate) struct Presence {
    heard: BTreeMap<TokenText, u64>,
    left: BTreeSet<TokenText>,
}

impl Presence {
    pub(crate) fn looked(&mut self, look: &Look<'_>, once: &Once) {
        match look.answer {
            Ok(Standing::Waiting(waiting)) if waiting.stale => {}
            Ok(_) => drop(self.heard.insert(look.token.clone(), look.sent)),
            Err(Refusal::Gone) if !self.left.contains(look.token) && !once.is_admitted(look.token) => {
                let Some(heard) = self.heard.remove(look.token) else { return };
                self.left.insert(look.token.clone());
                let (silent_ms, allowed_ms) = (look.answered - heard, ZoneRules::of(look.zone).abandon_ms);
                // A leader's clock may be a little fast.
                assert!(
                    silent_ms + UNREPORTED_MS >= allowed_ms - allowed_ms / 50,
                    "I6: gone at {} after {silent_ms} ms of silence; {allowed_ms} are allowed",
                    look.answered
                );
            }
            Err(_) => {}
        }
    }

    pub(crate) fn leaves(&mut self, token: &TokenText) {
        self.left.insert(token.clone());
    }
}
