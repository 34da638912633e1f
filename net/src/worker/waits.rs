//! Reads of this worker that wait for news of streams: what wakes each, and when its time is over.

use super::Worker;
use super::ticket::Address;
use super::turn::Turn;
use crate::hub::{Waiter, Woken};
use crate::session::Session;
use crate::session::blocking::{Blocked, Wait, Who};
use crate::session::pending::Awaited;
use crate::session::settled::Settled;
use sluice_engine::reply::Reply;
use sluice_engine::sequencer::Ask;
use sluice_engine::stream::id::StreamId;
use sluice_engine::stream::text::Text;
use sluice_engine::stream::value::Value;
use sluice_engine::time::MonoMs;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;

/// One read that waits.
#[derive(Debug, Default)]
struct State {
    until: Option<MonoMs>,
    of_group: bool,
    /// Its question is on the way, about this stream; only a later id wakes it again.
    asked: Option<(Text, StreamId)>,
    /// News that came meanwhile.
    later: Vec<(Text, StreamId)>,
    /// Its time was over meanwhile.
    is_over: bool,
}

/// The reads that wait.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    states: HashMap<Who, State>,
    deadlines: BTreeSet<(MonoMs, Who)>,
    /// Streams that are to be watched from now on.
    begun: Vec<(Who, Text, StreamId, bool)>,
    /// News that a read had no time for.
    again: Vec<Woken>,
    /// Reads that are to be told that nothing came.
    over: Vec<Who>,
    /// How many were waiting when that was last told.
    told: usize,
}

impl Waits {
    /// A read begins to wait, or waits on.
    pub(crate) fn begin(&mut self, wait: Wait) {
        let who = wait.who;
        let state = self.states.entry(who).or_insert_with(|| {
            self.deadlines.extend(wait.until.map(|until| (until, who)));
            State { until: wait.until, of_group: wait.of_group, ..State::default() }
        });
        let again = state.asked.take();
        let of_group = state.of_group;
        if state.is_over {
            self.over.push(who);
            return;
        }
        let later = std::mem::take(&mut state.later).into_iter();
        self.again.extend(later.map(|(key, last_id)| Woken { who, key, last_id }));
        let streams = wait.streams.into_iter().chain(again);
        self.begun.extend(streams.map(|(key, after)| (who, key, after, of_group)));
    }

    /// It was answered.
    pub(crate) fn end(&mut self, who: Who) {
        let Some(state) = self.states.remove(&who) else { return };
        state.until.map(|until| self.deadlines.remove(&(until, who)));
    }

    /// Whether it waits.
    pub(crate) fn has(&self, who: Who) -> bool {
        self.states.contains_key(&who)
    }

    /// How many more wait than at the last call; below zero: fewer.
    fn news(&mut self) -> isize {
        let before = std::mem::replace(&mut self.told, self.states.len());
        self.states.len() as isize - before as isize
    }

    /// When the next one's time is over.
    pub(crate) fn next(&self) -> Option<MonoMs> {
        if self.begun.is_empty() && self.over.is_empty() && self.again.is_empty() {
            self.deadlines.first().map(|(until, _)| *until)
        } else {
            Some(MonoMs(0))
        }
    }

    /// Nobody waits any longer.
    pub(crate) fn give_up(&mut self) {
        let all: Vec<Who> = self.states.keys().copied().collect();
        all.into_iter().for_each(|who| self.expire(who));
    }

    /// Its time is over, if it waits.
    pub(crate) fn expire(&mut self, who: Who) {
        let Some(state) = self.states.get_mut(&who) else { return };
        state.until.take().map(|until| self.deadlines.remove(&(until, who)));
        state.is_over = true;
        if state.asked.is_none() {
            self.over.push(who);
        }
    }

    fn expire_due(&mut self, now: MonoMs) {
        while let Some(&(until, who)) = self.deadlines.first()
            && until <= now
        {
            self.expire(who);
        }
    }
}

impl Worker {
    /// Has streams watched for reads that wait, asks anew for those that were woken, and ends those whose time is over.
    pub(super) fn serve_waits(&mut self, turn: Turn<'_>) {
        for (who, key, after, of_group) in std::mem::take(&mut self.desk.waits.begun) {
            let group = self.desk.shared.directory.group_of(&key);
            let waiter = Waiter { who, after, of_group };
            if !self.desk.hubs.wait(&key, group, waiter) {
                self.desk.waits.expire(who);
            }
        }
        let again = std::mem::take(&mut self.desk.waits.again);
        for woken in again.into_iter().chain(self.desk.hubs.take_woken()) {
            self.ask_again(woken, turn);
        }
        self.desk.waits.expire_due(turn.now);
        for who in std::mem::take(&mut self.desk.waits.over) {
            let nothing = Settled::Reply(Reply::Key(Value::NullArray));
            self.deliver(address(self.desk.me, who), nothing);
        }
        self.send_hub_wishes();
        self.write_dirty(turn);
        match self.desk.waits.news() {
            0 => {}
            more @ 1.. => drop(self.desk.shared.blocked.fetch_add(more as usize, Ordering::Relaxed)),
            fewer => drop(self.desk.shared.blocked.fetch_sub(fewer.unsigned_abs(), Ordering::Relaxed)),
        }
    }

    /// News came of a stream: reads it anew.
    fn ask_again(&mut self, woken: Woken, turn: Turn<'_>) {
        let Woken { who, key, last_id } = woken;
        let Some(state) = self.desk.waits.states.get_mut(&who).filter(|state| !state.is_over) else { return };
        let Some(session) = self.sessions.get_mut(who.session) else { return self.desk.waits.end(who) };
        if state.asked.is_some() {
            // One question at a time.
            state.later.push((key, last_id));
            return;
        }
        let Some(op) = session.blocked(who.request).and_then(|blocked| blocked.about(&key)) else { return };
        let group = self.desk.shared.directory.group_of(&key);
        state.asked = Some((key, last_id));
        let address = address(self.desk.me, who);
        let answer = self.desk.shards.ask_keys(group, Ask::Key(Box::new(op)), address.ticket(), turn.now);
        if let Some(settled) = answer {
            self.deliver(address, settled);
        }
    }
}

impl Session {
    /// The read of this number, while it waits.
    fn blocked(&self, request: u16) -> Option<&Blocked> {
        match self.line.buffers.as_ref()?.pending.awaited(request)? {
            Awaited::Key(key) => key.blocked.as_deref(),
            _ => None,
        }
    }
}

fn address(worker: usize, who: Who) -> Address {
    Address { worker, session: who.session, request: who.request }
}
