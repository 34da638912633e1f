//! I2: among waiters who keep polling, admission follows join order, up to one poll period.
//!
//! When somebody enters, each earlier waiter who polls as asked is owed an admission within one poll period. The
//! debt is void when that waiter stops polling, or when anything else changes: settings, pauses, refusals. It is
//! also void when somebody further ahead who had fallen silent comes back and takes the permit that was kept:
//! the one who overtook has used another already.

use super::reference::Zone;
use sluice_engine::id::{Seq, ZoneId};
use std::collections::{BTreeMap, HashMap};

/// A permit may go to one who is here at most so long before an absent one's own (the engine's lookahead), and
/// a tick or two pass until the frontier knows of a poll.
const SLACK_MS: u64 = 500 + 150;
/// Polling as asked allows for the granularity of turns.
const LATE_MS: u64 = 60;

#[derive(Debug)]
struct Debt {
    since: u64,
    to: u64,
    deadline: u64,
}

/// What is owed, and who was heard of when.
#[derive(Default)]
pub(crate) struct Order {
    owed: BTreeMap<(ZoneId, Seq), Debt>,
    contacts: HashMap<(ZoneId, Seq), Vec<u64>>,
    quiet_since: u64,
}

impl Order {
    /// The waiter polled, or its parked poll was answered.
    pub(crate) fn contact(&mut self, zone: ZoneId, seq: Seq, now: u64) {
        self.contacts.entry((zone, seq)).or_default().push(now);
    }

    /// Something happened that excuses every delay.
    pub(crate) fn disturbed(&mut self, now: u64) {
        self.owed.clear();
        self.quiet_since = now;
    }

    /// Somebody entered: the holder of a place, or with `None` a joiner.
    pub(crate) fn admitted(&mut self, zone: &Zone, who: Option<Seq>, now: u64) {
        let who = who.unwrap_or(Seq(u64::MAX));
        self.owed.remove(&(zone.id, who));
        self.void_by_return(zone, who, now);
        if now < self.quiet_since + 1_000 {
            return;
        }
        let poll_ms = u64::from(zone.settings.poll_ms);
        for (seq, _) in zone.waiting().take_while(|(seq, _)| *seq < who) {
            if self.keeps_polling(zone, seq, now.saturating_sub(poll_ms), now) {
                let deadline = now + poll_ms + SLACK_MS;
                self.owed.entry((zone.id, seq)).or_insert(Debt { since: now, to: who.0, deadline });
            }
        }
    }

    fn void_by_return(&mut self, zone: &Zone, who: Seq, now: u64) {
        let owed = std::mem::take(&mut self.owed);
        let stands = |(key, debt): &((ZoneId, Seq), Debt)| {
            key.0 != zone.id || key.1 < who || self.keeps_polling(zone, who, debt.since, now)
        };
        self.owed = owed.into_iter().filter(stands).collect();
    }

    /// The turn is over: is anything overdue?
    pub(crate) fn turn_done(&mut self, zone: &Zone, now: u64) {
        let due: Vec<Seq> =
            self.owed.iter().filter(|(key, _)| key.0 == zone.id).map(|((_, seq), _)| *seq).collect();
        for seq in due {
            let debt = &self.owed[&(zone.id, seq)];
            let waits = zone.waiter(seq).is_some_and(|waiter| waiter.waits());
            if !waits || !self.keeps_polling(zone, seq, debt.since, now) {
                self.owed.remove(&(zone.id, seq));
            } else if now > debt.deadline {
                panic!(
                    "I2: {seq:?} polls as asked and was overtaken by {} at {}; at {now} it still waits",
                    debt.to, debt.since
                );
            }
        }
    }

    /// No silence longer than the zone's period between `from` and `until`, nor just before `from`.
    fn keeps_polling(&self, zone: &Zone, seq: Seq, from: u64, until: u64) -> bool {
        let Some(contacts) = self.contacts.get(&(zone.id, seq)) else { return false };
        let gap_max = u64::from(zone.settings.poll_ms) + LATE_MS;
        let mut last = match contacts.iter().rev().find(|at| **at <= from) {
            Some(last) => *last,
            None => return false,
        };
        for at in contacts.iter().copied().filter(|at| *at > from).chain([until]) {
            if at - last > gap_max {
                return false;
            }
            last = at;
        }
        true
    }
}
