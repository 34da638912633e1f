//! I5: the position that a token is shown never increases.

use super::Answer;
use sluice_engine::id::ZoneId;
use sluice_engine::reply::Standing;
use sluice_engine::token::{Place, Token};
use std::collections::HashMap;

/// The last position shown, by token.
#[derive(Default)]
pub(crate) struct Positions {
    shown: HashMap<(ZoneId, Place), u64>,
}

impl Positions {
    pub(crate) fn answered(&mut self, token: &Token, answer: Answer) {
        let position = match answer {
            Ok(Standing::Waiting(waiting)) => waiting.position,
            Ok(Standing::Admitted(_)) => 0,
            Err(_) => return,
        };
        if let Some(before) = self.shown.insert((token.zone, token.place), position) {
            assert!(position <= before, "I5: {token:?} was shown {before} and now {position}");
        }
    }
}
