//! I4: a token is admitted at most once, says so with the same stamp ever after, and uses one permit.

use super::Answer;
use super::reference::Zone;
use sluice_engine::error::Refusal;
use sluice_engine::id::ZoneId;
use sluice_engine::reply::Standing;
use sluice_engine::token::{Place, Token};
use std::collections::HashMap;

/// The stamp of every admission, by token.
#[derive(Default)]
pub(crate) struct Once {
    stamps: HashMap<(ZoneId, Place), u64>,
}

impl Once {
    pub(crate) fn is_admitted(&self, token: &Token) -> bool {
        self.stamps.contains_key(&(token.zone, token.place))
    }

    /// A token was asked about, or let in. Without `zone`, its zone is gone.
    pub(crate) fn answered(&mut self, token: &Token, answer: Answer, now: u64, zone: Option<&Zone>) {
        let key = (token.zone, token.place);
        if let Ok(Standing::Admitted(at)) = answer {
            let stamp = *self.stamps.entry(key).or_insert(at.0);
            assert_eq!(at.0, stamp, "I4: {token:?} was admitted before, at another stamp");
        }
        let Some(stamp) = self.stamps.get(&key).copied() else { return };
        match answer {
            Ok(Standing::Waiting(_)) => panic!("I4: {token:?} was admitted at {stamp} and waits again"),
            Err(Refusal::Gone) => {
                let valid = zone.is_some_and(|zone| zone.pass_valid(stamp, now));
                assert!(!valid, "I4: {token:?} was admitted at {stamp} and is gone at {now}");
            }
            Ok(Standing::Admitted(_)) | Err(_) => {}
        }
    }

    /// The engine counts as many admissions as tokens were seen admitted.
    pub(crate) fn permits(zone: ZoneId, seen: u64, counted: u64) {
        assert_eq!(counted, seen, "I4: {zone:?} used {counted} permits for {seen} admitted tokens");
    }
}
