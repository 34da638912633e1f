//! I3: what was acknowledged is there, once: a request has one place, a place has one request, and no node denies it.

use crate::cluster::judge::{Look, TokenText};
use sluice_engine::error::Refusal;
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Kept {
    places: BTreeMap<String, TokenText>,
    requests: BTreeMap<TokenText, String>,
}

impl Kept {
    pub(crate) fn joined(&mut self, request: &str, look: &Look<'_>) {
        let place = self.places.entry(request.to_owned()).or_insert_with(|| look.token.clone());
        assert!(place == look.token, "I3: request {request} got a second place at {}", look.answered);
        let first = self.requests.entry(look.token.clone()).or_insert_with(|| request.to_owned());
        assert!(first == request, "I3: {first} and {request} got the same place by {}", look.answered);
    }

    pub(crate) fn looked(&self, look: &Look<'_>) {
        if let Err(refusal @ (Refusal::NoZone | Refusal::BadToken)) = look.answer {
            let request = self.requests.get(look.token);
            panic!("I3: the place of {request:?} is denied at {}: {refusal}", look.answered);
        }
    }
}
