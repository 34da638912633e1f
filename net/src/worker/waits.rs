//! Reads of this worker that wait for news of streams: what wakes each, and when its time is over.

use super::Worker;
use super::desk::Desk;
use super::lines::{Arrival, Place};
use super::mailbox::Mailbox;
use super::ticket::Address;
use super::turn::Turn;
use crate::hub::{Waiter, Woken};
use crate::limit;
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
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One read that waits.
#[derive(Debug, Default)]
struct State {
    until: Option<MonoMs>,
    /// The group that it reads for, and its streams: the lines in which it stands.
    group: Option<Text>,
    keys: Vec<Text>,
    /// Since when it stands there.
    arrival: Option<Arrival>,
    /// Its question is on the way.
    asked: Option<Asked>,
    /// News that came meanwhile.
    later: Vec<Woken>,
    /// Its time was over meanwhile.
    is_over: bool,
}

/// A question about this stream; only a later id wakes the read again. `None`: it watches the stream still.
#[derive(Debug)]
struct Asked {
    key: Text,
    last_id: Option<StreamId>,
}

/// A stream that is to be watched from now on.
#[derive(Debug)]
struct Watch {
    who: Who,
    key: Text,
    after: StreamId,
}

/// The reads that wait.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    states: HashMap<Who, State>,
    deadlines: BTreeSet<(MonoMs, Who)>,
    /// Reads that have just begun to wait.
    begun: Vec<Who>,
    watches: Vec<Watch>,
    /// News that reads, or the last turn, had no time for.
    again: VecDeque<Woken>,
    /// Reads that are to be told that nothing came.
    over: VecDeque<Who>,
    /// Readers for groups that wait no longer: when they came, their group and streams.
    left: VecDeque<(Arrival, Text, Vec<Text>)>,
    /// How many were waiting when that was last told.
    told: usize,
}

impl Waits {
    /// A read begins to wait, or waits on.
    pub(crate) fn begin(&mut self, wait: Wait) {
        let Wait { who, streams, group, until } = wait;
        let state = self.states.entry(who).or_insert_with(|| {
            self.deadlines.extend(until.map(|until| (until, who)));
            self.begun.push(who);
            let keys = streams.iter().map(|(key, _)| key.clone()).collect();
            State { until, group, keys, ..State::default() }
        });
        let again = state.asked.take().and_then(|asked| Some((asked.key, asked.last_id?)));
        if state.is_over {
            self.over.push_back(who);
            return;
        }
        self.again.extend(state.later.drain(..));
        let watches = streams.into_iter().chain(again);
        self.watches.extend(watches.map(|(key, after)| Watch { who, key, after }));
    }

    /// It was answered, or its connection is gone.
    pub(crate) fn end(&mut self, who: Who) {
        let Some(state) = self.states.remove(&who) else { return };
        state.until.map(|until| self.deadlines.remove(&(until, who)));
        let in_line = state.arrival.zip(state.group);
        self.left.extend(in_line.map(|(arrival, group)| (arrival, group, state.keys)));
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
        let is_at_rest = self.begun.is_empty() && self.watches.is_empty() && self.again.is_empty();
        if is_at_rest && self.over.is_empty() && self.left.is_empty() {
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
            self.over.push_back(who);
        }
    }

    /// As many as a turn ends; the others are due in the next one.
    fn expire_due(&mut self, now: MonoMs) {
        while self.over.len() < limit::WAITS_ENDED_PER_TURN_MAX
            && let Some(&(until, who)) = self.deadlines.first()
            && until <= now
        {
            self.expire(who);
        }
    }
}

impl Worker {
    /// Has streams watched for reads that wait, asks anew for those that were woken, and ends those whose time is over.
    pub(super) fn serve_waits(&mut self, turn: Turn<'_>) {
        self.watch_streams();
        let shared = Arc::clone(&self.desk.shared);
        let turns = shared.lines.take_turns(self.desk.me).into_iter();
        let turns = turns.map(|(who, key)| Woken { who, key, last_id: None, gone: false });
        let again = &mut self.desk.waits.again;
        again.extend(turns.chain(self.desk.hubs.take_woken()));
        let again: Vec<Woken> = again.drain(..again.len().min(limit::WAITS_ASKED_PER_TURN_MAX)).collect();
        for woken in again {
            self.ask_again(woken, turn);
        }
        self.desk.waits.expire_due(turn.now);
        let over = &mut self.desk.waits.over;
        let over: Vec<Who> = over.drain(..over.len().min(limit::WAITS_ENDED_PER_TURN_MAX)).collect();
        for who in over {
            let nothing = Settled::Reply(Reply::key(Value::NullArray));
            self.deliver(address(self.desk.me, who), nothing);
        }
        self.send_hub_wishes();
        self.write_dirty(turn);
        self.leave_lines();
        match self.desk.waits.news() {
            0 => {}
            more @ 1.. => drop(self.desk.shared.blocked.fetch_add(more as usize, Ordering::Relaxed)),
            fewer => drop(self.desk.shared.blocked.fetch_sub(fewer.unsigned_abs(), Ordering::Relaxed)),
        }
    }

