//! Nodes that wait to be added, as far as they announced themselves here or to whoever adds them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::super::limit::{WAITING_MAX, WAITING_MS};
use crate::types::Member;

/// A node that waits.
#[derive(Clone, Debug)]
pub(in crate::node) struct Newcomer {
    pub(in crate::node) member: Member,
    pub(in crate::node) nonce: u64,
    /// When it announced itself last, ms of this node's clock.
    pub(in crate::node) at_ms: u64,
}

/// Those that wait, by their peer address.
#[derive(Default)]
pub(in crate::node) struct Waiting(Mutex<BTreeMap<String, Newcomer>>);

impl Waiting {
    pub(super) fn note(&self, member: Member, nonce: u64, now_ms: u64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, newcomer| now_ms.saturating_sub(newcomer.at_ms) < WAITING_MS);
        if waiting.len() < WAITING_MAX || waiting.contains_key(&member.peer) {
            waiting.insert(member.peer.clone(), Newcomer { member, nonce, at_ms: now_ms });
        }
    }

    pub(super) fn forget(&self, peer: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(peer);
    }

    /// The one at that address, where it announced itself lately.
    pub(super) fn at(&self, peer: &str, now_ms: u64) -> Option<Newcomer> {
        self.list(now_ms).into_iter().find(|newcomer| newcomer.member.peer == peer)
    }

    /// Those that announced themselves lately.
    pub(in crate::node) fn list(&self, now_ms: u64) -> Vec<Newcomer> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = |newcomer: &&Newcomer| now_ms.saturating_sub(newcomer.at_ms) < WAITING_MS;
        waiting.values().filter(lately).cloned().collect()
    }
}
