//! I6: who polls within the deadline is never dropped; who stops is out within the deadline and a second.

use super::reference::Zone;
use crate::model::Answer;
use sluice_engine::id::{Seq, ZoneId};
use sluice_engine::reply::Standing;
use sluice_engine::token::{Place, Token};
use std::collections::HashMap;

/// How soon one node finds who passed the deadline.
const FOUND_MS: u64 = 1_000;
/// Who is told that it waits keeps its place for this long at least, whatever it does.
const LEFT_MS: u64 = 1_000;
/// An eviction that was refused or is under way is proposed again after this long.
const RETRY_MS: u64 = 1_000;

/// Moments from which deadlines are counted anew.
#[derive(Default)]
pub(crate) struct Presence {
    /// The process went on after a pause: nobody could poll during it.
    pub(crate) resumed_at: u64,
    /// Settings changed, or proposals were refused or delayed.
    pub(crate) disturbed_at: u64,
    /// When each place was last told that it waits.
    told: HashMap<(ZoneId, Seq), u64>,
}

impl Presence {
    /// Somebody was told where a place stands.
    pub(crate) fn answered(&mut self, token: &Token, answer: Answer, now: u64) {
        if let (Place::Queue(seq), Ok(Standing::Waiting(_))) = (token.place, answer) {
            self.told.insert((token.zone, seq), now);
        }
    }

    /// A place is dropped: who was told that it waits had time to come again, also where it was told so late.
    pub(crate) fn evicted(&self, zone: &Zone, seq: Seq, now: u64) {
        let Some(told) = self.told.get(&(zone.id, seq)) else { return };
        let waits = zone.waiter(seq).is_some_and(|waiter| waiter.waits());
        let told_ms = now - told.min(&now);
        assert!(
            !waits || told_ms >= LEFT_MS,
            "I6: {seq:?} was told that it waits at {told} and is dropped at {now}"
        );
    }

    /// An eviction is proposed.
    pub(crate) fn evict_proposed(&self, zone: &Zone, seq: Seq, now: u64) {
        let Some(waiter) = zone.waiter(seq).filter(|waiter| waiter.waits()) else { return };
        let silent_ms = now - waiter.last_poll().max(self.resumed_at).min(now);
        let abandon_ms = u64::from(zone.settings.abandon_ms);
        assert!(
            silent_ms > abandon_ms,
            "I6: {seq:?} is dropped at {now} after {silent_ms} ms of silence; {abandon_ms} are allowed"
        );
    }

    /// A joiner overtakes everybody: nobody who was heard of lately may wait.
    pub(crate) fn nobody_ahead(&self, zone: &Zone, known_until: u64, now: u64) {
        let presence_ms = u64::from(zone.settings.poll_ms) * 2 + 1_000;
        // What was heard since the last tick is not known yet.
        let heard = zone.waiting().find(|(_, waiter)| {
            let last = waiter.last_poll();
            last + presence_ms >= now && last < known_until && last > self.disturbed_at
        });
        assert!(heard.is_none(), "I2: {heard:?} is present at {now}, yet nobody is said to be ahead");
    }

    /// The turn is over: is anybody still there who should not be?
    pub(crate) fn turn_done(&self, zone: &Zone, now: u64) {
        let abandon_ms = u64::from(zone.settings.abandon_ms);
        for (seq, waiter) in zone.waiting() {
            let deadline = waiter.last_poll().max(self.resumed_at) + abandon_ms;
            let out_by = deadline.max(self.disturbed_at + RETRY_MS) + FOUND_MS;
            assert!(
                now <= out_by,
                "I6: {seq:?} was last heard of at {} and still waits at {now}",
                waiter.last_poll()
            );
        }
    }
}