    /// Reads that begin to wait get in line, and have their streams watched.
    fn watch_streams(&mut self) {
        let Desk { me, shared, hubs, waits, .. } = &mut self.desk;
        for who in std::mem::take(&mut waits.begun) {
            let Some(state) = waits.states.get_mut(&who) else { continue };
            let Some(group) = &state.group else { continue };
            state.arrival = Some(shared.lines.join(&state.keys, group, Place { worker: *me, who }));
        }
        for Watch { who, key, after } in std::mem::take(&mut waits.watches) {
            let Some(state) = waits.states.get(&who) else { continue };
            let waiter = Waiter { who, after, of_group: state.group.is_some() };
            if !hubs.wait(&key, shared.directory.group_of(&key), waiter) {
                waits.expire(who);
            }
        }
    }

    /// Those behind a read that waits no longer have their turns.
    fn leave_lines(&mut self) {
        let Desk { shared, waits, .. } = &mut self.desk;
        let mut room = limit::WAITS_ENDED_PER_TURN_MAX;
        while room > 0
            && let Some((arrival, group, keys)) = waits.left.pop_front()
        {
            room = room.saturating_sub(keys.len());
            let next = keys.iter().filter_map(|key| shared.lines.leave(key, &group, arrival));
            next.filter_map(|worker| shared.mailboxes.get(worker)).for_each(Mailbox::notify);
        }
    }

    /// News came of a stream, or a read's turn: it reads anew, unless others are before it.
    fn ask_again(&mut self, woken: Woken, turn: Turn<'_>) {
        let Desk { me, shared, waits, .. } = &mut self.desk;
        let Woken { who, key, last_id, gone } = woken;
        let Some(state) = waits.states.get_mut(&who).filter(|state| !state.is_over) else { return };
        let Some(session) = self.sessions.get_mut(who.session) else { return waits.end(who) };
        if state.asked.is_some() {
            // One question at a time.
            state.later.push(Woken { who, key, last_id, gone });
            return;
        }
        let in_line = state.arrival.zip(state.group.as_ref());
        if !gone && in_line.is_some_and(|(arrival, group)| !shared.lines.is_first(&key, group, arrival)) {
            waits.watches.extend(last_id.map(|after| Watch { who, key, after }));
            return;
        }
        let Some(op) = session.blocked(who.request).and_then(|blocked| blocked.about(&key)) else { return };
        let group = shared.directory.group_of(&key);
        state.asked = Some(Asked { key, last_id });
        let address = address(*me, who);
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

#[cfg(test)]
mod tests {
    use super::Waits;
    use crate::limit::WAITS_ENDED_PER_TURN_MAX;
    use crate::session::blocking::{Wait, Who};
    use crate::worker::ticket::SessionKey;
    use sluice_engine::time::MonoMs;

    #[test]
    fn a_turn_ends_so_many_and_the_next_one_begins_at_once() {
        let mut waits = Waits::default();
        let all = 2 * WAITS_ENDED_PER_TURN_MAX + 1;
        for slot in 0..all as u32 {
            let who = Who { session: SessionKey { slot, generation: 0 }, request: 0 };
            waits.begin(Wait { who, streams: Vec::new(), group: None, until: Some(MonoMs(5)) });
        }
        waits.begun.clear();
        assert_eq!(waits.next(), Some(MonoMs(5)));
        let mut parts = Vec::new();
        while waits.next().is_some_and(|next| next <= MonoMs(5)) && parts.len() < 10 {
            waits.expire_due(MonoMs(5));
            let over: Vec<Who> = waits.over.drain(..).collect();
            parts.push(over.len());
            over.into_iter().for_each(|who| waits.end(who));
        }
        assert_eq!(parts, [WAITS_ENDED_PER_TURN_MAX, WAITS_ENDED_PER_TURN_MAX, 1]);
    }
}
