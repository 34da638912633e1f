//! I6: who polls within the deadline, at any node, is never dropped.
//!
//! What only a node that then crashed had heard is lost with it: the last moments before, and what it was told while it was
//! cut off. So answers marked stale do not count here, and silence is allowed a little less than its deadline. Who polls after
//! the deadline may be let back, but may also be on the way out already: such a poll counts only once it was not the last.

use crate::cluster::client::ZoneRules;
use crate::cluster::i4_once::Once;
use crate::cluster::judge::{Look, TokenText};
use sluice_engine::error::Refusal;
use sluice_engine::reply::Standing;
use std::collections::{BTreeMap, BTreeSet};

/// A node tells the leader within this whom it heard, ms.
const UNREPORTED_MS: u64 = 2_000;

/// When a token's holder was last heard of for certain, and what came after too long a silence.
#[derive(Clone, Copy)]
struct Heard {
    at: u64,
    back: Option<Back>,
}

/// Polls after the deadline, none too long after the one before.
#[derive(Clone, Copy)]
struct Back {
    since: u64,
    last: u64,
}

#[derive(Default)]
pub(crate) struct Presence {
    heard: BTreeMap<TokenText, Heard>,
    left: BTreeSet<TokenText>,
}

impl Presence {
    pub(crate) fn looked(&mut self, look: &Look<'_>, once: &Once) {
        match look.answer {
            Ok(Standing::Waiting(waiting)) if waiting.stale => {}
            Ok(_) => self.heard(look),
            Err(Refusal::Gone) if !self.left.contains(look.token) && !once.is_admitted(look.token) => {
                let Some(heard) = self.heard.remove(look.token) else { return };
                self.left.insert(look.token.clone());
                let silent_ms = look.answered - heard.at;
                assert!(
                    is_too_long(silent_ms, look.zone),
                    "I6: gone at {} after {silent_ms} ms of silence; {} are allowed",
                    look.answered,
                    ZoneRules::of(look.zone).abandon_ms
                );
            }
            Err(_) => {}
        }
    }

    pub(crate) fn leaves(&mut self, token: &TokenText) {
        self.left.insert(token.clone());
    }

    fn heard(&mut self, look: &Look<'_>) {
        let now = Heard { at: look.sent, back: None };
        let heard = self.heard.entry(look.token.clone()).or_insert(now);
        if !is_too_long(look.sent - heard.at, look.zone) {
            *heard = now;
            return;
        }
        let again = heard.back.filter(|back| !is_too_long(look.sent - back.last, look.zone));
        let since = again.map_or(look.sent, |back| back.since);
        heard.back = Some(Back { since, last: look.sent });
        if look.sent >= since + UNREPORTED_MS {
            *heard = now;
        }
    }
}

/// Whether somebody may be dropped who was silent for so long. A leader's clock may be a little fast.
fn is_too_long(silent_ms: u64, zone: &str) -> bool {
    let allowed_ms = ZoneRules::of(zone).abandon_ms;
    silent_ms + UNREPORTED_MS >= allowed_ms - allowed_ms / 50
}
