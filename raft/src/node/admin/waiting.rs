//! Nodes that wait to be added, as far as they announced themselves here or to whoever adds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
pub(in crate::node) struct Waiting {
    list: Mutex<BTreeMap<String, Newcomer>>,
    /// Of which of them the leader of the first group is being told.
    telling: Mutex<BTreeSet<String>>,
}

impl Waiting {
    /// Puts one on the list, or renews it. False: too many wait.
    pub(super) fn note(&self, member: Member, nonce: u64, now_ms: u64) -> bool {
        let mut waiting = lock(&self.list);
        waiting.retain(|_, newcomer| now_ms.saturating_sub(newcomer.at_ms) < WAITING_MS);
        let has_room = waiting.len() < WAITING_MAX || waiting.contains_key(&member.peer);
        if has_room {
            waiting.insert(member.peer.clone(), Newcomer { member, nonce, at_ms: now_ms });
        }
        has_room
    }

    /// Whether the one at that address may be told of to another node: once at a time, however often it announces itself, and of few.
    pub(super) fn begin_to_tell(&self, peer: &str) -> bool {
        let mut telling = lock(&self.telling);
        telling.len() < WAITING_MAX && telling.insert(peer.to_owned())
    }

    pub(super) fn end_telling(&self, peer: &str) {
        lock(&self.telling).remove(peer);
    }

    pub(super) fn forget(&self, peer: &str) {
        lock(&self.list).remove(peer);
    }

    /// The one at that address, where it announced itself lately.
    pub(super) fn at(&self, peer: &str, now_ms: u64) -> Option<Newcomer> {
        self.list(now_ms).into_iter().find(|newcomer| newcomer.member.peer == peer)
    }

    /// Those that announced themselves lately.
    pub(in crate::node) fn list(&self, now_ms: u64) -> Vec<Newcomer> {
        let waiting = lock(&self.list);
        let lately = |newcomer: &&Newcomer| now_ms.saturating_sub(newcomer.at_ms) < WAITING_MS;
        waiting.values().filter(lately).cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{WAITING_MAX, Waiting};
    use crate::types::Member;

    #[test]
    fn however_often_nodes_announce_themselves_few_are_told_of_at_once() {
        let waiting = Waiting::default();
        let at = |number: usize| Member { peer: format!("node-{number}:1"), ..Member::default() };
        let noted = (0..2 * WAITING_MAX).filter(|number| waiting.note(at(*number), 1, 0)).count();
        assert_eq!(noted, WAITING_MAX);
        assert!(waiting.begin_to_tell("node-0:1") && !waiting.begin_to_tell("node-0:1"), "one message each");
        let told = (1..2 * WAITING_MAX).filter(|number| waiting.begin_to_tell(&at(*number).peer)).count();
        assert_eq!(told, WAITING_MAX - 1);
        waiting.end_telling("node-0:1");
        assert!(waiting.begin_to_tell("node-0:1"));
    }
}
