//! Hashes of the state that clients ask for. A hash takes as long as a snapshot, so a turn makes a part of it, and whoever asks
//! meanwhile is told the same one. It stands for one index: where something was applied in between it is begun anew, each time
//! with twice the time a turn, so that a state of a megabyte is hashed also while it changes.

use super::{BUSY_RETRY_MS, Owner};
use crate::error::Refusal;
use crate::id::Ticket;
use crate::limit::{HASH_MS_MAX, HASHES_MAX};
use crate::reply::Reply;
use crate::snapshot::hash::HashWalk;
use crate::time::MonoMs;
use std::collections::VecDeque;

/// Slices of a snapshot's size that one turn hashes at first: about 0.3 ms.
const SLICES_A_TURN: usize = 2;
/// What they grow to, where the state changes in between: about 2 ms.
const SLICES_A_TURN_MAX: usize = 16;

/// Who waits for the hash, and how far it is made.
#[derive(Default)]
pub(super) struct Hashing {
    /// In the order in which they gave up.
    waiting: VecDeque<(MonoMs, Ticket)>,
    walk: Option<HashWalk>,
    slices: usize,
}

impl Hashing {
    /// The state is another one.
    pub(super) fn begin_anew(&mut self) {
        self.walk = None;
    }
}

impl Owner {
    /// Asks for the hash of the state; the reply comes under `ticket`.
    pub(super) fn ask_hash(&mut self, ticket: Ticket, now: MonoMs) -> Option<Reply> {
        if self.hashing.waiting.len() >= HASHES_MAX {
            return Some(Reply::Refused(Refusal::Busy { retry_ms: BUSY_RETRY_MS }));
        }
        self.hashing.waiting.push_back((now.plus_ms(HASH_MS_MAX), ticket));
        None
    }

    /// Goes on with the hash, as far as this turn's time allows.
    pub(super) fn hash_some(&mut self) {
        let Hashing { waiting, walk, slices } = &mut self.hashing;
        if waiting.is_empty() {
            return;
        }
        let is_over = walk.as_ref().is_none_or(|walk| walk.index() != self.shard.index);
        if is_over {
            *slices = if walk.is_some() { (*slices * 2).min(SLICES_A_TURN_MAX) } else { SLICES_A_TURN };
            *walk = Some(HashWalk::begin(&self.shard));
        }
        let made = walk.as_mut().and_then(|walk| (0..*slices).find_map(|_| walk.slice(&self.shard)));
        if let Some(hash) = made {
            let reply = Reply::Hash { index: self.shard.index, hash };
            self.replies.extend(waiting.drain(..).map(|(_, ticket)| (ticket, reply.clone())));
            *walk = None;
            return;
        }
        while let Some((_, ticket)) = waiting.pop_front_if(|(until, _)| *until <= self.mono) {
            let refused = Reply::Refused(Refusal::Busy { retry_ms: BUSY_RETRY_MS });
            self.replies.push((ticket, refused));
        }
        if waiting.is_empty() {
            *walk = None;
        }
    }

    /// When the hash goes on.
    pub(super) fn hash_due(&self) -> Option<MonoMs> {
        (!self.hashing.waiting.is_empty()).then_some(self.mono)
    }
}
